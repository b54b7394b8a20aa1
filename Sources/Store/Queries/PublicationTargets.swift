public import Kit

/// One publication's place in one account.
public struct TargetRow: Sendable, Equatable {
    public let id: ID<TargetKind>
    public let publication: ID<PublicationKind>
    public let connection: ID<ConnectionKind>
    public let provider: String
    /// The platform's own id of the account.
    public let account: String
    public let userID: String?
    public let options: JSON
    public let state: TargetState
    /// Why it stands as it does, for people.
    public let reason: String?
    public let code: String?
    /// Who must act.
    public let who: String?
    public let nextAction: String?
    public let nextAt: Timestamp?
    /// How its media come to the platform.
    public let source: String
    public let remoteID: String?
    public let remoteStatus: String?
    public let postID: String?
    public let sent: Int64
    public let size: Int64
    public let startedAt: Timestamp?
    public let finishedAt: Timestamp?
    public let withdrawnAt: Timestamp?
    /// Why it has failed, as the platform itself told; whoever can looks whether that is so.
    public let told: Failure?
    public let version: Int64
    public let createdAt: Timestamp
    public let updatedAt: Timestamp
}

/// What has become of a target.
public enum TargetState: String, Sendable, CaseIterable {
    /// Begins at a time.
    case scheduled
    /// Nothing of it is at the platform yet.
    case waiting
    case uploading
    case processing
    case published
    /// The account's owner must finish it.
    case inInbox = "in_inbox"
    case failed
    /// Nobody knows whether it was published.
    case unknown
    case cancelled

    /// Whether something is still to be done here.
    public var isLive: Bool {
        switch self {
        case .scheduled, .waiting, .uploading, .processing: true
        case .published, .inInbox, .failed, .unknown, .cancelled: false
        }
    }
}

public struct NewTarget: Sendable {
    public let id: ID<TargetKind>
    public let publication: ID<PublicationKind>
    public let connection: ConnectionRow
    public let options: JSON
    public let state: TargetState
    public let nextAction: String
    public let nextAt: Timestamp?
    public let source: String
    public let size: Int64

    public init(
        id: ID<TargetKind>, publication: ID<PublicationKind>, connection: ConnectionRow, options: JSON,
        state: TargetState, nextAction: String, nextAt: Timestamp?, source: String, size: Int64
    ) {
        self.id = id
        self.publication = publication
        self.connection = connection
        self.options = options
        self.state = state
        self.nextAction = nextAction
        self.nextAt = nextAt
        self.source = source
        self.size = size
    }
}

/// What becomes of a target. What is nil stays as it was, but for reason, code, who and what comes next: they belong
/// to the state.
public struct TargetNote: Sendable, Equatable {
    public var state: TargetState
    public var reason: String?
    public var code: String?
    public var who: String?
    public var nextAction: String?
    public var nextAt: Timestamp?
    public var remoteID: String?
    public var remoteStatus: String?
    public var postID: String?
    public var sent: Int64?
    public var isWithdrawn = false
    /// The platform knows nothing of it, or nothing any more: what it was called there goes.
    public var isAnew = false
    public var told: Failure?

    public init(_ state: TargetState) { self.state = state }
}

extension Session {
    public func add(_ target: NewTarget, at now: Timestamp) throws {
        try run(
            """
            INSERT INTO publication_targets (id, publication_id, connection_id, provider, account_id, user_id, options,
                                             state, next_action, next_at, source, size, version, created_at, updated_at)
            VALUES (\(target.id), \(target.publication), \(target.connection.id), \(target.connection.provider),
                    \(target.connection.openID), \(target.connection.userID), \(target.options.columnText),
                    \(target.state.rawValue), \(target.nextAction), \(target.nextAt), \(target.source), \(target.size),
                    1, \(now), \(now))
            """)
    }

    public func target(_ id: ID<TargetKind>) throws -> TargetRow? {
        try row("SELECT \(Self.targetColumns) FROM publication_targets t WHERE t.id = \(id)", Self.target)
    }
    /// The same, held to the end of the transaction.
    public func holdTarget(_ id: ID<TargetKind>) throws -> TargetRow? {
        try row(
            "SELECT \(Self.targetColumns) FROM publication_targets t WHERE t.id = \(id) \(dialect.forUpdate)",
            Self.target)
    }

    /// The targets of publications, in the order in which they were named.
    public func targets(of publications: [ID<PublicationKind>]) throws -> [TargetRow] {
        guard !publications.isEmpty else { return [] }
        return try rows(
            """
            SELECT \(Self.targetColumns) FROM publication_targets t
             WHERE t.publication_id IN (\(SQL.list(publications.map(\.text)))) ORDER BY t.publication_id, t.id
            """, Self.target)
    }

    /// The one that the platform calls so, of an account.
    public func target(remote id: String, at provider: String, account: String) throws -> TargetRow? {
        try row(
            """
            SELECT \(Self.targetColumns) FROM publication_targets t
             WHERE t.provider = \(provider) AND t.remote_id = \(id) AND t.account_id = \(account)
             ORDER BY t.id LIMIT 1 \(dialect.forUpdate)
            """, Self.target)
    }

    /// Notes what became of a target.
    public func note(_ note: TargetNote, of id: ID<TargetKind>, at now: Timestamp) throws {
        let isOver = !note.state.isLive && note.state != .unknown
        let (finished, withdrawn): (Timestamp?, Timestamp?) = (isOver ? now : nil, note.isWithdrawn ? now : nil)
        let kept: SQL = note.isAnew ? "NULL" : "remote_id"
        let told: SQL = note.isAnew ? "NULL" : "told"
        let started: Timestamp? = [.scheduled, .waiting, .cancelled].contains(note.state) ? nil : now
        try run(
            """
            UPDATE publication_targets
               SET state = \(note.state.rawValue), reason = \(note.reason), code = \(note.code), who = \(note.who),
                   next_action = \(note.nextAction), next_at = \(note.nextAt),
                   remote_id = coalesce(\(note.remoteID), \(kept)),
                   told = coalesce(\(note.told?.told.columnText), \(told)),
                   remote_status = coalesce(\(note.remoteStatus), remote_status),
                   post_id = coalesce(\(note.postID), post_id), sent = coalesce(\(note.sent), sent),
                   started_at = coalesce(started_at, \(started)), finished_at = coalesce(finished_at, \(finished)),
                   withdrawn_at = coalesce(\(withdrawn), withdrawn_at), version = version + 1, updated_at = \(now)
             WHERE id = \(id)
            """)
    }

    /// Begins a target anew: what the last try left of the platform's ids goes.
    public func reopen(_ id: ID<TargetKind>, at now: Timestamp) throws {
        try run(
            """
            UPDATE publication_targets
               SET remote_id = NULL, remote_status = NULL, told = NULL, sent = 0, finished_at = NULL,
                   updated_at = \(now)
             WHERE id = \(id)
            """)
    }

    /// Changes what has not begun.
    public func change(
        _ id: ID<TargetKind>, options: JSON, source: String, size: Int64, at now: Timestamp
    ) throws {
        try run(
            """
            UPDATE publication_targets
               SET options = \(options.columnText), source = \(source), size = \(size), version = version + 1,
                   updated_at = \(now)
             WHERE id = \(id)
            """)
    }

    /// Moves a job that has not begun to another time. False when there is none.
    public func reschedule(_ uniqueKey: String, to due: Timestamp, at now: Timestamp) throws -> Bool {
        try run(
            """
            UPDATE jobs SET due_at = \(due), rank = \(due), state = 'scheduled'
             WHERE unique_key = \(uniqueKey) AND state IN ('scheduled', 'available')
            """) == 1
    }

    /// Erases a user's targets, what is open about them, and publications that have no others.
    func erasePublications(where condition: SQL) throws -> Int {
        let mine: SQL = "SELECT id FROM publication_targets WHERE \(condition)"
        try run("DELETE FROM works WHERE id IN (\(mine))")
        try run(
            """
            UPDATE reviews
               SET state = 'decided', subject = 'erased', question = 'It was about a user who was erased.',
                   evidence = '{}', note = NULL, decision = coalesce(decision, 'dismiss'),
                   decided_by = coalesce(decided_by, 'erasure'), decided_at = coalesce(decided_at, opened_at)
             WHERE kind IN ('unknown_outcome', 'late_publication') AND subject IN (\(mine))
            """)
        let publications = try rows(
            "SELECT DISTINCT publication_id FROM publication_targets WHERE \(condition)"
        ) { try $0.text() }
        let count = try run("DELETE FROM publication_targets WHERE \(condition)")
        for id in publications {
            try run(
                """
                DELETE FROM publications
                 WHERE id = \(id)
                   AND NOT EXISTS (SELECT 1 FROM publication_targets t WHERE t.publication_id = publications.id)
                """)
        }
        return count
    }

    private static var targetColumns: SQL {
        """
        t.id, t.publication_id, t.connection_id, t.provider, t.account_id, t.user_id, t.options, t.state, t.reason,
        t.code, t.who, t.next_action, t.next_at, t.source, t.remote_id, t.remote_status, t.post_id, t.sent, t.size,
        t.started_at, t.finished_at, t.withdrawn_at, t.told, t.version, t.created_at, t.updated_at
        """
    }
    private static func target(_ row: inout Row) throws -> TargetRow {
        TargetRow(
            id: try row.id(), publication: try row.id(), connection: try row.id(), provider: try row.text(),
            account: try row.text(), userID: try row.optionalText(), options: try row.json(),
            state: TargetState(rawValue: try row.text()) ?? .failed, reason: try row.optionalText(),
            code: try row.optionalText(), who: try row.optionalText(), nextAction: try row.optionalText(),
            nextAt: try row.optionalTime(), source: try row.text(), remoteID: try row.optionalText(),
            remoteStatus: try row.optionalText(), postID: try row.optionalText(), sent: try row.integer(),
            size: try row.integer(), startedAt: try row.optionalTime(), finishedAt: try row.optionalTime(),
            withdrawnAt: try row.optionalTime(),
            told: try row.optionalText().flatMap(Failure.init(told:)), version: try row.integer(),
            createdAt: try row.time(), updatedAt: try row.time())
    }
}

extension Failure {
    /// As a row keeps it.
    fileprivate var told: JSON {
        ["message": .string(message), "code": JSON(code), "who": .string(who.rawValue)]
    }
    fileprivate init?(told text: String) {
        let json = try? JSON.parse(Array(text.utf8))  // Written by us.
        guard let json, let message = json["message"]?.text else { return nil }
        self.init(
            .refused, message, code: json["code"]?.text, who: json["who"]?.text.flatMap(Actor.init(rawValue:)))
    }
}

extension Session {
    /// The platform itself has answered what a person was asked.
    public func settleReview(of target: String, at now: Timestamp) throws {
        try run(
            """
            UPDATE reviews
               SET state = 'decided', decision = 'answered', decided_by = 'platform', decided_at = \(now)
             WHERE kind = 'unknown_outcome' AND subject = \(target) AND state <> 'decided'
            """)
    }

    /// Whether somebody is being asked about a target.
    public func hasOpenReview(_ kind: String, of target: ID<TargetKind>) throws -> Bool {
        try row(
            "SELECT 1 FROM reviews WHERE kind = \(kind) AND subject = \(target) AND state <> 'decided' LIMIT 1"
        ) { try $0.integer() } != nil
    }

    /// A target that was late was moved or cancelled instead of decided.
    public func settleLateReview(of target: ID<TargetKind>, by actor: String, at now: Timestamp) throws {
        try run(
            """
            UPDATE reviews
               SET state = 'decided', decision = 'changed', decided_by = \(actor), decided_at = \(now)
             WHERE kind = 'late_publication' AND subject = \(target) AND state <> 'decided'
            """)
    }
}

extension Session {
    /// When the jobs of targets run next, by the target's id.
    public func dueTimes(of targets: [ID<TargetKind>]) throws -> [String: Timestamp] {
        guard !targets.isEmpty else { return [:] }
        let keys = targets.map { "target/\($0)" }
        let found = try rows(
            "SELECT unique_key, due_at FROM jobs WHERE unique_key IN (\(SQL.list(keys))) AND state <> 'running'"
        ) { row in (String(try row.text().dropFirst("target/".utf8.count)), try row.time()) }
        return Dictionary(found, uniquingKeysWith: { first, _ in first })
    }

    /// Targets that are to go on and have no job: it was cancelled, or its process died too often.
    public func forgottenTargets(_ limit: Int) throws -> [TargetRow] {
        try rows(
            """
            SELECT \(Self.targetColumns) FROM publication_targets t
             WHERE t.state IN ('scheduled', 'waiting', 'uploading', 'processing')
               AND EXISTS (SELECT 1 FROM works w WHERE w.id = t.id)
               AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.unique_key = 'target/' || t.id)
             ORDER BY t.id LIMIT \(limit)
            """, Self.target)
    }

    /// Those of these targets of which nothing irreversible has left, or that the platform can be asked to give up.
    public func cancellable(_ targets: [ID<TargetKind>]) throws -> Set<String> {
        guard !targets.isEmpty else { return [] }
        return Set(
            try rows(
                """
                SELECT id FROM works
                 WHERE (final_at IS NULL OR can_give_up = 1 AND cancel_at IS NULL)
                   AND id IN (\(SQL.list(targets.map(\.text))))
                """
            ) { try $0.text() })
    }
}
