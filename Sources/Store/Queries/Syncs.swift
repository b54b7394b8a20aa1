public import Kit

/// One run of one stream of one connection.
public struct SyncRow: Sendable {
    public enum State: String, Sendable, CaseIterable {
        /// Nothing is asked yet.
        case waiting
        case running, succeeded, failed, cancelled
        public var isLive: Bool { self == .waiting || self == .running }
    }
    public enum Reason: String, Sendable, CaseIterable { case initial, schedule, manual, webhook, full }
    /// What a run does, in this order.
    public enum Phase: String, Sendable {
        /// Page by page.
        case list
        /// What the list did not show: is it gone?
        case confirm
        /// The metrics of rows that the list did not come to.
        case refresh
    }

    public let id: ID<SyncKind>
    public let connection: ID<ConnectionKind>
    public let provider: String
    /// The platform's own id; empty once the connection is gone.
    public let account: String
    public let stream: String
    public let reason: Reason
    public let state: State
    /// Whether it reads everything.
    public let listsAll: Bool
    /// Up to which it reads, where it does not read everything.
    public let since: Timestamp?
    public let job: ID<JobKind>
    public let askedBy: String?
    public let phase: Phase
    public let position: String?
    public let emptyPages: Int64
    /// The newest row so far, by the platform's time.
    public let newest: Timestamp?
    /// Somebody asked meanwhile.
    public let again: Bool
    public let pages: Int64
    public let rowsRead: Int64
    public let rowsNew: Int64
    public let rowsChanged: Int64
    public let rowsDeleted: Int64
    public let code: String?
    public let problem: String?
    public let who: String?
    public let retryAt: Timestamp?
    public let createdAt: Timestamp
    public let startedAt: Timestamp?
    public let endedAt: Timestamp?
}

/// A run to be made.
public struct NewSync: Sendable {
    public let id: ID<SyncKind>
    public let connection: ID<ConnectionKind>
    public let provider: String
    public let account: String
    public let stream: String
    public let reason: SyncRow.Reason
    public let listsAll: Bool
    public let since: Timestamp?
    public let job: ID<JobKind>
    public let askedBy: String?

    public init(
        id: ID<SyncKind>, connection: ID<ConnectionKind>, provider: String, account: String, stream: String,
        reason: SyncRow.Reason, listsAll: Bool, since: Timestamp?, job: ID<JobKind>, askedBy: String?
    ) {
        self.id = id
        self.connection = connection
        self.provider = provider
        self.account = account
        self.stream = stream
        self.reason = reason
        self.listsAll = listsAll
        self.since = since
        self.job = job
        self.askedBy = askedBy
    }
}

/// How far a step of a run came.
public struct SyncStep: Sendable {
    public var phase: SyncRow.Phase
    public var position: String?
    public var emptyPages: Int64 = 0
    public var newest: Timestamp?
    public var pages = 0
    public var read = 0
    public var new = 0
    public var changed = 0
    public var deleted = 0
    public init(_ phase: SyncRow.Phase, at position: String?) {
        self.phase = phase
        self.position = position
    }
}

public struct SyncFilter: Sendable {
    public var connection: String?
    public var userID: String?
    public var provider: String?
    public var stream: String?
    public var state: String?
    public init() {}
}

extension Session {
    public func sync(_ id: ID<SyncKind>) throws -> SyncRow? {
        try row("SELECT \(Self.syncColumns) FROM syncs t WHERE t.id = \(id)", Self.sync)
    }

    /// The run of a stream of an account that has not ended; there is one at most.
    public func liveSync(of stream: String, account: String, at provider: String) throws -> SyncRow? {
        try row(
            """
            SELECT \(Self.syncColumns) FROM syncs t
             WHERE t.provider = \(provider) AND t.account_id = \(account) AND t.stream = \(stream)
               AND t.state IN ('waiting', 'running')
            """, Self.sync)
    }

    public func syncs(_ filter: SyncFilter, _ page: ListPage) throws -> [SyncRow] {
        var conditions = conditions([
            ("connection_id", filter.connection), ("provider", filter.provider), ("stream", filter.stream),
            ("state", filter.state),
        ])
        if let user = filter.userID {
            conditions.append("t.connection_id IN (SELECT id FROM oauth_accounts WHERE user_id = \(user))")
        }
        return try list(
            Listed(columns: Self.syncColumns, from: "syncs t", createdAt: "t.created_at", prefix: "sync"),
            where: conditions, page, Self.sync)
    }

    /// The newest runs of a connection's stream.
    public func latestSyncs(of connection: ID<ConnectionKind>, stream: String, limit: Int) throws -> [SyncRow] {
        try rows(
            """
            SELECT \(Self.syncColumns) FROM syncs t
             WHERE t.connection_id = \(connection) AND t.stream = \(stream) ORDER BY t.id DESC LIMIT \(limit)
            """, Self.sync)
    }

    public func add(_ new: NewSync, at now: Timestamp) throws {
        try run(
            """
            INSERT INTO syncs (id, connection_id, provider, account_id, stream, reason, state, lists_all, since, job_id,
                               asked_by, phase, created_at)
            VALUES (\(new.id), \(new.connection), \(new.provider), \(new.account), \(new.stream),
                    \(new.reason.rawValue), 'waiting', \(new.listsAll), \(new.since), \(new.job), \(new.askedBy),
                    'list', \(now))
            """)
    }

    /// Whoever asked while a run is under way gets another one behind it.
    public func askAgain(_ id: ID<SyncKind>) throws { try run("UPDATE syncs SET again = 1 WHERE id = \(id)") }

    /// Notes a step, in the commit that holds its rows.
    ///
    /// - Parameter started: when the run's first question left.
    /// - Returns: false when the run has been ended meanwhile: its rows must not be kept.
    public func advance(_ id: ID<SyncKind>, _ step: SyncStep, started: Timestamp) throws -> Bool {
        try run(
            """
            UPDATE syncs
               SET state = 'running', phase = \(step.phase.rawValue), position = \(step.position),
                   empty_pages = \(step.emptyPages), newest = \(step.newest),
                   pages = pages + \(step.pages), rows_read = rows_read + \(step.read),
                   rows_new = rows_new + \(step.new), rows_changed = rows_changed + \(step.changed),
                   rows_deleted = rows_deleted + \(step.deleted), code = NULL, problem = NULL, who = NULL,
                   retry_at = NULL, started_at = coalesce(started_at, \(started))
             WHERE id = \(id) AND state IN ('waiting', 'running')
            """) == 1
    }

    /// Notes why a run does not go on for now.
    public func note(
        _ problem: String, code: String, who: String?, until: Timestamp?, of id: ID<SyncKind>
    ) throws {
        try run(
            """
            UPDATE syncs SET problem = \(problem), code = \(code), who = \(who), retry_at = \(until)
             WHERE id = \(id) AND state IN ('waiting', 'running')
            """)
    }

    public func end(
        _ id: ID<SyncKind>, _ state: SyncRow.State, code: String? = nil, problem: String? = nil, who: String? = nil,
        at now: Timestamp
    ) throws {
        try run(
            """
            UPDATE syncs
               SET state = \(state.rawValue), code = \(code), problem = \(problem), who = \(who), retry_at = NULL,
                   started_at = coalesce(started_at, \(now)), ended_at = \(now)
             WHERE id = \(id)
            """)
        try forgetCursors(of: id)
    }

    public func forgetCursors(of id: ID<SyncKind>) throws {
        try run("DELETE FROM sync_cursors WHERE sync_id = \(id)")
    }

    /// Remembers a cursor of a run; false when the run has been given it before.
    public func remember(_ cursor: [UInt8], of id: ID<SyncKind>) throws -> Bool {
        try run(
            """
            INSERT INTO sync_cursors (sync_id, cursor) VALUES (\(id), \(cursor)) ON CONFLICT DO NOTHING
            """) == 1
    }

    /// Ends runs whose job is gone: cancelled by a person, or given up. Answers how many.
    public func endLostSyncs(_ limit: Int, at now: Timestamp) throws -> Int {
        let lost: [ID<SyncKind>] = try rows(
            """
            SELECT s.id FROM syncs s
             WHERE s.state IN ('waiting', 'running') AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.id = s.job_id)
             ORDER BY s.id LIMIT \(limit)
            """
        ) { try $0.id() }
        for id in lost { try end(id, .cancelled, code: "given_up", problem: "Its job was given up.", at: now) }
        return lost.count
    }

    /// Deletes runs that ended before a moment; at most `limit`. Answers how many.
    public func expireSyncs(before moment: Timestamp, limit: Int) throws -> Int {
        try run(
            """
            DELETE FROM syncs WHERE id IN
                   (SELECT id FROM syncs WHERE ended_at < \(moment) ORDER BY ended_at, id LIMIT \(limit))
            """)
    }

    // MARK: Reading

    private static var syncColumns: SQL {
        """
        t.id, t.connection_id, t.provider, t.account_id, t.stream, t.reason, t.state, t.lists_all, t.since, t.job_id,
        t.asked_by, t.phase, t.position, t.empty_pages, t.newest, t.again, t.pages, t.rows_read, t.rows_new,
        t.rows_changed, t.rows_deleted, t.code, t.problem, t.who, t.retry_at, t.created_at, t.started_at, t.ended_at
        """
    }

    private static func sync(_ row: inout Row) throws -> SyncRow {
        SyncRow(
            id: try row.id(), connection: try row.id(), provider: try row.text(), account: try row.text(),
            stream: try row.text(), reason: .init(rawValue: try row.text()) ?? .manual,
            state: .init(rawValue: try row.text()) ?? .failed, listsAll: try row.boolean(),
            since: try row.optionalTime(), job: try row.id(), askedBy: try row.optionalText(),
            phase: .init(rawValue: try row.text()) ?? .list, position: try row.optionalText(),
            emptyPages: try row.integer(), newest: try row.optionalTime(), again: try row.boolean(),
            pages: try row.integer(), rowsRead: try row.integer(), rowsNew: try row.integer(),
            rowsChanged: try row.integer(), rowsDeleted: try row.integer(), code: try row.optionalText(),
            problem: try row.optionalText(), who: try row.optionalText(), retryAt: try row.optionalTime(),
            createdAt: try row.time(), startedAt: try row.optionalTime(), endedAt: try row.optionalTime())
    }
}
