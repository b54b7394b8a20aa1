public import Kit

/// A subscription as a person looks at it: what counts, who said so, and what is not sure.
public struct SubscriptionFacts: Sendable, Equatable {
    public let provider: String
    public let id: String
    public let customer: String?
    public let status: String?
    /// Only its invoices say so; the subscription itself has not spoken since.
    public let isProvisional: Bool
    /// Its events contradict each other, and the platform could not be asked yet.
    public let isUnclear: Bool
    public let plan: String?
    public let currentPeriodEnd: Timestamp?
    public let cancelsAtPeriodEnd: Bool
    public let statedAt: Timestamp?
    public let statedBy: String?
    public let askedAt: Timestamp?
}

public struct PaymentFacts: Sendable, Equatable {
    public let provider: String
    public let id: String
    public let status: String?
    public let outcome: String
    public let amount: Int64?
    public let currency: String?
    public let problem: String?
    public let refunded: Int64
    public let dispute: String?
    public let statedAt: Timestamp?
    public let statedBy: String?
    public let updatedAt: Timestamp
}

public struct PaymentMethodFacts: Sendable, Equatable {
    public let provider: String
    public let id: String
    public let type: String?
    public let brand: String?
    public let last4: String?
    public let expires: String?
    public let isAttached: Bool
    public let statedBy: String
}

/// A page of users, looked for within a bound.
public struct UsersFound: Sendable {
    public let rows: [UserRow]
    /// Set where the search ended before it had enough: the last id that was looked at.
    public let stoppedAt: String?
}

extension Session {
    /// Users that a filter without an index looks through before it says so.
    public static var usersScanned: Int { 20_000 }

    /// Users by id, those whose id begins so, with a status.
    public func searchUsers(beginning text: String?, status: String?, email: String?, _ page: ListPage) throws
        -> UsersFound
    {
        var conditions: [SQL] = ["t.deleted_at IS NULL"]
        if let text { conditions.append("t.id >= \(text) AND t.id < \(text + "\u{10FFFF}")") }
        if let status { conditions.append("t.subscription_status = \(status)") }
        if let email { conditions.append("t.email = \(email)") }
        let border = status == nil && email == nil ? nil : try usersBorder(page)
        if let border { conditions.append(page.ascending ? "t.id <= \(border)" : "t.id >= \(border)") }
        let rows = try list(
            Listed(columns: Self.userColumns, from: "users t", createdAt: "t.first_seen_at", prefix: nil),
            where: conditions, page, Self.userRow)
        return UsersFound(rows: rows, stoppedAt: rows.count > page.limit ? nil : border)
    }

    private func usersBorder(_ page: ListPage) throws -> String? {
        let after: SQL = page.after.map { page.ascending ? "WHERE id > \($0)" : "WHERE id < \($0)" } ?? ""
        return try row(
            """
            SELECT id FROM users \(after)
             ORDER BY id \(page.order) LIMIT 1 OFFSET \(Self.usersScanned - 1)
            """
        ) { try $0.text() }
    }

    /// A user's subscriptions, the one that counts first.
    public func subscriptions(of user: String, limit: Int) throws -> [SubscriptionFacts] {
        try rows(
            """
            SELECT provider, id, customer, status, status_provisional, unclear, plan, current_period_end,
                   cancel_at_period_end, stated_at, stated_by, asked_at
              FROM subscriptions
             WHERE user_id = \(user)
             ORDER BY standing, current_period_end DESC, id
             LIMIT \(limit)
            """
        ) { row in
            SubscriptionFacts(
                provider: try row.text(), id: try row.text(), customer: try row.optionalText(),
                status: try row.optionalText(), isProvisional: try row.boolean(), isUnclear: try row.boolean(),
                plan: try row.optionalText(), currentPeriodEnd: try row.optionalTime(),
                cancelsAtPeriodEnd: try row.boolean(), statedAt: try row.optionalTime(),
                statedBy: try row.optionalText(), askedAt: try row.optionalTime())
        }
    }

    /// A user's payments, those that changed last first.
    public func payments(of user: String, limit: Int) throws -> [PaymentFacts] {
        try rows(
            """
            SELECT provider, id, status, outcome, amount, currency, problem, refunded, dispute, stated_at, stated_by,
                   updated_at
              FROM payments
             WHERE user_id = \(user)
             ORDER BY updated_at DESC, provider, id
             LIMIT \(limit)
            """
        ) { row in
            PaymentFacts(
                provider: try row.text(), id: try row.text(), status: try row.optionalText(), outcome: try row.text(),
                amount: try row.optionalInteger(), currency: try row.optionalText(), problem: try row.optionalText(),
                refunded: try row.integer(), dispute: try row.optionalText(), statedAt: try row.optionalTime(),
                statedBy: try row.optionalText(), updatedAt: try row.time())
        }
    }

    public func paymentMethods(of user: String, limit: Int) throws -> [PaymentMethodFacts] {
        try rows(
            """
            SELECT provider, id, type, brand, last4, expires, attached, stated_by
              FROM payment_methods
             WHERE user_id = \(user)
             ORDER BY attached DESC, attached_at, id
             LIMIT \(limit)
            """
        ) { row in
            PaymentMethodFacts(
                provider: try row.text(), id: try row.text(), type: try row.optionalText(),
                brand: try row.optionalText(), last4: try row.optionalText(), expires: try row.optionalText(),
                isAttached: try row.boolean(), statedBy: try row.text())
        }
    }
}
