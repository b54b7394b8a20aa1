import Kit
import Synchronization
import TestSupport
import Testing

@testable import Engine
@testable import Server
@testable import Store

@Suite("Reading a kept delivery again", .serialized)
struct ReadAgainTests {
    /// A platform whose new shape of events a program learns with an upgrade.
    private final class Growing: WebhookSource {
        let about = About(id: "standard-webhooks", name: "Growing", version: "1", documentation: "https://x.example")
        let knows = Mutex(false)

        func learn() { knows.withLock { $0 = true } }

        var webhooks: WebhookScheme {
            WebhookScheme(
                .hmac(StandardSignature.scheme), secrets: .standard, tolerance: .init(), repeatsFor: .days(5),
                handled: ["a.*"],
                events: { [self] delivery throws(Unreadable) in
                    guard knows.withLock({ $0 }) else { throw Unreadable("It has a new shape.") }
                    let id = delivery.headers["webhook-id"] ?? ""
                    return [
                        Event(
                            identity: EventIdentity(day: 0, of: id.utf8), providerEventID: id, type: "a.b",
                            body: delivery.body.indices)
                    ]
                })
        }
    }

    private static let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

    @Test("after an upgrade it goes through the same door: event, job, once", arguments: TestEngine.all)
    func readAgain(engine: TestEngine) async throws {
        let source = Growing()
        try await TestAPI.with(engine, assemble: TestAPI.gateway([source])) { api async throws in
            let wish: JSON = [
                "provider": "standard-webhooks", "name": "x", "secrets": ["webhook_secret": [.string(Self.secret)]],
            ]
            let path = try #require(try await api.post("/v1/apps", wish).json["webhook_path"]?.text)
            // The same bytes once more are known as such; other bytes are another question.
            for body in [#"{"type":"a.b"}"#, #"{"type":"a.b"}"#, #"{"type":"a.b","n":2}"#] {
                #expect(try await api.deliver("msg_1", to: path, Self.secret, body: body) == 200)
            }
            let reviews = try await api.get("/v1/reviews?state=open")
            try #require(reviews.ids.count == 2)
            #expect(reviews.ids.count == 2 && reviews.data[0]["choices"] == ["read_again", "dismiss"])
            let decide: JSON = ["decision": "read_again"]

            let early = try await api.post("/v1/reviews/\(reviews.ids[0])/decision", decide)
            source.learn()
            let decided = try await api.post("/v1/reviews/\(reviews.ids[0])/decision", decide)

            #expect(early.code == "wrong_state" && early.json["detail"]?.text?.contains("new shape") == true)
            #expect(decided.json["state"]?.text == "decided")
            let event = try #require(try await api.get("/v1/events").data.first)
            #expect(event["provider_event_id"]?.text == "msg_1" && event["payload", "type"]?.text == "a.b")
            #expect(try await api.get("/v1/jobs").data.first?["subject"] == event["id"])
            let delivery = try await api.get("/v1/deliveries/\(event["delivery_id"]?.text ?? "")").json
            #expect(delivery["flags"] == [] && delivery["event_id"] == event["id"])

            // The other delivery of the same message is a repetition.
            _ = try await api.post("/v1/reviews/\(reviews.ids[1])/decision", decide)
            #expect(try await api.get("/v1/events").data.map { $0["duplicates"]?.integer } == [1])
            #expect(try await api.get("/v1/jobs").data.count == 1)
        }
    }
}
