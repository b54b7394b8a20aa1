import Kit
import StandardWebhooks
import Stripe
import Testing

@Suite("patchbay verify, a line at a time")
struct VerifyTests {
    private let verify = Verify([
        "stripe": Verify.lists(["secrets"], for: Stripe().webhooks),
        "standard-webhooks": Verify.lists(["secrets", "public_keys"], for: StandardWebhooks().webhooks),
        "svix": Verify.lists(["secrets"], for: Svix().webhooks),
    ])

    private func verdict(_ line: JSON) throws -> JSON { try JSON.parse(verify.verdict(on: line.bytes)) }

    /// A good line of a sample, with members changed.
    private func line(_ sample: Sample, _ changes: KeyValuePairs<String, JSON> = [:]) throws -> JSON {
        let delivery = try sample.delivery(signed: sample.secret)
        var members: [JSONMember] = [
            JSONMember("scheme", .string(sample.source.about.id)),
            JSONMember("secret", ["secrets": [.string(sample.secret)]]),
            JSONMember("method", "POST"), JSONMember("url", "https://pb.example/webhooks/x?a=1"),
            JSONMember("headers", .array(delivery.headers.map { [.string($0.name), .string($0.value)] })),
            JSONMember("body_base64", .string(String(decoding: Base64.encode(delivery.body), as: UTF8.self))),
            JSONMember("now", JSON(Sample.now.seconds)), JSONMember("why", "ignored"),
        ]
        members += changes.map { JSONMember($0.key, $0.value) }
        return .object(members)
    }

    @Test("a good delivery is accepted", arguments: Sample.listed)
    func accepted(_ sample: Sample) throws {
        #expect(try verdict(line(sample)) == ["verdict": "accept", "reason": "The signature is right."])
        #expect(try verdict(line(sample, ["now": .number("1795255200.75")]))["verdict"]?.text == "accept")
    }

    @Test("what the gateway refuses is rejected, with its reason", arguments: Sample.listed)
    func rejected(_ sample: Sample) throws {
        let late = try verdict(line(sample, ["now": 1_795_255_501]))
        #expect(late["verdict"] == "reject")
        #expect(late["reason"]?.text == Forged.tooOld(by: .seconds(301), allowed: .seconds(300)).reason)
        #expect(try verdict(line(sample, ["body_base64": ""]))["verdict"] == "reject")
        #expect(try verdict(line(sample, ["secret": ["secrets": []]]))["reason"]?.text == Forged.noSecret.reason)
    }

    @Test("an empty or trivial key is rejected as if it were not there", arguments: Sample.listed)
    func trivialKeys(_ sample: Sample) throws {
        for text in ["", "whsec_", "short"] as [JSON] {
            #expect(try verdict(line(sample, ["secret": ["secrets": [text]]]))["verdict"] == "reject")
            let both = try verdict(line(sample, ["secret": ["secrets": [text, .string(sample.secret)]]]))
            #expect(both["verdict"] == "accept")
        }
    }

    @Test("the line's own tolerance holds")
    func tolerance() throws {
        let sample = Sample.all[0]
        for (tolerance, verdict) in [(400, "accept"), (301, "accept"), (300, "reject")] as [(Int64, String)] {
            let secret: JSON = ["secrets": [.string(sample.secret)], "tolerance": JSON(tolerance)]
            let result = try self.verdict(line(sample, ["secret": secret, "now": 1_795_255_501]))
            #expect(result["verdict"]?.text == verdict)
        }
    }

    @Test(
        "a line that cannot be used says why",
        arguments: [
            ("scheme", "carrier-pigeon", "scheme: carrier-pigeon is not known."),
            ("scheme", 7, "scheme: a text is needed."), ("secret", "whsec_x", "secret: an object is needed."),
            ("secret", ["secrets": "whsec_x"], "secret.secrets: a list of texts is needed."),
            ("secret", ["secrets": [7]], "secret.secrets: a list of texts is needed."),
            ("secret", ["tolerance": "300"], "secret.tolerance: whole seconds are needed."),
            ("headers", [["a"]], "headers: a list of [name, value] is needed."),
            ("headers", .null, "headers: a list of [name, value] is needed."),
            ("body_base64", "a", "body_base64: base64 is needed."), ("now", "soon", "now: Unix seconds are needed."),
            ("now", .number("1e400"), "now: Unix seconds are needed."),
        ] as [(String, JSON, String)])
    func errors(member: String, value: JSON, reason: String) throws {
        let result = try verdict(line(Sample.all[0], [member: value]))
        #expect(result == ["verdict": "error", "reason": .string(reason)])
    }

    @Test(
        "a line that is no JSON is an error too, and one line comes out",
        arguments: ["", "{", "\u{0}", "[]", "nonsense\n"])
    func noJSON(text: String) throws {
        let bytes = verify.verdict(on: Array(text.utf8))
        #expect(try JSON.parse(bytes)["verdict"] == "error")
        #expect(!bytes.contains(UInt8(ascii: "\n")))
    }

    @Test("a body over the limit is rejected")
    func large() throws {
        let body = String(decoding: Base64.encode([UInt8](repeating: 0x20, count: 1 << 20 + 1)), as: UTF8.self)
        #expect(try verdict(line(Sample.all[0], ["body_base64": .string(body)]))["verdict"] == "reject")
    }
}
