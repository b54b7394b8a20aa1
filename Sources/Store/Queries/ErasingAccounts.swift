public import Kit

/// That a platform asks for the erasure of an account, in its owner's name.
public struct NewAccountErasure: Sendable {
    public let id: ID<ErasureKind>
    /// The request, which names the account until it is erased itself.
    public let event: ID<EventKind>
    public let provider: String
    /// A digest of platform and account.
    public let who: String
    /// By which a person asks how far it is.
    public let code: String
    public let at: Timestamp
    /// What carries it out.
    public let job: NewJob
    public let audit: NewAudit

    public init(
        id: ID<ErasureKind>, event: ID<EventKind>, provider: String, who: String, code: String, at: Timestamp,
        job: NewJob, audit: NewAudit
    ) {
        self.id = id
        self.event = event
        self.provider = provider
        self.who = who
        self.code = code
        self.at = at
        self.job = job
        self.audit = audit
    }
}

/// What one transaction ended of the connections to an account.
public struct ErasedLinks: Sendable {
    /// As they were.
    public var ended: [ConnectionRow] = []
    public var rows: [(what: String, rows: Int)] = []
}

extension Session {
    /// Notes an erasure and its job; nothing where the same request was noted before.
    func begin(_ new: NewAccountErasure) throws {
        let isNew = try run(
            """
            INSERT INTO erasures (id, who, state, asked_by, asked_at, position, counts, provider, code, event_id)
            VALUES (\(new.id), \(new.who), 'running', \(new.audit.actor), \(new.at), '', '{}', \(new.provider),
                    \(new.code), \(new.event))
            ON CONFLICT (code) WHERE code IS NOT NULL DO NOTHING
            """)
        guard isNew == 1 else { return }
        try enqueue([new.job])
        try audit(new.audit)
    }

    /// The erasure whose code a person was given.
    public func erasure(code: String) throws -> ErasureRow? {
        try row("SELECT \(Self.erasureColumns) FROM erasures WHERE code = \(code)", Self.erasure)
    }

    /// Erases what the connections to an account find at once, `linksMax` of them at most, and notes the account, so
    /// that the walk over the events finds what came about it and what comes later is not kept.
    ///
    /// What was granted after `moment` stands, and the account with it: its owner came back since.
    ///
    /// - Parameters:
    ///   - account: by either of the platform's ids.
    ///   - bodies: without events, that name it (`bodiesNaming`).
    ///   - tell: called for each connection that ended, as it is then, with its number among them.
    public func eraseLinks(
        to account: String, at provider: String, through app: ID<AppKind>, before moment: Timestamp, bodies: [String],
        for erasure: ID<ErasureKind>, reason: String, at now: Timestamp, tell: (Int, ConnectionRow) throws -> Void
    ) throws -> ErasedLinks {
        let links = try rows(
            """
            SELECT id, scoped_id FROM oauth_accounts
             WHERE provider = \(provider) AND app_id = \(app) AND (open_id = \(account) OR scoped_id = \(account))
               AND deleted_at IS NULL
             ORDER BY id LIMIT \(Self.linksMax)
            """
        ) { row in (id: try row.id(ConnectionKind.self), scoped: try row.optionalText()) }
        return try overwriting {
            var erased = ErasedLinks()
            var (calls, publications, changes, standing) = (0, 0, 0, 0)
            var names: Set = [account]
            for (id, scoped) in links {
                guard let row = try holdConnection(id), row.deletedAt == nil else { continue }
                // The platform's time has whole seconds.
                if let held = try credential(of: id), held.obtainedAt > moment + .seconds(1) {
                    standing += 1
                    continue
                }
                _ = try dropCredential(of: id)
                calls += try run("UPDATE calls SET user_id = NULL, connection_id = NULL WHERE connection_id = \(id)")
                let published = try rows(
                    "SELECT DISTINCT publication_id FROM publication_targets WHERE connection_id = \(id)"
                ) { try $0.text() }
                publications += try erasePublications(where: "connection_id = \(id)")
                changes += try eraseChanges(about: [id.text] + published)
                try run("DELETE FROM alerts WHERE subject = \(id)")
                try forgetAccount(of: id, reason: reason, at: now)
                if let fresh = try connection(id) { try tell(erased.ended.count, fresh) }
                erased.ended.append(row)
                names.formUnion([row.openID, scoped].compactMap(\.self))
            }
            if standing == 0 {
                try note(names.map { ErasedName(account: $0, at: provider) }, of: erasure, at: now)
            }
            erased.rows = [
                ("connections", erased.ended.count), ("calls", calls), ("publications", publications),
                ("changes", changes), ("bodies", try removeBodies(bodies, at: now)),
            ]
            return erased
        }
    }
}
