public import Kit

/// What has become of a connection.
public enum ConnectionState: String, Sendable, CaseIterable {
    /// Waits for the application to confirm whose it is; nothing may use it.
    case pending
    case active
    /// A refresh is on its way; the tokens it has go on.
    case refreshing
    /// A refresh was refused once, or not heard of: it may still be well.
    case suspect
    case needsReconnect = "needs_reconnect"
    /// Nobody uses it; it is kept alive.
    case paused
    case revoked

    /// Whether there are tokens that may still be good.
    public var isAlive: Bool {
        switch self {
        case .active, .refreshing, .suspect, .paused: true
        case .pending, .needsReconnect, .revoked: false
        }
    }
}

/// One account at one platform, owned by a user; without its tokens.
public struct ConnectionRow: Sendable {
    public let id: ID<ConnectionKind>
    public let userID: String
    public let provider: String
    public let app: ID<AppKind>
    /// The platform's own id of the account; empty once it is disconnected.
    public let openID: String
    public let name: Personal?
    /// Granted.
    public let scopes: [String]
    /// Asked for.
    public let wanted: [String]
    /// As stored: never `paused`.
    public let health: ConnectionState
    public let reason: String?
    public let stateAt: Timestamp
    /// Why the application was told that something will break, if it was.
    public let attention: String?
    public let pausedAt: Timestamp?
    /// Of the access token.
    public let expiresAt: Timestamp?
    public let refreshExpiresAt: Timestamp?
    /// When it ends unless its owner does something: with its refresh token, or with an access token that cannot be
    /// refreshed. Nil where nothing says.
    public let endsAt: Timestamp?
    /// When the next refresh is due.
    public let refreshAt: Timestamp?
    /// Of the tokens; nil where there are none.
    public let tokenVersion: Int64?
    /// Of the last tokens that there were, 0 before the first: those after them get a higher one.
    public let lastTokenVersion: Int64
    /// Of this row.
    public let version: Int64
    public let firstSeenAt: Timestamp
    public let updatedAt: Timestamp
    public let deletedAt: Timestamp?

    /// As the API shows it.
    public var state: ConnectionState {
        pausedAt != nil && health.isAlive ? .paused : health
    }
    /// What was asked for and not granted.
    public var missing: [String] { wanted.filter { !scopes.contains($0) } }
}

/// A connection to be made, or made anew.
public struct NewConnection: Sendable {
    public let id: ID<ConnectionKind>
    public let userID: String
    public let provider: String
    public let app: ID<AppKind>
    public let openID: String
    public let name: Personal?
    public let scopes: [String]
    public let wanted: [String]
    public let isPending: Bool
    /// What the platform calls the account towards this app alone, where that is another id.
    public var scopedID: String?

    public init(
        id: ID<ConnectionKind>, userID: String, provider: String, app: ID<AppKind>, openID: String, name: Personal?,
        scopes: [String], wanted: [String], isPending: Bool
    ) {
        self.id = id
        self.userID = userID
        self.provider = provider
        self.app = app
        self.openID = openID
        self.name = name
        self.scopes = scopes
        self.wanted = wanted
        self.isPending = isPending
    }
}

extension Session {
    public func connection(_ id: ID<ConnectionKind>) throws -> ConnectionRow? {
        try row("SELECT \(Self.connectionColumns) FROM \(Self.connectionTables) WHERE t.id = \(id)", Self.connection)
    }

    /// The same, held until the transaction ends: whoever changes a connection or its tokens holds its row first.
    public func holdConnection(_ id: ID<ConnectionKind>) throws -> ConnectionRow? {
        _ = try row("SELECT 1 FROM oauth_accounts WHERE id = \(id) \(dialect.forUpdate)") { try $0.integer() }
        return try connection(id)
    }

    /// The connection of a user to an account, through one pair of app credentials.
    public func connection(
        of user: String, to openID: String, at provider: String, through app: ID<AppKind>
    ) throws -> ConnectionRow? {
        try row(
            """
            SELECT \(Self.connectionColumns) FROM \(Self.connectionTables)
             WHERE t.user_id = \(user) AND t.provider = \(provider) AND t.app_id = \(app) AND t.open_id = \(openID)
               AND t.deleted_at IS NULL
            """, Self.connection)
    }

    /// Whether somebody else is connected to the same account through the same app.
    public func isShared(_ connection: ConnectionRow) throws -> Bool {
        try isConnected(to: connection.openID, at: connection.provider, through: connection.app, besides: connection.id)
    }

    /// Whether a connection to an account stands, other than the one of this id.
    func isConnected(
        to openID: String, at provider: String, through app: ID<AppKind>, besides id: ID<ConnectionKind>
    ) throws -> Bool {
        try row(
            """
            SELECT 1 FROM oauth_accounts
             WHERE provider = \(provider) AND app_id = \(app) AND open_id = \(openID) AND id <> \(id)
               AND deleted_at IS NULL AND state <> 'revoked'
             LIMIT 1
            """
        ) { try $0.integer() } != nil
    }

    /// Makes a connection, or takes what was granted anew into the one that is there.
    ///
    /// One that was active stays so: a pending one becomes active only by `confirm`. An account that was erased with
    /// its last user is known anew.
    ///
    /// - Throws: `ErasureRunning` while what is known of the account, or of the user, is being erased; a user who was
    ///   erased comes back by `upsertUser` alone.
    public func connect(_ new: NewConnection, at now: Timestamp) throws -> ConnectionRow {
        guard try erased(among: [ErasedName(user: new.userID)]).isEmpty else { throw ErasureRunning() }
        try lift([new.openID, new.scopedID].compactMap(\.self).map { ErasedName(account: $0, at: new.provider) })
        try ensureUser(new.userID, source: new.provider, at: now)
        try run(
            """
            INSERT INTO oauth_accounts (id, user_id, provider, app_id, open_id, scoped_id, display_name, scope,
                                        wanted_scope, state, state_at, version, account_id, source,
                                        observed_at, first_seen_at, updated_at)
            VALUES (\(new.id), \(new.userID), \(new.provider), \(new.app), \(new.openID), \(new.scopedID),
                    \(new.name?.reveal { $0 }), \(Self.joined(new.scopes)), \(Self.joined(new.wanted)),
                    \(new.isPending ? "pending" : "active"), \(now), 1, \(new.openID), 'connect', \(now), \(now),
                    \(now))
            ON CONFLICT (id) DO UPDATE
               SET display_name = coalesce(excluded.display_name, oauth_accounts.display_name),
                   scoped_id = coalesce(excluded.scoped_id, oauth_accounts.scoped_id),
                   scope = excluded.scope, wanted_scope = excluded.wanted_scope,
                   state = CASE WHEN oauth_accounts.state = 'pending' THEN excluded.state ELSE 'active' END,
                   state_reason = NULL, state_at = excluded.state_at, attention = NULL,
                   version = oauth_accounts.version + 1, observed_at = excluded.observed_at,
                   updated_at = excluded.updated_at
            """)
        guard let made = try connection(new.id) else { throw StoreError.damaged("a connection that was just made") }
        return made
    }

    /// What a connection is now, in one place; its row is held.
    public func setConnection(
        _ id: ID<ConnectionKind>, _ state: ConnectionState, reason: String?, attention: String?, at now: Timestamp
    ) throws {
        try run(
            """
            UPDATE oauth_accounts
               SET state_at = CASE WHEN state = \(state.rawValue) THEN state_at ELSE \(now) END,
                   state = \(state.rawValue), state_reason = \(reason), attention = \(attention),
                   version = version + 1, updated_at = \(now)
             WHERE id = \(id)
            """)
        // Nothing is due of what has ended.
        guard state == .needsReconnect || state == .revoked else { return }
        try run("UPDATE credentials SET refresh_at = NULL WHERE id = \(id)")
    }

    public func pauseConnection(_ id: ID<ConnectionKind>, since: Timestamp?, at now: Timestamp) throws {
        try run(
            """
            UPDATE oauth_accounts SET paused_at = \(since), version = version + 1, updated_at = \(now) WHERE id = \(id)
            """)
    }

    /// What a refresh says was granted.
    public func setScopes(_ scopes: [String], of id: ID<ConnectionKind>) throws {
        try run("UPDATE oauth_accounts SET scope = \(Self.joined(scopes)) WHERE id = \(id)")
    }

    /// Users who share one account, in one transaction.
    public static var linksMax: Int { 500 }

    /// All links to an account through an app that are not revoked, at most `linksMax`.
    public func connections(to openID: String, at provider: String, through app: ID<AppKind>) throws
        -> [ID<ConnectionKind>]
    {
        try rows(
            """
            SELECT id FROM oauth_accounts
             WHERE provider = \(provider) AND app_id = \(app) AND (open_id = \(openID) OR scoped_id = \(openID))
               AND deleted_at IS NULL AND state <> 'revoked'
             ORDER BY id LIMIT \(Self.linksMax)
            """
        ) { try $0.id() }
    }

    /// Whether a user has an account connected through an app that has not ended.
    public func hasConnection(_ user: String, at provider: String, through app: ID<AppKind>) throws -> Bool {
        try row(
            """
            SELECT 1 FROM oauth_accounts
             WHERE user_id = \(user) AND provider = \(provider) AND app_id = \(app) AND deleted_at IS NULL
               AND state <> 'revoked'
             LIMIT 1
            """
        ) { try $0.integer() } != nil
    }

    /// Forgets what is known of the account; the row stays, so that its id still names something.
    public func forgetAccount(of id: ID<ConnectionKind>, reason: String, at now: Timestamp) throws {
        try forgetSyncs(of: id, at: now)
        try run(
            """
            UPDATE oauth_accounts
               SET state = 'revoked', state_reason = \(reason), state_at = \(now), attention = NULL, open_id = '',
                   scoped_id = NULL, account_id = NULL, display_name = NULL, expires_at = NULL,
                   refresh_expires_at = NULL, ends_at = NULL,
                   version = version + 1, updated_at = \(now), deleted_at = \(now)
             WHERE id = \(id) AND deleted_at IS NULL
            """)
    }

    /// Connections that nobody confirmed in time.
    public func unconfirmedConnections(since before: Timestamp, limit: Int) throws -> [ID<ConnectionKind>] {
        try rows(
            """
            SELECT id FROM oauth_accounts WHERE state = 'pending' AND state_at < \(before)
             ORDER BY state_at, id LIMIT \(limit)
            """
        ) { try $0.id() }
    }

    /// Connections that end by themselves before a moment and of which nobody was told, the soonest first.
    public func endingConnections(before moment: Timestamp, limit: Int) throws -> [ID<ConnectionKind>] {
        try rows(
            """
            SELECT id FROM oauth_accounts
             WHERE ends_at < \(moment) AND attention IS NULL AND state IN ('active', 'refreshing', 'suspect')
             ORDER BY ends_at, id LIMIT \(limit)
            """
        ) { try $0.id() }
    }

    /// Connections whose end has come.
    public func endedConnections(at now: Timestamp, limit: Int) throws -> [ID<ConnectionKind>] {
        try rows(
            """
            SELECT id FROM oauth_accounts
             WHERE ends_at <= \(now) AND state IN ('active', 'refreshing', 'suspect')
             ORDER BY ends_at, id LIMIT \(limit)
            """
        ) { try $0.id() }
    }

    // MARK: Reading

    static var connectionTables: SQL { "oauth_accounts t LEFT JOIN credentials c ON c.id = t.id" }
    static var connectionColumns: SQL {
        """
        t.id, t.user_id, t.provider, t.app_id, t.open_id, t.display_name, t.scope, t.wanted_scope, t.state,
        t.state_reason, t.state_at, t.attention, t.paused_at, t.expires_at, t.refresh_expires_at, t.ends_at,
        c.refresh_at,
        c.version, t.token_version, t.version, t.first_seen_at, t.updated_at, t.deleted_at
        """
    }
    static func joined(_ scopes: [String]) -> String { scopes.joined(separator: " ") }
    static func split(_ scopes: String) -> [String] { scopes.split(separator: " ").map(String.init) }

    static func connection(_ row: inout Row) throws -> ConnectionRow {
        ConnectionRow(
            id: try row.id(), userID: try row.text(), provider: try row.text(), app: try row.id(),
            openID: try row.text(), name: try row.optionalText().map { Personal($0) }, scopes: split(try row.text()),
            wanted: split(try row.text()), health: ConnectionState(rawValue: try row.text()) ?? .revoked,
            reason: try row.optionalText(), stateAt: try row.time(), attention: try row.optionalText(),
            pausedAt: try row.optionalTime(), expiresAt: try row.optionalTime(),
            refreshExpiresAt: try row.optionalTime(), endsAt: try row.optionalTime(), refreshAt: try row.optionalTime(),
            tokenVersion: try row.optionalInteger(), lastTokenVersion: try row.integer(), version: try row.integer(),
            firstSeenAt: try row.time(),
            updatedAt: try row.time(), deletedAt: try row.optionalTime())
    }
}
