import Kit
import SendGrid
import Testing

@Suite("SendGrid's event webhook")
struct SendGridTests {
    private static let header = (
        signature: "X-Twilio-Email-Event-Webhook-Signature", time: "X-Twilio-Email-Event-Webhook-Timestamp"
    )
    private static let file = try? JSON.parse(Vectors.bytes("sendgrid/signatures.json"))
    private static let now = Timestamp(seconds: 1_795_255_200)
    private let scheme = SendGrid().webhooks

    private func delivery(_ body: [UInt8], _ headers: [Field], at now: Timestamp = now) -> Delivery {
        Delivery(method: "POST", target: "/webhooks/sendgrid", headers: headers, body: body, receivedAt: now)
    }

    private func refusal(_ delivery: Delivery, _ keys: [WebhookSecret]) -> Forged? {
        do { _ = try scheme.check(delivery, with: keys) } catch { return error }
        return nil
    }

    /// A batch of one, signed by a pair made for it.
    private func signed(
        _ body: String = "[{\"event\":\"open\",\"sg_event_id\":\"a\"}]\r\n"
    ) throws -> (delivery: Delivery, keys: [WebhookSecret]) {
        let pair = try WebhookSecret.newPair()
        let draft = WebhookDraft(url: "https://pb.example/webhooks/sendgrid", headers: [], body: Array(body.utf8))
        let sent = scheme.signed(draft, with: [pair.signs], at: Self.now)
        let key = String(decoding: Base64.encode(pair.proves.der), as: UTF8.self)
        return (delivery(sent.body, sent.headers), try scheme.secrets(in: key))
    }

    @Test("the published cases come out as published", arguments: file?["cases"]?.elements ?? [])
    func vectors(_ vector: JSON) throws {
        let key = try #require(vector["public_key"]?.text ?? Self.file?["public_key"]?.text)
        let headers = [
            Field(Self.header.signature, vector["signature"]?.text ?? ""),
            Field(Self.header.time, vector["timestamp"]?.text ?? ""),
        ]
        let delivery = delivery(Array((vector["body"]?.text ?? "").utf8), headers)
        #expect(
            (refusal(delivery, try scheme.secrets(in: key)) == nil) == (vector["expect"] == "accept"),
            "\(vector["name"]?.text ?? "")")
    }

    @Test("all of them are there") func present() { #expect(Self.file?["cases"]?.elements?.count == 9) }

    @Test("verify judges them too")
    func verify() async throws {
        let verify = Verify(SendGrid.verifying)
        for vector in Self.file?["cases"]?.elements ?? [] {
            let line: JSON = [
                "scheme": "sendgrid", "url": "https://pb.example/",
                "secret": ["public_keys": [vector["public_key"] ?? Self.file?["public_key"] ?? .null]],
                "headers": [
                    [.string(Self.header.signature.lowercased()), vector["signature"] ?? ""],
                    [.string(Self.header.time), vector["timestamp"] ?? ""],
                ],
                "body_base64": .string(
                    String(decoding: Base64.encode(Array((vector["body"]?.text ?? "").utf8)), as: UTF8.self)),
                "now": 1_795_255_200,
            ]
            let verdict = try JSON.parse(await verify.verdict(on: line.bytes))
            #expect(verdict["verdict"] == vector["expect"], "\(verdict)")
        }
    }

    @Test("one changed bit, a header that is missing or there twice, another key: refused")
    func changes() throws {
        let (delivery, keys) = try signed()
        #expect(refusal(delivery, keys) == nil)
        #expect(refusal(delivery, []) == .noSecret)
        #expect(refusal(delivery, try signed().keys) == .wrongSignature)
        for place in delivery.body.indices {
            var body = delivery.body
            body[place] ^= 4
            #expect(refusal(delivery.with(body: body), keys) != nil, "byte \(place)")
        }
        for (index, field) in delivery.headers.enumerated() {
            let without = delivery.headers.filter { $0.name != field.name }
            #expect(refusal(delivery.with(headers: without), keys) == .missing(header: field.name))
            #expect(refusal(delivery.with(headers: delivery.headers + [field]), keys) == .repeated(header: field.name))
            let bytes = Array(field.value.utf8)
            for place in bytes.indices {
                for bit in 0..<7 {
                    var changed = bytes
                    changed[place] ^= 1 << bit
                    var headers = delivery.headers
                    headers[index] = Field(field.name, String(decoding: changed, as: UTF8.self))
                    #expect(refusal(delivery.with(headers: headers), keys) != nil, "\(field.name) \(place) \(bit)")
                }
            }
        }
    }

    @Test("digits cannot wander between time and body")
    func border() throws {
        let (delivery, keys) = try signed("0[{\"event\":\"open\"}]")
        guard case .malformedBody? = refusal(delivery, keys) else {
            Issue.record("a body that does not begin with [ is not SendGrid's")
            return
        }
    }

    @Test("what is signed is never refused for its age; past a day it is flagged")
    func age() throws {
        let (delivery, keys) = try signed()
        for (age, isLate) in [(Duration.hours(25), false), (.hours(26), true), (.days(2000), true)] {
            let later = Delivery(
                method: "POST", target: "/", headers: delivery.headers, body: delivery.body,
                receivedAt: Self.now + age)
            #expect(try scheme.check(later, with: keys).late == isLate)
        }
        #expect(scheme.identityLife == .days(400))
    }

    @Test("each event of a batch is itself, whatever came with it")
    func batch() throws {
        func event(_ id: String, _ more: String = "") -> String {
            #"{"email":"a@example.com","timestamp":1795255100,"event":"delivered","sg_event_id":"\#(id)",\#(more)"#
                + #""sg_message_id":"m1.filter001.2"}"#
        }
        let body = Array("[\(event("x")),\n \(event("y")) , \(event("x", "\"category\":[\"a\"],"))]\r\n".utf8)
        let events = try scheme.events(delivery(body, []))

        #expect(events.map(\.providerEventID) == ["x", "y", "x"])
        #expect(events[0].identity == events[2].identity)
        #expect(events[0].identity != events[1].identity)
        #expect(events.allSatisfy { $0.type == "delivered" && $0.subject == "m1" })
        #expect(String(decoding: body[events[1].body], as: UTF8.self) == event("y"))
        let alone = try scheme.events(delivery(Array("[\(event("y"))]".utf8), []))
        #expect(alone.map(\.identity) == [events[1].identity])
        #expect(try scheme.events(delivery(Array("[]".utf8), [])).isEmpty)
    }

    @Test("an event without an id is what it says; one without a type is for a person")
    func strange() throws {
        let account = #"{"event":"account_status_change","type":"compliance","timestamp":1}"#
        let two = try scheme.events(delivery(Array("[\(account),\(account.replacing("1}", with: "2}"))]".utf8), []))
        #expect(Set(two.map(\.identity)).count == 2)
        let empty =
            #"[{"event":"open","sg_event_id":"","timestamp":1},{"event":"click","sg_event_id":"","timestamp":1}]"#
        #expect(Set(try scheme.events(delivery(Array(empty.utf8), [])).map(\.identity)).count == 2)
        for body in ["[{}]", "{}", "[1]", "[", "", "[\(String(repeating: "{},", count: 5001)){}]"] {
            #expect(throws: Unreadable.self, "\(body.prefix(9))") {
                try scheme.events(delivery(Array(body.utf8), []))
            }
        }
    }

    @Test("a key that is none is refused with what to do", arguments: ["", "MFkw", "AAAA", "whsec_0123456789abcdef"])
    func badKeys(_ text: String) {
        let keys = try? scheme.secrets(in: text)
        #expect(keys == nil || keys?.isEmpty == true)
    }
}
