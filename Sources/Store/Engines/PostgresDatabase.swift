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
    private let prober: PostgresProber
    private let watchdog: PostgresWatchdog
    private let ids: Identifiers
    private let isPooled: Bool
    private let patience: PostgresPatience

    /// - Parameters:
    ///   - url: `postgresql://user:password@host:port/database?…`, as libpq reads it.
    ///   - connections: for reads and work; two more serve ingest alone, one asks whether the server answers.
    ///   - bodies: what opens and seals bodies at rest.
    /// - Throws: `StoreError.unavailable` when it cannot be reached, `.refused` when it is too old.
    public convenience init(
        url: String, connections: Int = 8, ingestConnections: Int = 2, bodies: BodyKeys? = nil, logger: Logger
    ) throws {
        try self.init(
            url: url, connections: connections, ingestConnections: ingestConnections, bodies: bodies,
            patience: PostgresPatience(), logger: logger)
    }

    init(
        url: String, connections: Int, ingestConnections: Int, bodies: BodyKeys? = nil, patience: PostgresPatience,
        logger: Logger
    ) throws {
        self.url = url
        self.patience = patience
        let probe = try PostgresConnection(url: url)
        guard probe.serverVersion >= 140_000 else {
            throw StoreError.refused("PostgreSQL \(probe.serverVersion / 10_000) is too old. Use 14 or newer.")
        }
        isPooled = try probe.run("SELECT pg_backend_pid()", []) != [[.integer(Int64(probe.serverProcess))]]
        let (ingest, other) = (ingest, other)
        let prober = PostgresProber(url: url, connection: probe, patience: patience, logger: logger)
        self.prober = prober
        func worker(_ name: String, _ queue: WorkQueue<Work>) -> PostgresWorker {
            PostgresWorker(
                name, url: url, queue: queue, prober: prober, patience: patience, bodies: bodies, logger: logger)
        }
        workers =
            (0..<ingestConnections).map { worker("pg-ingest-\($0)", ingest) }
            + (0..<connections).map { worker("pg-\($0)", other) }
        watchdog = PostgresWatchdog(workers: workers, queues: [ingest, other], prober: prober)
        ids = Identifiers(now: { Timestamp(microseconds: Int64(Date().timeIntervalSince1970 * 1e6)) })
        for worker in workers { worker.start() }
        prober.start()
        watchdog.start()
    }

    public func read<Value: Sendable>(
        _ name: StaticString, _ work: @escaping @Sendable (Session) throws -> Value
    ) async throws -> Value {
        try await awaiting(name, .snapshot, id: [], work) { add($0, to: .work) }
    }

    public func write<Value: Sendable>(
        _ name: StaticString, in lane: WriteLane, _ work: @escaping @Sendable (Session) throws -> Value
    ) async throws -> Value {
        try await awaiting(name, .serializable, id: ids.bytes(16), work) { add($0, to: lane) }
    }

    public func set<Value: Sendable>(
        _ name: StaticString, in lane: WriteLane, _ work: @escaping @Sendable (Session) throws -> Value
    ) async throws -> Value {
        try await awaiting(name, .readCommitted, id: ids.bytes(16), work) { add($0, to: lane) }
    }

    public func schema<Value: Sendable>(
        _ name: StaticString, _ work: @escaping @Sendable (Session) throws -> Value
    ) async throws -> Value {
        try await awaiting(name, .schema, id: [], work) { add($0, to: .work) }
    }

    public var away: StoreError? { prober.away }

    /// Why it was not taken.
    private func add(_ work: Work, to lane: WriteLane) -> StoreError? {
        if let away { return away }
        var work = work
        work.deadline = SQLiteConnection.monotonic() + patience.closure
        return (lane == .ingest ? ingest : other).add(work, to: lane) ? nil : .overloaded
    }

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
        prober.stop()
        await prober.ended.wait()
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
    /// Serializable transactions that met are run again so often.
    private static let conflictsMax = 5
    /// A transaction slower than this is named in the log.
    private static let slowSeconds = 0.05

    let ended = Gate()
    private let name: String
    private let url: String
    private let queue: WorkQueue<Work>
    private let bodies: BodyKeys?
    private let prober: PostgresProber
    private let patience: PostgresPatience
    private let logger: Logger
    private var connection: PostgresConnection?
    private let lock = NSLock()
    private var running: Running?
    private struct Running {
        let connection: PostgresConnection
        let name: StaticString
        let since = SQLiteConnection.monotonic()
        var isCancelled = false
        var isCut = false
    }

    init(
        _ name: String, url: String, queue: WorkQueue<Work>, prober: PostgresProber, patience: PostgresPatience,
        bodies: BodyKeys?, logger: Logger
    ) {
        self.bodies = bodies
        self.name = name
        self.url = url
        self.queue = queue
        self.prober = prober
        self.patience = patience
        self.logger = logger
    }

    func start() { startThread(name) { self.loop() } }

    /// Ends what runs for too long. True when it makes one doubt that the server answers. Never waits.
    func curb() -> Bool {
        lock.withLock {
            guard let current = running else { return false }
            let seconds = SQLiteConnection.monotonic() - current.since
            if seconds > patience.cut, !current.isCut {
                logger.error("store.connection_cut", metadata: ["closure": "\(current.name)"])
                current.connection.cut()
                running?.isCut = true
            } else if seconds > patience.cancel, !current.isCancelled {
                logger.warning("store.closure_cancelled", metadata: ["closure": "\(current.name)"])
                current.connection.cancel()
                running?.isCancelled = true
            }
            return seconds > patience.doubt
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
    /// whether the first had committed. For that it waits to the end of its time, for all else only for a moment.
    private func perform(_ work: Work) throws {
        var conflicts = 0
        var mayHaveCommitted = false
        guard work.deadline > SQLiteConnection.monotonic() else { throw StoreError.overloaded }
        if let away = prober.away { throw away }
        while true {
            do {
                if try attempt(work, on: try connected(), mayHaveCommitted: &mayHaveCommitted) { return }
            } catch StoreError.conflict where conflicts < Self.conflictsMax {
                conflicts += 1
                Thread.sleep(forTimeInterval: Double.random(in: 0...0.005) * Double(conflicts * conflicts))
            } catch let error as StoreError where connection == nil || connection?.isAlive == false {
                connection = nil
                guard error.passes, prober.answers(before: work.deadline, patient: mayHaveCommitted) else {
                    throw error
                }
                Thread.sleep(forTimeInterval: 0.05)
            }
        }
    }

    /// One transaction. True when it is known to be committed.
    private func attempt(_ work: Work, on open: PostgresConnection, mayHaveCommitted: inout Bool) throws -> Bool {
        let began = lock.withLock {
            let new = Running(connection: open, name: work.name)
            running = new
            return new.since
        }
        defer {
            lock.withLock { running = nil }
            let seconds = SQLiteConnection.monotonic() - began
            if seconds > Self.slowSeconds {
                logger.warning(
                    "store.closure_slow", metadata: ["closure": "\(work.name)", "ms": "\(Int(seconds * 1000))"])
            }
        }
        let transaction = Transaction(
            placeholder: "$", bodies: bodies, execute: { try open.run($0, $1) }, changed: { open.changedRows })
        var isCommitting = false
        do {
            do {
                try open.execute(Self.begin(work))
            } catch StoreError.constraint where mayHaveCommitted {
                try open.execute("ROLLBACK")
                return true
            }
            mayHaveCommitted = false  // Its id was free: no earlier try is kept.
            defer { transaction.end() }
            try work.body(Session(dialect: .postgres, transaction: transaction))
            isCommitting = true
            mayHaveCommitted = work.isolation == .serializable || work.isolation == .readCommitted
            try open.execute("COMMIT")
        } catch {
            if open.isAlive {
                if isCommitting { mayHaveCommitted = false }  // The server said no: nothing of this try is kept.
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

    private func connected() throws -> PostgresConnection {
        if let connection, connection.isAlive { return connection }
        let opened = try PostgresConnection(url: url)
        connection = opened
        return opened
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

/// Statements outside transactions on a server: creating and dropping databases in tests and tools.
public struct PostgresAdmin {
    private let connection: PostgresConnection
    public init(url: String) throws { connection = try PostgresConnection(url: url, settings: "") }
    public func run(_ text: String) throws { try connection.execute(text) }
}
