/// Who goes first when writers wait. Every closure and set names its lane.
public enum WriteLane: Int, Sendable, CaseIterable {
    /// Webhooks in, refreshed tokens: a platform waits.
    case ingest = 0
    /// Jobs, the API, what people do.
    case work = 1
    /// Retention, rejected deliveries, statistics: may wait for seconds.
    case maintenance = 2
}

/// The database: SQLite on one machine, PostgreSQL on many. Both run the same SQL and pass the same suite.
///
/// Closures are synchronous, so nobody can call a platform inside a transaction, and pure: values in, value out,
/// no ids or times made inside, because both engines may run a closure more than once.
public protocol Database: Sendable {
    var dialect: Dialect { get }

    /// Runs on one snapshot that does not change; cannot write. Cut off after 5 s.
    func read<Value: Sendable>(
        _ name: StaticString, _ work: @escaping @Sendable (Session) throws -> Value
    ) async throws -> Value

    /// One transaction, serializable among all closures: all or nothing, on disk when it returns.
    /// At most 500 rows; longer work is done in pieces.
    ///
    /// Rows that sets write too must be locked with `Dialect.forUpdate` before the closure decides on them.
    @discardableResult
    func write<Value: Sendable>(
        _ name: StaticString, in lane: WriteLane, _ work: @escaping @Sendable (Session) throws -> Value
    ) async throws -> Value

    /// One transaction at read committed, for set operations: each statement carries its own guard.
    @discardableResult
    func set<Value: Sendable>(
        _ name: StaticString, in lane: WriteLane, _ work: @escaping @Sendable (Session) throws -> Value
    ) async throws -> Value

    /// One transaction for the schema's own steps, before any table of ours may exist. Each repeats without harm.
    @discardableResult
    func schema<Value: Sendable>(
        _ name: StaticString, _ work: @escaping @Sendable (Session) throws -> Value
    ) async throws -> Value

    /// What an operator wants to know: durability policy, latency of a sync, sizes.
    func health() async throws -> StoreHealth

    /// Leaves nothing of what was overwritten or deleted in the log beside an SQLite file. False when somebody read for
    /// too long: ask again. PostgreSQL's own vacuum does this there.
    func scrub() async throws -> Bool

    /// What is wrong with the file that the data lies in; nil where the engine sees to that itself. Reads all of it,
    /// beside everything else.
    func problems() async throws -> [String]?

    /// Why nothing is begun now, where that is known without asking; nil otherwise. Never waits.
    var away: StoreError? { get }

    /// Finishes what has begun, refuses what comes, closes all connections.
    func close() async
}

extension Database {
    public func scrub() async throws -> Bool { true }
    public func problems() async throws -> [String]? { nil }
    public var away: StoreError? { nil }

    @discardableResult
    public func write<Value: Sendable>(
        _ name: StaticString, _ work: @escaping @Sendable (Session) throws -> Value
    ) async throws -> Value {
        try await write(name, in: .work, work)
    }
}

/// What the store says of itself.
public struct StoreHealth: Sendable {
    public let engine: Dialect.Engine
    /// The engine's own words, read back: `synchronous=FULL`, `fsync=on, synchronous_commit=on`.
    public let durability: String
    public let isDurable: Bool
    public let bytes: Int64
    public let walBytes: Int64
    public let version: String
    /// Where the data lies, without credentials.
    public let place: String
    /// Whether something stands between us and the database that lends its connections, such as PgBouncer.
    public let isPooled: Bool
    public init(
        engine: Dialect.Engine, durability: String, isDurable: Bool, bytes: Int64, walBytes: Int64, version: String,
        place: String, isPooled: Bool = false
    ) {
        self.engine = engine
        self.durability = durability
        self.isDurable = isDurable
        self.bytes = bytes
        self.walBytes = walBytes
        self.version = version
        self.place = place
        self.isPooled = isPooled
    }
}

/// An open transaction, for the closure that was given it. Queries are its methods, by subject in `Queries/`.
///
/// Used after its transaction ended, it throws `StoreError.sessionClosed`.
public struct Session {
    public let dialect: Dialect
    let transaction: Transaction

    init(dialect: Dialect, transaction: Transaction) {
        self.dialect = dialect
        self.transaction = transaction
    }

    /// The rows that a statement answers, each read by `read`, in the order of its columns.
    func rows<Value>(_ sql: SQL, _ read: (inout Row) throws -> Value) throws -> [Value] {
        try transaction.run(sql).map { cells in
            var row = Row(cells, in: transaction)
            return try read(&row)
        }
    }
    /// The only row, or nil.
    func row<Value>(_ sql: SQL, _ read: (inout Row) throws -> Value) throws -> Value? { try rows(sql, read).first }

    /// Runs a statement for its effect. Answers how many rows it changed.
    @discardableResult
    func run(_ sql: SQL) throws -> Int {
        _ = try transaction.run(sql)
        return transaction.changedRows
    }

    /// One INSERT for many rows, in few fixed sizes so that prepared statements stay few.
    ///
    /// - Parameters:
    ///   - head: `INSERT INTO t (a, b) VALUES`.
    ///   - tail: `ON CONFLICT … RETURNING …`, or nothing.
    func insert<Value>(
        _ head: String, _ rows: [[Cell]], _ tail: String = "", read: (inout Row) throws -> Value
    ) throws -> [Value] {
        if dialect.rowsInsertedAtOnce == 1, let first = rows.first {
            // One text for all rows, made once.
            let places = (1...max(1, first.count)).map { "\(dialect.placeholder)\($0)" }.joined(separator: ", ")
            let text = "\(head) (\(places)) \(tail)"
            return try rows.flatMap { cells in
                try transaction.run(text, cells).map { answer in
                    var row = Row(answer, in: transaction)
                    return try read(&row)
                }
            }
        }
        var result: [Value] = []
        var start = 0
        while start < rows.count {
            var size = dialect.rowsInsertedAtOnce
            while size > rows.count - start { size /= 2 }
            let sql =
                SQL(stringLiteral: head + " ") + SQL.rows(Array(rows[start..<start + size]))
                + SQL(stringLiteral: " " + tail)
            result += try self.rows(sql, read)
            start += size
        }
        return result
    }
    func insert(_ head: String, _ rows: [[Cell]], _ tail: String = "") throws {
        _ = try insert(head, rows, tail) { _ in }
    }
}

/// The thread's hold on an open transaction. Lives as long as the closure runs.
final class Transaction {
    private let execute: (String, [Cell]) throws -> [[Cell]]
    private let placeholder: String
    private let changed: () -> Int
    /// What opens bodies that are sealed at rest.
    let bodies: BodyKeys?
    private(set) var isOpen = true
    /// Lanes to wake once the commit is known (PostgreSQL), by lane id.
    var lanesToWake: [String: LaneArrival] = [:]

    init(
        placeholder: String, bodies: BodyKeys? = nil, execute: @escaping (String, [Cell]) throws -> [[Cell]],
        changed: @escaping () -> Int
    ) {
        self.bodies = bodies
        self.placeholder = placeholder
        self.execute = execute
        self.changed = changed
    }

    func run(_ sql: SQL) throws -> [[Cell]] { try run(sql.text(placeholder: placeholder), sql.values) }

    /// The same for a text whose placeholders are numbered already.
    func run(_ text: String, _ values: [Cell]) throws -> [[Cell]] {
        guard isOpen else { throw StoreError.sessionClosed }
        return try execute(text, values)
    }
    var changedRows: Int { changed() }
    func end() { isOpen = false }
}
