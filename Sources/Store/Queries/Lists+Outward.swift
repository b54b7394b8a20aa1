public import Kit

extension Session {
    public func endpoints(state: String?, _ page: ListPage) throws -> [Endpoint] {
        try list(
            Listed(columns: Self.endpointColumns, from: "endpoints t", createdAt: "t.created_at", prefix: "ep"),
            where: conditions([("state", state)]), page, Self.endpoint)
    }

    public func attempts(
        at endpoint: ID<EndpointKind>, outcome: String?, change: String?, _ page: ListPage, upTo border: String? = nil
    ) throws -> [Attempt] {
        let within: [SQL] = border.map { [page.ascending ? "t.id <= \($0)" : "t.id >= \($0)"] } ?? []
        return try list(
            Listed(columns: Self.attemptColumns, from: "attempts t", createdAt: "t.at", prefix: "att"),
            where: conditions([("endpoint_id", endpoint.text), ("outcome", outcome), ("change_id", change)]) + within,
            page, Self.attempt)
    }

    public func users(_ filter: UserFilter, _ page: ListPage) throws -> [UserRow] {
        var conditions = Store.conditions([("email", filter.email), ("subscription_status", filter.subscriptionStatus)])
        conditions.append("t.deleted_at IS NULL")
        for (name, value) in filter.metadata.sorted(by: { $0.key < $1.key }) {
            conditions.append("\(dialect.member(of: "t.metadata", name)) = \(value)")
        }
        return try list(
            Listed(columns: Self.userColumns, from: "users t", createdAt: "t.first_seen_at", prefix: nil),
            where: conditions, page, Self.userRow)
    }
}

public struct UserFilter: Sendable {
    public var email: String?
    public var subscriptionStatus: String?
    /// Members of the user's metadata.
    public var metadata: [String: String] = [:]
    public init() {}
}
