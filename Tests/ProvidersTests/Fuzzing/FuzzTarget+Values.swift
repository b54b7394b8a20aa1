import Kit

/// What the values of `Kit` are read from.
extension FuzzTarget {
    static let values: [FuzzTarget] = [
        FuzzTarget(
            "json",
            seeds: [
                #"{"a":{"b":["x\u00e9\ud83d\ude00",-1.5e10,true,null]},"a":17}"#, #"[[],{},"",0]"#, "\"\\ud800\"",
                #"{"a":"text","b":[1,2,3]}"#,
            ], run: json),
        FuzzTarget(
            "content",
            seeds: [
                "$.a[0].b[*]=1\n{\"a\":[{\"b\":[1,2]}]}", "sour \"two loaves\"\na=two+loaves%20sour&b=%zz",
                "$.a\n{\"a\":\"\\u0041\"}",
            ], run: content),
        FuzzTarget("form", seeds: ["a=1&b=%C3%A9+x&&c&=d&e=%", "signed_request=a.b"], run: form),
        FuzzTarget(
            "address",
            seeds: [
                "https://Example.com:8443/a?b=c", "http://[2001:db8::1]:80/", "http://0x7f.1/", "::ffff:192.0.2.1",
                "192.0.2.1", "10.0.0.0/8,fc00::/7", "https://user@host/", "http://1.2.3.4.:65536?x",
            ], run: address),
        FuzzTarget("key", seeds: keys, run: key),
        FuzzTarget(
            "moment",
            seeds: [
                "2026-11-29T00:15:00Z", "2024-02-29T23:59:60.999999999+14:00", "-0001-01-01t00:00:00z",
                "YWJjZA==", "Sat, 28 Nov 2026 10:00:00 GMT", "86399.5", "9999-12-31T23:59:59-12:00",
            ], run: moment),
        FuzzTarget("media", seeds: pictures, run: { _ = try MediaFacts(reading: $0) }),
    ]

    private static let scan = JSONScan([["a"], ["a", "b"], ["b"]])

    private static func json(_ bytes: [UInt8]) throws {
        // What is no JSON is none to both.
        let (tree, found) = (try? JSON.parse(bytes), try? scan.read(bytes))
        try hold((tree == nil) == (found == nil), "JSON.parse and JSONScan judge alike")
        guard let tree, let found else { return }
        try hold(try JSON.parse(tree.bytes) == tree, "what is written is read as the same")
        try hold(found.text(0) == tree["a"]?.text, "a scan finds the text that the tree holds")
        try hold(found.text(1) == tree["a"]?["b"]?.text, "a scan finds the inner text that the tree holds")
        try hold(found.boolean(2) == tree["b"]?.boolean, "a scan finds the truth that the tree holds")
        try hold(found.integer(2) == tree["b"]?.integer, "a scan finds the number that the tree holds")
        guard let elements = JSONScan.elements(of: bytes, in: bytes.indices) else { return }
        try hold(
            try elements.map { try JSON.parse(Array(bytes[$0])) } == tree.elements,
            "the elements of an array are those of the tree")
    }

    private static func content(_ bytes: [UInt8]) throws {
        let (head, rest) = parts(bytes, at: "\n")
        let place = ContentCondition.Place(head)
        if let place { try hold(ContentCondition.Place(place.text) == place, "a place reads its own text") }
        _ = ContentCondition(words: head, place: nil)?.excerpt(of: rest)
        _ = ContentCondition(words: nil, place: place)?.excerpt(of: rest)
        for word in QuotedWords.split(head) {
            try hold(QuotedWords.split(QuotedWords.quoted(word)) == [word], "a quoted word is one word")
        }
        _ = FindableValue.normal(head)
        try hold(OutsideText.bounded(rest, 64).unicodeScalars.count <= 200, "a bounded text is short")
    }

    private static func form(_ bytes: [UInt8]) throws {
        guard let form = FormFields(bytes) else { return }
        let fields = form.all.map { field in
            Field(String(decoding: field.name, as: UTF8.self), String(decoding: field.value, as: UTF8.self))
        }
        let again = FormFields(FormFields.encoded(fields))?.all.map { [$0.name, $0.value] }
        try hold(
            again == fields.map { [Array($0.name.utf8), Array($0.value.utf8)] }, "an encoded form reads as itself")
        _ = FormFields(queryOf: String(decoding: bytes, as: UTF8.self))
    }

    private static func address(_ bytes: [UInt8]) throws {
        let text = String(decoding: bytes, as: UTF8.self)
        if let address = IPAddress(text) {
            try hold(IPAddress(address.description) == address, "an address reads its own text")
            try hold(address.canonical.canonical == address.canonical, "an address has one canonical form")
        }
        for range in (try? CIDR.list(text)) ?? [] {  // What is no list has no ranges.
            try hold(CIDR(range.description) == range, "a range reads its own text")
            try hold(range.contains(range.address), "a range contains its first address")
        }
        _ = IPAddress(loose: text)
        guard let url = try? SafeAddress.check(text, allowHTTP: true) else { return }  // Refused, which is an answer.
        try hold(url.target.hasPrefix("/") && (1...65535).contains(url.port), "a URL has a path and a port")
        guard case .address(let address) = url.host else { return }
        try hold(SafeAddress.refusal(of: address) == nil, "no refused address passes")
    }

    private static func key(_ bytes: [UInt8]) throws {
        for block in PEM.blocks(of: bytes) {
            let text = Array(PEM.text(block.label, block.bytes).utf8)
            try hold(PEM.blocks(of: text) == [block], "a block reads its own text")
            _ = try? PublicKey(der: block.bytes)  // No key.
        }
        let text = String(decoding: bytes, as: UTF8.self)
        for key in [try? PublicKey(pem: text), try? PublicKey(der: bytes), try? PublicKey(ed25519: bytes)] {
            guard let key else { continue }
            try hold(try PublicKey(der: key.der) == key, "a key reads its own bytes")
        }
        let writings: [WebhookSecret.Writing] = [.text, .standard, .named("id"), .publicKey, .identifier]
        for writing in writings { _ = try? WebhookSecret.list(text, written: writing) }  // No secret.
    }

    private static func moment(_ bytes: [UInt8]) throws {
        if let moment = Timestamp(rfc3339: String(decoding: bytes, as: UTF8.self)) {
            try hold(Timestamp(rfc3339: moment.rfc3339) == moment, "a moment reads its own text")
            try hold(!moment.httpDate.isEmpty, "a moment has a date")
        }
        if let moment = Timestamp(httpDate: String(decoding: bytes, as: UTF8.self)) {
            try hold(Timestamp(httpDate: moment.httpDate) == moment, "a date reads its own text")
        }
        let answer = Answer(
            status: 429, headers: [Field("Retry-After", String(decoding: bytes, as: UTF8.self))], body: [])
        let wait = answer.retryAfter(at: Timestamp(seconds: 1_795_255_200))
        try hold(wait.map { (.seconds(1)...Duration.days(1)).contains($0) } ?? true, "nobody waits longer than a day")
        if let decoded = Base64.decode(bytes) { try hold(Base64.encode(decoded) == bytes, "base64 has one text") }
        try hold(Base64.decode(Base64.encode(bytes)) == bytes, "base64 reads its own text")
    }

    /// An Ed25519 and a P-256 key, and an RSA key's beginning, as PEM.
    @Sendable private static func keys() -> [[UInt8]] {
        let texts = [
            """
            -----BEGIN PUBLIC KEY-----
            MCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=
            -----END PUBLIC KEY-----
            """,
            """
            -----BEGIN PUBLIC KEY-----
            MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEqIVYZVLCrPZHGHjP17CTW0/+D9Lf
            w0EkjqF7xB4FivAxzic30tMM4GF+hR6Dxh71Z50VGGdldkkDXZCnTNnoXQ==
            -----END PUBLIC KEY-----
            """,
            "key:0123456789abcdef0123456789abcdef", "v1,whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        ]
        return texts.map { Array($0.utf8) }
    }

    /// The beginnings of each container.
    @Sendable private static func pictures() -> [[UInt8]] {
        func box(_ type: String, _ content: [UInt8]) -> [UInt8] {
            let size = UInt32(content.count + 8)
            return [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: size >> UInt32($0)) } + Array(type.utf8) + content
        }
        let zeros = { [UInt8](repeating: 0, count: $0) }
        let track = box(
            "trak",
            box("tkhd", zeros(84))
                + box(
                    "mdia",
                    box("mdhd", zeros(24)) + box("hdlr", zeros(8) + Array("vide".utf8) + zeros(12))
                        + box(
                            "minf",
                            box(
                                "stbl",
                                box("stsd", zeros(7) + [1] + box("avc1", zeros(78))) + box("stts", zeros(16))
                                    + box("stsz", zeros(12))))))
        return [
            box("ftyp", Array("isom".utf8) + zeros(4)) + box("moov", box("mvhd", zeros(100)) + track) + box("mdat", []),
            [0x89] + Array("PNG\r\n".utf8) + [0x1A, 0x0A, 0, 0, 0, 13] + Array("IHDR".utf8)
                + [0, 0, 0, 9, 0, 0, 0, 7, 8, 6, 0, 0, 0],
            [0xFF, 0xD8, 0xFF, 0xE0, 0, 4, 0, 0, 0xFF, 0xC0, 0, 11, 8, 0, 7, 0, 9, 1, 1, 0x11, 0, 0xFF, 0xD9],
            Array("RIFF".utf8) + [30, 0, 0, 0] + Array("WEBPVP8X".utf8) + [10, 0, 0, 0] + zeros(4) + [
                8, 0, 0, 6, 0, 0,
            ],
            [0x1A, 0x45, 0xDF, 0xA3, 0x84, 0x42, 0x82, 0x81, 0x77, 0x18, 0x53, 0x80, 0x67, 0x90]
                + [
                    0x15, 0x49, 0xA9, 0x66, 0x84, 0x2A, 0xD7, 0xB1, 0x81, 0x16, 0x54, 0xAE, 0x6B, 0x83, 0xAE, 0x81,
                    0xE0,
                ],
        ]
    }
}
