import Kit
import TestSupport
import Testing

@testable import Engine
@testable import Store

/// Somebody else's transaction that stays open, such as a report or a forgotten console: on PostgreSQL it keeps dead
/// rows from being swept, and an uncommitted change keeps its number. (SQLite's readers are cut after five seconds.)
@Suite("A transaction that stays open", .serialized, .enabled(if: TestEngine.postgresURL != nil))
struct OpenTransactionTests {
    private let ids = Identifiers(now: { .system })

    @Test("the feed goes on and stays dense; what was open gets its place when it is committed")
    func feed() async throws {
        try await withDatabase { database, url in
            let (open, reader) = (try PostgresAdmin(url: url), try PostgresAdmin(url: url))
            try reader.run("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM patchbay.changes")
            let first = ids.make(ChangeKind.self)
            try open.run(
                """
                BEGIN; SET search_path TO patchbay;
                INSERT INTO changes (id, type, version, occurred_at, payload)
                VALUES ('\(first)', 't.open', 0, 0, '{}');
                INSERT INTO feed_pending (seq) SELECT seq FROM changes WHERE id = '\(first)'
                """)
            let node = ids.make(NodeKind.self)
            let sequencer = Sequencer(
                database: database, node: { node }, written: Bell(), placed: Bell(), time: .system,
                logger: .quiet)

            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await sequencer.run() }
                for _ in 0..<50 { try await append("t.other", to: database) }
                #expect(try await eventually { try await database.read("head", { try $0.feedHead() }) == 50 })
                try open.run("COMMIT")
                #expect(try await eventually { try await database.read("head", { try $0.feedHead() }) == 51 })
                group.cancelAll()
            }

            let changes = try await database.read("all") { try $0.changes(after: 0, limit: 100) }
            #expect(changes.map(\.position) == Array(1...51))
            #expect(changes.last?.id == first)
            try reader.run("COMMIT")
        }
    }

    @Test("retention deletes, deliveries are kept, what the reader has begun to read stays as it was for it")
    func retention() async throws {
        try await withDatabase { database, url in
            let desk = try await Desk(database)
            for number in 0..<20 { _ = await desk.receive(desk.stripe("evt_\(number)", type: "price.created")) }
            let reader = try PostgresAdmin(url: url)
            try reader.run("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM patchbay.bodies")
            let later = Timestamp.testNow + .days(500)

            let app = desk.app
            for what in Retained.allCases {
                _ = try await database.set("expire", in: .maintenance) {
                    try $0.expire(what, limits: RetentionLimits(), at: later, limit: 500)
                }
            }
            _ = try await database.set("forget", in: .maintenance) {
                try $0.expireIdentities(of: app, life: .days(35), at: later, limit: 500)
            }
            let reply = await desk.receive(desk.stripe("evt_after", type: "price.created"))

            #expect(reply == .kept(Kept(new: 1, duplicates: 0)))
            let counts = try await desk.counts()
            #expect(counts["bodies"] == 1 && counts["event_identities"] == 1)
            // The reader's own view, checked by the server: a division by zero would be an error.
            try reader.run("SELECT 1 / (CASE WHEN (SELECT count(*) FROM patchbay.bodies) = 20 THEN 1 ELSE 0 END)")
            try reader.run("COMMIT")
        }
    }

    private func append(_ type: String, to database: any Database) async throws {
        let change = NewChange(
            id: ids.make(), type: type, subject: nil, occurredAt: .testNow, data: Array("{}".utf8))
        try await database.write("append") { try $0.append([change]) }
    }

    private func withDatabase(_ body: (any Database, String) async throws -> Void) async throws {
        try await TestDatabase.withAddress(.postgres) { url in
            let database = try PostgresDatabase(url: url, connections: 3, ingestConnections: 1, logger: .quiet)
            _ = try await database.migrate(program: "test", at: .testNow)
            do { try await body(database, url) } catch {
                await database.close()
                throw error
            }
            await database.close()
        }
    }
}
