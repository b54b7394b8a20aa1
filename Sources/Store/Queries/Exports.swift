public import Kit

/// What is kept about a user besides the user's own row, as JSON for the export.
extension Session {
    /// Connections, subscriptions, payment methods and payments: each a JSON object with the names of the columns.
    public func exportedRows(of user: String) throws -> [(what: String, rows: [JSON])] {
        try [
            (
                "oauth_accounts",
                [
                    "provider", "id", "open_id", "display_name", "scope", "state", "state_reason", "ends_at",
                    "paused_at", "first_seen_at", "updated_at", "deleted_at",
                ]
            ),
            (
                "subscriptions",
                [
                    "provider", "id", "customer", "status", "plan", "current_period_end", "paid_until",
                    "cancel_at_period_end", "ended_at", "payment_method", "stated_at", "first_seen_at", "updated_at",
                ]
            ),
            (
                "payment_methods",
                [
                    "provider", "id", "customer", "type", "brand", "last4", "expires", "attached", "attached_at",
                    "first_seen_at", "updated_at",
                ]
            ),
            (
                "payments",
                [
                    "provider", "id", "customer", "status", "outcome", "amount", "currency", "problem", "refunded",
                    "dispute", "stated_at", "first_seen_at", "updated_at",
                ]
            ),
            (
                "publication_targets",
                [
                    "provider", "id", "publication_id", "connection_id", "account_id", "options", "state", "reason",
                    "source", "remote_id", "remote_status", "post_id", "created_at", "finished_at",
                ]
            ),
        ].map { table, columns in (table, try exported(table, columns, of: user)) }
            + [("publications", try exportedPublications(of: user)), ("objects", try exportedObjects(of: user))]
    }

    private func exportedPublications(of user: String) throws -> [JSON] {
        try rows(
            """
            SELECT id, content, media, publish_at, created_at FROM publications
             WHERE id IN (SELECT publication_id FROM publication_targets WHERE user_id = \(user))
             ORDER BY id LIMIT 10000
            """
        ) { row in
            [
                "id": .string(try row.text()), "content": try row.json(), "media": try row.json(),
                "publish_at": JSON(try row.optionalTime()), "created_at": JSON(try row.time()),
            ]
        }
    }

    /// What lies here; the bytes are at /v1/objects/{id}/content.
    private func exportedObjects(of user: String) throws -> [JSON] {
        try rows(
            """
            SELECT id, content_type, size, name, created_at, expires_at FROM objects
             WHERE user_id = \(user) AND deleting_at IS NULL ORDER BY id LIMIT 10000
            """
        ) { row in
            [
                "id": .string(try row.text()), "content_type": .string(try row.text()),
                "size": JSON(try row.integer()), "name": JSON(try row.optionalText()),
                "created_at": JSON(try row.time()), "expires_at": JSON(try row.optionalTime()),
            ]
        }
    }

    private func exported(_ table: String, _ columns: [String], of user: String) throws -> [JSON] {
        let names = SQL(stringLiteral: columns.joined(separator: ", "))
        return try rows(
            """
            SELECT \(names) FROM \(SQL(stringLiteral: table)) WHERE user_id = \(user) ORDER BY provider, id LIMIT 10000
            """
        ) { row in
            .object(try columns.map { name in JSONMember(name, Self.json(try row.cell(), name)) })
        }
    }

    /// Times are columns that end so; truths stand as 0 and 1.
    private static func json(_ cell: Cell, _ name: String) -> JSON {
        switch cell {
        case .integer(let value) where ["cancel_at_period_end", "attached"].contains(name): .bool(value != 0)
        case .integer(let value) where name.hasSuffix("_at") || name.hasSuffix("_end") || name.hasSuffix("_until"):
            JSON(Timestamp(microseconds: value))
        case .integer(let value): JSON(value)
        case .text(let text): .string(text)
        case .null, .real, .blob: .null
        }
    }

    /// The events about a user among the next `window` after an id: those that were applied to the user, and those of
    /// the user's customers.
    ///
    /// - Returns: the events, and the last one looked at; nil at the end.
    public func eventsAbout(
        _ user: String, _ customers: [CustomerName], after last: String, window: Int
    ) throws -> (events: [EventRow], last: String?) {
        let end = try row("SELECT id FROM events WHERE id > \(last) ORDER BY id LIMIT 1 OFFSET \(window - 1)") {
            try $0.text()
        }
        var about: SQL = "t.user_id = \(user)"
        for name in customers { about = about + " OR (t.provider = \(name.provider) AND t.subject = \(name.customer))" }
        let until: SQL = end.map { "AND t.id <= \($0)" } ?? ""
        return (try events(where: "t.id > \(last) \(until) AND (\(about))", limit: window), end)
    }

    /// Changes that tell of a user, oldest first.
    public func changesAbout(_ user: String, after seq: Int64, limit: Int) throws -> [(seq: Int64, json: JSON)] {
        try rows(
            """
            SELECT seq, id, type, occurred_at, payload FROM changes
             WHERE (subject = \(user) OR subject IN (SELECT id FROM oauth_accounts WHERE user_id = \(user)))
               AND seq > \(seq)
             ORDER BY seq LIMIT \(limit)
            """
        ) { row in
            let seq = try row.integer()
            let (id, type, at, data) = (try row.text(), try row.text(), try row.time(), try row.blob())
            return (
                seq,
                [
                    "id": .string(id), "type": .string(type), "occurred_at": JSON(at),
                    "data": (try? JSON.parse(data)) ?? .null,
                ]
            )
        }
    }
}
