public import Kit

/// How far a stream of an account is read.
public struct StreamState: Sendable, Equatable {
    public let provider: String
    public let account: String
    public let stream: String
    /// The platform's time of the newest row that is covered, that moment included; nil until all was read once.
    public let bookmark: Timestamp?
    /// The columns that all of it was read with.
    public let shape: String
    /// When it is read next.
    public let dueAt: Timestamp
    /// When the last run began that listed everything.
    public let listedAt: Timestamp?
    /// When the last run began that came to its end: what the platform had by then is here.
    public let syncedAt: Timestamp?
    public let failingSince: Timestamp?
    public let code: String?
    public let problem: String?
}

/// A stream that is due, and the connection that can ask for it.
public struct DueStream: Sendable {
    public let state: StreamState
    public let connection: ID<ConnectionKind>
}

extension Session {
    public func streamState(of stream: String, account: String, at provider: String) throws -> StreamState? {
        try row(
            """
            SELECT \(Self.stateColumns) FROM stream_states s
             WHERE s.provider = \(provider) AND s.account_id = \(account) AND s.stream = \(stream)
            """, Self.state)
    }

    public func streamStates(of account: String, at provider: String) throws -> [StreamState] {
        try rows(
            """
            SELECT \(Self.stateColumns) FROM stream_states s
             WHERE s.provider = \(provider) AND s.account_id = \(account) ORDER BY s.stream
            """, Self.state)
    }

    /// Makes the state of a stream that nobody has read yet, and holds it: whoever begins a run holds it first.
    public func holdStreamState(
        of stream: String, account: String, at provider: String, due: Timestamp
    ) throws -> StreamState {
        try run(
            """
            INSERT INTO stream_states (provider, account_id, stream, shape, due_at)
            VALUES (\(provider), \(account), \(stream), '', \(due))
            ON CONFLICT DO NOTHING
            """)
        _ = try row(
            """
            SELECT 1 FROM stream_states
             WHERE provider = \(provider) AND account_id = \(account) AND stream = \(stream) \(dialect.forUpdate)
            """
        ) { try $0.integer() }
        guard let state = try streamState(of: stream, account: account, at: provider) else {
            throw StoreError.conflict
        }
        return state
    }

    /// A run came to its end.
    ///
    /// - Parameters:
    ///   - bookmark: in the commit of the rows that it covers; nil where the stream has none.
    ///   - began: when its first question left.
    ///   - shape: where it read everything.
    public func settle(
        _ state: StreamState, bookmark: Timestamp?, began: Timestamp, shape: String?, due: Timestamp
    ) throws {
        try run(
            """
            UPDATE stream_states
               SET bookmark = \(bookmark), shape = coalesce(\(shape), shape), due_at = \(due),
                   listed_at = CASE WHEN \(shape == nil ? 0 : 1) = 1 THEN \(began) ELSE listed_at END,
                   synced_at = \(began), failing_since = NULL, code = NULL, problem = NULL
             WHERE provider = \(state.provider) AND account_id = \(state.account) AND stream = \(state.stream)
            """)
    }

    /// A run failed: what is known stays.
    public func noteFailure(
        _ problem: String, code: String, of stream: String, account: String, at provider: String, due: Timestamp,
        now: Timestamp
    ) throws {
        try run(
            """
            UPDATE stream_states
               SET failing_since = coalesce(failing_since, \(now)), code = \(code), problem = \(problem),
                   due_at = \(due)
             WHERE provider = \(provider) AND account_id = \(account) AND stream = \(stream)
            """)
    }

    /// Moves the next run of a stream.
    public func postpone(_ state: StreamState, to due: Timestamp) throws {
        try run(
            """
            UPDATE stream_states SET due_at = \(due)
             WHERE provider = \(state.provider) AND account_id = \(state.account) AND stream = \(state.stream)
            """)
    }

    /// Streams that are due and that a connection can ask for, the longest due first.
    public func dueStreams(_ limit: Int, at now: Timestamp) throws -> [DueStream] {
        try rows(
            """
            SELECT \(Self.stateColumns),
                   (SELECT min(o.id) FROM oauth_accounts o
                     WHERE o.provider = s.provider AND o.open_id = s.account_id AND o.deleted_at IS NULL
                       AND o.state IN ('active', 'refreshing', 'suspect') AND o.paused_at IS NULL)
              FROM stream_states s
             WHERE s.due_at <= \(now)
               AND EXISTS (SELECT 1 FROM oauth_accounts o
                            WHERE o.provider = s.provider AND o.open_id = s.account_id AND o.deleted_at IS NULL
                              AND o.state IN ('active', 'refreshing', 'suspect') AND o.paused_at IS NULL)
               AND NOT EXISTS (SELECT 1 FROM syncs r
                                WHERE r.provider = s.provider AND r.account_id = s.account_id AND r.stream = s.stream
                                  AND r.state IN ('waiting', 'running'))
             ORDER BY s.due_at, s.provider, s.account_id, s.stream
             LIMIT \(limit)
            """
        ) { row in DueStream(state: try Self.state(&row), connection: try row.id()) }
    }

    /// Connections that work and of which no stream was ever read.
    public func unreadConnections(of providers: [String], limit: Int) throws -> [ID<ConnectionKind>] {
        guard !providers.isEmpty else { return [] }
        return try rows(
            """
            SELECT o.id FROM oauth_accounts o
             WHERE o.provider IN (\(SQL.list(providers))) AND o.deleted_at IS NULL AND o.paused_at IS NULL
               AND o.state IN ('active', 'refreshing', 'suspect')
               AND NOT EXISTS (SELECT 1 FROM stream_states s
                                WHERE s.provider = o.provider AND s.account_id = o.open_id)
             ORDER BY o.id
             LIMIT \(limit)
            """
        ) { try $0.id() }
    }

    // MARK: Accounts that nobody is connected to any more

    /// Accounts whose last link is gone, and of which something is kept.
    public func forsakenAccounts(_ limit: Int) throws -> [(provider: String, account: String)] {
        try rows(
            """
            SELECT DISTINCT s.provider, s.account_id FROM stream_states s
             WHERE NOT EXISTS (SELECT 1 FROM oauth_accounts o
                                WHERE o.provider = s.provider AND o.open_id = s.account_id AND o.deleted_at IS NULL)
             ORDER BY s.provider, s.account_id
             LIMIT \(limit)
            """
        ) { row in (try row.text(), try row.text()) }
    }

    /// Erases a part of what is kept of an account, unless somebody is connected to it again. False when nothing of it
    /// is left, or it is not to be erased.
    ///
    /// What was known of its streams goes first, so that whoever connects it meanwhile reads all of it.
    public func eraseForsaken(_ account: String, at provider: String, in tables: [RecordTable], limit: Int) throws
        -> Bool
    {
        let link = try row(
            """
            SELECT 1 FROM oauth_accounts
             WHERE provider = \(provider) AND open_id = \(account) AND deleted_at IS NULL LIMIT 1
            """
        ) { try $0.integer() }
        guard link == nil else { return false }
        try run(
            """
            UPDATE stream_states SET bookmark = NULL, shape = '', listed_at = NULL, synced_at = NULL
             WHERE provider = \(provider) AND account_id = \(account)
            """)
        var erased = 0
        for table in tables { erased += try eraseRecords(in: table, of: account, limit: limit) }
        if erased > 0 { return true }
        try run("UPDATE syncs SET account_id = '' WHERE provider = \(provider) AND account_id = \(account)")
        try run("DELETE FROM stream_states WHERE provider = \(provider) AND account_id = \(account)")
        return false
    }

    /// A connection is gone: its runs end, and no longer say whose account it was.
    func forgetSyncs(of connection: ID<ConnectionKind>, at now: Timestamp) throws {
        try forgetReconciliations("SELECT id FROM reconciliations WHERE connection_id = \(connection) ORDER BY id")
        try run(
            """
            UPDATE syncs
               SET account_id = '',
                   ended_at = coalesce(ended_at, \(now)), code = CASE WHEN ended_at IS NULL THEN 'disconnected'
                                                                      ELSE code END,
                   problem = CASE WHEN ended_at IS NULL THEN 'The connection is gone.' ELSE problem END,
                   state = CASE WHEN ended_at IS NULL THEN 'cancelled' ELSE state END
             WHERE connection_id = \(connection)
            """)
    }

    private static var stateColumns: SQL {
        """
        s.provider, s.account_id, s.stream, s.bookmark, s.shape, s.due_at, s.listed_at, s.synced_at, s.failing_since,
        s.code, s.problem
        """
    }

    private static func state(_ row: inout Row) throws -> StreamState {
        StreamState(
            provider: try row.text(), account: try row.text(), stream: try row.text(), bookmark: try row.optionalTime(),
            shape: try row.text(), dueAt: try row.time(), listedAt: try row.optionalTime(),
            syncedAt: try row.optionalTime(), failingSince: try row.optionalTime(), code: try row.optionalText(),
            problem: try row.optionalText())
    }
}
