import Kit
import Store
import TestSupport
import Testing

@testable import Engine

@Suite("Schemas of what we send")
struct EventCatalogueTests {
    @Test("every type of the list has a schema that says its name")
    func all() throws {
        for type in [
            "event.received", "user.subscription_updated", "payment.succeeded", "payment.failed",
            "payment.refunded", "payment.disputed", "review.opened", "review.decided", "endpoint.failing",
            "endpoint.disabled", "alert.raised", "alert.resolved",
        ] {
            let schema = try #require(EventCatalogue.schemas[type])
            #expect(schema["properties", "type", "const"]?.text == type)
            // As it is served, so that what a reader parses is checked.
            _ = try JSON.parse(schema.bytes)
        }
    }

    @Test("what is emitted about endpoints and reviews is as its schema says", arguments: TestEngine.all)
    func emitted(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let identifiers = Identifiers(now: { .testNow })
            let about = EndpointChanges(
                endpoint: identifiers.make(), url: "https://a.example/x?token=1", identifiers: identifiers)
            let item = FeedItem(
                Change(
                    position: 7, id: identifiers.make(), type: "payment.failed", subject: nil, version: 0, userID: nil,
                    connectionID: nil, occurredAt: .testNow, data: Array("{}".utf8), payload: nil))
            let dropped = try #require(about.dropped(item, key: nil, attempts: 10, at: .testNow))
            let made = [
                about.change(for: .warned(1, disabledAt: .testNow), failingSince: .testNow, at: .testNow),
                about.change(for: .disabled(reason: "410"), failingSince: nil, at: .testNow), dropped,
            ]
            let review = NewReview(
                id: identifiers.make(), kind: "event_without_user", subject: "stripe cus_1", question: "Whose is it?",
                evidence: "{}", choices: ["link"], provider: "stripe", openedAt: .testNow, changeID: identifiers.make())
            try await database.write("emit") { session in
                try session.append(made)
                _ = try session.open(review)
                _ = try session.sequence(100)
            }

            let changes = try await database.read("all") { try $0.changes(after: 0, limit: 10) }
            #expect(changes.count == 4)
            for change in changes { #expect(try Self.problems(with: FeedItem(change)) == []) }
            #expect(changes.allSatisfy { !String(decoding: $0.data, as: UTF8.self).contains("token") })
        }
    }

    @Test("the checker sees what is missing and what is of another kind")
    func checker() throws {
        let schema = try #require(EventCatalogue.schemas["alert.raised"])
        let good: JSON = [
            "type": "alert.raised", "timestamp": "2026-11-28T10:00:00Z",
            "data": ["id": "a", "kind": "k", "subject": "s", "summary": "m"],
        ]
        #expect(SchemaCheck.problems(with: good, by: schema) == [])
        let bad = try JSON.parse(#"{"type":"alert.x","timestamp":"now","data":{"id":1,"kind":"k","subject":"s"}}"#)
        #expect(SchemaCheck.problems(with: bad, by: schema).count == 4)
    }

    static func problems(with item: FeedItem) throws -> [String] {
        let schema = try #require(EventCatalogue.schemas[item.type], "no schema for \(item.type)")
        return SchemaCheck.problems(with: try JSON.parse(item.body), by: schema)
    }
}
