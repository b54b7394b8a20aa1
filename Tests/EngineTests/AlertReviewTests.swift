import Kit
import TestSupport
import Testing

@testable import Engine
@testable import Store

@Suite("Alerts about what stands")
struct AlertReviewTests {
    private let ids = Identifiers(now: { .testNow })

    private func review(_ database: any Database) async throws -> [String: String] {
        _ = try await AlertReview(database: database, ids: ids).run(at: .testNow)
        let alerts = try await database.read("alerts") { try $0.alerts(AlertFilter(), ListPage(limit: 50)) }
        #expect(alerts.allSatisfy { $0.count == 1 })
        return Dictionary(alerts.map { ($0.kind, $0.state) }) { $1 == "open" ? $1 : $0 }
    }

    @Test(
        "an endpoint that fails for an hour, is disabled, is mended: raised once each, resolved by itself",
        arguments: TestEngine.all)
    func endpoint(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let id = ids.make(EndpointKind.self)
            let secret = NewEndpointSecret(
                id: ids.make(), endpoint: id, sealed: [1], keyID: "k1", publicKey: nil, createdAt: .testNow)
            let new = NewEndpoint(
                id: id, url: "https://a.example/x?token=1", description: nil, types: [], orderedBy: .none,
                signedBy: .hmac, secret: secret, createdAt: .testNow)
            try await database.write("endpoint") { _ = try $0.insert(new) }
            func becomes(_ state: String, _ reason: String?, since: Timestamp?) async throws {
                try await database.write("state") { session in
                    try session.run(
                        """
                        UPDATE endpoints
                           SET state = \(state), state_reason = \(reason), failing_since = \(since) WHERE id = \(id)
                        """)
                }
            }

            try await becomes("failing", nil, since: .testNow - .minutes(59))
            #expect(try await review(database) == [:])
            try await becomes("failing", nil, since: .testNow - .minutes(61))
            for _ in 0..<2 { #expect(try await review(database) == ["endpoint_failing": "open"]) }
            let alert = try await database.read("alert") { try $0.alerts(AlertFilter(), ListPage(limit: 1)) }
            #expect(alert.first?.summary.contains("token") == false && alert.first?.subject == id.text)

            try await becomes("disabled", "It answered 410 Gone.", since: nil)
            let disabled = ["endpoint_failing": "resolved", "endpoint_disabled": "open"]
            #expect(try await review(database) == disabled)
            try await becomes("disabled", "by hand", since: nil)
            #expect(try await review(database) == disabled)
            try await becomes("active", nil, since: nil)
            #expect(try await review(database).values.allSatisfy { $0 == "resolved" })
        }
    }

    @Test("a log that is not emptied: raised once, resolved when it is short again")
    func log() async throws {
        try await TestDatabase.with(.sqlite) { database in
            let strict = AlertReview(database: database, ids: ids, logBytesMax: 0)
            for _ in 0..<2 { _ = try await strict.run(at: .testNow) }
            let raised = try await database.read("alerts") { try $0.alerts(AlertFilter(), ListPage(limit: 9)) }
            #expect(raised.map(\.kind) == ["wal_large"] && raised.first?.state == "open" && raised.first?.count == 1)

            #expect(try await review(database) == ["wal_large": "resolved"])
        }
    }

    @Test("a dead job's alert goes when its event is applied after all, or the job is done", arguments: TestEngine.all)
    func job(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let bench = BillingBench(database)
            let event = try await bench.receive(#"{"id":"evt_1","created":1,"type":"price.created","data":{}}"#)
            let job = EventApplying.job(ids.make(), for: event, lane: Lane("a", .event), at: .testNow)
            let alert = NewAlert(
                id: ids.make(), kind: .jobDead, subject: job.id.text, summary: "x", action: "y", at: .testNow,
                changeID: ids.make())
            try await database.write("dead") { session in
                try session.enqueue([job])
                try session.end(job.id, as: "dead", reason: "no", at: .testNow)
                try session.setState("failed", of: event, at: .testNow)
                try session.raise(alert)
            }
            #expect(try await review(database) == ["job_dead": "open"])

            try await database.write("applied") { try $0.setState("applied", of: event, at: .testNow) }

            #expect(try await review(database) == ["job_dead": "resolved"])
        }
    }
}
