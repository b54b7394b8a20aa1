public import Kit

/// A means of payment as it is kept.
public struct PaymentMethodRow: Sendable, Equatable {
    public let provider: String
    public let id: String
    public let app: ID<AppKind>
    public let account: String?
    public var customer: String?
    public var userID: String?
    public var type: String?
    public var brand: String?
    public var last4: String?
    public var expires: String?
    public var isAttached = false
    /// When it came; the earliest that was heard of.
    public var attachedAt: Timestamp?
    public var statedAt: Timestamp
    public var statedBy: ID<EventKind>

    public init(
        provider: String, id: String, app: ID<AppKind>, account: String?, statedAt: Timestamp, statedBy: ID<EventKind>
    ) {
        self.provider = provider
        self.id = id
        self.app = app
        self.account = account
        self.statedAt = statedAt
        self.statedBy = statedBy
    }
}

/// A payment as it is kept: its state, its refunds and its dispute, each with the moment of the last news.
public struct PaymentRow: Sendable, Equatable {
    public let provider: String
    public let id: String
    public let app: ID<AppKind>
    public let account: String?
    public var customer: String?
    public var userID: String?
    /// Nil while only refunds, disputes or mentions are known.
    public var status: String?
    public var outcome = PaymentOutcome.open
    public var stage = 0
    public var amount: Int64?
    public var currency: String?
    public var problem: String?
    public var statedAt: Timestamp?
    public var statedBy: ID<EventKind>?
    public var refunded: Int64 = 0
    public var refundedAt: Timestamp?
    public var dispute: DisputeState?
    public var disputedAt: Timestamp?
    /// Rises with every change.
    public var version: Int64 = 0

    public init(provider: String, id: String, app: ID<AppKind>, account: String?) {
        self.provider = provider
        self.id = id
        self.app = app
        self.account = account
    }
}

extension Session {
    public func paymentMethod(_ id: String, at provider: String, holding: Bool) throws -> PaymentMethodRow? {
        try row(
            """
            SELECT provider, id, app_id, account_id, stated_at, stated_by, customer, user_id, type, brand, last4, expires,
                   attached, attached_at
              FROM payment_methods
             WHERE provider = \(provider) AND id = \(id) \(holding ? dialect.forUpdate : "")
            """) { row in
                var kept = PaymentMethodRow(
                    provider: try row.text(), id: try row.text(), app: try row.id(), account: try row.optionalText(),
                    statedAt: try row.time(), statedBy: try row.id())
                kept.customer = try row.optionalText()
                kept.userID = try row.optionalText()
                kept.type = try row.optionalText()
                kept.brand = try row.optionalText()
                kept.last4 = try row.optionalText()
                kept.expires = try row.optionalText()
                kept.isAttached = try row.boolean()
                kept.attachedAt = try row.optionalTime()
                return kept
            }
    }

    public func keep(_ row: PaymentMethodRow, at now: Timestamp) throws {
        try run(
            """
            INSERT INTO payment_methods
                   (provider, id, app_id, account_id, customer, user_id, type, brand, last4, expires, attached,
                    attached_at, stated_at, stated_by, source, observed_at, first_seen_at, updated_at)
            VALUES (\(row.provider), \(row.id), \(row.app), \(row.account), \(row.customer), \(row.userID), \(row.type),
                    \(row.brand), \(row.last4), \(row.expires), \(row.isAttached), \(row.attachedAt), \(row.statedAt),
                    \(row.statedBy), \(row.provider), \(row.statedAt), \(now), \(now))
            ON CONFLICT (provider, id) DO UPDATE
               SET customer = excluded.customer, user_id = excluded.user_id, type = excluded.type, brand = excluded.brand,
                   last4 = excluded.last4, expires = excluded.expires, attached = excluded.attached,
                   attached_at = excluded.attached_at, stated_at = excluded.stated_at, stated_by = excluded.stated_by,
                   observed_at = excluded.observed_at, updated_at = excluded.updated_at
            """)
    }

    public func payment(_ id: String, at provider: String, holding: Bool) throws -> PaymentRow? {
        try row(
            """
            SELECT provider, id, app_id, account_id, customer, user_id, status, outcome, stage, amount, currency, problem,
                   stated_at, stated_by, refunded, refunded_at, dispute, dispute_stage, disputed_at, version
              FROM payments
             WHERE provider = \(provider) AND id = \(id) \(holding ? dialect.forUpdate : "")
            """, Self.paymentRow)
    }

    public func keep(_ row: PaymentRow, at now: Timestamp) throws {
        try run(
            """
            INSERT INTO payments
                   (provider, id, app_id, account_id, customer, user_id, status, outcome, stage, amount, currency,
                    problem, stated_at, stated_by, refunded, refunded_at, dispute, dispute_stage, disputed_at, version,
                    source, observed_at, first_seen_at, updated_at)
            VALUES (\(row.provider), \(row.id), \(row.app), \(row.account), \(row.customer), \(row.userID), \(row.status),
                    \(row.outcome.rawValue), \(row.stage), \(row.amount), \(row.currency), \(row.problem),
                    \(row.statedAt), \(row.statedBy), \(row.refunded), \(row.refundedAt), \(row.dispute?.status),
                    \(row.dispute?.stage), \(row.disputedAt), \(row.version), \(row.provider),
                    \(row.statedAt ?? row.disputedAt ?? row.refundedAt ?? now), \(now), \(now))
            ON CONFLICT (provider, id) DO UPDATE
               SET customer = excluded.customer, user_id = excluded.user_id, status = excluded.status,
                   outcome = excluded.outcome, stage = excluded.stage, amount = excluded.amount,
                   currency = excluded.currency, problem = excluded.problem, stated_at = excluded.stated_at,
                   stated_by = excluded.stated_by, refunded = excluded.refunded, refunded_at = excluded.refunded_at,
                   dispute = excluded.dispute, dispute_stage = excluded.dispute_stage,
                   disputed_at = excluded.disputed_at, version = excluded.version, observed_at = excluded.observed_at,
                   updated_at = excluded.updated_at
            """)
    }

    private static func paymentRow(_ row: inout Row) throws -> PaymentRow {
        var kept = PaymentRow(
            provider: try row.text(), id: try row.text(), app: try row.id(), account: try row.optionalText())
        kept.customer = try row.optionalText()
        kept.userID = try row.optionalText()
        kept.status = try row.optionalText()
        kept.outcome = PaymentOutcome(rawValue: try row.text()) ?? .open
        kept.stage = Int(try row.integer())
        kept.amount = try row.optionalInteger()
        kept.currency = try row.optionalText()
        kept.problem = try row.optionalText()
        kept.statedAt = try row.optionalTime()
        kept.statedBy = try row.optionalID()
        kept.refunded = try row.integer()
        kept.refundedAt = try row.optionalTime()
        let (dispute, stage) = (try row.optionalText(), try row.optionalInteger())
        if let dispute, let stage { kept.dispute = DisputeState(status: dispute, stage: Int(stage)) }
        kept.disputedAt = try row.optionalTime()
        kept.version = try row.integer()
        return kept
    }
}
