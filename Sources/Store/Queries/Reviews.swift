public import Kit

/// Something that a person must decide: question, evidence, choices.
public struct NewReview: Sendable {
    public let id: ID<ReviewKind>
    /// `event_without_user`, `unreadable_delivery`, …
    public let kind: String
    /// What it is about. One open review for each kind and subject; more of the same is counted.
    public let subject: String
    public let question: String
    /// A JSON object of ids and facts.
    public let evidence: String
    public let choices: [String]
    public let provider: String?
    public let openedAt: Timestamp
    /// Told to followers when a review is opened.
    public let changeID: ID<ChangeKind>

    public init(
        id: ID<ReviewKind>, kind: String, subject: String, question: String, evidence: String, choices: [String],
        provider: String?, openedAt: Timestamp, changeID: ID<ChangeKind>
    ) {
        self.id = id
        self.kind = kind
        self.subject = subject
        self.question = question
        self.evidence = evidence
        self.choices = choices
        self.provider = provider
        self.openedAt = openedAt
        self.changeID = changeID
    }
}

/// A review as kept.
public struct Review: Sendable, Equatable {
    public let id: ID<ReviewKind>
    public let kind: String
    public let state: String
    public let subject: String
    public let question: String
    public let evidence: String
    public let choices: [String]
    public let provider: String?
    public let count: Int64
    public let openedAt: Timestamp
    public let claimedBy: String?
    public let claimedAt: Timestamp?
    public let decidedBy: String?
    public let decidedAt: Timestamp?
    public let decision: String?
    public let note: String?
}

extension Session {
    /// Opens a review, or counts one more on the open one. Answers its id and whether it is new.
    @discardableResult
    public func open(_ review: NewReview) throws -> (id: ID<ReviewKind>, isNew: Bool) {
        let kept = try row(
            """
            INSERT INTO reviews (id, kind, state, subject, question, evidence, choices, provider, count, opened_at)
            VALUES (\(review.id), \(review.kind), 'open', \(review.subject), \(review.question), \(review.evidence),
                    \(review.choices.joined(separator: " ")), \(review.provider), 1, \(review.openedAt))
            ON CONFLICT (kind, subject) WHERE state <> 'decided' DO UPDATE SET count = reviews.count + 1
            RETURNING id
            """
        ) { row in try row.id(ReviewKind.self) }
        let id = kept ?? review.id
        guard id == review.id else { return (id, false) }
        try append([
            NewChange(
                id: review.changeID, type: "review.opened", subject: id.text, occurredAt: review.openedAt,
                data: JSON.object([
                    .init("id", .string(id.text)), .init("kind", .string(review.kind)),
                    .init("subject", .string(review.subject)), .init("question", .string(review.question)),
                ]).bytes)
        ])
        return (id, true)
    }

    public func review(_ id: ID<ReviewKind>) throws -> Review? {
        try row("SELECT \(Self.reviewColumns) FROM reviews WHERE id = \(id) \(dialect.forUpdate)", Self.review)
    }

    public func openReview(kind: String, subject: String) throws -> Review? {
        try row(
            """
            SELECT \(Self.reviewColumns) FROM reviews
             WHERE kind = \(kind) AND subject = \(subject) AND state <> 'decided'
            """,
            Self.review)
    }

    /// Marks a review as somebody's. False when it is decided or another's.
    public func claim(_ id: ID<ReviewKind>, by actor: String, at now: Timestamp) throws -> Bool {
        try run(
            """
            UPDATE reviews SET state = 'claimed', claimed_by = \(actor), claimed_at = \(now)
             WHERE id = \(id) AND (state = 'open' OR (state = 'claimed' AND claimed_by = \(actor)))
            """) == 1
    }

    /// Lets a review be anybody's again. False when it is decided or another's.
    public func unclaim(_ id: ID<ReviewKind>, by actor: String) throws -> Bool {
        try run(
            """
            UPDATE reviews SET state = 'open', claimed_by = NULL, claimed_at = NULL
             WHERE id = \(id) AND state = 'claimed' AND claimed_by = \(actor)
            """) == 1
    }

    /// Records a decision, once.
    public func decide(_ id: ID<ReviewKind>, _ decision: String, note: String?, by actor: String, at now: Timestamp)
        throws -> Bool
    {
        try run(
            """
            UPDATE reviews
               SET state = 'decided', decision = \(decision), note = \(note), decided_by = \(actor), decided_at = \(now)
             WHERE id = \(id) AND state <> 'decided'
            """) == 1
    }

    static var reviewColumns: SQL {
        """
        id, kind, state, subject, question, evidence, choices, provider, count, opened_at, claimed_by, claimed_at,
        decided_by, decided_at, decision, note
        """
    }
    static func review(_ row: inout Row) throws -> Review {
        Review(
            id: try row.id(), kind: try row.text(), state: try row.text(), subject: try row.text(),
            question: try row.text(), evidence: try row.text(),
            choices: try row.text().split(separator: " ").map(String.init), provider: try row.optionalText(),
            count: try row.integer(), openedAt: try row.time(), claimedBy: try row.optionalText(),
            claimedAt: try row.optionalTime(), decidedBy: try row.optionalText(), decidedAt: try row.optionalTime(),
            decision: try row.optionalText(), note: try row.optionalText())
    }
}
