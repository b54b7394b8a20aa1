import Foundation
import Kit
import Logging
import TestSupport
import Testing

@testable import Engine
@testable import Server
@testable import Store

@Suite("The file of an SQLite database")
struct UpgradeCopyTests {
    private func files(beside url: String) throws -> [String] {
        let path = URL(filePath: String(url.dropFirst("sqlite:".count)))
        return try FileManager.default.contentsOfDirectory(atPath: path.deletingLastPathComponent().path)
            .filter { $0.contains("before-upgrade") }
    }

    @Test("it is copied before its schema changes, one copy at most, and the copy goes after a week")
    func copied() async throws {
        try await TestDatabase.withAddress(.sqlite) { url in
            let path = String(url.dropFirst("sqlite:".count))
            let database = try SQLiteDatabase(path: path, owner: true, logger: .quiet)
            _ = try await database.migrate(program: "test", at: .testNow)
            let copy = try #require(UpgradeCopy(of: .sqlite(path: path), logger: .quiet))
            _ = FileManager.default.createFile(atPath: path + ".before-upgrade-0", contents: nil)

            try await copy.make(from: 1, pending: 0)
            try await copy.make(from: 0, pending: 1)
            #expect(try files(beside: url) == ["patchbay.sqlite.before-upgrade-0"])
            try await copy.make(from: 1, pending: 1)

            let made = try files(beside: url)
            #expect(made == ["patchbay.sqlite.before-upgrade-1"])
            #expect(try SQLiteCopy.problems(in: "\(path).before-upgrade-1") == [])
            copy.sweep(at: Timestamp.system + .days(6))
            #expect(try files(beside: url) == made)
            copy.sweep(at: Timestamp.system + .days(8))
            #expect(try files(beside: url) == [])
            await database.close()
        }
    }

    @Test("a copy that cannot be made stops the upgrade with a sentence")
    func refused() async throws {
        let copy = try #require(UpgradeCopy(of: .sqlite(path: "/nowhere/patchbay.sqlite"), logger: .quiet))

        let error = await #expect(throws: StoreError.self) { try await copy.make(from: 1, pending: 1) }
        #expect(error?.description.contains("--without-copy") == true)
    }

    @Test("damage raises an alert, which is resolved when the file is sound again")
    func integrity() async throws {
        try await TestDatabase.with(.sqlite) { database in
            let worker = IntegrityWorker(
                database: Damaged(database), ids: Identifiers(now: { .testNow }), time: TestClock().source,
                logger: .quiet)
            let job = ClaimedJob(
                id: ID(stored: "job_1"), kind: worker.kind, version: 1, lane: "maintenance", priority: .analytics,
                input: [], subject: nil, attempt: 1, deaths: 0, node: ID(stored: "node_1"), fence: 1,
                createdAt: .testNow, firstFailedAt: nil)
            _ = try await worker.run(job)
            let raised = try await database.read("alerts") { try $0.alerts(AlertFilter(), ListPage(limit: 9)) }
            #expect(raised.map(\.kind) == ["store_damaged"] && raised[0].summary.contains("row 7 missing"))

            let sound = IntegrityWorker(
                database: database, ids: Identifiers(now: { .testNow }), time: TestClock().source, logger: .quiet)
            _ = try await sound.run(job)
            let after = try await database.read("alerts") { try $0.alerts(AlertFilter(), ListPage(limit: 9)) }
            #expect(after.map(\.state) == ["resolved"])
        }
    }
}

/// A database whose file does not pass.
private struct Damaged: Database {
    let database: any Database
    init(_ database: any Database) { self.database = database }
    var dialect: Dialect { database.dialect }
    func problems() async throws -> [String]? { ["row 7 missing from index events_type"] }
    func health() async throws -> StoreHealth { try await database.health() }
    func close() async {}
    func read<Value: Sendable>(_ name: StaticString, _ work: @escaping @Sendable (Session) throws -> Value) async throws
        -> Value
    { try await database.read(name, work) }
    func write<Value: Sendable>(
        _ name: StaticString, in lane: WriteLane, _ work: @escaping @Sendable (Session) throws -> Value
    ) async throws -> Value { try await database.write(name, in: lane, work) }
    func set<Value: Sendable>(
        _ name: StaticString, in lane: WriteLane, _ work: @escaping @Sendable (Session) throws -> Value
    ) async throws -> Value { try await database.set(name, in: lane, work) }
    func schema<Value: Sendable>(
        _ name: StaticString, _ work: @escaping @Sendable (Session) throws -> Value
    ) async throws -> Value { try await database.schema(name, work) }
}
