public import Kit

/// App credentials: what a provider gave the operator, without the secrets.
public struct AppRow: Sendable {
    public let id: ID<AppKind>
    public let provider: String
    public let name: String
    public let source: String
    /// What the platform calls this app; nil where it has none, or the settings hold it.
    public let clientID: String?
    /// Rises when its secrets change.
    public let version: Int64
    public let createdAt: Timestamp
    public let updatedAt: Timestamp
    public let disabledAt: Timestamp?

    /// Stands for the secrets that the settings hold: changed there, not here.
    public var isOfSettings: Bool { source == "settings" }
    /// The name of the app that stands for a platform's only secrets in the settings.
    public static let settingsName = "settings"
    /// Where its webhooks come, below the server's address.
    public var webhookPath: String {
        let rest = isOfSettings ? (name == Self.settingsName ? "" : "/\(name)") : "/\(id)"
        return "/webhooks/\(provider)\(rest)"
    }
}

/// What of app credentials is to change; nil stays.
public struct AppPatch: Sendable {
    public var name: String?
    public var clientID: String?
    public var isDisabled: Bool?
    public init(name: String? = nil, clientID: String? = nil, isDisabled: Bool? = nil) {
        self.name = name
        self.clientID = clientID
        self.isDisabled = isDisabled
    }
}

public struct AppFilter: Sendable {
    public var provider: String?
    public var source: String?
    public init() {}
}

/// A sealed secret of an app or an endpoint.
public struct SealedRow: Sendable {
    public let id: String
    public let purpose: String
    public let sealed: [UInt8]
    public let keyID: String
    public let createdAt: Timestamp
    public let expiresAt: Timestamp?
}

/// What a platform's answers have said of an app lately.
public struct AppStanding: Sendable {
    /// When a refusal came last, by its code; none of those that did not come.
    public let seen: [String: Timestamp]
    /// Accounts for which the app has begun posts.
    public let accounts: Int64
}

extension Session {
    /// So many failed calls are looked at, the newest.
    private static var failuresLookedAt: Int { 10_000 }

    /// - Parameters:
    ///   - codes: of refusals that tell something of the app.
    ///   - since: posts that began then or later count.
    public func standing(of app: ID<AppKind>, codes: [String], since: Timestamp) throws -> AppStanding {
        let seen = try rows(
            """
            SELECT c.code, max(c.at)
              FROM (SELECT code, at, connection_id FROM calls
                     WHERE outcome <> 'ok' ORDER BY id DESC LIMIT \(Self.failuresLookedAt)) c
              JOIN oauth_accounts o ON o.id = c.connection_id
             WHERE o.app_id = \(app) AND c.code IN (\(SQL.list(codes)))
             GROUP BY c.code
            """
        ) { row in (try row.text(), try row.time()) }
        let accounts = try row(
            """
            SELECT count(DISTINCT t.account_id)
              FROM publications p
              JOIN publication_targets t ON t.publication_id = p.id
              JOIN oauth_accounts o ON o.id = t.connection_id
             WHERE p.updated_at >= \(since) AND t.started_at >= \(since) AND o.app_id = \(app)
            """
        ) { try $0.integer() }
        return AppStanding(seen: Dictionary(seen) { max($0, $1) }, accounts: accounts ?? 0)
    }

    /// The row that stands for a platform's secrets from settings: one an address, whatever the secrets, so that a
    /// rotation does not change the scope of identities.
    public func settingsApp(
        of provider: String, named name: String = AppRow.settingsName, id: ID<AppKind>, at now: Timestamp
    ) throws -> ID<AppKind> {
        try run(
            """
            INSERT INTO apps (id, provider, name, source, version, created_at, updated_at)
            VALUES (\(id), \(provider), \(name), 'settings', 1, \(now), \(now))
            ON CONFLICT (provider, name) WHERE source = 'settings' DO NOTHING
            """)
        return try row(
            "SELECT id FROM apps WHERE provider = \(provider) AND name = \(name) AND source = 'settings'"
        ) { try $0.id() } ?? id
    }

    /// The platforms that some app stands for, those of the settings too.
    public func providersInUse() throws -> Set<String> {
        Set(try rows("SELECT DISTINCT provider FROM apps WHERE disabled_at IS NULL LIMIT 1000") { try $0.text() })
    }

    public func addApp(
        _ id: ID<AppKind>, provider: String, name: String, clientID: String? = nil, at now: Timestamp
    ) throws {
        try run(
            """
            INSERT INTO apps (id, provider, name, source, client_id, version, created_at, updated_at)
            VALUES (\(id), \(provider), \(name), 'api', \(clientID), 1, \(now), \(now))
            """)
    }

    public func app(_ id: ID<AppKind>) throws -> AppRow? {
        try row("SELECT \(Self.appColumns) FROM apps WHERE id = \(id)", Self.app)
    }
    /// The same, held until the transaction ends.
    public func holdApp(_ id: ID<AppKind>) throws -> AppRow? {
        try row("SELECT \(Self.appColumns) FROM apps WHERE id = \(id) \(dialect.forUpdate)", Self.app)
    }

    public func apps(_ filter: AppFilter, _ page: ListPage) throws -> [AppRow] {
        try list(
            Listed(columns: Self.appColumns, from: "apps t", createdAt: "t.created_at", prefix: "app"),
            where: conditions([("provider", filter.provider), ("source", filter.source)]), page, Self.app)
    }

    /// Changes an app that was added through the API. False when there is none.
    public func updateApp(_ id: ID<AppKind>, _ patch: AppPatch, at now: Timestamp) throws -> Bool {
        let disabled: SQL =
            switch patch.isDisabled {
            case nil: "disabled_at"
            case true?: "coalesce(disabled_at, \(now))"
            case false?: "NULL"
            }
        return try run(
            """
            UPDATE apps
               SET name = coalesce(\(patch.name), name), client_id = coalesce(\(patch.clientID), client_id),
                   disabled_at = \(disabled), version = version + 1,
                   updated_at = \(now)
             WHERE id = \(id) AND source = 'api'
            """) == 1
    }

    /// Removes an app with its secrets. False when it has proven webhooks whose identities are kept, or there is none.
    public func deleteApp(_ id: ID<AppKind>) throws -> Bool {
        let hasProven =
            try row("SELECT 1 FROM event_identities WHERE scope = \(id) LIMIT 1") { try $0.integer() } != nil
        guard !hasProven, try !hasConnections(through: id) else { return false }
        try run("DELETE FROM app_secrets WHERE app_id = \(id)")
        return try run("DELETE FROM apps WHERE id = \(id) AND source = 'api'") == 1
    }

    /// Whether accounts are connected through an app, or are being taken back from it.
    public func hasConnections(through app: ID<AppKind>) throws -> Bool {
        try row(
            """
            SELECT 1 FROM oauth_accounts WHERE app_id = \(app) AND deleted_at IS NULL
             UNION ALL SELECT 1 FROM credentials WHERE app_id = \(app)
             LIMIT 1
            """
        ) { try $0.integer() } != nil
    }

    /// The app of a platform through which accounts are connected where nobody says which: the settings' own where
    /// they name one, else the newest.
    public func usualApp(of provider: String, settings: ID<AppKind>?) throws -> AppRow? {
        try row(
            """
            SELECT \(Self.appColumns) FROM apps
             WHERE provider = \(provider) AND disabled_at IS NULL AND (id = \(settings) OR client_id IS NOT NULL)
             ORDER BY CASE source WHEN 'settings' THEN 0 ELSE 1 END, id DESC
             LIMIT 1
            """, Self.app)
    }

    public func apps(after id: String?, limit: Int) throws -> [AppRow] {
        try rows("SELECT \(Self.appColumns) FROM apps WHERE id > \(id ?? "") ORDER BY id LIMIT \(limit)", Self.app)
    }

    /// Adds a sealed secret; those before it go on until `expiring`.
    public func addSecret(
        _ id: String, to app: ID<AppKind>, purpose: String, sealed: [UInt8], keyID: String, expiring others: Timestamp?,
        at now: Timestamp
    ) throws {
        if let others { try expireSecrets(of: app, purpose: purpose, at: others) }
        try run(
            """
            INSERT INTO app_secrets (id, app_id, purpose, sealed, key_id, created_at)
            VALUES (\(id), \(app), \(purpose), \(sealed), \(keyID), \(now))
            """)
        try run("UPDATE apps SET version = version + 1, updated_at = \(now) WHERE id = \(app)")
    }

    /// From `end` on an app's secrets of a purpose prove nothing any more, unless they end sooner.
    public func expireSecrets(of app: ID<AppKind>, purpose: String, at end: Timestamp) throws {
        try run(
            """
            UPDATE app_secrets SET expires_at = \(end)
             WHERE app_id = \(app) AND purpose = \(purpose) AND (expires_at IS NULL OR expires_at > \(end))
            """)
    }

    /// Removes one secret. False when the app has none of this id.
    public func removeSecret(_ id: ID<AppSecretKind>, of app: ID<AppKind>, at now: Timestamp) throws -> Bool {
        guard try run("DELETE FROM app_secrets WHERE id = \(id) AND app_id = \(app)") == 1 else { return false }
        try run("UPDATE apps SET version = version + 1, updated_at = \(now) WHERE id = \(app)")
        return true
    }

    /// Removes secrets that have ended. Answers how many.
    public func sweepAppSecrets(at now: Timestamp) throws -> Int {
        try run("DELETE FROM app_secrets WHERE expires_at < \(now)")
    }

    /// The secrets that are active at a moment.
    public func secrets(of app: ID<AppKind>, purpose: String, at now: Timestamp) throws -> [SealedRow] {
        try rows(
            """
            SELECT id, purpose, sealed, key_id, created_at, expires_at
              FROM app_secrets
             WHERE app_id = \(app) AND purpose = \(purpose) AND (expires_at IS NULL OR expires_at > \(now))
             ORDER BY created_at DESC, id
             LIMIT 50
            """
        ) { row in
            SealedRow(
                id: try row.text(), purpose: try row.text(), sealed: try row.blob(), keyID: try row.text(),
                createdAt: try row.time(), expiresAt: try row.optionalTime())
        }
    }

    private static var appColumns: SQL {
        "id, provider, name, source, client_id, version, created_at, updated_at, disabled_at"
    }
    private static func app(_ row: inout Row) throws -> AppRow {
        AppRow(
            id: try row.id(), provider: try row.text(), name: try row.text(), source: try row.text(),
            clientID: try row.optionalText(), version: try row.integer(), createdAt: try row.time(),
            updatedAt: try row.time(),
            disabledAt: try row.optionalTime())
    }
}
