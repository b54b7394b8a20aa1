import CSQLite
import Foundation
import Kit
public import Logging
import Synchronization

/// SQLite on one machine: one writer whose closures share commits, several readers, WAL, `synchronous=FULL`.
public final class SQLiteDatabase: Database {
    public let dialect = Dialect.sqlite
    private let path: String
    private let lock: FileLock?
    private let writing = WorkQueue<Work>(limit: 4096)
    private let reading = WorkQueue<Work>(limit: 1024)
    private let writer: SQLiteWriter
    private let readers: [SQLiteReader]

    /// Opens or makes the file.
    ///
    /// - Parameter owner: whether this process serves the file alone (`serve`); a second owner is refused.
    ///   The command line's verbs open it beside a running server and take SQLite's own locks.
    /// - Parameter bodies: what opens and seals bodies at rest.
    /// - Throws: `StoreError.refused` when another process serves it, `.unavailable` when it cannot be opened.
    public init(
        path: String, owner: Bool, readers count: Int = 3, pagesMax: Int? = nil, bodies: BodyKeys? = nil,
        logger: Logger
    ) throws {
        self.path = path
        lock = try owner ? FileLock(path + ".lock", for: path) : nil
        let file = SQLiteFile(path: path, pagesMax: pagesMax, bodies: bodies)
        let first = try file.openWriter()
        let reading = reading
        writer = SQLiteWriter(file: file, connection: first, queue: writing, logger: logger)
        readers = (0..<count).map { SQLiteReader(file: file, queue: reading, number: $0) }
        writer.start()
        for reader in readers { reader.start() }
    }

    public func read<Value: Sendable>(
        _ name: StaticString, _ work: @escaping @Sendable (Session) throws -> Value
    ) async throws -> Value {
        try await awaiting(name, .snapshot, id: [], work) { reading.add($0, to: .work) ? nil : .overloaded }
    }

    public func write<Value: Sendable>(
        _ name: StaticString, in lane: WriteLane, _ work: @escaping @Sendable (Session) throws -> Value
    ) async throws -> Value {
        try await awaiting(name, .serializable, id: [], work) { writing.add($0, to: lane) ? nil : .overloaded }
    }

    public func set<Value: Sendable>(
        _ name: StaticString, in lane: WriteLane, _ work: @escaping @Sendable (Session) throws -> Value
    ) async throws -> Value {
        try await write(name, in: lane, work)
    }

    public func schema<Value: Sendable>(
        _ name: StaticString, _ work: @escaping @Sendable (Session) throws -> Value
    ) async throws -> Value {
        try await write(name, in: .work, work)
    }

    public func health() async throws -> StoreHealth {
        let path = path
        return try await set("health", in: .work) { session in
            let synchronous = try session.row("PRAGMA synchronous") { try $0.integer() } ?? -1
            let version = try session.row("SELECT sqlite_version()") { try $0.text() } ?? "?"
            // What is written and still in the log counts, too: the file itself grows at a checkpoint.
            let pages = try session.row("PRAGMA page_count") { try $0.integer() } ?? 0
            let pageBytes = try session.row("PRAGMA page_size") { try $0.integer() } ?? 0
            let words = [0: "OFF", 1: "NORMAL", 2: "FULL", 3: "EXTRA"][Int(synchronous)] ?? "?"
            return StoreHealth(
                engine: .sqlite, durability: "journal_mode=WAL, synchronous=\(words)", isDurable: synchronous >= 2,
                bytes: pages * pageBytes, walBytes: size(of: path + "-wal"), version: version, place: path)
        }
    }

    /// On a connection and a thread of its own; the writer waits no longer than the copying of the log takes.
    public func scrub() async throws -> Bool {
        let file = SQLiteFile(path: path, pagesMax: nil)
        return try await onThread("sqlite-scrub") {
            let connection = try file.openWriter()
            defer { connection.close() }
            return try connection.checkpoint(SQLITE_CHECKPOINT_TRUNCATE)
        }
    }

    public func problems() async throws -> [String]? {
        let path = path
        return try await onThread("sqlite-check") { try SQLiteCopy.problems(in: path, quick: true) }
    }

    public func close() async {
        reading.close()
        writing.close()
        for reader in readers { await reader.ended.wait() }
        await writer.ended.wait()
        lock?.release()
    }
}

func size(of path: String) -> Int64 {
    var facts = stat()
    return stat(path, &facts) == 0 ? Int64(facts.st_size) : 0
}

/// How connections to the file are made.
struct SQLiteFile: Sendable {
    let path: String
    let pagesMax: Int?
    var bodies: BodyKeys?

    /// What must be chosen before the first table exists comes first; the rest belongs to the connection. Without
    /// `temp_store` each batch would write the old pages of its savepoints to a file, as many as it writes to the WAL.
    func openWriter() throws -> SQLiteConnection {
        let connection = try SQLiteConnection(path: path, readOnly: false)
        try connection.execute(
            """
            PRAGMA page_size = 8192;
            PRAGMA auto_vacuum = INCREMENTAL;
            PRAGMA journal_mode = WAL;
            PRAGMA synchronous = FULL;
            PRAGMA wal_autocheckpoint = 0;
            PRAGMA journal_size_limit = 67108864;
            PRAGMA secure_delete = FAST;
            PRAGMA foreign_keys = ON;
            PRAGMA cache_size = -16384;
            PRAGMA temp_store = MEMORY;
            """)
        if let pagesMax { try connection.execute("PRAGMA max_page_count = \(pagesMax)") }
        guard try connection.run("PRAGMA synchronous") == [[.integer(2)]] else {
            throw StoreError.refused("\(path): SQLite does not keep synchronous=FULL on this connection.")
        }
        return connection
    }

    func openReader() throws -> SQLiteConnection {
        let connection = try SQLiteConnection(path: path, readOnly: true)
        try connection.execute("PRAGMA cache_size = -4096; PRAGMA query_only = ON;")
        return connection
    }
}

/// Proves that one process serves a file: the kernel gives the lock back when the process dies, however it dies.
final class FileLock: Sendable {
    private let descriptor: Int32
    private let isReleased = Atomic(false)

    init(_ path: String, for database: String) throws {
        let opened = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard opened >= 0 else {
            throw StoreError.refused("\(path) cannot be made: \(String(cString: strerror(errno))).")
        }
        guard flock(opened, LOCK_EX | LOCK_NB) == 0 else {
            Glibc.close(opened)
            throw StoreError.refused(
                "\(database) is served by another Patchbay. Stop it, or give this one its own file.")
        }
        descriptor = opened
    }

    /// Once: by the second time the number may be another file's.
    func release() {
        if !isReleased.exchange(true, ordering: .acquiringAndReleasing) { Glibc.close(descriptor) }
    }
}

/// Opens when a thread has ended.
final class Gate: @unchecked Sendable {  // `lock` guards both.
    private let lock = NSLock()
    private var isOpen = false
    private var waiters: [CheckedContinuation<Void, Never>] = []

    func open() {
        let all = lock.withLock {
            isOpen = true
            defer { waiters = [] }
            return waiters
        }
        for waiter in all { waiter.resume() }
    }
    func wait() async {
        await withCheckedContinuation { continuation in
            let now = lock.withLock {
                if !isOpen { waiters.append(continuation) }
                return isOpen
            }
            if now { continuation.resume() }
        }
    }
}
