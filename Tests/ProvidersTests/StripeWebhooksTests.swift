import Foundation
import Kit
import Stripe
import Testing

@Suite("Stripe webhooks")
struct StripeWebhooksTests {
    struct Case: Decodable, Sendable, CustomTestStringConvertible {
        let name: String
        let body: String
        let header: String?
        let secrets: [String]
        let now: Int64
        let expect: String
        var testDescription: String { name }
    }
    struct File: Decodable { let cases: [Case] }
    static let cases =
        (try? JSONDecoder().decode(File.self, from: Data(Vectors.bytes("stripe/webhook-signatures.json"))))?.cases

    private let scheme = Stripe().webhooks

    @Test("what Stripe's own library believes is believed, and nothing else", arguments: cases ?? [])
    func vectors(_ vector: Case) throws {
        let secrets = try vector.secrets.flatMap { try scheme.secrets(in: $0) }
        let delivery = Delivery(
            method: "POST", target: "/webhooks/stripe",
            headers: vector.header.map { [Field("stripe-signature", $0)] } ?? [],
            body: Array(vector.body.utf8), receivedAt: Timestamp(seconds: vector.now))

        #expect(((try? scheme.check(delivery, with: secrets)) != nil) == (vector.expect == "accept"))
    }

    @Test("the vectors are there") func present() { #expect((Self.cases?.count ?? 0) >= 10) }

    private func event(_ body: String) throws -> Event {
        let delivery = Delivery(
            method: "POST", target: "/webhooks/stripe", headers: [], body: Array(body.utf8), receivedAt: .zero)
        let events = try scheme.events(delivery)
        #expect(events.count == 1)
        return try #require(events.first)
    }

    @Test("a snapshot says what, when, whose and in which account")
    func snapshot() throws {
        let body = #"""
            {"id":"evt_1","object":"event","account":"acct_1","created":1797850805,"livemode":false,
             "type":"invoice.paid",             "data":{"object":{"id":"in_1","object":"invoice","customer":"cus_1"}}}
            """#

        let event = try event(body)

        #expect(
            event
                == Event(
                    identity: EventIdentity(day: 20_808, of: "evt_1".utf8), providerEventID: "evt_1",
                    type: "invoice.paid",
                    account: "acct_1", subject: "cus_1", occurredAt: Timestamp(seconds: 1_797_850_805), isTest: true,
                    body: 0..<body.utf8.count))
    }

    @Test("a thin event is read by the same facts under other names")
    func thin() throws {
        let event = try event(
            #"""
            {"id":"evt_2","object":"v2.core.event","type":"v1.customer.updated","created":"2026-11-21T10:00:00.000Z",
             "livemode":true,"context":"acct_2",
             "related_object":{"id":"cus_2","type":"customer","url":"/v1/customers/cus_2"}}
            """#)

        #expect(event.occurredAt == Timestamp(rfc3339: "2026-11-21T10:00:00Z"))
        #expect(event.identity == EventIdentity(day: 20_778, of: "evt_2".utf8))
        #expect([event.account, event.subject, event.type] == ["acct_2", "cus_2", "v1.customer.updated"])
        #expect(!event.isTest)
    }

    @Test(
        "the customer is found wherever Stripe puts it",
        arguments: [
            (#"{"object":{"object":"subscription","id":"sub_1","customer":"cus_1"}}"#, "cus_1"),
            (
                #"{"object":{"object":"subscription","id":"sub_1","customer":{"id":"cus_1","object":"customer"}}}"#,
                "cus_1"
            ),
            (#"{"object":{"object":"customer","id":"cus_1"}}"#, "cus_1"),
            (
                #"{"object":{"object":"payment_method","customer":null},"previous_attributes":{"customer":"cus_1"}}"#,
                "cus_1"
            ),
            (#"{"object":{"object":"charge","customer":null}}"#, nil),
            (#"{"object":{"object":"charge","customer":"cus_0"},"object":{"customer":"cus_1"}}"#, "cus_1"),
            ("[]", nil),
        ])
    func customer(data: String, subject: String?) throws {
        #expect(try event(#"{"id":"evt_1","type":"x","data":\#(data)}"#).subject == subject)
    }

    @Test("ids that only look alike are two events, whatever else is equal")
    func alike() throws {
        let composed = try event("{\"id\":\"\u{E9}\",\"type\":\"x\"}")
        let decomposed = try event("{\"id\":\"e\u{301}\",\"type\":\"x\"}")
        #expect(composed.identity != decomposed.identity)
    }

    @Test("what a text column cannot hold never reaches one")
    func poison() throws {
        let event = try event(
            #"""
            {"id":"evt\u0000\ud800","type":"\#(String(repeating: "é", count: 300))",\#
            "created":9e18,"account":"\u0000"}
            """#
        )

        #expect(event.providerEventID == #"evt\u0000"# + "\u{FFFD}")
        #expect(event.type.utf8.count == 256)
        #expect(event.account == #"\u0000"#)
        #expect(event.occurredAt == nil)
    }

    @Test("a time at the end of all numbers is kept without a trap", arguments: [Int64.max, Int64.min, 0])
    func farTime(created: Int64) throws {
        #expect(try event(#"{"id":"e","type":"x","created":\#(created)}"#).occurredAt == Timestamp(seconds: created))
    }

    @Test(
        "a verified body that is no event is unreadable, with a sentence",
        arguments: [
            ("", "Not JSON at byte 0: it ends too early."), ("[]", "The event has no id."),
            (#"{"id":7}"#, "The event has no id."),
            (#"{"id":"evt_1"}"#, "The event has no type."), (#"{"id":"","type":"x"}"#, "The event has no id."),
        ])
    func unreadable(body: String, reason: String) {
        #expect(throws: Unreadable(reason)) { try event(body) }
    }

    @Test(
        "acts upon what changes subscriptions and payments, and on nothing else",
        arguments: [
            ("customer.subscription.created", true), ("customer.subscription.", true), ("invoice.paid", true),
            ("charge.dispute.closed", true), ("payment_intent.succeeded", true), ("payment_method.detached", true),
            ("customer.updated", false), ("invoice.paid2", false), ("invoice.created", false), ("", false),
            ("charge.disputed", false),
        ])
    func handled(type: String, expected: Bool) { #expect(scheme.handles(type) == expected) }

    @Test("identities outlive the repetitions by far")
    func life() { #expect(scheme.identityLife == .days(35)) }
}
