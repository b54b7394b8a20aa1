import Kit
import Store

extension Vault {
    /// The place of a connection's tokens of one version: an old row does not open as a new one.
    static func tokens(of connection: ID<ConnectionKind>, version: Int64) -> Place {
        Place(table: SealedTable.credentials.rawValue, row: connection.text, purpose: "tokens/\(version)")
    }

    func seal(_ tokens: Tokens, of connection: ID<ConnectionKind>, version: Int64) throws(VaultProblem) -> Sealed {
        let json: JSON = [
            "access": .string(tokens.access.reveal { String(decoding: $0, as: UTF8.self) }),
            "refresh": JSON(tokens.refresh?.reveal { String(decoding: $0, as: UTF8.self) }),
        ]
        return try seal(Secret(json.bytes), in: Self.tokens(of: connection, version: version))
    }

    func open(_ row: CredentialRow) throws(VaultProblem) -> (access: Secret, refresh: Secret?) {
        let secret = try open(
            Sealed(bytes: row.sealed, keyID: row.keyID), in: Self.tokens(of: row.id, version: row.version))
        let json = secret.reveal { try? JSON.parse($0) }  // Our own; what is not JSON was not sealed by us.
        guard let access = json?["access"]?.text else { throw .refused }
        return (Secret(access), json?["refresh"]?.text.map { Secret($0) })
    }
}

extension CredentialRow {
    /// Whether the access token is over by the platform's own word.
    func hasEnded(at now: Timestamp) -> Bool { expiresAt.map { $0 <= now } ?? false }

    /// With what was sealed: as the platform gave it.
    func tokens(_ opened: (access: Secret, refresh: Secret?)) -> Tokens {
        Tokens(
            access: opened.access, refresh: opened.refresh, expiresAt: expiresAt, refreshExpiresAt: nil, scopes: nil,
            account: openID)
    }
}

extension NewCredential {
    /// Tokens as a row: sealed for it, with the times that follow from the platform's description.
    init(
        _ tokens: Tokens, of connection: ID<ConnectionKind>, version: Int64, oauth: OAuth2, obtained: Timestamp,
        vault: Vault
    ) throws(VaultProblem) {
        let sealed = try vault.seal(tokens, of: connection, version: version)
        self.init(
            version: version, sealed: sealed.bytes, keyID: sealed.keyID, obtainedAt: obtained,
            expiresAt: tokens.expiresAt, refreshAt: oauth.refreshTime(of: tokens, obtained: obtained),
            refreshExpiresAt: tokens.refreshExpiresAt,
            endsAt: tokens.refresh == nil ? tokens.expiresAt : tokens.refreshExpiresAt)
    }
}
