public import Kit

/// The application's own user, by its own id.
public struct UserRow: Sendable {
    public let id: String
    public let email: Personal?
    public let displayName: Personal?
    /// A JSON object.
    public let metadata: String
    public let summary: UserSummary
    /// Rises with every change.
    public let version: Int64
    public let firstSeenAt: Timestamp
    public let updatedAt: Timestamp
}

/// What the platforms' subscriptions come to for one user.
///
/// It is taken from the subscription with the best standing (active, trialing, past_due, unpaid, paused, incomplete,
/// any word that we do not know, then canceled or incomplete_expired), then the one whose period ends last, then by id.
public struct UserSummary: Sendable, Equatable {
    public var status: String?
    public var plan: String?
    public var currentPeriodEnd: Timestamp?
    public var cancelAtPeriodEnd = false
    /// The platform's id of the one that this subscription uses by itself, or else of the first that came and is
    /// still there.
    public var paymentMethod: String?

    public init() {}
}

/// What to do with one field.
public enum Edit<Value: Sendable>: Sendable {
    case leave, clear
    case set(Value)
}

/// What an application says about a user.
public struct UserEdit: Sendable {
    public let id: String
    public var email: Edit<Personal> = .leave
    public var displayName: Edit<Personal> = .leave
    public var metadata: Edit<UserMetadata> = .leave
    /// Which customer the user is, by provider.
    public var customers: [(provider: String, customer: Edit<String>)] = []

    public init(id: String) { self.id = id }
}

/// The application's own words about a user, bounded.
public struct UserMetadata: Sendable, Equatable {
    public static let membersMax = 50
    public static let nameBytesMax = 40
    public static let valueBytesMax = 500

    let json: JSON

    /// - Throws: what is wrong with it, for the caller of the API.
    public init(_ json: JSON) throws(Unreadable) {
        guard let members = json.members else { throw Unreadable("metadata: must be an object.") }
        guard members.count <= Self.membersMax else {
            throw Unreadable("metadata: \(Self.membersMax) members at most.")
        }
        for member in members {
            guard !member.name.isEmpty, member.name.utf8.count <= Self.nameBytesMax else {
                throw Unreadable("metadata: a name has 1 to \(Self.nameBytesMax) bytes.")
            }
            guard let text = member.value.text, text.utf8.count <= Self.valueBytesMax else {
                throw Unreadable("metadata: a value is a text of \(Self.valueBytesMax) bytes at most.")
            }
        }
        self.json = json
    }
}

/// What may be an id of the application's user, or of a platform's customer.
public enum OutsideID {
    public static let bytesMax = 256

    /// 1 to 256 bytes, no control characters.
    public static func passes(_ text: String) -> Bool {
        (1...bytesMax).contains(text.utf8.count) && text.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F }
    }
}

extension Session {
    public func user(_ id: String) throws -> UserRow? {
        try row(
            """
            SELECT \(Self.userColumns) FROM users WHERE id = \(id) AND deleted_at IS NULL
            """, Self.userRow)
    }

    /// Makes a user or changes what the application says of it, and links its customers.
    ///
    /// A customer that the application names replaces the one that it named before at that provider. Someone who was
    /// erased is known anew.
    ///
    /// - Returns: the user, whether it is new, and what the links set free.
    /// - Throws: `ErasureRunning`.
    public func upsertUser(
        _ edit: UserEdit, by actor: String, ids: inout ReadyIDs, at now: Timestamp
    ) throws -> (user: UserRow, isNew: Bool, linked: Linked) {
        try lift([ErasedName(user: edit.id)])
        let isNew = try ensureUser(edit.id, source: LinkSource.application.rawValue, at: now)
        var linked = Linked()
        for (provider, customer) in edit.customers {
            let named = try rows(
                """
                SELECT customer FROM customers
                 WHERE user_id = \(edit.id) AND provider = \(provider) AND source = 'application'
                 ORDER BY customer
                 LIMIT 100
                """
            ) { try $0.text() }
            switch customer {
            case .leave: break
            case .clear: for old in named { try unlink(old, at: provider, from: edit.id, ids: &ids, now: now) }
            case .set(let new):
                for old in named where !old.hasSameBytes(as: new) {
                    try unlink(old, at: provider, from: edit.id, ids: &ids, now: now)
                }
                let link = NewLink(
                    provider: provider, customer: new, userID: edit.id, source: .application, statedAt: now)
                linked.add(try self.link(link, by: actor, ids: &ids, at: now))
            }
        }
        try change(edit, at: now)
        guard let user = try user(edit.id) else { throw StoreError.refused("This user is erased.") }
        return (user, isNew, linked)
    }

    /// Writes what differs; the version rises only then.
    private func change(_ edit: UserEdit, at now: Timestamp) throws {
        guard
            let old = try row(
                "SELECT email, display_name, metadata FROM users WHERE id = \(edit.id) \(dialect.forUpdate)",
                { row in (try row.optionalText(), try row.optionalText(), try row.text()) })
        else { return }
        let email = edit.email.applied(to: old.0) { $0.reveal { OutsideText.bounded($0) } }
        let name = edit.displayName.applied(to: old.1) { $0.reveal { OutsideText.bounded($0) } }
        let metadata = edit.metadata.applied(to: old.2) { String(decoding: $0.json.bytes, as: UTF8.self) } ?? "{}"
        guard email != old.0 || name != old.1 || metadata != old.2 else { return }
        try run(
            """
            UPDATE users
               SET email = \(email), display_name = \(name), metadata = \(metadata), version = version + 1,
                   updated_at = \(now)
             WHERE id = \(edit.id)
            """)
    }

    /// Makes a user whom a platform's object names, where there is none.
    public func ensureKnown(_ user: String, source: String, at now: Timestamp) throws {
        try ensureUser(user, source: source, at: now)
    }

    /// - Returns: whether the user is new.
    @discardableResult
    func ensureUser(_ id: String, source: String, at now: Timestamp) throws -> Bool {
        try run(
            """
            INSERT INTO users (id, metadata, cancel_at_period_end, version, source, first_seen_at, updated_at)
            VALUES (\(id), '{}', 0, 1, \(source), \(now), \(now))
            ON CONFLICT (id) DO NOTHING
            """) == 1
    }

    // MARK: The summary

    /// Works out a user's summary anew. Where it differs, the version rises and `user.subscription_updated` tells.
    ///
    /// - Parameter event: what led to it; nil where somebody said whose a customer is.
    @discardableResult
    public func summarize(
        _ user: String, by event: ID<EventKind>? = nil, ids: inout ReadyIDs, at now: Timestamp
    ) throws -> Bool {
        guard
            let old = try row(
                "SELECT \(Self.userColumns) FROM users WHERE id = \(user) AND deleted_at IS NULL \(dialect.forUpdate)",
                Self.userRow)
        else { return false }
        let best = try bestSubscription(of: user)
        var new = best?.summary ?? UserSummary()
        new.paymentMethod = try paymentMethod(of: user, preferring: new.paymentMethod, at: best?.provider)
        guard new != old.summary else { return false }
        let version = old.version + 1
        try run(
            """
            UPDATE users
               SET subscription_status = \(new.status), subscription_plan = \(new.plan),
                   current_period_end = \(new.currentPeriodEnd), cancel_at_period_end = \(new.cancelAtPeriodEnd),
                   payment_method = \(new.paymentMethod), version = \(version), observed_at = \(now),
                   updated_at = \(now)
             WHERE id = \(user)
            """)
        try append([
            NewChange(
                id: ids.change(), type: "user.subscription_updated", subject: user, version: version, userID: user,
                occurredAt: now,
                data: JSON.object(
                    [
                        .init("user_id", .string(user)), .init("version", JSON(version)),
                        .init("provider", JSON(best?.provider)), .init("subscription_id", JSON(best?.id)),
                        .init("event_id", JSON(event)), .init("provisional", JSON(best?.isProvisional)),
                        .init("unclear", JSON(best?.isUnclear)),
                    ] + new.members + [.init("previous", .object(old.summary.members))]
                ).bytes)
        ])
        return true
    }

    private struct Best {
        let provider: String
        let id: String
        let summary: UserSummary
        let isProvisional: Bool
        let isUnclear: Bool
    }

    private func bestSubscription(of user: String) throws -> Best? {
        try row(
            """
            SELECT provider, id, status, plan, current_period_end, cancel_at_period_end, payment_method,
                   status_provisional, unclear
              FROM subscriptions
             WHERE user_id = \(user) AND deleted_at IS NULL AND status IS NOT NULL
             ORDER BY standing, current_period_end DESC NULLS LAST, id
             LIMIT 1
            """
        ) { row in
            let (provider, id) = (try row.text(), try row.text())
            var summary = UserSummary()
            summary.status = try row.optionalText()
            summary.plan = try row.optionalText()
            summary.currentPeriodEnd = try row.optionalTime()
            summary.cancelAtPeriodEnd = try row.boolean()
            summary.paymentMethod = try row.optionalText()
            return Best(
                provider: provider, id: id, summary: summary, isProvisional: try row.boolean(),
                isUnclear: try row.boolean())
        }
    }

    /// The preferred one unless it is known to be gone.
    private func paymentMethod(of user: String, preferring preferred: String?, at provider: String?) throws -> String? {
        if let preferred, let provider {
            let isAttached = try row(
                "SELECT attached FROM payment_methods WHERE provider = \(provider) AND id = \(preferred)"
            ) { try $0.boolean() }
            if isAttached ?? true { return preferred }
        }
        return try row(
            """
            SELECT id FROM payment_methods
             WHERE user_id = \(user) AND attached = 1 AND deleted_at IS NULL
             ORDER BY attached_at, id
             LIMIT 1
            """
        ) { try $0.text() }
    }

    static var userColumns: SQL {
        """
        id, email, display_name, metadata, subscription_status, subscription_plan, current_period_end,
        cancel_at_period_end, payment_method, version, first_seen_at, updated_at
        """
    }

    static func userRow(_ row: inout Row) throws -> UserRow {
        let (id, email, name, metadata) = (
            try row.text(), try row.optionalText(), try row.optionalText(), try row.text()
        )
        var summary = UserSummary()
        summary.status = try row.optionalText()
        summary.plan = try row.optionalText()
        summary.currentPeriodEnd = try row.optionalTime()
        summary.cancelAtPeriodEnd = try row.boolean()
        summary.paymentMethod = try row.optionalText()
        return UserRow(
            id: id, email: email.map(Personal.init), displayName: name.map(Personal.init), metadata: metadata,
            summary: summary, version: try row.integer(), firstSeenAt: try row.time(), updatedAt: try row.time())
    }
}

extension UserSummary {
    /// As the API and the change feed show it.
    public var members: [JSONMember] {
        [
            .init("status", JSON(status)), .init("plan", JSON(plan)),
            .init("current_period_end", JSON(currentPeriodEnd)),
            .init("cancel_at_period_end", .bool(cancelAtPeriodEnd)), .init("payment_method", JSON(paymentMethod)),
        ]
    }
}

extension Edit {
    fileprivate func applied(to old: String?, _ text: (Value) -> String) -> String? {
        switch self {
        case .leave: old
        case .clear: nil
        case .set(let value): text(value)
        }
    }
}
