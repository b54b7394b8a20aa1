public import Kit

public enum EndpointSecretKind: Identified { public static let idPrefix = "epsec" }

/// A secret to be kept, sealed.
public struct NewEndpointSecret: Sendable {
    public let id: ID<EndpointSecretKind>
    public let endpoint: ID<EndpointKind>
    public let sealed: [UInt8]
    /// The key that sealed it.
    public let keyID: String
    /// What receivers verify with, where it is no secret: `whpk_…`.
    public let publicKey: String?
    public let createdAt: Timestamp

    public init(
        id: ID<EndpointSecretKind>, endpoint: ID<EndpointKind>, sealed: [UInt8], keyID: String, publicKey: String?,
        createdAt: Timestamp
    ) {
        self.id = id
        self.endpoint = endpoint
        self.sealed = sealed
        self.keyID = keyID
        self.publicKey = publicKey
        self.createdAt = createdAt
    }
}

/// A secret as kept.
public struct EndpointSecret: Sendable, Equatable {
    public let id: ID<EndpointSecretKind>
    public let sealed: [UInt8]
    public let keyID: String
    public let publicKey: String?
    public let createdAt: Timestamp
    /// Signs until then, beside its successor.
    public let expiresAt: Timestamp?
}

extension Session {
    func insert(_ secret: NewEndpointSecret) throws {
        try run(
            """
            INSERT INTO endpoint_secrets (id, endpoint_id, sealed, key_id, public_key, created_at)
            VALUES (\(secret.id), \(secret.endpoint), \(secret.sealed), \(secret.keyID), \(secret.publicKey),
                    \(secret.createdAt))
            """)
    }

    /// Makes a new secret the one that signs; the others sign too until `until`. Nil when there is no such endpoint.
    public func rotate(to secret: NewEndpointSecret, othersUntil until: Timestamp) throws -> Endpoint? {
        let changed = try run(
            """
            UPDATE endpoints SET version = version + 1, updated_at = \(secret.createdAt) WHERE id = \(secret.endpoint)
            """)
        guard changed == 1 else { return nil }
        try run(
            """
            UPDATE endpoint_secrets SET expires_at = \(until)
             WHERE endpoint_id = \(secret.endpoint) AND (expires_at IS NULL OR expires_at > \(until))
            """)
        try insert(secret)
        return try endpoint(secret.endpoint)
    }

    /// The secrets that sign at this time, newest first: of many rotations within the grace, the last few.
    public func secrets(of endpoint: ID<EndpointKind>, at now: Timestamp) throws -> [EndpointSecret] {
        try rows(
            """
            SELECT id, sealed, key_id, public_key, created_at, expires_at
              FROM endpoint_secrets
             WHERE endpoint_id = \(endpoint) AND (expires_at IS NULL OR expires_at > \(now))
             ORDER BY id DESC
             LIMIT 8
            """
        ) { row in
            EndpointSecret(
                id: try row.id(), sealed: try row.blob(), keyID: try row.text(), publicKey: try row.optionalText(),
                createdAt: try row.time(), expiresAt: try row.optionalTime())
        }
    }
}
