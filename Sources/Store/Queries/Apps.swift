public import Kit

/// App credentials: what a provider gave the operator, without the secrets.
public struct AppRow: Sendable {
    public let id: ID<AppKind>
    public let provider: String
    public let name: String
    public let source: String
    /// Rises when its secrets change.
    public let version: Int64
    public let createdAt: Timestamp
    public let disabledAt: Timestamp?
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

extension Session {
    /// The row that stands for a platform's secrets from settings: one a platform, whatever the secrets, so that a
    /// rotation does not change the scope of identities.
    public func settingsApp(of provider: String, id: ID<AppKind>, at now: Timestamp) throws -> ID<AppKind> {
        try run(
            """
            INSERT INTO apps (id, provider, name, source, version, created_at, updated_at)
            VALUES (\(id), \(provider), 'settings', 'settings', 1, \(now), \(now))
            ON CONFLICT (provider) WHERE source = 'settings' DO NOTHING
            """)
        return try row("SELECT id FROM apps WHERE provider = \(provider) AND source = 'settings'") { try $0.id() } ?? id
    }

    public func addApp(_ id: ID<AppKind>, provider: String, name: String, at now: Timestamp) throws {
        try run(
            """
            INSERT INTO apps (id, provider, name, source, version, created_at, updated_at)
            VALUES (\(id), \(provider), \(name), 'api', 1, \(now), \(now))
            """)
    }

    public func app(_ id: ID<AppKind>) throws -> AppRow? {
        try row("SELECT \(Self.appColumns) FROM apps WHERE id = \(id)", Self.app)
    }

    public func apps(after id: String?, limit: Int) throws -> [AppRow] {
        try rows("SELECT \(Self.appColumns) FROM apps WHERE id > \(id ?? "") ORDER BY id LIMIT \(limit)", Self.app)
    }

    /// Adds a sealed secret; those before it go on until `expiring`.
    public func addSecret(
        _ id: String, to app: ID<AppKind>, purpose: String, sealed: [UInt8], keyID: String, expiring others: Timestamp?,
        at now: Timestamp
    ) throws {
        if let others {
            try run(
                """
                UPDATE app_secrets SET expires_at = \(others)
                 WHERE app_id = \(app) AND purpose = \(purpose) AND (expires_at IS NULL OR expires_at > \(others))
                """)
        }
        try run(
            """
            INSERT INTO app_secrets (id, app_id, purpose, sealed, key_id, created_at)
            VALUES (\(id), \(app), \(purpose), \(sealed), \(keyID), \(now))
            """)
        try run("UPDATE apps SET version = version + 1, updated_at = \(now) WHERE id = \(app)")
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

    private static var appColumns: SQL { "id, provider, name, source, version, created_at, disabled_at" }
    private static func app(_ row: inout Row) throws -> AppRow {
        AppRow(
            id: try row.id(), provider: try row.text(), name: try row.text(), source: try row.text(),
            version: try row.integer(), createdAt: try row.time(), disabledAt: try row.optionalTime())
    }
}
