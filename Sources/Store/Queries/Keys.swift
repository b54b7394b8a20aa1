public import Kit

/// An API key as kept: its hash, never the key.
public struct KeyRow: Sendable, Equatable {
    public let id: ID<KeyKind>
    public let name: String
    public let scopes: [String]
    /// Where calls on a connection's behalf may go, as `GET /v2/video/list/` or `/v2/video/**`; nil for anywhere.
    public let proxyPaths: [String]?
    /// The key's last characters, so that a person knows which one it is.
    public let hint: String
    /// The version of the API that the key was made for.
    public let apiVersion: String
    public let createdAt: Timestamp
    public let expiresAt: Timestamp?
    public let lastUsedAt: Timestamp?
    public let revokedAt: Timestamp?
    /// The first of the keys that were made of each other by rotation: one owner, whatever the names.
    public let family: ID<KeyKind>

    public init(
        id: ID<KeyKind>, name: String, scopes: [String], hint: String, apiVersion: String, createdAt: Timestamp,
        expiresAt: Timestamp? = nil, lastUsedAt: Timestamp? = nil, revokedAt: Timestamp? = nil,
        proxyPaths: [String]? = nil, family: ID<KeyKind>? = nil
    ) {
        self.proxyPaths = proxyPaths
        self.family = family ?? id
        self.id = id
        self.name = name
        self.scopes = scopes
        self.hint = hint
        self.apiVersion = apiVersion
        self.createdAt = createdAt
        self.expiresAt = expiresAt
        self.lastUsedAt = lastUsedAt
        self.revokedAt = revokedAt
    }

    public func isActive(at now: Timestamp) -> Bool { revokedAt == nil && expiresAt.map { $0 > now } ?? true }
}

public struct KeyFilter: Sendable {
    public var name: String?
    public init() {}
}

extension Session {
    /// - Parameter hash: the key's SHA-256.
    public func add(_ key: KeyRow, hash: [UInt8]) throws {
        try run(
            """
            INSERT INTO api_keys (id, name, scopes, hash, hint, api_version, created_at, expires_at, proxy_paths,
                                  family)
            VALUES (\(key.id), \(key.name), \(key.scopes.joined(separator: " ")), \(hash), \(key.hint),
                    \(key.apiVersion), \(key.createdAt), \(key.expiresAt), \(key.proxyPaths?.joined(separator: "\n")),
                    \(key.family))
            """)
    }

    public func key(hash: [UInt8]) throws -> KeyRow? {
        try row("SELECT \(Self.keys.columns) FROM api_keys t WHERE t.hash = \(hash)", Self.key)
    }
    public func keyRow(_ id: ID<KeyKind>) throws -> KeyRow? {
        try row("SELECT \(Self.keys.columns) FROM api_keys t WHERE t.id = \(id)", Self.key)
    }
    /// The same, its row held to the end of the transaction.
    public func key(_ id: ID<KeyKind>) throws -> KeyRow? {
        try row("SELECT \(Self.keys.columns) FROM api_keys t WHERE t.id = \(id) \(dialect.forUpdate)", Self.key)
    }
    public func keys(_ filter: KeyFilter, _ page: ListPage) throws -> [KeyRow] {
        try list(Self.keys, where: conditions([("name", filter.name)]), page, Self.key)
    }

    /// Keys of this name that are neither revoked nor expired.
    public func activeKeys(named name: String, at now: Timestamp) throws -> Int {
        try row(
            """
            SELECT count(*) FROM api_keys
             WHERE name = \(name) AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > \(now))
            """
        ) { Int(try $0.integer()) } ?? 0
    }

    /// The same of one owner's keys.
    public func activeKeys(of family: ID<KeyKind>, at now: Timestamp) throws -> Int {
        try row(
            """
            SELECT count(*) FROM api_keys
             WHERE family = \(family) AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > \(now))
            """
        ) { Int(try $0.integer()) } ?? 0
    }

    /// Ends a key at a time, if it does not end sooner.
    public func expire(_ id: ID<KeyKind>, at moment: Timestamp) throws {
        try run(
            """
            UPDATE api_keys SET expires_at = \(moment)
             WHERE id = \(id) AND (expires_at IS NULL OR expires_at > \(moment))
            """
        )
    }

    /// False when it is unknown or was revoked before.
    public func revoke(_ id: ID<KeyKind>, at now: Timestamp) throws -> Bool {
        try run("UPDATE api_keys SET revoked_at = \(now) WHERE id = \(id) AND revoked_at IS NULL") == 1
    }

    /// Notes that a key was used.
    public func touch(_ id: ID<KeyKind>, at now: Timestamp) throws {
        try run(
            """
            UPDATE api_keys SET last_used_at = \(now)
             WHERE id = \(id) AND (last_used_at IS NULL OR last_used_at < \(now))
            """
        )
    }

    /// `live` or `test`; nil before the first start.
    public func instanceMode() throws -> String? {
        try row("SELECT value FROM instance WHERE key = 'mode'") { try $0.text() }
    }
    /// A fact about this instance, such as its mode.
    public func instanceFact(_ name: String) throws -> String? {
        try row("SELECT value FROM instance WHERE key = \(name)") { try $0.text() }
    }
    /// Writes a fact down once; answers what stands there now.
    public func settleInstanceFact(_ name: String, _ value: String) throws -> String {
        try run("INSERT INTO instance (key, value) VALUES (\(name), \(value)) ON CONFLICT (key) DO NOTHING")
        return try instanceFact(name) ?? value
    }

    private static var keys: Listed {
        Listed(
            columns: """
                t.id, t.name, t.scopes, t.hint, t.api_version, t.created_at, t.expires_at, t.last_used_at, t.revoked_at,
                t.proxy_paths, t.family
                """, from: "api_keys t", createdAt: "t.created_at", prefix: "key")
    }
    private static func key(_ row: inout Row) throws -> KeyRow {
        KeyRow(
            id: try row.id(), name: try row.text(), scopes: try row.text().split(separator: " ").map(String.init),
            hint: try row.text(), apiVersion: try row.text(), createdAt: try row.time(),
            expiresAt: try row.optionalTime(), lastUsedAt: try row.optionalTime(), revokedAt: try row.optionalTime(),
            proxyPaths: try row.optionalText()?.split(separator: "\n").map(String.init), family: try row.id())
    }
}
