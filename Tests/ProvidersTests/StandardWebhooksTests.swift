import Kit
import StandardWebhooks
import Testing

@Suite("Standard Webhooks and Svix")
struct StandardWebhooksTests {
    private func event(_ body: [UInt8], _ headers: [Field] = [Field("Webhook-Id", "msg_1")]) throws -> Event? {
        let delivery = Delivery(method: "POST", target: "/", headers: headers, body: body, receivedAt: .zero)
        return try StandardWebhooks().webhooks.events(delivery).first
    }

    @Test("the signed id names the event, the body its type and time")
    func facts() throws {
        let body = Array(#"{"type":"message.delivered","timestamp":"2026-11-21T10:00:00.123456Z","data":{}}"#.utf8)

        #expect(
            try event(body)
                == Event(
                    identity: EventIdentity(day: 0, of: "msg_1".utf8), providerEventID: "msg_1",
                    type: "message.delivered",
                    occurredAt: Timestamp(rfc3339: "2026-11-21T10:00:00.123456Z"), body: body.indices))
    }

    @Test(
        "whatever the body is, it is an event",
        arguments: [
            [], [0xFF, 0x00], Array("hello".utf8), Array("[]".utf8), Array(#"{"type":7}"#.utf8),
            Array(#"{"type":""}"#.utf8),
        ])
    func anyBody(body: [UInt8]) throws {
        #expect(try event(body)?.type == "message")
    }

    private let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    private let body = Array("{}".utf8)

    private func signed(_ id: String, as prefix: String) throws -> [Field] {
        let fields = StandardSignature.sign(
            body, id: id, at: .zero, with: [try WebhookSecret(secret, written: .standard)])
        return fields.map { Field($0.name.replacing("webhook", with: prefix), $0.value) }
    }

    @Test("Svix takes either set of headers, its own first, and never mixes them")
    func svix() throws {
        let scheme = Svix().webhooks
        let secrets = try scheme.secrets(in: secret)
        let own = try signed("msg_own", as: "svix")
        let usual = try signed("msg_usual", as: "webhook")
        func id(_ headers: [Field]) throws -> String? {
            let delivery = Delivery(method: "POST", target: "/", headers: headers, body: body, receivedAt: .zero)
            _ = try scheme.check(delivery, with: secrets)
            return try scheme.events(delivery).first?.providerEventID
        }

        #expect(try id(own) == "msg_own")
        #expect(try id(usual) == "msg_usual")
        #expect(try id(usual + own) == "msg_own")
        // An unsigned svix-id beside a signed webhook-id does not name the event.
        #expect(try id(usual + [Field("svix-id", "msg_forged")]) == "msg_usual")
        #expect(throws: Forged.wrongSignature) {
            try id(usual + own.map { Field($0.name, $0.name == "svix-id" ? "x" : $0.value) })
        }
        #expect(throws: Forged.missing(header: "svix-id")) { try id(own.filter { $0.name != "svix-id" }) }
        #expect(throws: Forged.missing(header: "webhook-id")) { try id([]) }
    }

    @Test("the plain scheme knows no svix names")
    func plain() throws {
        let scheme = StandardWebhooks().webhooks
        let delivery = Delivery(
            method: "POST", target: "/", headers: try signed("msg_1", as: "svix"), body: body, receivedAt: .zero)
        #expect(throws: Forged.missing(header: "webhook-id")) {
            try scheme.check(delivery, with: scheme.secrets(in: secret))
        }
    }

    @Test("an id of more than 256 bytes is refused before it names anything")
    func longID() throws {
        let scheme = StandardWebhooks().webhooks
        let headers = try signed(String(repeating: "m", count: 257), as: "webhook")
        let delivery = Delivery(method: "POST", target: "/", headers: headers, body: body, receivedAt: .zero)
        #expect(throws: Forged.malformed(header: "webhook-id", problem: "is longer than 256 bytes")) {
            try scheme.check(delivery, with: scheme.secrets(in: secret))
        }
    }

    @Test("a header full of Ed25519 signatures is refused before they cost anything")
    func manyEd25519() throws {
        let scheme = StandardWebhooks().webhooks
        let member = "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="
        let many = Array(repeating: member, count: 17).joined(separator: " ")
        let headers = try signed("msg_1", as: "webhook").map {
            $0.name == "webhook-signature" ? Field($0.name, many) : $0
        }
        let delivery = Delivery(method: "POST", target: "/", headers: headers, body: body, receivedAt: .zero)
        #expect(throws: Forged.malformed(header: "webhook-signature", problem: "holds more than 16 Ed25519 signatures"))
        {
            try scheme.check(delivery, with: scheme.secrets(in: secret))
        }
    }
}
