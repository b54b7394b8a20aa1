import CPQ
import Foundation
import Kit
public import Logging

/// PostgreSQL for many nodes: a pool of threads, each with a connection of its own; every closure is a transaction.
///
/// Minimum is PostgreSQL 14. Ingest has threads that nothing else may use.
public final class PostgresDatabase: Database {
    public let dialect = Dialect.postgres
    let url: String
    private let ingest = WorkQueue<Work>(limit: 256)
    private let other = WorkQueue<Work>(limit: 1024)
    private let workers: [PostgresWorker]
    private let watchdog: PostgresWatchdog
    private let ids: Identifiers
    private let isPooled: Bool

    /// - Parameters:
    ///   - url: `postgresql://user:password@host:port/database?…`, as libpq reads it.
    ///   - connections: for reads and work; two more serve ingest alone.
    ///   - bodies: what opens and seals bodies at rest.
    /// - Throws: `StoreError.unavailable` when it cannot be reached, `.refused` when it is too old.
    public init(
        url: String, connections: Int = 8, ingestConnections: Int = 2, bodies: BodyKeys? = nil, logger: Logger
    ) throws {
        self.url = url
        let probe = try PostgresConnection(url: url)
        guard probe.serverVersion >= 140_000 else {
            throw StoreError.refused("PostgreSQL \(probe.serverVersion / 10_000) is too old. Use 14 or newer.")
        }
        try probe.execute("CREATE SCHEMA IF NOT EXISTS patchbay")
        isPooled = try probe.run("SELECT pg_backend_pid()", []) != [[.integer(Int64(probe.serverProcess))]]
        let (ingest, other) = (ingest, other)
        workers =
            (0..<ingestConnections).map { PostgresWorker("pg-ingest-\($0)", url: url, queue: ingest, bodies, logger) }
            + (0..<connections).map { PostgresWorker("pg-\($0)", url: url, queue: other, bodies, logger) }
        watchdog = PostgresWatchdog(workers: workers, logger: logger)
        ids = Identifiers(now: { Timestamp(microseconds: Int64(Date().timeIntervalSince1970 * 1e6)) })
        for worker in workers { worker.start() }
        watchdog.start()
    }

    public func read<Value: Sendable>(
        _ name: StaticString, _ work: @escaping @Sendable (Session) throws -> Value
    ) async throws -> Value {
        try await awaiting(name, .snapshot, id: [], work) { other.add($0, to: .work) }
    }

    public func write<Value: Sendable>(
        _ name: StaticString, in lane: WriteLane, _ work: @escaping @Sendable (Session) throws -> Value
    ) async throws -> Value {
        try await awaiting(name, .serializable, id: ids.bytes(16), work) { queue(lane).add($0, to: lane) }
    }

    public func set<Value: Sendable>(
        _ name: StaticString, in lane: WriteLane, _ work: @escaping @Sendable (Session) throws -> Value
    ) async throws -> Value {
        try await awaiting(name, .readCommitted, id: ids.bytes(16), work) { queue(lane).add($0, to: lane) }
    }

    public func schema<Value: Sendable>(
        _ name: StaticString, _ work: @escaping @Sendable (Session) throws -> Value
    ) async throws -> Value {
        try await awaiting(name, .schema, id: [], work) { other.add($0, to: .work) }
    }

    private func queue(_ lane: WriteLane) -> WorkQueue<Work> { lane == .ingest ? ingest : other }

    public func health() async throws -> StoreHealth {
        let (place, isPooled) = (Self.withoutPassword(url), isPooled)
        return try await read("health") { session in
            func setting(_ name: String) throws -> String {
                try session.row(SQL(stringLiteral: "SHOW \(name)")) { try $0.text() } ?? "?"
            }
            let (fsync, commit) = (try setting("fsync"), try setting("synchronous_commit"))
            let bytes = try session.row("SELECT pg_database_size(current_database())") { try $0.integer() } ?? 0
            return StoreHealth(
                engine: .postgres, durability: "fsync=\(fsync), synchronous_commit=\(commit)",
                isDurable: fsync == "on" && commit != "off", bytes: bytes, walBytes: 0,
                version: try setting("server_version"), place: place, isPooled: isPooled)
        }
    }

    public func close() async {
        ingest.close()
        other.close()
        for worker in workers { await worker.ended.wait() }
        watchdog.stop()
    }

    /// The address for logs and pages: scheme, host, port and database only.
    static func withoutPassword(_ url: String) -> String {
        guard let schemeEnd = url.range(of: "://")?.upperBound else { return "postgresql" }
        let rest = url[schemeEnd...]
        let end = rest.firstIndex(of: "?") ?? rest.endIndex
        let start = rest[..<end].lastIndex(of: "@").map { rest.index(after: $0) } ?? rest.startIndex
        return url[..<schemeEnd] + String(rest[start..<end])
    }
}

/// One thread with one connection.
///
/// `@unchecked Sendable`: its state belongs to its thread, but for `running`, which `lock` guards.
final class PostgresWorker: @unchecked Sendable {
    /// For a closure with all its repetitions, reconnecting included.
    private static let secondsMax = 12.0
    /// Serializable transactions that met are run again so often.
    private static let conflictsMax = 5

    let ended = Gate()
    private let name: String
    private let url: String
    private let queue: WorkQueue<Work>
    private let bodies: BodyKeys?
    private let logger: Logger
    private var connection: PostgresConnection?
    private let lock = NSLock()
    private var running: (connection: PostgresConnection, name: StaticString, since: Double)?

    init(_ name: String, url: String, queue: WorkQueue<Work>, _ bodies: BodyKeys?, _ logger: Logger) {
        self.bodies = bodies
        self.name = name
        self.url = url
        self.queue = queue
        self.logger = logger
    }

    func start() { startThread(name) { self.loop() } }

    /// What runs for longer than `seconds`, for the watchdog.
    func overdue(by seconds: Double) -> (connection: PostgresConnection, name: StaticString)? {
        lock.withLock {
            guard let running, SQLiteConnection.monotonic() - running.since > seconds else { return nil }
            return (running.connection, running.name)
        }
    }

    private func loop() {
        while let works = queue.take(1, waiting: 60) {
            for work in works {
                do {
                    try perform(work)
                    work.finish(nil, nil)
                } catch let error as StoreError {
                    work.finish(error, nil)
                } catch {
                    work.finish(nil, error)
                }
            }
        }
        connection = nil
        ended.open()
    }

    /// Runs a closure until it is committed, refused, or out of time.
    ///
    /// An answer to COMMIT that was lost is neither: the same transaction runs again, and its id in `writes` says
    /// whether the first had committed.
    private func perform(_ work: Work) throws {
        let end = SQLiteConnection.monotonic() + Self.secondsMax
        var conflicts = 0
        var mayHaveCommitted = false
        while true {
            do {
                let open = try connected(until: end)
                if try attempt(work, on: open, mayHaveCommitted: &mayHaveCommitted) { return }
            } catch StoreError.conflict where conflicts < Self.conflictsMax {
                conflicts += 1
                Thread.sleep(forTimeInterval: Double.random(in: 0...0.005) * Double(conflicts * conflicts))
            } catch let error as StoreError where connection == nil || connection?.isAlive == false {
                connection = nil
                guard error.passes, SQLiteConnection.monotonic() < end else { throw error }
                Thread.sleep(forTimeInterval: 0.05)
            }
        }
    }

    /// One transaction. True when it is known to be committed.
    private func attempt(_ work: Work, on open: PostgresConnection, mayHaveCommitted: inout Bool) throws -> Bool {
        lock.withLock { running = (open, work.name, SQLiteConnection.monotonic()) }
        defer { lock.withLock { running = nil } }
        let transaction = Transaction(
            placeholder: "$", bodies: bodies, execute: { try open.run($0, $1) }, changed: { open.changedRows })
        do {
            do {
                try open.execute(Self.begin(work))
            } catch StoreError.constraint where mayHaveCommitted {
                try open.execute("ROLLBACK")
                return true
            }
            defer { transaction.end() }
            try work.body(Session(dialect: .postgres, transaction: transaction))
            mayHaveCommitted = work.isolation == .serializable || work.isolation == .readCommitted
            try open.execute("COMMIT")
        } catch {
            if open.isAlive {
                mayHaveCommitted = false  // The server said no: nothing of this try is kept.
                if open.isInTransaction { try open.execute("ROLLBACK") }
            }
            throw error
        }
        wake(transaction.lanesToWake, on: open)
        return true
    }

    private static func begin(_ work: Work) -> String {
        let id = work.id.map { byte in (byte < 16 ? "0" : "") + String(byte, radix: 16) }.joined()
        let mark =
            "INSERT INTO writes (id, at) VALUES ('\\x\(id)', (extract(epoch FROM clock_timestamp()) * 1000000)::BIGINT)"
        return switch work.isolation {
        case .schema: "BEGIN ISOLATION LEVEL READ COMMITTED"
        case .snapshot: "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
        case .serializable: "BEGIN ISOLATION LEVEL SERIALIZABLE; \(mark)"
        case .readCommitted: "BEGIN ISOLATION LEVEL READ COMMITTED; \(mark)"
        }
    }

    private func connected(until end: Double) throws -> PostgresConnection {
        while true {
            if let connection, connection.isAlive { return connection }
            do {
                let opened = try PostgresConnection(url: url)
                connection = opened
                return opened
            } catch {
                guard SQLiteConnection.monotonic() < end else { throw error }
                Thread.sleep(forTimeInterval: 0.1)
            }
        }
    }

    /// Right after the commit and without waiting for the disk: a crash between the two is mended by
    /// `Session.wakeForgottenLanes`, and no row lock of a lane is held through a sync.
    private func wake(_ lanes: [String: LaneArrival], on open: PostgresConnection) {
        guard !lanes.isEmpty else { return }
        do {
            try open.execute("BEGIN; SET LOCAL synchronous_commit = off")
            let transaction = Transaction(
                placeholder: "$", execute: { try open.run($0, $1) }, changed: { open.changedRows })
            defer { transaction.end() }
            try Session(dialect: .postgres, transaction: transaction).wake(lanes)
            try open.execute("COMMIT")
        } catch {
            logger.notice("store.lanes_not_woken", metadata: ["problem": "\(error)"])
            if open.isAlive, open.isInTransaction { try? open.execute("ROLLBACK") }  // The sweep wakes them.
        }
    }
}

/// Ends what takes too long: first by asking the server, then by cutting the connection.
final class PostgresWatchdog: @unchecked Sendable {  // `lock` guards the flag.
    private static let cancelSeconds = 10.0
    private static let cutSeconds = 13.0

    private let workers: [PostgresWorker]
    private let logger: Logger
    private let lock = NSLock()
    private var stopped = false

    init(workers: [PostgresWorker], logger: Logger) {
        self.workers = workers
        self.logger = logger
    }

    func start() {
        startThread("pg-watchdog") {
            while !self.lock.withLock({ self.stopped }) {
                Thread.sleep(forTimeInterval: 0.5)
                self.look()
            }
        }
    }
    func stop() { lock.withLock { stopped = true } }

    private func look() {
        for worker in workers {
            if let (connection, name) = worker.overdue(by: Self.cutSeconds) {
                logger.error("store.connection_cut", metadata: ["closure": "\(name)"])
                connection.cut()
            } else if let (connection, name) = worker.overdue(by: Self.cancelSeconds) {
                logger.warning("store.closure_cancelled", metadata: ["closure": "\(name)"])
                connection.cancel()
            }
        }
    }
}

/// Statements outside transactions on a server: creating and dropping databases in tests and tools.
public struct PostgresAdmin {
    private let connection: PostgresConnection
    public init(url: String) throws { connection = try PostgresConnection(url: url, settings: "") }
    public func run(_ text: String) throws { try connection.execute(text) }
}
