import Foundation
import Kit
import TestSupport
import Testing

@testable import Store

/// A comparison of many pages in a process that is killed in the middle of it, again and again.
@Suite("A comparison goes on where its process was killed", .serialized)
struct ReconcileKillTests {
    private static let listed = 1500
    private static let delivered = 60
    private static let page = 50

    @Test("it ends with exactly what was missing, and nothing twice", arguments: TestEngine.all)
    func killed(engine: TestEngine) async throws {
        try await TestDatabase.withAddress(engine) { url in
            let now = Int(Date().timeIntervalSince1970)
            let platform = try Responder(status: 200, pause: 100) { Self.list($0, upTo: now) }
            defer { platform.stop() }
            let server = try ServerProcess(
                databaseURL: url,
                environment: [
                    "STRIPE_SECRET_KEY": "sk_test_killed", "STRIPE_BASE_URL": "http://127.0.0.1:\(platform.port)",
                ])
            let key = try server.makeKey()
            try await server.start()
            for number in 0..<Self.delivered {
                #expect(try await server.deliver(bytes: Array(Self.event(number * 7, upTo: now).utf8)) == 200)
            }

            let since = Timestamp(seconds: Int64(now) - 172_800).rfc3339
            let asked: JSON = ["provider": "stripe", "since": .string(since)]
            let begun = try await server.call("POST", "/v1/reconciliations", asked, key: key)
            #expect(begun.status == 202)
            let path = "/v1/reconciliations/\(begun.json["id"]?.text ?? "")"
            var compared: Int64 = 0
            var kills = 0
            for _ in 0..<4 {
                let before = compared
                #expect(
                    try await eventually {
                        let run = try await server.json(path, key: key)
                        compared = (run["matched"]?.integer ?? 0) + (run["missing_here"]?.integer ?? 0)
                        return compared > before || run["state"] != "running"
                    })
                try await Task.sleep(for: .milliseconds(Int64.random(in: 0...150)))
                server.crash()
                try await server.start()
                // On a machine that is busy with others the run may end between two looks.
                guard try await server.json(path, key: key)["state"] == "running" else { break }
                kills += 1
            }
            #expect(kills > 0, "it was killed in the middle")

            #expect(try await eventually { try await server.json(path, key: key)["state"] != "running" })
            let run = try await server.json(path, key: key)
            #expect(run["state"] == "done" && run["matched"]?.integer == Int64(Self.delivered), "\(run)")
            #expect(run["missing_here"]?.integer == Int64(Self.listed - Self.delivered), "\(run)")
            #expect(server.stop() == 0)
            let counts = try await Self.counts(in: url, engine)
            #expect(counts == [Self.listed, Self.listed, Self.listed - Self.delivered, Self.listed].map(Int64.init))
        }
    }

    /// Events, their names, what was let in, and what followers are told.
    private static func counts(in url: String, _ engine: TestEngine) async throws -> [Int64] {
        let database = try TestDatabase.open(url, engine)
        let counts = try await database.read("counts") { session in
            try [
                "SELECT count(*) FROM events", "SELECT count(DISTINCT provider_event_id) FROM events",
                "SELECT count(*) FROM deliveries WHERE flags LIKE 'listed%'",
                "SELECT count(DISTINCT subject) FROM changes WHERE type = 'event.received'",
            ].map { (sql: SQL) in try session.row(sql) { try $0.integer() } ?? 0 }
        }
        await database.close()
        return counts
    }

    // MARK: The platform

    private static func event(_ number: Int, upTo now: Int) -> String {
        #"{"id":"evt_\#(number)","object":"event","type":"coupon.created","created":\#(now - 60 - number),"#
            + #""livemode":false,"data":{"object":{"id":"co_\#(number)","object":"coupon"}}}"#
    }

    /// Newest first, as `GET /v1/events` lists them.
    @Sendable private static func list(_ path: String, upTo now: Int) -> String {
        let after = path.split(separator: "starting_after=").dropFirst().first?.prefix { $0 != "&" }
        let start = after.flatMap { Int($0.dropFirst("evt_".count)) }.map { $0 + 1 } ?? 0
        let numbers = start..<min(start + page, listed)
        let data = numbers.map { event($0, upTo: now) }.joined(separator: ",")
        return #"{"object":"list","data":[\#(data)],"has_more":\#(numbers.upperBound < listed)}"#
    }
}
