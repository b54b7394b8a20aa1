public import Kit

/// Something that a search found.
public struct SearchHit: Sendable, Equatable {
    public enum Kind: String, Sendable, CaseIterable {
        case event, user, customer, subscription, payment, paymentMethod = "payment_method", endpoint, type
        /// Events that hold it as a value.
        case value
    }
    public let kind: Kind
    /// What names it: an id of ours, the platform's, the application's, or a type.
    public let id: String
    public let provider: String?
    /// Whose it is, or what belongs to it.
    public let owner: String?
    /// Whether the whole of what was searched for is its id.
    public let isExact: Bool

    public init(kind: Kind, id: String, provider: String?, owner: String?, isExact: Bool) {
        (self.kind, self.id, self.provider, self.owner, self.isExact) = (kind, id, provider, owner, isExact)
    }
}

extension Session {
    /// Endpoints that are looked through for a part of an address; there are few.
    private static var endpointsScanned: Int { 500 }

    /// What an id or its beginning may name, at most `limit` of each kind. Each look is one into an index.
    ///
    /// - Parameter providers: the platforms whose ids are looked for.
    public func search(_ text: String, providers: [String], limit: Int, at now: Timestamp) throws -> [SearchHit] {
        guard !text.isEmpty, OutsideID.passes(text) else { return [] }
        var hits = try events(providerEventID: text, EventFilter(), at: now).prefix(limit).map {
            SearchHit(kind: .event, id: $0.id.text, provider: $0.provider, owner: $0.type, isExact: true)
        }
        hits += try users(beginning: text, limit)
        hits += try objects(text, providers)
        hits += try endpoints(limit: Self.endpointsScanned).filter {
            $0.url.lowercased().contains(text.lowercased())
                || $0.description?.lowercased().contains(text.lowercased()) ?? false
        }.prefix(limit).map {
            SearchHit(kind: .endpoint, id: $0.id.text, provider: nil, owner: $0.url, isExact: false)
        }
        return hits + (try types(beginning: text, limit))
    }

    private func users(beginning text: String, _ limit: Int) throws -> [SearchHit] {
        try rows(
            """
            SELECT id, subscription_status FROM users
             WHERE id >= \(text) AND id < \(text + Self.last) AND deleted_at IS NULL
             ORDER BY id
             LIMIT \(limit)
            """
        ) { row in
            let id = try row.text()
            return SearchHit(
                kind: .user, id: id, provider: nil, owner: try row.optionalText(), isExact: id.hasSameBytes(as: text))
        }
    }

    /// What the platforms call by this id.
    private func objects(_ id: String, _ providers: [String]) throws -> [SearchHit] {
        guard !providers.isEmpty else { return [] }
        let tables: [(SearchHit.Kind, SQL)] = [
            (.customer, "SELECT provider, user_id FROM customers WHERE customer = \(id)"),
            (.subscription, "SELECT provider, user_id FROM subscriptions WHERE id = \(id)"),
            (.payment, "SELECT provider, user_id FROM payments WHERE id = \(id)"),
            (.paymentMethod, "SELECT provider, user_id FROM payment_methods WHERE id = \(id)"),
        ]
        return try tables.flatMap { kind, select in
            try rows("\(select) AND provider IN (\(SQL.list(providers))) ORDER BY provider") { row in
                SearchHit(
                    kind: kind, id: id, provider: try row.text(), owner: try row.optionalText(), isExact: true)
            }
        }
    }

    /// Types of events that begin so: the index is stepped through, one look a type.
    private func types(beginning text: String, _ limit: Int) throws -> [SearchHit] {
        var hits: [SearchHit] = []
        var from = text
        var isAfter = false
        while hits.count < limit {
            let beyond: SQL = isAfter ? "type > \(from)" : "type >= \(from)"
            let next = try row("SELECT min(type) FROM events WHERE \(beyond) AND type < \(text + Self.last)") {
                try $0.optionalText()
            }
            guard let found = next ?? nil else { break }
            hits.append(
                SearchHit(kind: .type, id: found, provider: nil, owner: nil, isExact: found.hasSameBytes(as: text)))
            (from, isAfter) = (found, true)
        }
        return hits
    }

    /// Sorts after every character that an id has.
    private static var last: String { "\u{10FFFF}" }
}
