public import Kit

/// How often something was used, by calls or events of one day.
public struct EndingUse: Sendable, Equatable {
    /// Uses are told of so many days.
    public static let days: Int64 = 30

    public let uses: Int64
    /// Different ones.
    public let connections: Int64
    public let lastAt: Timestamp?
}

/// A connection that uses something.
public struct EndingUser: Sendable, Equatable {
    /// Nil for calls and events that belong to none.
    public let connection: String?
    /// The application's user; nil where the connection is gone.
    public let userID: String?
    public let uses: Int64
    public let lastAt: Timestamp
}

/// Calls of a kind, or events of a type, of one connection on one day.
public struct CountedUse: Sendable {
    /// Of a call: method, host, path. Of an event: its platform.
    public let of: [String]
    public let connection: String?
    public let day: Int64
    public let count: Int64
    public let lastAt: Timestamp
    let lastID: String
}

extension Session {
    /// Counts calls to a platform behind those that were counted: at most `limit`, none that came to be after a moment.
    ///
    /// - Parameters:
    ///   - ending: under which name they are counted.
    ///   - isUse: whether calls of such a kind use it.
    /// - Returns: how many were looked at; call again while it is `limit`.
    public func countCalls(
        to provider: String, for ending: String, from: Timestamp, until: Timestamp, limit: Int,
        isUse: (CountedUse) -> Bool
    ) throws -> Int {
        let fact = "radar/\(ending)"
        let first = max(try instanceFact(fact) ?? "", ID<CallKind>.floor(from).text)
        let found = try rows(
            """
            SELECT c.method, c.host, c.path, c.connection_id, c.at / 86400000000 AS day, count(*), max(c.at), max(c.id)
              FROM (SELECT id, method, host, path, connection_id, at FROM calls
                     WHERE provider = \(provider) AND id > \(first) AND id < \(ID<CallKind>.floor(until))
                     ORDER BY id LIMIT \(limit)) c
             GROUP BY c.method, c.host, c.path, c.connection_id, c.at / 86400000000
            """
        ) { row in
            let of = [try row.text(), try row.text(), try row.text()]
            return try Self.counted(of, &row)
        }
        return try add(found, to: ending, fact: fact, isUse: isUse)
    }

    /// The same for events of a type.
    public func countEvents(
        _ type: String, of provider: String, for ending: String, from: Timestamp, until: Timestamp, limit: Int
    ) throws -> Int {
        let fact = "radar/\(ending)/\(type)"
        let first = max(try instanceFact(fact) ?? "", ID<EventKind>.floor(from).text)
        let found = try rows(
            """
            SELECT e.provider, e.connection_id, e.received_at / 86400000000 AS day, count(*), max(e.received_at),
                   max(e.id)
              FROM (SELECT id, provider, connection_id, received_at FROM events
                     WHERE type = \(type) AND id > \(first) AND id < \(ID<EventKind>.floor(until))
                     ORDER BY id LIMIT \(limit)) e
             GROUP BY e.provider, e.connection_id, e.received_at / 86400000000
            """
        ) { row in
            let of = [try row.text()]
            return try Self.counted(of, &row)
        }
        return try add(found, to: ending, fact: fact) { $0.of == [provider] }
    }

    private static func counted(_ of: [String], _ row: inout Row) throws -> CountedUse {
        CountedUse(
            of: of, connection: try row.optionalText(), day: try row.integer(), count: try row.integer(),
            lastAt: try row.time(), lastID: try row.text())
    }

    private func add(
        _ found: [CountedUse], to ending: String, fact: String, isUse: (CountedUse) -> Bool
    ) throws -> Int {
        guard let last = found.map(\.lastID).max() else { return 0 }
        for use in found where isUse(use) {
            try run(
                """
                INSERT INTO ending_uses (ending, day, connection_id, uses, last_at)
                VALUES (\(ending), \(use.day), \(use.connection ?? ""), \(use.count), \(use.lastAt))
                ON CONFLICT (ending, day, connection_id)
                DO UPDATE SET uses = ending_uses.uses + excluded.uses,
                              last_at = CASE WHEN excluded.last_at > ending_uses.last_at THEN excluded.last_at
                                             ELSE ending_uses.last_at END
                """)
        }
        try setInstanceFact(fact, last)
        return Int(clamping: found.reduce(0) { $0 + $1.count })
    }

    /// How often something was used in the days until now.
    public func use(of ending: String, at now: Timestamp) throws -> EndingUse {
        try row(
            """
            SELECT CAST(coalesce(sum(uses), 0) AS BIGINT), count(DISTINCT nullif(connection_id, '')), max(last_at)
              FROM ending_uses
             WHERE ending = \(ending) AND day > \(now.day - EndingUse.days)
            """
        ) { row in
            EndingUse(uses: try row.integer(), connections: try row.integer(), lastAt: try row.optionalTime())
        } ?? EndingUse(uses: 0, connections: 0, lastAt: nil)
    }

    /// By whom, those that use it most first.
    public func users(of ending: String, at now: Timestamp, limit: Int) throws -> [EndingUser] {
        try rows(
            """
            SELECT u.connection_id, a.user_id, u.uses, u.last_at
              FROM (SELECT connection_id, CAST(sum(uses) AS BIGINT) AS uses, max(last_at) AS last_at
                      FROM ending_uses
                     WHERE ending = \(ending) AND day > \(now.day - EndingUse.days)
                     GROUP BY connection_id
                     ORDER BY sum(uses) DESC, connection_id
                     LIMIT \(limit)) u
              LEFT JOIN oauth_accounts a ON a.id = u.connection_id AND a.deleted_at IS NULL
             ORDER BY u.uses DESC, u.connection_id
            """
        ) { row in
            let connection = try row.text()
            return EndingUser(
                connection: connection.isEmpty ? nil : connection, userID: try row.optionalText(),
                uses: try row.integer(), lastAt: try row.time())
        }
    }

    func expireEndingUses(before day: Int64, _ limit: Int) throws -> Int {
        try run(
            """
            DELETE FROM ending_uses
             WHERE (ending, day, connection_id) IN (SELECT ending, day, connection_id FROM ending_uses
                                                     WHERE day < \(day) LIMIT \(limit))
            """)
    }

    // MARK: What was told

    /// The latest stage that was told of each ending.
    public func toldEndings() throws -> [String: String] {
        let told = try rows("SELECT ending, stage FROM endings_told ORDER BY ending LIMIT 1000 \(dialect.forUpdate)") {
            (try $0.text(), try $0.text())
        }
        return Dictionary(told) { $1 }
    }

    /// - Parameter stage: nil where nothing is to be told any more.
    public func setTold(_ stage: String?, of ending: String, at now: Timestamp) throws {
        guard let stage else {
            try run("DELETE FROM endings_told WHERE ending = \(ending)")
            return
        }
        try run(
            """
            INSERT INTO endings_told (ending, stage, at) VALUES (\(ending), \(stage), \(now))
            ON CONFLICT (ending) DO UPDATE SET stage = excluded.stage, at = excluded.at
            """)
    }
}
