/// What a backup's manifest says of its contents.
public struct ContentFacts: Sendable {
    public let schema: Int64
    public let mode: String?
    public let counts: [(table: String, rows: Int)]
    /// The keys that sealed something.
    public let keys: [String]
    /// Rows that speak of others that are not there, in words.
    public let faults: [String]
}

extension Session {
    /// Reads whole tables.
    public func contentFacts() throws -> ContentFacts {
        let tables = ["deliveries", "events", "jobs", "changes", "users", "endpoints", "attempts"]
        let counts = try rowCounts(of: tables)
        return ContentFacts(
            schema: try row("SELECT max(version) FROM schema_migrations") { try $0.optionalInteger() ?? 0 } ?? 0,
            mode: try instanceMode(), counts: tables.map { ($0, counts[$0] ?? 0) },
            keys: Array(Set(try sealedCounts().map(\.keyID))).sorted(), faults: try contentFaults())
    }

    /// What no single transaction of ours can leave behind.
    private func contentFaults() throws -> [String] {
        let jobs = try count(
            """
            SELECT count(*) FROM jobs j
             WHERE substr(j.subject, 1, 4) = 'evt_' AND NOT EXISTS (SELECT 1 FROM events e WHERE e.id = j.subject)
            """)
        let deliveries = try count(
            """
            SELECT count(*) FROM events e
             WHERE e.state = 'queued' AND NOT EXISTS (SELECT 1 FROM bodies b WHERE b.id = e.body_id)
            """)
        let feed = try count(
            """
            SELECT coalesce(max(position) - min(position) + 1 - count(*), 0)
                   + (SELECT CASE WHEN h.position < (SELECT coalesce(max(position), 0) FROM feed) THEN 1 ELSE 0 END
                        FROM feed_head h)
              FROM feed
            """)
        return [
            jobs > 0 ? "\(jobs) jobs name an event that is not there" : nil,
            deliveries > 0 ? "\(deliveries) queued events have no bytes" : nil,
            feed != 0 ? "the feed has gaps" : nil,
        ].compactMap { $0 }
    }

    private func count(_ sql: SQL) throws -> Int64 { try row(sql) { try $0.integer() } ?? 0 }
}
