import Crypto
import CryptoExtras
import Foundation
import Testing

@testable import Kit

@Suite("HTTP signatures")
struct HTTPSignatureTests {
    /// Of everything that the vectors hold; a platform's own rules are stricter.
    static let rules = HTTPSignatureRules(
        draft: .init(always: [], withBody: []), rfc9421: .init(always: [], withBody: []),
        algorithms: [
            "rsa-sha256": .fixed(.rsaSHA256), "hs2019": .byKey, "rsa-v1_5-sha256": .fixed(.rsaSHA256),
            "ecdsa-p256-sha256": .fixed(.ecdsaSHA256Raw), "ed25519": .fixed(.ed25519),
        ],
        byKey: [.rsa: .rsaSHA256, .p256: .ecdsaSHA256Raw, .ed25519: .ed25519],
        window: .init(skew: .hours(1), usual: .minutes(5), most: .hours(12)))

    // MARK: The standards' own examples

    @Test("the draft's examples have the draft's signed bytes and signatures")
    func draft() throws {
        let file = try JSON.parse(Vectors.bytes("http-signatures/draft-cavage.json"))
        let pem = try #require(file["public_key_pem"]?.text)
        let key = try _RSA.Signing.PublicKey(unsafePEMRepresentation: pem)
        let request = try Self.delivery(#require(file["request"]))

        let cases = try #require(file["cases"]?.elements)
        for vector in cases {
            let signature = try #require(vector["signature_b64"]?.text)
            var header = #"keyId="Test",algorithm="rsa-sha256",signature="\#(signature)""#
            if let headers = vector["headers_param"]?.text { header += #",headers="\#(headers)""# }
            let read = try HTTPSignature(of: request.with("Signature", header), by: Self.rules)
            let base = try read.bases(of: request)[0]

            #expect(String(decoding: base, as: UTF8.self) == vector["signing_string"]?.text)
            // With 1024 bits, which nothing here takes.
            #expect(
                key.isValidSignature(
                    .init(rawRepresentation: read.signature), for: SHA256.hash(data: base), padding: .insecurePKCS1v1_5)
            )
        }
    }

    @Test("RFC 9421's examples of requests have the RFC's signature base, and its keys prove them")
    func rfc() throws {
        let file = try JSON.parse(Vectors.bytes("http-signatures/rfc9421.json"))
        let message = try #require(file["messages", "request"])
        let start = try #require(message["start_line"]?.text).split(separator: " ")
        let target = String(start[1])
        var proven = 0
        let cases = try #require(file["cases"]?.elements)
        for vector in cases where vector["message"]?.text == "request" {
            // A symmetric key or PSS has no place in any profile here, but the base is the same.
            let input = try #require(vector["signature_input"]?.text).replacing(
                /;alg="[^"]*"/, with: "")
            let label = try #require(vector["label"]?.text)
            let bare = try #require(vector["signature"]?.text)
            let signature = bare.hasPrefix(label) ? bare : "\(label)=:\(bare):"
            let delivery = Delivery(
                method: "POST", target: target, url: "https://example.com\(target)",
                headers: try Self.fields(message) + [Field("Signature-Input", input), Field("Signature", signature)],
                body: Array((message["body_utf8"]?.text ?? "").utf8), receivedAt: .zero)
            let read = try HTTPSignature(of: delivery, by: Self.rules)
            let base = try read.bases(of: delivery)[0]
            #expect(String(decoding: base, as: UTF8.self) == vector["signature_base"]?.text)

            let jwk = try #require(file["keys_jwk", read.keyID])
            switch vector["alg"]?.text {
            case "rsa-pss-sha512":
                let key = try PublicKey(rsa: .init(n: Self.url64(jwk["n"]), e: Self.url64(jwk["e"])))
                #expect(key.made(read.signature, over: base, by: .rsaPSSSHA512))
                #expect(!key.made(read.signature, over: base, by: .rsaSHA256))
                proven += 1
            case "ed25519":
                let key = try PublicKey(ed25519: Array(Self.url64(jwk["x"])))
                #expect(try read.prove(delivery, with: key, by: Self.rules).at == read.created)
                proven += 1
            default: break
            }
        }
        #expect(proven == 4)
    }

    @Test("a digest is the body's or it is not")
    func digests() throws {
        let file = try JSON.parse(Vectors.bytes("http-signatures/digest.json"))
        let cases = try #require(file.elements ?? file["cases"]?.elements)
        #expect(cases.count > 40)
        for vector in cases {
            let body = try #require(vector["body_base64"]?.text.flatMap { Base64.decode(Array($0.utf8)) })
            let value = try #require(vector["value"]?.text)
            let matches =
                vector["field"]?.text == "digest"
                ? BodyDigest.matches(draft: value, body) : BodyDigest.matches(content: value, body)
            #expect(.bool(matches) == vector["matches"], "\(value): \(vector["why"]?.text ?? "")")
        }
    }

    @Test("checksums are those of zlib")
    func checksums() throws {
        #expect(CRC32.of("123456789".utf8) == 0xCBF4_3926)
        #expect(CRC32.of([]) == 0)
    }

    // MARK: Signed here

    private static let pair = Curve25519.Signing.PrivateKey()
    private static let covered = ["@method", "@target-uri", "content-digest"]

    private func signed(
        _ covered: [String] = covered, body: String = "{}", created: Int64 = 1_000, more: String = ""
    ) throws -> Delivery {
        let bytes = Array(body.utf8)
        let digest = String(decoding: Base64.encode(Array(SHA256.hash(data: bytes))), as: UTF8.self)
        let list = covered.map { "\"\($0)\"" }.joined(separator: " ")
        let parameters = "(\(list));created=\(created);keyid=\"https://a.example/k\"\(more)"
        var delivery = Delivery(
            method: "POST", target: "/inbox?a=1", url: "https://b.example/inbox?a=1",
            headers: [
                Field("Content-Digest", "sha-256=:\(digest):"), Field("Signature-Input", "s=\(parameters)"),
                Field("Signature", "s=:AA==:"),
            ], body: bytes, receivedAt: Timestamp(seconds: created))
        let base = try HTTPSignature(of: delivery, by: Self.rules).bases(of: delivery)[0]
        let signature = Array(try Self.pair.signature(for: base))
        delivery = delivery.with("Signature", "s=:\(String(decoding: Base64.encode(signature), as: UTF8.self)):")
        return delivery
    }

    private func prove(_ delivery: Delivery) throws -> SignedTime {
        let key = try PublicKey(ed25519: Array(Self.pair.publicKey.rawRepresentation))
        return try HTTPSignature(of: delivery, by: Self.rules).prove(delivery, with: key, by: Self.rules)
    }

    @Test("a signature says how long it is good")
    func window() throws {
        #expect(try prove(signed()) == SignedTime(Timestamp(seconds: 1000), goodFor: .minutes(65)))
        #expect(try prove(signed(more: ";expires=1600")).goodFor == .minutes(70))
        #expect(try prove(signed(more: ";expires=900000")).goodFor == .hours(13))
        #expect(try prove(signed(more: ";expires=900")).goodFor == .seconds(3500))
    }

    @Test("one changed bit of a header or of the body ends it")
    func bits() throws {
        let delivery = try signed()
        _ = try prove(delivery)
        for (index, field) in delivery.headers.enumerated() {
            let bytes = Array(field.value.utf8)
            for place in bytes.indices {
                for bit in [0, 3, 6] {
                    var changed = bytes
                    changed[place] ^= 1 << bit
                    guard let text = String(validating: changed, as: UTF8.self) else { continue }
                    var headers = delivery.headers
                    headers[index] = Field(field.name, text)
                    // Blanks between members, and the label that both headers share, are not signed.
                    let other = Delivery(
                        method: delivery.method, target: delivery.target, url: delivery.url, headers: headers,
                        body: delivery.body, receivedAt: delivery.receivedAt)
                    #expect(throws: Forged.self, "\(field.name) \(place) \(bit)") { try prove(other) }
                }
            }
        }
        let other = Delivery(
            method: "POST", target: delivery.target, url: delivery.url, headers: delivery.headers,
            body: Array("{]".utf8),
            receivedAt: delivery.receivedAt)
        #expect(throws: Forged.wrongDigest) { try prove(other) }
    }

    @Test("a header twice, or a signature twice, is none")
    func twice() throws {
        let delivery = try signed()
        for name in ["Signature", "Signature-Input", "Content-Digest"] {
            let again = Field(name, delivery.headers[name] ?? "")
            let other = Delivery(
                method: "POST", target: delivery.target, url: delivery.url, headers: delivery.headers + [again],
                body: delivery.body, receivedAt: delivery.receivedAt)
            #expect(throws: Forged.self) { try prove(other) }
        }
        #expect(throws: Forged.self) { try prove(signed(["@method", "@method"])) }
    }

    @Test(
        "structured fields are read strictly",
        arguments: [
            "a=(\"x\"", "a=(\"x\")b", "a=1.5", "a=:A:", "a=:QQ==", "A=1", "a=1,", "a=1,,b=2", "a=1, a=2",
            "a=\"\u{7F}\"",
            "a=(\"x\"\"y\")", "a=1 b=2", "=1", "a=\"x", "a=?2", "a=99999999999999999",
        ])
    func strict(_ text: String) { #expect(StructuredFields.dictionary(Array(text.utf8)) == nil) }

    @Test("what was read is written in its one form")
    func form() throws {
        let members = try #require(
            StructuredFields.dictionary(Array(#"a=(  "x";b "y\\\"" ); c=tok;d=:QQ==:;e=-5;f=?0, b"#.utf8)))
        guard case .list(let items, let parameters)? = members.first?.member else {
            Issue.record("no list")
            return
        }
        #expect(
            String(decoding: StructuredFields.text(of: items, parameters), as: UTF8.self)
                == #"("x";b "y\\\"");c=tok;d=:QQ==:;e=-5;f=?0"#)
    }

    @Test("dates of HTTP are read and written")
    func dates() throws {
        let time = try #require(Timestamp(httpDate: "Sun, 06 Nov 1994 08:49:37 GMT"))
        #expect(time == Timestamp(seconds: 784_111_777))
        #expect(time.httpDate == "Sun, 06 Nov 1994 08:49:37 GMT")
        #expect(Timestamp(seconds: 1_763_633_700).httpDate == "Thu, 20 Nov 2025 10:15:00 GMT")
        #expect(Timestamp(httpDate: "Sunday, 06-Nov-94 08:49:37 GMT") == nil)
    }

    // MARK: Reading vectors

    private static func delivery(_ json: JSON) throws -> Delivery {
        Delivery(
            method: json["method"]?.text ?? "", target: json["target"]?.text ?? "",
            headers: try fields(json), body: Array((json["body_utf8"]?.text ?? "").utf8), receivedAt: .zero)
    }
    private static func fields(_ json: JSON) throws -> [Field] {
        try #require(json["headers"]?.elements).map { pair in
            Field(pair.elements?.first?.text ?? "", pair.elements?.last?.text ?? "")
        }
    }
    private static func url64(_ json: JSON?) throws -> Data {
        let text = try #require(json?.text).replacing("-", with: "+").replacing("_", with: "/")
        let bytes = try #require(Base64.decode(Array(text.utf8), padding: .optional))
        return Data(bytes)
    }
}

extension Delivery {
    /// With this value under a header's name, and no other.
    func with(_ name: String, _ value: String) -> Delivery {
        Delivery(
            method: method, target: target, url: url,
            headers: headers.filter { $0.name.lowercased() != name.lowercased() } + [Field(name, value)], body: body,
            receivedAt: receivedAt)
    }
}
