public import Kit

/// Who said whose customer it is. The application and a person outweigh events; among events the later one counts.
public enum LinkSource: String, Sendable { case application, review, event }

/// That a platform's customer is a user of the application.
public struct NewLink: Sendable {
    public let provider: String
    public let customer: String
    public let userID: String
    public let source: LinkSource
    /// By the platform's clock for an event, else by ours.
    public let statedAt: Timestamp
    /// The event that says so.
    public var event: ID<EventKind>?

    public init(provider: String, customer: String, userID: String, source: LinkSource, statedAt: Timestamp) {
        self.provider = provider
        self.customer = customer
        self.userID = userID
        self.source = source
        self.statedAt = statedAt
    }
}

/// What a link set free.
public struct Linked: Sendable, Equatable {
    /// Events that waited for it, queued again, the oldest first. Whoever linked adds their jobs in this transaction.
    public private(set) var released: [ID<EventKind>] = []
    /// Customers under whom more events wait than one transaction takes: `releaseMore` in the next one.
    public private(set) var more: [CustomerName] = []

    public init() {}
    mutating func release(_ events: [ID<EventKind>], of customer: CustomerName, isAll: Bool) {
        released += events
        if !isAll { more.append(customer) }
    }
    public mutating func add(_ other: Linked) {
        released += other.released
        more += other.more
    }
}

/// A customer at its platform.
public struct CustomerName: Sendable, Hashable {
    public let provider: String
    public let customer: String
    public init(provider: String, customer: String) {
        self.provider = provider
        self.customer = customer
    }

    /// The subject of its review.
    public var subject: String { provider + "/" + customer }

    /// From a review's subject.
    public init?(subject: String) {
        let parts = subject.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2 else { return nil }
        self.init(provider: String(parts[0]), customer: String(parts[1]))
    }
}

extension Session {
    /// So many events are set free in one transaction.
    private static var releasedMax: Int { 200 }

    /// The row of a customer, with or without a user, held to the end of the transaction: whoever decides about a
    /// customer holds it first, then what the customer has, then the user.
    fileprivate func hold(_ name: CustomerName) throws -> (user: String?, source: LinkSource?, statedAt: Timestamp?) {
        try run(
            """
            INSERT INTO customers (provider, customer) VALUES (\(name.provider), \(name.customer))
            ON CONFLICT DO NOTHING
            """)
        let row = try row(
            """
            SELECT user_id, source, stated_at FROM customers
             WHERE provider = \(name.provider) AND customer = \(name.customer) \(dialect.forUpdate)
            """
        ) { row in
            (
                user: try row.optionalText(), source: try row.optionalText().flatMap(LinkSource.init),
                statedAt: try row.optionalTime()
            )
        }
        guard let row else { throw StoreError.damaged("the customer \(name.subject) vanished") }
        return row
    }

    /// An event speaks of a customer who was erased and names a user who is known anew since.
    public func liftErased(_ customer: CustomerName) throws {
        try lift([ErasedName(customer: customer.customer, at: customer.provider)])
    }

    /// The user whose customer it is, for who decides on it: nobody can link or unlink it meanwhile.
    public func holdUserID(of customer: CustomerName) throws -> String? { try hold(customer).user }

    /// The user whose customer it is.
    public func userID(of customer: CustomerName) throws -> String? {
        try row(
            "SELECT user_id FROM customers WHERE provider = \(customer.provider) AND customer = \(customer.customer)"
        ) { try $0.optionalText() } ?? nil
    }

    /// A user's customers, what the application named first, then the latest first.
    public func customers(of user: String) throws -> [(name: CustomerName, source: LinkSource)] {
        try rows(
            """
            SELECT provider, customer, source FROM customers
             WHERE user_id = \(user)
             ORDER BY CASE source WHEN 'application' THEN 0 ELSE 1 END, linked_at DESC, provider, customer
             LIMIT 100
            """
        ) { row in
            (
                CustomerName(provider: try row.text(), customer: try row.text()),
                LinkSource(rawValue: try row.text()) ?? .event
            )
        }
    }

    /// Says whose customer it is: makes the user where there is none, gives it what is known of the customer, decides
    /// the open review and sets the waiting events free.
    ///
    /// What outweighs it stays as it is: then nothing happens.
    public func link(_ link: NewLink, by actor: String, ids: inout ReadyIDs, at now: Timestamp) throws -> Linked {
        let name = CustomerName(provider: link.provider, customer: link.customer)
        if link.source != .event {
            try lift([ErasedName(user: link.userID), ErasedName(customer: link.customer, at: link.provider)])
        }
        let old = try hold(name)
        if let user = old.user, let source = old.source,
            !link.outweighs(user: user, source, statedAt: old.statedAt ?? .zero)
        {
            return Linked()
        }
        if old.user == link.userID, old.source == link.source {
            // Said again, and later: nothing waits for it.
            try run(
                """
                UPDATE customers SET stated_at = \(link.statedAt)
                 WHERE provider = \(link.provider) AND customer = \(link.customer)
                """)
            return Linked()
        }
        try ensureUser(link.userID, source: link.source == .event ? link.provider : link.source.rawValue, at: now)
        try run(
            """
            UPDATE customers
               SET user_id = \(link.userID), source = \(link.source.rawValue), stated_at = \(link.statedAt),
                   linked_at = \(now)
             WHERE provider = \(link.provider) AND customer = \(link.customer)
            """)
        if old.user != link.userID {
            try own(name, by: link.userID)
            // In order, so that two who move customers between the same users do not wait for each other.
            for user in [link.userID, old.user].compactMap({ $0 }).sorted() {
                try summarize(user, by: link.event, ids: &ids, at: now)
            }
        }
        try decideReview(of: name, by: actor, ids: &ids, at: now)
        return try releaseMore(name, at: now)
    }

    /// Sets more events free that wait under a customer who has a user by now.
    public func releaseMore(_ name: CustomerName, at now: Timestamp) throws -> Linked {
        let events = try release(waitingFor: name.customer, at: name.provider, limit: Self.releasedMax, now: now)
        var linked = Linked()
        linked.release(events, of: name, isAll: events.count < Self.releasedMax)
        return linked
    }

    /// The oldest event that waits under a customer.
    public func firstWaiting(under name: CustomerName) throws -> ID<EventKind>? {
        try row(
            """
            SELECT id FROM events
             WHERE provider = \(name.provider) AND subject = \(name.customer) AND state = 'waiting_review'
             ORDER BY id
             LIMIT 1
            """
        ) { try $0.id() }
    }

    /// Takes a customer from a user. What is known of it stays, and is nobody's.
    func unlink(_ customer: String, at provider: String, from user: String, ids: inout ReadyIDs, now: Timestamp) throws
    {
        let name = CustomerName(provider: provider, customer: customer)
        guard try hold(name).user?.hasSameBytes(as: user) == true else { return }
        try run(
            """
            UPDATE customers SET user_id = NULL, source = NULL, stated_at = NULL, linked_at = NULL
             WHERE provider = \(provider) AND customer = \(customer)
            """)
        try own(name, by: nil)
        try summarize(user, ids: &ids, at: now)
    }

    private func own(_ name: CustomerName, by user: String?) throws {
        for table in ["subscriptions", "payment_methods", "payments"] {
            try run(
                "UPDATE " + SQL(stringLiteral: table)
                    + " SET user_id = \(user) WHERE provider = \(name.provider) AND customer = \(name.customer)")
        }
    }

    private func decideReview(of name: CustomerName, by actor: String, ids: inout ReadyIDs, at now: Timestamp) throws {
        guard let review = try openReview(kind: "event_without_user", subject: name.subject),
            try decide(review.id, "link", note: nil, by: actor, at: now)
        else { return }
        try append([
            NewChange(
                id: ids.change(), type: "review.decided", subject: review.id.text, occurredAt: now,
                data: JSON.object([
                    .init("id", .string(review.id.text)), .init("kind", .string(review.kind)),
                    .init("subject", .string(review.subject)), .init("decision", "link"), .init("by", .string(actor)),
                ]).bytes)
        ])
    }
}

extension NewLink {
    /// Whether this counts more than what is known. The same said again does not.
    fileprivate func outweighs(user: String, _ source: LinkSource, statedAt: Timestamp) -> Bool {
        switch (self.source, source) {
        case (.application, _), (.review, _): self.source != source || !userID.hasSameBytes(as: user)
        case (.event, .application), (.event, .review): false
        case (.event, .event):
            if self.statedAt != statedAt {
                self.statedAt > statedAt
            } else {
                userID.utf8.lexicographicallyPrecedes(user.utf8)
            }
        }
    }
}
