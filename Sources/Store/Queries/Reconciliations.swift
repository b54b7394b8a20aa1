public import Kit

/// A comparison of what is stored with what a platform says.
public struct ReconciliationRow: Sendable, Equatable {
    public let id: ID<ReconciliationKind>
    public let provider: String
    public let app: ID<AppKind>
    /// What is compared: `events`, `subscriptions`.
    public let stream: String
    /// `running`, `done` or `failed`.
    public let state: String
    public let job: ID<JobKind>
    /// Who asked for it; nil for the schedule.
    public let askedBy: String?
    public let since: Timestamp
    public let until: Timestamp
    /// The platform's own cursor: where it goes on.
    public let position: String?
    public let matched: Int64
    public let missingHere: Int64
    public let differing: Int64
    /// It counts and lets nothing in.
    public let isDryRun: Bool
    public let problem: String?
    public let startedAt: Timestamp
    public let endedAt: Timestamp?
    /// Of records: whose account.
    public let connection: ID<ConnectionKind>?
    /// Of records: what only this side has.
    public let missingThere: Int64
    /// Of records: rows of which only counts differ, which move by themselves.
    public let moved: Int64
}

/// What a page of a comparison found.
public struct Compared: Sendable, Equatable {
    public var matched = 0
    public var missingHere = 0
    public var differing = 0
    public init() {}
    public init(matched: Int, missingHere: Int) {
        self.matched = matched
        self.missingHere = missingHere
    }
}

/// A comparison that begins.
public struct NewReconciliation: Sendable {
    public let id: ID<ReconciliationKind>
    public let provider: String
    public let app: ID<AppKind>
    public let stream: String
    public let job: ID<JobKind>
    public let askedBy: String?
    public let since: Timestamp
    public let until: Timestamp
    public let isDryRun: Bool

    public init(
        id: ID<ReconciliationKind>, provider: String, app: ID<AppKind>, stream: String, job: ID<JobKind>,
        askedBy: String?, since: Timestamp, until: Timestamp, isDryRun: Bool = false
    ) {
        self.isDryRun = isDryRun
        self.id = id
        self.provider = provider
        self.app = app
        self.stream = stream
        self.job = job
        self.askedBy = askedBy
        self.since = since
        self.until = until
    }
}

extension Session {
    public func reconciliation(_ id: ID<ReconciliationKind>) throws -> ReconciliationRow? {
        try row("SELECT \(Self.reconciliationColumns) FROM reconciliations WHERE id = \(id)", Self.reconciliation)
    }

    public func reconciliations(_ page: ListPage) throws -> [ReconciliationRow] {
        try list(
            Listed(
                columns: Self.reconciliationColumns, from: "reconciliations t", createdAt: "t.started_at",
                prefix: "recon"), where: [], page, Self.reconciliation)
    }

    /// The newest of a stream, whatever its state.
    public func latestReconciliation(of app: ID<AppKind>, stream: String) throws -> ReconciliationRow? {
        try row(
            """
            SELECT \(Self.reconciliationColumns) FROM reconciliations
             WHERE app_id = \(app) AND stream = \(stream) ORDER BY id DESC LIMIT 1
            """, Self.reconciliation)
    }

    /// Up to when a stream was compared to its end.
    public func reconciledUntil(of app: ID<AppKind>, stream: String) throws -> Timestamp? {
        try row(
            """
            SELECT max(until) FROM reconciliations
             WHERE app_id = \(app) AND stream = \(stream) AND state = 'done'
            """
        ) { try $0.optionalTime() } ?? nil
    }

    public func begin(_ new: NewReconciliation, at now: Timestamp) throws {
        try run(
            """
            INSERT INTO reconciliations
                   (id, provider, app_id, stream, state, job_id, asked_by, since, until, matched, missing_here,
                    differing, dry_run, started_at)
            VALUES (\(new.id), \(new.provider), \(new.app), \(new.stream), 'running', \(new.job), \(new.askedBy),
                    \(new.since), \(new.until), 0, 0, 0, \(new.isDryRun ? 1 : 0), \(now))
            """)
    }

    /// One page further.
    public func advance(
        _ id: ID<ReconciliationKind>, _ found: Compared, to position: String?, at now: Timestamp
    ) throws {
        let end: Timestamp? = position == nil ? now : nil
        try run(
            """
            UPDATE reconciliations
               SET matched = matched + \(Int64(found.matched)),
                   missing_here = missing_here + \(Int64(found.missingHere)),
                   differing = differing + \(Int64(found.differing)), position = \(position),
                   state = \(position == nil ? "done" : "running"), problem = NULL,
                   ended_at = \(end)
             WHERE id = \(id)
            """)
    }

    /// Notes why it does not go on for now, or at all.
    public func note(_ problem: String, of id: ID<ReconciliationKind>, endedAt: Timestamp?) throws {
        try run(
            """
            UPDATE reconciliations
               SET problem = \(problem), ended_at = \(endedAt), state = \(endedAt == nil ? "running" : "failed")
             WHERE id = \(id) AND state = 'running'
            """)
    }

    /// Removes all but the newest of a stream.
    public func trimReconciliations(of app: ID<AppKind>, stream: String, keeping: Int) throws {
        try run(
            """
            DELETE FROM reconciliations WHERE app_id = \(app) AND stream = \(stream) AND id IN
                   (SELECT id FROM reconciliations WHERE app_id = \(app) AND stream = \(stream)
                     ORDER BY id DESC LIMIT 500 OFFSET \(keeping))
            """)
    }

    private static var reconciliationColumns: SQL {
        """
        id, provider, app_id, stream, state, job_id, asked_by, since, until, position, matched, missing_here,
        differing, dry_run,
        problem, started_at, ended_at, connection_id, missing_there, moved
        """
    }
    private static func reconciliation(_ row: inout Row) throws -> ReconciliationRow {
        ReconciliationRow(
            id: try row.id(), provider: try row.text(), app: try row.id(), stream: try row.text(),
            state: try row.text(), job: try row.id(), askedBy: try row.optionalText(), since: try row.time(),
            until: try row.time(), position: try row.optionalText(), matched: try row.integer(),
            missingHere: try row.integer(), differing: try row.integer(), isDryRun: try row.integer() != 0,
            problem: try row.optionalText(), startedAt: try row.time(),
            endedAt: try row.optionalTime(), connection: try row.optionalID(), missingThere: try row.integer(),
            moved: try row.integer())
    }
}

// MARK: Silence

extension Session {
    /// Whether a provider delivered something believed in a time; what we have asked for ourselves is not its delivery.
    /// Reads all deliveries of that time where none of the provider's is among them: so of an hour at most, and of each
    /// hour once.
    public func hasDeliveries(of provider: String, from: Timestamp, to: Timestamp) throws -> Bool {
        try row(
            """
            SELECT 1 FROM deliveries
             WHERE id >= \(ID<DeliveryKind>.floor(from)) AND id < \(ID<DeliveryKind>.floor(to))
               AND provider = \(provider) AND verdict <> 'rejected'
               AND (flags IS NULL OR flags NOT LIKE 'listed%') LIMIT 1
            """
        ) { _ in true } ?? false
    }
}
