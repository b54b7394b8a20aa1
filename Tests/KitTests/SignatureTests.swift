import Foundation
import Kit
import Testing

@Suite("Standard Webhooks signatures")
struct StandardSignatureTests {
    struct Case: Decodable, CustomTestStringConvertible {
        let name: String
        let secrets: [String]
        let public_keys: [String]
        let id: String
        let timestamp: String
        let body: String
        let signature: String
        let now: Int64
        let expect: String
        var testDescription: String { name }
    }
    struct File: Decodable {
        let ed25519_secret: String
        let cases: [Case]
    }
    static let file = try? JSONDecoder().decode(
        File.self, from: Data(Vectors.bytes("standard-webhooks/standard-webhooks.json")))

    @Test("the published cases come out as published", arguments: file?.cases ?? [])
    func vectors(_ vector: Case) throws {
        let secrets = try (vector.secrets + vector.public_keys).map { try WebhookSecret($0, written: .standard) }
        let scheme = WebhookScheme(
            .hmac(StandardSignature.scheme), secrets: .standard, tolerance: .init(), repeatsFor: .days(5),
            handled: .none
        ) { _ in [] }
        let delivery = Delivery(
            method: "POST", target: "/",
            headers: [
                Field("Webhook-Id", vector.id), Field("webhook-timestamp", vector.timestamp),
                Field("WEBHOOK-SIGNATURE", vector.signature),
            ],
            body: Array(vector.body.utf8), receivedAt: Timestamp(seconds: vector.now))

        #expect(((try? scheme.check(delivery, with: secrets)) != nil) == (vector.expect == "accept"))
    }

    @Test("the vectors are there") func present() { #expect(Self.file?.cases.count == 13) }

    @Test("our own signatures are those of the specification's examples")
    func sign() throws {
        let keys = try [
            StandardSignature.signingKey("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
            StandardSignature.signingKey(try #require(Self.file?.ed25519_secret)),
        ]

        let fields = StandardSignature.sign(
            Array(#"{"test": 2432232314}"#.utf8), id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
            at: Timestamp(seconds: 1_614_265_330), with: keys)

        let signature =
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE= "
            + "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="
        #expect(
            fields == [
                Field("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"), Field("webhook-timestamp", "1614265330"),
                Field("webhook-signature", signature),
            ])
    }

    @Test("a new pair of keys signs and proves")
    func pair() throws {
        let pair = try #require(StandardSignature.keyPair(from: (0..<32).map { UInt8($0) }))
        let body = Array("{}".utf8)

        let fields = StandardSignature.sign(
            body, id: "msg_1", at: .zero, with: [try StandardSignature.signingKey(pair.privateKey)])

        let delivery = Delivery(method: "POST", target: "/", headers: fields, body: body, receivedAt: .zero)
        let secret = try WebhookSecret(pair.publicKey, written: .standard)
        #expect(try StandardSignature.scheme.prove(delivery, with: [secret]) == .zero)
        #expect(StandardSignature.keyPair(from: [1]) == nil)
    }

    @Test("a new secret can be read back")
    func newSecret() throws {
        let text = StandardSignature.secret(from: [UInt8](repeating: 7, count: StandardSignature.secretLength))
        #expect(text == "whsec_BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=")
        _ = try WebhookSecret(text, written: .standard)
    }
}

@Suite("Secrets as they are written")
struct WebhookSecretTests {
    @Test(
        "what could be guessed or is none is refused with a sentence",
        arguments: [
            ("", WebhookSecret.Writing.standard, "The secret is empty: anyone could sign with it."),
            ("whsec_", .standard, "The secret is empty: anyone could sign with it."),
            ("whsec_AAAAAAAAAAAAAAAAAAAA", .standard, "The secret has 15 bytes; fewer than 16 can be guessed."),
            (
                "whsec_not base64", .standard,
                "The secret is not base64. Copy it whole, from whsec_ or whpk_ to its end."
            ),
            ("whpk_AAAA", .standard, "A whpk_ key has 32 bytes in base64; this one has 3."),
            ("whsk_AAAA", .standard, "A whsk_ key is the sender's private key. Set the public key, whpk_…."),
            ("  ", .text, "The secret is empty: anyone could sign with it."),
            ("whsec_short", .text, "The secret has 11 bytes; fewer than 16 can be guessed."),
        ])
    func refused(text: String, writing: WebhookSecret.Writing, reason: String) {
        #expect(throws: BadSecret(reason)) { try WebhookSecret(text, written: writing) }
    }

    private let first = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    private let second = "whsec_y6BrVzb69n5UsHtWHq6UOV53TFF6fZEKVDaeEmPM+9Q="

    @Test("empty parts and blanks in a list do not count, and v1,whsec_… is one secret")
    func list() throws {
        let expected = [try WebhookSecret(first, written: .standard), try WebhookSecret(second, written: .standard)]

        for text in [
            "\(first),\(second)", " \(first) ,, \(second)\n", "v1,\(first),v1,\(second)", ",v1, \(first),\(second),",
        ] {
            #expect(try WebhookSecret.list(text, written: .standard) == expected, "\(text)")
        }
        #expect(try WebhookSecret.list(" , ", written: .standard).isEmpty)
        #expect(throws: BadSecret.self) { try WebhookSecret.list("v1,\(first),v1", written: .standard) }
    }

    @Test("padding may be left out, nothing else")
    func padding() throws {
        let unpadded = String(second.dropLast())
        #expect(try WebhookSecret(unpadded, written: .standard) == WebhookSecret(second, written: .standard))
        #expect(throws: BadSecret.self) { try WebhookSecret(unpadded.replacing("+", with: "-"), written: .standard) }
    }

    @Test("a secret prints as a mark only")
    func printing() throws {
        let secret = try WebhookSecret("whsec_pbdemo0000000000000000000000000A", written: .text)
        #expect(!"\(secret)\(String(reflecting: secret))".contains("pbdemo"))
    }
}

@Suite("Base64")
struct Base64Tests {
    @Test("every length comes back, and agrees with Foundation")
    func roundTrip() {
        for length in 0..<70 {
            let bytes = (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 83 &+ length) }
            let text = Base64.encode(bytes)
            #expect(text == Array(Data(bytes).base64EncodedData()))
            #expect(Base64.decode(text) == bytes)
        }
    }

    @Test(
        "anything but the one right text is refused",
        arguments: [
            "A", "AA", "AAA", "AA=", "AA=A", "AB==", "AAB=", "A===", "====", "AAAA=", "AAAA==", " AAAA", "AAAA\n",
            "AA-_", "AAAA====",
        ])
    func refused(text: String) { #expect(Base64.decode(Array(text.utf8)) == nil) }

    @Test("for addresses: without padding, comes back with it or without, and in no other alphabet")
    func addresses() {
        #expect(Base64URL.encode([0xFB, 0xFF, 0xFE, 0]) == Array("-__-AA".utf8))
        for text in ["-__-AA", "-__-AA=="] { #expect(Base64URL.decode(Array(text.utf8)) == [0xFB, 0xFF, 0xFE, 0]) }
        for text in ["+//+AA", "-__-AA=", "-__-AB", "-__-A", "-__ AA", "-__-AA\0"] {
            #expect(Base64URL.decode(Array(text.utf8)) == nil, "\(text)")
        }
    }
}

@Suite("Forms and queries")
struct FormFieldsTests {
    private func texts(_ text: String) -> [String]? {
        FormFields(text.utf8)?.all.map { String(decoding: $0.name + Array("→".utf8) + $0.value, as: UTF8.self) }
    }

    @Test("blank values, missing signs, plus and percent, what is no encoding stands for itself")
    func read() {
        #expect(
            texts("a=1+2&b=&c&=d&e=%2B%c3%bc&f=%zz%4&a=3") == ["a→1 2", "b→", "c→", "→d", "e→+ü", "f→%zz%4", "a→3"])
        #expect(texts("") == [] && texts("&&") == [])
        #expect(FormFields(queryOf: "/x?a=b?c#d")?.text("a") == "b?c#d")
        #expect(FormFields(queryOf: "/x")?.all.isEmpty == true)
        #expect(FormFields(Array("a=1&a=2".utf8))?.text("a") == nil)
    }

    @Test("more fields than any platform sends are not read")
    func bound() {
        let fields = String(repeating: "a=1&", count: FormFields.most)
        #expect(FormFields(fields.utf8)?.all.count == FormFields.most)
        #expect(FormFields((fields + "b=2").utf8) == nil)
    }

    @Test("what is written is read back")
    func written() {
        let fields = [Field("a b", "1+1=2 & ü"), Field("", "\n"), Field("x", "")]
        let read = FormFields(FormFields.encoded(fields))?.all.map {
            Field(String(decoding: $0.name, as: UTF8.self), String(decoding: $0.value, as: UTF8.self))
        }
        #expect(read == fields)
    }
}

@Suite("Parts of a JSON document")
struct JSONPartsTests {
    @Test("elements and values have their places in the whole")
    func places() throws {
        let bytes = Array(#"  {"a":[ {"b":1} , [2], "c" ]}"#.utf8)
        let scan = JSONScan([["a"]])
        let array = try #require(try scan.read(bytes)[0]?.range)
        let elements = try #require(JSONScan.elements(of: bytes, in: array))

        #expect(elements.map { String(decoding: bytes[$0], as: UTF8.self) } == [#"{"b":1}"#, "[2]", #""c""#])
        let inner = try JSONScan([["b"]]).read(bytes, in: elements[0])
        #expect(inner.integer(0) == 1 && inner[0].map { bytes[$0.range.lowerBound] } == UInt8(ascii: "1"))
        #expect(JSONScan.elements(of: bytes, in: elements[0]) == nil)
        #expect(JSONScan.elements(of: bytes, in: 0..<10_000) == nil)
        #expect(throws: JSON.Problem.self) { try scan.read(bytes, in: 3..<4) }
    }
}
