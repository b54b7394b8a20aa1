import Foundation
import Kit
import Logging
import TestSupport
import Testing

@testable import Store

@Suite("PostgreSQL that is away", .serialized, .enabled(if: TestEngine.postgresURL != nil))
struct PostgresAwayTests {
    @Test("R3 one that hangs: its callers are told, nobody waits behind them, and it serves again by itself")
    func hangs() async throws {
        var patience = PostgresPatience()
        (patience.silence, patience.doubt, patience.cancel, patience.cut) = (2, 1, 3, 5)
        try await withCluster(patience) { cluster, database in
            // Every connection stands when it begins: what hangs is a transaction, which somebody must end.
            #expect(await Self.writes("j", in: database).allSatisfy { $0 == nil })
            try cluster.freeze(true)
            let problems = await Self.writes("k", in: database)
            #expect(problems.allSatisfy { $0?.passes == true })
            #expect(database.away != nil)
            // Each of these would have waited for its turn on three connections.
            for number in 0..<2000 { #expect(await Self.write("l\(number)", in: database)?.passes == true) }

            try cluster.freeze(false)

            #expect(try await eventually { await Self.write("after", in: database) == nil })
            #expect(database.away == nil)
        }
    }

    @Test("one whose processes are gone: whoever asks is told at once, and it serves again by itself")
    func gone() async throws {
        try await withCluster { cluster, database in
            try cluster.control(["stop", "immediate"])
            #expect(await Self.write("k", in: database)?.passes == true)
            #expect(try await eventually { database.away != nil })
            for number in 0..<2000 { #expect(await Self.write("l\(number)", in: database)?.passes == true) }

            try cluster.control(["start"])

            #expect(try await eventually { await Self.write("after", in: database) == nil })
        }
    }

    @Test("connections that somebody ends cost nobody an error")
    func ended() async throws {
        try await withCluster { cluster, database in
            for number in 0..<5 {
                try PostgresAdmin(url: cluster.url).run(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
                #expect(await Self.write("k\(number)", in: database) == nil)
            }
            #expect(database.away == nil)
        }
    }

    @Test("R3 the server says so: 503 on every door, a reason for the operator, and it serves again by itself")
    func doors() async throws {
        let cluster = try await PostgresCluster.start()
        defer { cluster.stop() }
        let server = try ServerProcess(databaseURL: cluster.url)
        let key = try server.makeKey()
        try await server.start()
        #expect(try await server.get("/readyz").status == 200)
        let secrets: JSON = ["webhook_secret": [.string(ServerProcess.secret)]]
        let app = try await server.call(
            "POST", "/v1/apps", ["provider": "stripe", "name": "second", "secrets": secrets], key: key)
        let id = try #require(app.json["id"]?.text, "\(app)")

        try cluster.control(["stop", "immediate"])
        #expect(try await eventually { server.logText.contains("store.away") })
        let ready = try await server.get("/readyz")
        #expect(ready.status == 503 && String(decoding: ready.body, as: UTF8.self).contains("PostgreSQL is away"))
        let metrics = try await server.get("/metrics")
        #expect(metrics.status == 200)
        #expect(String(decoding: metrics.body, as: UTF8.self).contains("patchbay_database_up 0\n"))
        for path in ["/webhooks/stripe", "/webhooks/stripe/\(id)"] {
            for _ in 0..<200 {
                let reply = try await server.deliver(reply: Array("{}".utf8), secret: ServerProcess.secret, to: path)
                #expect(reply.status == 503)
                #expect(reply.headers.contains { $0.0.lowercased() == "retry-after" })
            }
        }
        #expect(try await server.call("GET", "/v1/events", key: key).status == 503)
        let lines = server.logText.split(separator: "\n").filter { $0.contains("delivery.not_kept") }
        #expect(lines.contains { $0.contains("code=unavailable") && $0.contains("PostgreSQL is away") })
        #expect(lines.count < 20, "a flood of deliveries is no flood of lines")

        try cluster.control(["start"])
        #expect(try await eventually { try await server.get("/readyz").status == 200 })
        // Each connection is made anew when it is needed: one that is not there yet is another 503, and no more.
        #expect(try await eventually { try await server.deliver("evt_after") == 200 })
        #expect(server.logText.contains("store.back"))
        #expect(server.stop() == 0)
    }

    // MARK: Hands

    /// Sixty side by side; what each came to.
    private static func writes(_ name: String, in database: PostgresDatabase) async -> [StoreError?] {
        await withTaskGroup(of: StoreError?.self) { group in
            for number in 0..<60 { group.addTask { await write("\(name)\(number)", in: database) } }
            return await group.reduce(into: []) { $0.append($1) }
        }
    }

    private func withCluster(
        _ patience: PostgresPatience = PostgresPatience(),
        _ body: (PostgresCluster, PostgresDatabase) async throws -> Void
    ) async throws {
        let cluster = try await PostgresCluster.start()
        defer { cluster.stop() }
        let first = try PostgresDatabase(url: cluster.url, connections: 1, ingestConnections: 1, logger: .quiet)
        _ = try await first.migrate(program: "test", at: .testNow)
        await first.close()
        let database = try PostgresDatabase(
            url: cluster.url, connections: 3, ingestConnections: 1, patience: patience, logger: .quiet)
        try await body(cluster, database)
        await database.close()
    }

    private static func write(_ key: String, in database: PostgresDatabase) async -> StoreError? {
        do {
            try await database.write("one", in: .work) {
                _ = try $0.run("INSERT INTO instance (key, value) VALUES (\(key), '')")
            }
            return nil
        } catch {
            return error as? StoreError
        }
    }
}
