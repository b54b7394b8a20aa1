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
    /// A means of payment, made where there is none, its row held to the end of the transaction. `isNew` until it was
    /// kept once.
    public func hold(_ new: PaymentMethodRow, at now: Timestamp) throws -> (row: PaymentMethodRow, isNew: Bool) {
        let isNew =
            try run(
                """
                INSERT INTO payment_methods
                       (provider, id, app_id, account_id, attached, stated_at, stated_by, source, observed_at,
                        first_seen_at, updated_at)
                VALUES (\(new.provider), \(new.id), \(new.app), \(new.account), 0, \(new.statedAt), \(new.statedBy),
                        \(new.provider), \(now), \(now), \(now))
                ON CONFLICT DO NOTHING
                """) == 1
        return (try paymentMethod(new.id, at: new.provider, dialect.forUpdate) ?? new, isNew)
    }

    public func paymentMethod(_ id: String, at provider: String) throws -> PaymentMethodRow? {
        try paymentMethod(id, at: provider, "")
    }

    private func paymentMethod(_ id: String, at provider: String, _ holding: SQL) throws -> PaymentMethodRow? {
        try row(
            """
            SELECT provider, id, app_id, account_id, stated_at, stated_by, customer, user_id, type, brand, last4,
                   expires, attached, attached_at
              FROM payment_methods
             WHERE provider = \(provider) AND id = \(id) \(holding)
            """
        ) { row in
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

    /// Writes a means of payment that is held.
    public func keep(_ row: PaymentMethodRow, at now: Timestamp) throws {
        try run(
            """
            UPDATE payment_methods
               SET customer = \(row.customer), user_id = \(row.userID), type = \(row.type), brand = \(row.brand),
                   last4 = \(row.last4), expires = \(row.expires), attached = \(row.isAttached),
                   attached_at = \(row.attachedAt), stated_at = \(row.statedAt), stated_by = \(row.statedBy),
                   observed_at = \(row.statedAt), updated_at = \(now)
             WHERE provider = \(row.provider) AND id = \(row.id)
            """)
    }

    /// A payment, made where there is none, its row held to the end of the transaction.
    public func hold(_ new: PaymentRow, at now: Timestamp) throws -> PaymentRow {
        try run(
            """
            INSERT INTO payments
                   (provider, id, app_id, account_id, outcome, stage, refunded, version, source, observed_at,
                    first_seen_at, updated_at)
            VALUES (\(new.provider), \(new.id), \(new.app), \(new.account), 'open', 0, 0, 0, \(new.provider), \(now),
                    \(now), \(now))
            ON CONFLICT DO NOTHING
            """)
        return try payment(new.id, at: new.provider, dialect.forUpdate) ?? new
    }

    public func payment(_ id: String, at provider: String) throws -> PaymentRow? { try payment(id, at: provider, "") }

    private func payment(_ id: String, at provider: String, _ holding: SQL) throws -> PaymentRow? {
        try row(
            """
            SELECT provider, id, app_id, account_id, customer, user_id, status, outcome, stage, amount, currency,
                   problem, stated_at, stated_by, refunded, refunded_at, dispute, dispute_stage, disputed_at, version
              FROM payments
             WHERE provider = \(provider) AND id = \(id) \(holding)
            """, Self.paymentRow)
    }

    /// Writes a payment that is held.
    public func keep(_ row: PaymentRow, at now: Timestamp) throws {
        try run(
            """
            UPDATE payments
               SET customer = \(row.customer), user_id = \(row.userID), status = \(row.status),
                   outcome = \(row.outcome.rawValue), stage = \(row.stage), amount = \(row.amount),
                   currency = \(row.currency), problem = \(row.problem), stated_at = \(row.statedAt),
                   stated_by = \(row.statedBy), refunded = \(row.refunded), refunded_at = \(row.refundedAt),
                   dispute = \(row.dispute?.status), dispute_stage = \(row.dispute?.stage),
                   disputed_at = \(row.disputedAt), version = \(row.version),
                   observed_at = \(row.statedAt ?? row.disputedAt ?? row.refundedAt ?? now), updated_at = \(now)
             WHERE provider = \(row.provider) AND id = \(row.id)
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
