public import Kit

/// What `doctor` asks a database about its contents.
public struct StoreFacts: Sendable, Equatable {
    /// `live` or `test`; nil before the first start.
    public var mode: String?
    /// Events kept, counted to `StoreFacts.countMax`.
    public var events: Int64 = 0
    /// Events of the last seven days, counted to `StoreFacts.countMax`.
    public var eventsThisWeek: Int64 = 0
    public var firstEventAt: Timestamp?
    /// The database's own clock; nil where it is this machine's.
    public var clock: Timestamp?
    /// The latest time that a node wrote down.
    public var lastBeatAt: Timestamp?
    public static let countMax: Int64 = 2_000_000

    public init() {}
}

extension Session {
    /// - Throws: what the database throws; there must be a schema.
    public func storeFacts(at now: Timestamp) throws -> StoreFacts {
        var facts = StoreFacts()
        facts.mode = try row("SELECT value FROM instance WHERE key = 'mode'") { try $0.text() }
        facts.events = try eventCount(since: .zero)
        facts.eventsThisWeek = try eventCount(since: now - .days(7))
        facts.firstEventAt = try row("SELECT received_at FROM events ORDER BY id LIMIT 1") { try $0.time() }
        facts.lastBeatAt = try row("SELECT max(beat_at) FROM nodes") { try $0.optionalTime() } ?? nil
        if dialect.engine == .postgres {
            facts.clock = try row("SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)") {
                try $0.time()
            }
        }
        return facts
    }

    private func eventCount(since: Timestamp) throws -> Int64 {
        try row(
            """
            SELECT count(*)
              FROM (SELECT 1 FROM events WHERE id >= \(ID<EventKind>.floor(since)) LIMIT \(StoreFacts.countMax)) AS kept
            """
        ) { try $0.integer() } ?? 0
    }

    /// Writes a row, to see whether that is possible. The caller throws it away with its transaction.
    public func probeWriting() throws {
        try run("INSERT INTO instance (key, value) VALUES ('doctor', '') ON CONFLICT (key) DO UPDATE SET value = ''")
    }
}
