import Foundation
import Kit
import Server
import Synchronization
import TestSupport
import Testing

@Suite("What an endpoint is sent is as the schema says that the server shows", .serialized)
struct EventSchemaTests {
    /// What the flows below bring about. `endpoint.failing` and `.change_dropped` take days: their changes are checked
    /// where they are made (`EventCatalogueTests`).
    private static let expected: Set<String> = [
        "event.received", "user.subscription_updated", "payment.succeeded", "payment.failed", "payment.refunded",
        "payment.disputed", "review.opened", "review.decided", "alert.raised", "alert.resolved",
        "endpoint.disabled", "endpoint.test",
    ]

    @Test("every type, brought about by what platforms, people and receivers do", arguments: TestEngine.all)
    func all(engine: TestEngine) async throws {
        try await TestDatabase.withAddress(engine) { url in
            let (receiver, gone) = (Receiver(port: try freePort()), try Responder(status: 410, body: "{}"))
            let listening = Task { try await receiver.run() }
            let heard = Sent(by: receiver)
            defer {
                listening.cancel()
                gone.stop()
            }
            let server = try ServerProcess(
                databaseURL: url,
                environment: [
                    "PATCHBAY_ALLOW_PRIVATE_ADDRESSES": "127.0.0.0/8",
                    "STANDARD_WEBHOOKS_SECRET": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
                ])
            let key = try server.makeKey()
            try await server.start()
            try receiver.trust(try await server.addEndpoint(receiver.url, types: [], key: key))
            _ = try await server.addEndpoint("http://127.0.0.1:\(gone.port)/gone", types: [], key: key)

            try await Self.act(on: server, key: key)

            let isComplete = try await eventually { Self.expected.isSubset(of: heard.types) }
            #expect(isComplete, "not sent: \(Self.expected.subtracting(heard.types))")
            #expect(heard.isAllProven)
            for body in heard.bodies {
                let type = try #require(body["type"]?.text)
                let served = try await server.get("/events/\(type).schema.json")
                #expect(served.status == 200, "\(type) has no schema")
                let schema = try JSON.parse(served.body)
                #expect(SchemaCheck.problems(with: body, by: schema) == [], "\(type)")
                #expect(SchemaCheck.undescribed(in: body, by: schema) == [], "\(type)")
            }
        }
    }

    private static func act(on server: ServerProcess, key: String) async throws {
        for body in events(at: Int(Date().timeIntervalSince1970)) {
            #expect(try await server.deliver(bytes: Array(body.utf8)) == 200)
        }
        let isUnclear = try await eventually {
            try await server.json("/v1/alerts?kind=subscription_unclear", key: key)["data"]?.elements?.isEmpty == false
        }
        #expect(isUnclear)
        #expect(try await server.deliver(bytes: Array(clearing(at: Int(Date().timeIntervalSince1970)).utf8)) == 200)
        let answers = [
            ("event_without_user", #"{"decision":"link","input":{"user_id":"somebody"},"note":"known by mail"}"#),
            ("unreadable_delivery", #"{"decision":"dismiss"}"#),
        ]
        for (kind, answer) in answers {
            var review: String?
            _ = try await eventually {
                review = try await server.json("/v1/reviews?kind=\(kind)", key: key)["data"]?.elements?.first?["id"]?
                    .text
                return review != nil
            }
            let id = try #require(review, "no review \(kind)")
            #expect(try await server.post(as: key, "/v1/reviews/\(id)/decision", answer) == 200)
        }
        let endpoints = try await server.json("/v1/endpoints?order=asc", key: key)["data"]?.elements ?? []
        let first = try #require(endpoints.first?["id"]?.text)
        #expect(try await server.post(as: key, "/v1/endpoints/\(first)/test", nil) == 200)
    }

    /// What a later second says of the unclear subscription counts.
    private static func clearing(at now: Int) -> String {
        #"""
        {"id":"evt_c","object":"event","created":\#(now),"livemode":false,"type":"customer.subscription.updated",
        "data":{"object":{"id":"sub_1","object":"subscription","status":"active","customer":"cus_1",
        "items":{"data":[]}}}}
        """#
    }

    /// A user's subscription, payments good and bad, what nobody handles, whom nobody knows, and what nobody can read.
    private static func events(at now: Int) -> [String] {
        func event(_ number: Int, _ type: String, after seconds: Int, _ object: String) -> String {
            #"""
            {"id":"evt_\#(number)","object":"event","created":\#(now - 60 + seconds),"livemode":false,\#
            "type":"\#(type)","data":{"object":{\#(object)}}}
            """#
        }
        func subscription(_ id: String, _ status: String, _ customer: String, user: Bool) -> String {
            #"""
            "id":"\#(id)","object":"subscription","status":"\#(status)","customer":"\#(customer)",\#
            "cancel_at_period_end":false,"metadata":{\#(user ? #""patchbay_user":"rye""# : "")},"items":{"data":[
            {"id":"si_1","current_period_end":\#(now + 86_400),"price":{"id":"loaf_a_week","object":"price"}}]}
            """#
        }
        func intent(_ id: String, _ status: String, _ more: String = "") -> String {
            #""id":"\#(id)","object":"payment_intent","amount":1099,"currency":"eur","customer":"cus_1","#
                + #""status":"\#(status)"\#(more)"#
        }
        return [
            event(1, "customer.subscription.created", after: 0, subscription("sub_1", "active", "cus_1", user: true)),
            event(2, "customer.subscription.updated", after: 1, subscription("sub_1", "past_due", "cus_1", user: true)),
            // Two of one second that contradict each other, and nobody to ask.
            event(3, "customer.subscription.updated", after: 2, subscription("sub_1", "unpaid", "cus_1", user: true)),
            event(4, "customer.subscription.updated", after: 2, subscription("sub_1", "active", "cus_1", user: true)),
            event(5, "customer.subscription.created", after: 3, subscription("sub_2", "active", "cus_9", user: false)),
            event(6, "payment_intent.succeeded", after: 4, intent("pi_1", "succeeded")),
            event(
                7, "payment_intent.payment_failed", after: 5,
                intent("pi_2", "requires_payment_method", #","last_payment_error":{"code":"card_declined"}"#)),
            event(
                8, "charge.refunded", after: 6,
                #""id":"ch_1","object":"charge","payment_intent":"pi_1","amount_refunded":99,"currency":"eur""#),
            event(
                9, "charge.dispute.created", after: 7,
                #""id":"dp_1","object":"dispute","payment_intent":"pi_1","charge":"ch_1","status":"needs_response""#),
            event(10, "price.created", after: 8, #""id":"price_1","object":"price","unit_amount_decimal":1.10"#),
            event(
                11, "charge.dispute.created", after: 9,
                #""id":"dp_2","object":"dispute","charge":"ch_2","status":"lost""#),
            "not JSON", #"{"object":"event"}"#,
        ]
    }
}

/// Each body that a receiver got.
private final class Sent: Sendable {
    private let state = Mutex<(bodies: [JSON], unproven: Int)>(([], 0))

    init(by receiver: Receiver) {
        Task {
            for await received in receiver.received {
                self.state.withLock { state in
                    state.bodies.append(received.body)
                    state.unproven += received.isProven ? 0 : 1
                }
            }
        }
    }
    var bodies: [JSON] { state.withLock { $0.bodies } }
    var types: Set<String> { Set(bodies.compactMap { $0["type"]?.text }) }
    var isAllProven: Bool { state.withLock { $0.unproven == 0 } }
}

extension ServerProcess {
    /// The status of the answer to a request of the API.
    fileprivate func post(as key: String, _ path: String, _ body: String?) async throws -> Int {
        var headers = [("Authorization", "Bearer \(key)"), ("Idempotency-Key", UUID().uuidString)]
        if body != nil { headers.append(("Content-Type", "application/json")) }
        let reply = try await post(path, headers: headers, body: Array((body ?? "").utf8))
        return reply.status
    }
}
