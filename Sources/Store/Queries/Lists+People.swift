public import Kit

public struct ReviewFilter: Sendable {
    public var kind: String?
    public var state: String?
    public var provider: String?
    public var subject: String?
    public init() {}
}

/// Someone should know of it. One open alert for each kind and subject; more of the same is counted.
public struct AlertRow: Sendable {
    public let id: ID<AlertKind>
    public let kind: String
    public let state: String
    public let subject: String
    public let summary: String
    /// What to do, in a sentence.
    public let action: String
    public let count: Int64
    public let openedAt: Timestamp
    public let lastAt: Timestamp
    public let silencedUntil: Timestamp?
    public let resolvedAt: Timestamp?
}

public struct AlertFilter: Sendable {
    public var kind: String?
    public var state: String?
    public var subject: String?
    public init() {}
}

/// Who did what. Ids and digests only, no personal text.
public struct AuditRow: Sendable {
    public let id: ID<AuditKind>
    public let at: Timestamp
    public let actor: String
    public let action: String
    public let subject: String?
    /// A JSON object.
    public let detail: String
    /// Nil until it is sealed.
    public let batch: Int64?
}

public struct AuditFilter: Sendable {
    public var actor: String?
    public var action: String?
    public var subject: String?
    public init() {}
}

extension Session {
    public func reviews(_ filter: ReviewFilter, _ page: ListPage) throws -> [Review] {
        try list(
            Listed(columns: Self.reviewColumns, from: "reviews t", createdAt: "t.opened_at", prefix: "rev"),
            where: conditions([
                ("kind", filter.kind), ("state", filter.state), ("provider", filter.provider),
                ("subject", filter.subject),
            ]), page, Self.review)
    }

    /// A review without holding its row.
    public func reviewRow(_ id: ID<ReviewKind>) throws -> Review? {
        try row("SELECT \(Self.reviewColumns) FROM reviews WHERE id = \(id)", Self.review)
    }

    public func alerts(_ filter: AlertFilter, _ page: ListPage) throws -> [AlertRow] {
        try list(
            Listed(columns: Self.alertColumns, from: "alerts t", createdAt: "t.opened_at", prefix: "alr"),
            where: conditions([("kind", filter.kind), ("state", filter.state), ("subject", filter.subject)]), page,
            Self.alert)
    }
    public func alert(_ id: ID<AlertKind>) throws -> AlertRow? {
        try row("SELECT \(Self.alertColumns) FROM alerts WHERE id = \(id)", Self.alert)
    }

    /// - Parameter border: no further than this id, in the list's order.
    public func audit(_ filter: AuditFilter, _ page: ListPage, upTo border: String? = nil) throws -> [AuditRow] {
        let within: [SQL] = border.map { [page.ascending ? "t.id <= \($0)" : "t.id >= \($0)"] } ?? []
        return try list(
            Listed(
                columns: "t.id, t.at, t.actor, t.action, t.subject, t.detail, t.batch", from: "audit t",
                createdAt: "t.at",
                prefix: "aud"),
            where: conditions([("actor", filter.actor), ("action", filter.action), ("subject", filter.subject)])
                + within,
            page
        ) { row in
            AuditRow(
                id: try row.id(), at: try row.time(), actor: try row.text(), action: try row.text(),
                subject: try row.optionalText(), detail: try row.text(), batch: try row.optionalInteger())
        }
    }

    private static var alertColumns: SQL {
        "id, kind, state, subject, summary, action, count, opened_at, last_at, silenced_until, resolved_at"
    }
    private static func alert(_ row: inout Row) throws -> AlertRow {
        AlertRow(
            id: try row.id(), kind: try row.text(), state: try row.text(), subject: try row.text(),
            summary: try row.text(), action: try row.text(), count: try row.integer(), openedAt: try row.time(),
            lastAt: try row.time(), silencedUntil: try row.optionalTime(), resolvedAt: try row.optionalTime())
    }
}
