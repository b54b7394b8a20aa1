public struct ConnectionFilter: Sendable {
    public var state: ConnectionState?
    public var provider: String?
    public var userID: String?
    public var app: String?
    public init() {}
}

extension Session {
    public func connections(_ filter: ConnectionFilter, _ page: ListPage) throws -> [ConnectionRow] {
        var conditions = conditions([
            ("provider", filter.provider), ("user_id", filter.userID), ("app_id", filter.app),
        ])
        conditions.append(filter.state.map(Self.isShown) ?? "t.deleted_at IS NULL")
        return try list(
            Listed(
                columns: Self.connectionColumns, from: Self.connectionTables, createdAt: "t.first_seen_at",
                prefix: "conn"),
            where: conditions, page, Self.connection)
    }

    /// What breaks first: those of which somebody was told, those that end by themselves, the soonest first, then the
    /// others, newest first. Each part is read by an index of its own.
    public func connectionsBySoonest(_ filter: ConnectionFilter, limit: Int) throws -> [ConnectionRow] {
        var conditions = conditions([
            ("provider", filter.provider), ("user_id", filter.userID), ("app_id", filter.app),
        ])
        if let state = filter.state { conditions.append(Self.isShown(state)) }
        if filter.state != .revoked { conditions.append("t.deleted_at IS NULL") }
        let parts: [(condition: SQL, order: SQL)] = [
            ("t.attention IS NOT NULL", "t.id"), ("t.attention IS NULL AND t.ends_at IS NOT NULL", "t.ends_at, t.id"),
            ("t.attention IS NULL AND t.ends_at IS NULL", "t.id DESC"),
        ]
        var found: [ConnectionRow] = []
        for part in parts where found.count < limit {
            found += try rows(
                """
                SELECT \(Self.connectionColumns) FROM \(Self.connectionTables)
                 WHERE \(SQL.joined(conditions + [part.condition], by: " AND "))
                 ORDER BY \(part.order)
                 LIMIT \(limit - found.count)
                """, Self.connection)
        }
        return found
    }

    /// In each state connections are counted to here; more is shown as more.
    public static var connectionCountMax: Int { 10_000 }

    /// How many connections are in each state, those that were disconnected aside; `connectionCountMax` + 1 for more.
    public func connectionCounts() throws -> [(state: ConnectionState, count: Int)] {
        try ConnectionState.allCases.compactMap { state in
            let counted = try row(
                """
                SELECT count(*)
                  FROM (SELECT t.id FROM oauth_accounts t
                         WHERE \(Self.isShown(state)) AND t.deleted_at IS NULL
                         LIMIT \(Self.connectionCountMax + 1)) AS counted
                """
            ) { try $0.integer() }
            let count = Int(counted ?? 0)
            return count > 0 ? (state, count) : nil
        }
    }

    /// Of rows that show this state (`ConnectionRow.state`), so that an index finds them.
    private static func isShown(_ state: ConnectionState) -> SQL {
        switch state {
        case .active, .refreshing, .suspect: "t.state = \(state.rawValue) AND t.paused_at IS NULL"
        case .paused:
            // Not by the states that it may be in: an index of those would need a sort.
            """
            t.paused_at IS NOT NULL AND t.deleted_at IS NULL
               AND t.state NOT IN ('pending', 'needs_reconnect', 'revoked')
            """
        case .pending, .needsReconnect, .revoked: "t.state = \(state.rawValue)"
        }
    }
}
