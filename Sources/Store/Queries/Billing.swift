public import Kit

/// A subscription as it is kept: what the platform said last, what its invoices say, and when.
///
/// Which statement counts is `SubscriptionRules`' business in the engine; here is only what a row holds.
public struct SubscriptionRow: Sendable, Equatable {
    public let provider: String
    public let id: String
    public let app: ID<AppKind>
    public let account: String?
    public var customer: String?
    public var userID: String?

    /// What the platform said last; nil while only invoices are known.
    public var state: SubscriptionState?
    public var isFinal = false
    /// By the platform's clock.
    public var statedAt: Timestamp?
    public var statedBy: ID<EventKind>?
    /// The events that spoke in the second of `statedAt`, or that the last answer covers.
    public var tied: [ID<EventKind>] = []
    /// When the platform was last asked, by our clock.
    public var askedAt: Timestamp?

    public var paidUntil: Timestamp?
    public var invoice: InvoiceMark?
    public var nextPaymentAt: Timestamp?

    /// What counts, worked out from the above.
    public var status: String?
    /// Only invoices say so; the subscription itself has not spoken since.
    public var isProvisional = false
    /// The best is 0.
    public var standing = 0
    /// Only the platform can tell, and it could not be asked yet.
    public var isUnclear = false

    public init(provider: String, id: String, app: ID<AppKind>, account: String?) {
        self.provider = provider
        self.id = id
        self.app = app
        self.account = account
    }
}

/// The last word of a subscription's invoices.
public struct InvoiceMark: Sendable, Equatable {
    public enum Outcome: String, Sendable { case paid, failed, failedFirst = "failed_first" }
    public let outcome: Outcome
    public let at: Timestamp
    public init(_ outcome: Outcome, at: Timestamp) {
        self.outcome = outcome
        self.at = at
    }
}

extension Session {
    public func subscription(_ id: String, at provider: String) throws -> SubscriptionRow? {
        try subscription(id, at: provider, "")
    }

    /// A subscription, made where there is none, its row held to the end of the transaction.
    public func hold(_ new: SubscriptionRow, at now: Timestamp) throws -> SubscriptionRow {
        try run(
            """
            INSERT INTO subscriptions
                   (provider, id, app_id, account_id, status_provisional, standing, unclear, cancel_at_period_end,
                    is_final, tied, source, observed_at, first_seen_at, updated_at)
            VALUES (\(new.provider), \(new.id), \(new.app), \(new.account), 0, \(new.standing), 0, 0,
                    0, '', \(new.provider), \(now), \(now), \(now))
            ON CONFLICT DO NOTHING
            """)
        return try subscription(new.id, at: new.provider, dialect.forUpdate) ?? new
    }

    private func subscription(_ id: String, at provider: String, _ holding: SQL) throws -> SubscriptionRow? {
        try row(
            """
            SELECT provider, id, app_id, account_id, customer, user_id, stated_status, plan, stated_period_end,
                   cancel_at_period_end, ended_at, payment_method, is_final, stated_at, stated_by, tied, asked_at,
                   paid_until, invoice_outcome, invoice_at, next_payment_at, status, status_provisional, standing,
                   unclear
              FROM subscriptions
             WHERE provider = \(provider) AND id = \(id) \(holding)
            """, Self.subscriptionRow)
    }

    /// Writes a subscription that is held.
    public func keep(_ row: SubscriptionRow, at now: Timestamp) throws {
        let (state, tied) = (row.state, row.tied.map(\.text).joined(separator: " "))
        try run(
            """
            UPDATE subscriptions
               SET customer = \(row.customer), user_id = \(row.userID), status = \(row.status),
                   status_provisional = \(row.isProvisional), standing = \(row.standing), unclear = \(row.isUnclear),
                   plan = \(state?.plan), current_period_end = \(state?.currentPeriodEnd ?? row.paidUntil),
                   paid_until = \(row.paidUntil), cancel_at_period_end = \(state?.cancelAtPeriodEnd ?? false),
                   ended_at = \(state?.endedAt), payment_method = \(state?.paymentMethod),
                   stated_status = \(state?.status), stated_period_end = \(state?.currentPeriodEnd),
                   is_final = \(row.isFinal), stated_at = \(row.statedAt), stated_by = \(row.statedBy), tied = \(tied),
                   asked_at = \(row.askedAt), invoice_outcome = \(row.invoice?.outcome.rawValue),
                   invoice_at = \(row.invoice?.at), next_payment_at = \(row.nextPaymentAt),
                   observed_at = \(row.statedAt ?? row.invoice?.at ?? now), updated_at = \(now)
             WHERE provider = \(row.provider) AND id = \(row.id)
            """)
    }

    /// Subscriptions whose state only the platform can settle, for the sweep after a key was set; by id.
    public func unclearSubscriptions(at provider: String, after id: String = "", limit: Int) throws -> [(
        id: String, statedBy: ID<EventKind>?
    )] {
        try rows(
            """
            SELECT id, stated_by FROM subscriptions
             WHERE provider = \(provider) AND unclear = 1 AND id > \(id)
             ORDER BY id
             LIMIT \(limit)
            """
        ) { row in (try row.text(), try row.optionalID()) }
    }

    private static func subscriptionRow(_ row: inout Row) throws -> SubscriptionRow {
        var kept = SubscriptionRow(
            provider: try row.text(), id: try row.text(), app: try row.id(), account: try row.optionalText())
        kept.customer = try row.optionalText()
        kept.userID = try row.optionalText()
        let (status, plan, end) = (try row.optionalText(), try row.optionalText(), try row.optionalTime())
        let (cancels, ended, method) = (try row.boolean(), try row.optionalTime(), try row.optionalText())
        kept.state = status.map {
            SubscriptionState(
                status: $0, plan: plan, currentPeriodEnd: end, cancelAtPeriodEnd: cancels, endedAt: ended,
                paymentMethod: method)
        }
        kept.isFinal = try row.boolean()
        kept.statedAt = try row.optionalTime()
        kept.statedBy = try row.optionalID()
        kept.tied = try row.text().split(separator: " ").map { ID(stored: String($0)) }
        kept.askedAt = try row.optionalTime()
        kept.paidUntil = try row.optionalTime()
        let (outcome, at) = (try row.optionalText().flatMap(InvoiceMark.Outcome.init), try row.optionalTime())
        if let outcome, let at { kept.invoice = InvoiceMark(outcome, at: at) }
        kept.nextPaymentAt = try row.optionalTime()
        kept.status = try row.optionalText()
        kept.isProvisional = try row.boolean()
        kept.standing = Int(try row.integer())
        kept.isUnclear = try row.boolean()
        return kept
    }
}

// MARK: What the platform answered

/// An answer of the platform that an event needed.
public struct FetchedAnswer: Sendable, Equatable {
    /// `subscription sub_…`.
    public let purpose: String
    /// When it was asked, by our clock.
    public let at: Timestamp
    public let status: Int
    public let body: [UInt8]
    /// What had been heard when it was asked: events of the second that was in doubt.
    public let covers: [ID<EventKind>]
    /// The latest moment of the platform's clock that had been heard of.
    public let through: Timestamp

    public init(purpose: String, at: Timestamp, status: Int, body: [UInt8], covers: [ID<EventKind>], through: Timestamp)
    {
        self.purpose = purpose
        self.at = at
        self.status = status
        self.body = body
        self.covers = covers
        self.through = through
    }
}

extension Session {
    public func answers(for event: ID<EventKind>) throws -> [FetchedAnswer] {
        try rows(
            """
            SELECT purpose, at, status, answer, covers, through FROM fetched
             WHERE event_id = \(event)
             ORDER BY purpose
             LIMIT 100
            """
        ) { row in
            FetchedAnswer(
                purpose: try row.text(), at: try row.time(), status: Int(try row.integer()), body: try row.blob(),
                covers: try row.text().split(separator: " ").map { ID(stored: String($0)) }, through: try row.time())
        }
    }

    /// Keeps an answer beside its event; a later one replaces it.
    public func keep(_ answer: FetchedAnswer, for event: ID<EventKind>) throws {
        try run(
            """
            INSERT INTO fetched (event_id, purpose, at, status, answer, covers, through)
            VALUES (\(event), \(answer.purpose), \(answer.at), \(answer.status), \(answer.body),
                    \(answer.covers.map(\.text).joined(separator: " ")), \(answer.through))
            ON CONFLICT (event_id, purpose) DO UPDATE
               SET at = excluded.at, status = excluded.status, answer = excluded.answer, covers = excluded.covers,
                   through = excluded.through
             WHERE fetched.at < excluded.at
            """)
    }
}

// MARK: Events that wait

extension Session {
    /// Lets an event wait for a person, under a customer where it is one whom nobody knows. False when it waited.
    public func wait(_ event: ID<EventKind>, for customer: String? = nil, reason: String, at now: Timestamp) throws
        -> Bool
    {
        try run(
            """
            UPDATE events
               SET state = 'waiting_review', state_reason = \(reason), state_at = \(now),
                   subject = coalesce(\(customer), subject)
             WHERE id = \(event) AND state <> 'waiting_review'
            """) == 1
    }

    /// Marks an event as applied, or as one that says nothing here. Writes nothing when it is marked so.
    public func end(_ event: ID<EventKind>, as state: String, userID: String?, at now: Timestamp) throws {
        try run(
            """
            UPDATE events
               SET state = \(state), state_reason = NULL, state_at = \(now), user_id = coalesce(\(userID), user_id)
             WHERE id = \(event) AND (state <> \(state) OR coalesce(\(userID), user_id) IS DISTINCT FROM user_id)
            """)
    }

    /// Takes up to `limit` events that wait under a customer back into the queue, the oldest first. The caller adds
    /// their jobs in the same transaction.
    public func release(waitingFor customer: String, at provider: String, limit: Int, now: Timestamp) throws -> [ID<
        EventKind
    >] {
        let waiting = try rows(
            """
            SELECT id FROM events
             WHERE provider = \(provider) AND subject = \(customer) AND state = 'waiting_review'
             ORDER BY id
             LIMIT \(limit)
            """
        ) { row in try row.id(EventKind.self) }
        guard !waiting.isEmpty else { return [] }
        try run(
            """
            UPDATE events SET state = 'queued', state_reason = NULL, state_at = \(now)
             WHERE state = 'waiting_review' AND id IN (\(SQL.list(waiting)))
            """)
        return waiting
    }
}
