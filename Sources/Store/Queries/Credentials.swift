public import Kit

/// The sealed tokens of a connection.
public struct CredentialRow: Sendable {
    public let id: ID<ConnectionKind>
    public let provider: String
    public let app: ID<AppKind>
    /// The account, for as long as it is to be known.
    public let openID: String
    /// Rises with every new token.
    public let version: Int64
    public let sealed: [UInt8]
    public let keyID: String
    public let obtainedAt: Timestamp
    public let expiresAt: Timestamp?
    public let refreshAt: Timestamp?
    /// Which node asks for new tokens; nil where none does.
    public let attemptNode: ID<NodeKind>?
    public let attemptFence: Int64
    public let failures: Int64
    /// How often the platform said of these tokens that they are dead; what failed otherwise in between changes
    /// nothing.
    public let refusals: Int64
    public let pausedUntil: Timestamp
    /// Before that the platform does not want to be asked, whoever wishes it.
    public let retryAt: Timestamp?
    public let revokingAt: Timestamp?
}

/// Tokens to be kept: sealed for the connection and this very version.
public struct NewCredential: Sendable {
    public let version: Int64
    public let sealed: [UInt8]
    public let keyID: String
    public let obtainedAt: Timestamp
    public let expiresAt: Timestamp?
    public let refreshAt: Timestamp?
    public let refreshExpiresAt: Timestamp?
    /// When all of it ends unless the account's owner does something.
    public let endsAt: Timestamp?

    public init(
        version: Int64, sealed: [UInt8], keyID: String, obtainedAt: Timestamp, expiresAt: Timestamp?,
        refreshAt: Timestamp?, refreshExpiresAt: Timestamp?, endsAt: Timestamp?
    ) {
        self.version = version
        self.sealed = sealed
        self.keyID = keyID
        self.obtainedAt = obtainedAt
        self.expiresAt = expiresAt
        self.refreshAt = refreshAt
        self.refreshExpiresAt = refreshExpiresAt
        self.endsAt = endsAt
    }
}

/// How a refresh that brought no tokens is noted.
public struct RefreshFailureNote: Sendable {
    public var isRefusal = false
    public var pausedUntil: Timestamp
    /// Nil: it is not tried again by itself.
    public var refreshAt: Timestamp?
    /// What the platform itself asked for; nil where it said nothing.
    public var retryAt: Timestamp?

    public init(pausedUntil: Timestamp, refreshAt: Timestamp?, retryAt: Timestamp? = nil) {
        self.pausedUntil = pausedUntil
        self.refreshAt = refreshAt
        self.retryAt = retryAt
    }
}

extension Session {
    public func credential(of id: ID<ConnectionKind>) throws -> CredentialRow? {
        try row("SELECT \(Self.credentialColumns) FROM credentials WHERE id = \(id)", Self.credential)
    }
    /// The same, held; the connection's row is held already.
    public func holdCredential(of id: ID<ConnectionKind>) throws -> CredentialRow? {
        try row(
            "SELECT \(Self.credentialColumns) FROM credentials WHERE id = \(id) \(dialect.forUpdate)", Self.credential)
    }

    /// Puts new tokens in the place of those with version `old`, nil for none. False when others are there, or were
    /// there since: then nothing is written.
    ///
    /// - Parameter connection: as it is now; its row is held.
    public func keep(
        _ new: NewCredential, of connection: ConnectionRow, replacing old: Int64?, at now: Timestamp
    ) throws -> Bool {
        guard new.version > connection.lastTokenVersion else { return false }
        let kept =
            if let old {
                try run(
                    """
                    UPDATE credentials
                       SET version = \(new.version), sealed = \(new.sealed), key_id = \(new.keyID),
                           obtained_at = \(new.obtainedAt), expires_at = \(new.expiresAt),
                           refresh_at = \(new.refreshAt), attempt_node = NULL, attempt_at = NULL, failures = 0,
                           refusals = 0, paused_until = 0, retry_at = NULL
                     WHERE id = \(connection.id) AND version = \(old) AND revoking_at IS NULL
                    """) == 1
            } else {
                try run(
                    """
                    INSERT INTO credentials (id, provider, app_id, open_id, version, sealed, key_id, obtained_at,
                                             expires_at, refresh_at)
                    VALUES (\(connection.id), \(connection.provider), \(connection.app), \(connection.openID),
                            \(new.version), \(new.sealed), \(new.keyID), \(new.obtainedAt), \(new.expiresAt),
                            \(new.refreshAt))
                    ON CONFLICT (id) DO NOTHING
                    """) == 1
            }
        guard kept else { return false }
        try run(
            """
            UPDATE oauth_accounts
               SET expires_at = \(new.expiresAt), refresh_expires_at = \(new.refreshExpiresAt),
                   ends_at = \(new.endsAt), observed_at = \(new.obtainedAt), token_version = \(new.version),
                   version = version + 1, updated_at = \(now)
             WHERE id = \(connection.id)
            """)
        return true
    }

    // MARK: Refreshing

    /// Notes, before it leaves, that a node asks for new tokens. Answers the fence.
    public func beginRefresh(of id: ID<ConnectionKind>, by node: ID<NodeKind>, at now: Timestamp) throws -> Int64 {
        let fence = try row(
            """
            UPDATE credentials
               SET attempt_node = \(node), attempt_fence = attempt_fence + 1, attempt_at = \(now)
             WHERE id = \(id)
            RETURNING attempt_fence
            """
        ) { try $0.integer() }
        guard let fence else { throw StoreError.damaged("tokens that are held") }
        return fence
    }

    /// Ends a refresh that brought nothing. False when another has begun since, or the tokens are others.
    public func endRefresh(
        of id: ID<ConnectionKind>, fence: Int64, version: Int64, _ note: RefreshFailureNote
    ) throws -> Bool {
        try run(
            """
            UPDATE credentials
               SET attempt_node = NULL, attempt_at = NULL, failures = failures + 1,
                   refusals = \(note.isRefusal ? "refusals + 1" as SQL : "refusals"),
                   paused_until = \(note.pausedUntil), refresh_at = \(note.refreshAt),
                   retry_at = \(note.retryAt)
             WHERE id = \(id) AND attempt_fence = \(fence) AND version = \(version)
            """) == 1
    }

    /// Whether a node's session has ended, so that nothing it began will be ended by it.
    public func hasEnded(_ node: ID<NodeKind>) throws -> Bool {
        try row("SELECT 1 FROM nodes WHERE id = \(node) AND stopped_at IS NULL AND revoked_at IS NULL") {
            try $0.integer()
        } == nil
    }

    /// Connections whose tokens are due for a refresh, the longest due first.
    public func dueForRefresh(_ limit: Int, at now: Timestamp) throws -> [(id: ID<ConnectionKind>, version: Int64)] {
        try rows(
            """
            SELECT c.id, c.version
              FROM credentials c
              JOIN oauth_accounts t ON t.id = c.id
             WHERE c.refresh_at IS NOT NULL AND c.refresh_at <= \(now) AND c.paused_until <= \(now)
               AND c.revoking_at IS NULL AND t.state IN ('active', 'refreshing', 'suspect')
             ORDER BY c.refresh_at, c.id
             LIMIT \(limit)
            """
        ) { row in (try row.id(), try row.integer()) }
    }

    // MARK: Ending

    /// From now on nothing but the platform's revocation may use them.
    public func markRevoking(_ id: ID<ConnectionKind>, at now: Timestamp) throws -> Bool {
        try run(
            """
            UPDATE credentials SET revoking_at = \(now), refresh_at = NULL, attempt_node = NULL
             WHERE id = \(id) AND revoking_at IS NULL
            """) == 1
    }
    /// Tokens that wait for their revocation.
    public func revoking(_ limit: Int) throws -> [ID<ConnectionKind>] {
        try rows(
            "SELECT id FROM credentials WHERE revoking_at IS NOT NULL ORDER BY revoking_at, id LIMIT \(limit)"
        ) { try $0.id() }
    }
    /// Whether an account that is to be taken back was connected anew through the same app.
    public func isConnectedAnew(_ credential: CredentialRow) throws -> Bool {
        try isConnected(to: credential.openID, at: credential.provider, through: credential.app, besides: credential.id)
    }
    /// With what is known of webhooks that were ordered by it.
    public func dropCredential(of id: ID<ConnectionKind>) throws -> Bool {
        try forgetSubscription(of: id)
        return try run("DELETE FROM credentials WHERE id = \(id)") == 1
    }

    private static var credentialColumns: SQL {
        """
        id, provider, app_id, open_id, version, sealed, key_id, obtained_at, expires_at, refresh_at, attempt_node,
        attempt_fence, failures, refusals, paused_until, retry_at, revoking_at
        """
    }
    private static func credential(_ row: inout Row) throws -> CredentialRow {
        CredentialRow(
            id: try row.id(), provider: try row.text(), app: try row.id(), openID: try row.text(),
            version: try row.integer(), sealed: try row.blob(), keyID: try row.text(), obtainedAt: try row.time(),
            expiresAt: try row.optionalTime(), refreshAt: try row.optionalTime(), attemptNode: try row.optionalID(),
            attemptFence: try row.integer(), failures: try row.integer(), refusals: try row.integer(),
            pausedUntil: try row.time(), retryAt: try row.optionalTime(), revokingAt: try row.optionalTime())
    }
}
