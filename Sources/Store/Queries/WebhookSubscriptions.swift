public import Kit

/// What is ordered at a platform for an app, and how it was when it was last looked at.
public struct WebhookSubscriptionRow: Sendable, Equatable {
    public enum State: String, Sendable, CaseIterable {
        /// Asked for; what is needed at the platform is not done yet.
        case registering
        /// As wanted.
        case registered
        /// There, and not as wanted.
        case differs
        /// The platform refuses; `problem` says what a person must do.
        case failed
        /// To be taken away.
        case removing
    }

    public let app: ID<AppKind>
    public let provider: String
    public let state: State
    public let url: String?
    /// The platform's id of the one whose secret is kept here.
    public let remoteID: String?
    /// That secret's row.
    public let secretID: String?
    public let differences: [String]
    /// Others, not ours, that send to the same address.
    public let duplicates: [String]
    public let problem: String?
    public let registeredAt: Timestamp?
    public let checkedAt: Timestamp?
    public let updatedAt: Timestamp
}

/// What a look at the platform has shown.
public struct WebhookSubscriptionFacts: Sendable {
    public let state: WebhookSubscriptionRow.State
    public let url: String
    public let differences: [String]
    public let duplicates: [String]

    public init(state: WebhookSubscriptionRow.State, url: String, differences: [String], duplicates: [String]) {
        self.state = state
        self.url = url
        self.differences = differences
        self.duplicates = duplicates
    }
}

extension Session {
    public func webhookSubscription(of app: ID<AppKind>) throws -> WebhookSubscriptionRow? {
        try row(
            "SELECT \(Self.orderedColumns) FROM webhook_subscriptions WHERE app_id = \(app)", Self.ordered)
    }

    public func webhookSubscriptions(limit: Int) throws -> [WebhookSubscriptionRow] {
        try rows(
            "SELECT \(Self.orderedColumns) FROM webhook_subscriptions ORDER BY app_id LIMIT \(limit)",
            Self.ordered)
    }

    /// Asks for a subscription of an app, or for another look at the one that is asked for.
    public func wantSubscription(of app: ID<AppKind>, at provider: String, now: Timestamp) throws {
        try run(
            """
            INSERT INTO webhook_subscriptions (app_id, provider, state, differences, duplicates, created_at, updated_at)
            VALUES (\(app), \(provider), 'registering', '', '', \(now), \(now))
            ON CONFLICT (app_id) DO UPDATE SET state = 'registering', problem = NULL, updated_at = \(now)
            """)
    }

    /// False where none was asked for.
    public func setSubscription(of app: ID<AppKind>, _ state: WebhookSubscriptionRow.State, now: Timestamp) throws
        -> Bool
    {
        try run(
            """
            UPDATE webhook_subscriptions SET state = \(state.rawValue), updated_at = \(now) WHERE app_id = \(app)
            """) == 1
    }

    /// The platform has made one, and its secret is in `app_secrets`: one commit. The secret of the one before it goes
    /// on for an hour: what that one has sent may still be under way.
    public func registered(
        _ app: ID<AppKind>, as remote: String, secret: ID<AppSecretKind>, now: Timestamp
    ) throws {
        try run(
            """
            UPDATE app_secrets SET expires_at = \(now + .hours(1))
             WHERE id = (SELECT secret_id FROM webhook_subscriptions WHERE app_id = \(app)) AND expires_at IS NULL
            """)
        try run(
            """
            UPDATE webhook_subscriptions
               SET remote_id = \(remote), secret_id = \(secret), registered_at = \(now), updated_at = \(now)
             WHERE app_id = \(app)
            """)
    }

    /// What a look has shown. What is to be taken away stays so.
    public func note(_ facts: WebhookSubscriptionFacts, of app: ID<AppKind>, now: Timestamp) throws {
        try run(
            """
            UPDATE webhook_subscriptions
               SET state = \(facts.state.rawValue), url = \(facts.url),
                   differences = \(facts.differences.joined(separator: " ")),
                   duplicates = \(facts.duplicates.joined(separator: " ")), problem = NULL, checked_at = \(now),
                   updated_at = \(now)
             WHERE app_id = \(app) AND state <> 'removing'
            """)
    }

    /// The platform refuses what was asked of it.
    public func noteProblem(_ problem: String, of app: ID<AppKind>, now: Timestamp) throws {
        try run(
            """
            UPDATE webhook_subscriptions
               SET problem = \(problem), updated_at = \(now),
                   state = CASE WHEN state = 'removing' THEN state ELSE 'failed' END
             WHERE app_id = \(app)
            """)
    }

    /// Nothing of it stands at the platform any more, and its secret proves nothing.
    public func forgetSubscription(of app: ID<AppKind>, now: Timestamp) throws {
        if let secret = try webhookSubscription(of: app)?.secretID {
            _ = try removeSecret(ID(stored: secret), of: app, at: now)
        }
        try run("DELETE FROM webhook_subscriptions WHERE app_id = \(app)")
    }

    private static var orderedColumns: SQL {
        """
        app_id, provider, state, url, remote_id, secret_id, differences, duplicates, problem, registered_at,
        checked_at, updated_at
        """
    }
    private static func ordered(_ row: inout Row) throws -> WebhookSubscriptionRow {
        WebhookSubscriptionRow(
            app: try row.id(), provider: try row.text(),
            state: WebhookSubscriptionRow.State(rawValue: try row.text()) ?? .failed, url: try row.optionalText(),
            remoteID: try row.optionalText(), secretID: try row.optionalText(),
            differences: split(try row.text()), duplicates: split(try row.text()), problem: try row.optionalText(),
            registeredAt: try row.optionalTime(), checkedAt: try row.optionalTime(), updatedAt: try row.time())
    }
}
