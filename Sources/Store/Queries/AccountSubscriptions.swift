public import Kit

/// Webhooks ordered for one account with its own token, as they were when they were last looked at.
public struct AccountSubscriptionRow: Sendable, Equatable {
    public enum State: String, Sendable, CaseIterable {
        /// As wanted.
        case registered
        /// The platform refuses, or cannot be asked; `problem` says what a person must do.
        case failed
    }

    public let connection: ID<ConnectionKind>
    public let provider: String
    public let state: State
    /// The platform's id of it.
    public let remoteID: String?
    public let problem: String?
    public let registeredAt: Timestamp?
    public let checkedAt: Timestamp
}

extension Session {
    public func accountSubscription(of connection: ID<ConnectionKind>) throws -> AccountSubscriptionRow? {
        try row(
            """
            SELECT connection_id, provider, state, remote_id, problem, registered_at, checked_at
              FROM account_subscriptions WHERE connection_id = \(connection)
            """
        ) { row in
            AccountSubscriptionRow(
                connection: try row.id(), provider: try row.text(),
                state: AccountSubscriptionRow.State(rawValue: try row.text()) ?? .failed,
                remoteID: try row.optionalText(), problem: try row.optionalText(),
                registeredAt: try row.optionalTime(), checkedAt: try row.time())
        }
    }

    /// Connections that can be used, of platforms where each account's webhooks are ordered, and at which nobody has
    /// looked since.
    public func unorderedConnections(
        of providers: [String], since: Timestamp, limit: Int
    ) throws -> [ID<ConnectionKind>] {
        guard !providers.isEmpty else { return [] }
        return try rows(
            """
            SELECT o.id FROM oauth_accounts o
             WHERE o.provider IN (\(SQL.list(providers))) AND o.deleted_at IS NULL AND o.paused_at IS NULL
               AND o.state IN ('active', 'refreshing', 'suspect')
               AND NOT EXISTS (SELECT 1 FROM account_subscriptions s
                                WHERE s.connection_id = o.id AND s.checked_at > \(since))
             ORDER BY o.id
             LIMIT \(limit)
            """
        ) { try $0.id() }
    }

    /// It stands as wanted. Nothing is noted where the tokens are gone meanwhile.
    public func registered(_ connection: ConnectionRow, as remote: String?, at now: Timestamp) throws {
        try noteSubscription(of: connection, .registered, remote, problem: nil, at: now)
    }

    /// Why it does not, or why nobody can say.
    public func notRegistered(_ connection: ConnectionRow, problem: String, at now: Timestamp) throws {
        try noteSubscription(of: connection, .failed, nil, problem: problem, at: now)
    }

    private func noteSubscription(
        of connection: ConnectionRow, _ state: AccountSubscriptionRow.State, _ remote: String?, problem: String?,
        at now: Timestamp
    ) throws {
        guard let held = try credential(of: connection.id), held.revokingAt == nil else { return }
        let registered = state == .registered ? now : nil
        try run(
            """
            INSERT INTO account_subscriptions (connection_id, provider, state, remote_id, problem, registered_at,
                                               checked_at)
            VALUES (\(connection.id), \(connection.provider), \(state.rawValue), \(remote), \(problem),
                    \(registered), \(now))
            ON CONFLICT (connection_id) DO UPDATE
               SET state = excluded.state, remote_id = coalesce(excluded.remote_id, account_subscriptions.remote_id),
                   problem = excluded.problem, checked_at = excluded.checked_at,
                   registered_at = coalesce(account_subscriptions.registered_at, excluded.registered_at)
            """)
    }

    func forgetSubscription(of connection: ID<ConnectionKind>) throws {
        try run("DELETE FROM account_subscriptions WHERE connection_id = \(connection)")
    }
}
