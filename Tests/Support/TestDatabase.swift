import Foundation
public import Kit
public import Logging
public import Store

/// The engines that a suite runs on. PostgreSQL takes part where `scripts/with-postgres` has started one.
public enum TestEngine: String, Sendable, CaseIterable, CustomStringConvertible {
    case sqlite, postgres

    public static let all: [TestEngine] = postgresURL == nil ? [.sqlite] : [.sqlite, .postgres]
    public static var postgresURL: String? { ProcessInfo.processInfo.environment["PATCHBAY_TEST_POSTGRES"] }
    public var description: String { rawValue }
}

/// A fresh database with the schema, for one test; gone afterwards.
public struct TestDatabase: Sendable {
    public let database: any Database
    /// What `PATCHBAY_DATABASE_URL` would say.
    public let url: String
    private let remove: @Sendable () throws -> Void

    public static func with<Value>(
        _ engine: TestEngine, pagesMax: Int? = nil, migrated: Bool = true, bodies: BodyKeys? = nil,
        logger: Logger = .quiet, _ body: (any Database) async throws -> Value
    ) async throws -> Value {
        await TestSlots.shared.take()
        defer { TestSlots.shared.give() }
        let made = try make(engine, pagesMax: pagesMax, bodies: bodies, logger: logger)
        if migrated { _ = try await made.database.migrate(program: "test", at: .testNow) }
        do {
            let value = try await body(made.database)
            await made.database.close()
            try made.remove()
            return value
        } catch {
            await made.database.close()
            try made.remove()
            throw error
        }
    }

    /// An address for a fresh, empty database, for programs that open it themselves.
    public static func withAddress<Value>(_ engine: TestEngine, _ body: (String) async throws -> Value) async throws
        -> Value
    {
        let (url, remove) = try place(engine)
        do {
            let value = try await body(url)
            try remove()
            return value
        } catch {
            try remove()
            throw error
        }
    }

    /// Opens what another process made, beside it.
    public static func open(_ url: String, _ engine: TestEngine) throws -> any Database {
        switch engine {
        case .sqlite: try SQLiteDatabase(path: String(url.dropFirst("sqlite:".count)), owner: false, logger: .quiet)
        case .postgres: try PostgresDatabase(url: url, connections: 1, ingestConnections: 1, logger: .quiet)
        }
    }

    private static func make(
        _ engine: TestEngine, pagesMax: Int?, bodies: BodyKeys?, logger: Logger
    ) throws -> TestDatabase {
        let (url, remove) = try place(engine)
        switch engine {
        case .sqlite:
            let path = String(url.dropFirst("sqlite:".count))
            let database = try SQLiteDatabase(
                path: path, owner: true, pagesMax: pagesMax, bodies: bodies, logger: logger)
            return TestDatabase(database: database, url: url, remove: remove)
        case .postgres:
            let database = try PostgresDatabase(
                url: url, connections: 3, ingestConnections: 1, bodies: bodies, logger: logger)
            return TestDatabase(database: database, url: url, remove: remove)
        }
    }

    private static func place(_ engine: TestEngine) throws -> (url: String, remove: @Sendable () throws -> Void) {
        switch engine {
        case .sqlite:
            let folder = FileManager.default.temporaryDirectory.appendingPathComponent("patchbay-\(UUID().uuidString)")
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            return (
                "sqlite:" + folder.appendingPathComponent("patchbay.sqlite").path,
                {
                    try FileManager.default.removeItem(at: folder)
                }
            )
        case .postgres:
            guard let server = TestEngine.postgresURL else {
                throw StoreError.refused("PATCHBAY_TEST_POSTGRES is not set")
            }
            let name = "t" + UUID().uuidString.replacing("-", with: "").lowercased()
            let admin = try PostgresAdmin(url: server)
            try admin.run("CREATE DATABASE \(name) TEMPLATE template0")
            let url = server[..<(server.lastIndex(of: "/") ?? server.endIndex)] + "/" + name
            return (String(url), { try PostgresAdmin(url: server).run("DROP DATABASE IF EXISTS \(name) WITH (FORCE)") })
        }
    }
}

extension Logger {
    /// Swallows everything.
    public static var quiet: Logger { Logger(label: "test") { _ in SwiftLogNoOpLogHandler() } }
}

extension Timestamp {
    /// 2026-11-28T10:00:00Z, the clock of tests that need none.
    public static let testNow = Timestamp(seconds: 1_795_860_000)
}
