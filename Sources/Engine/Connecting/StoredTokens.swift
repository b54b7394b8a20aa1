public import Kit
public import Store

/// Access tokens as they are kept: for questions that must change nothing, so that none is renewed for them.
public struct StoredTokens: Sendable {
    private let database: any Database
    private let vault: Vault

    public init(database: any Database, vault: Vault) {
        self.database = database
        self.vault = vault
    }

    /// Nil where there is none that is still good.
    ///
    /// - Throws: `VaultProblem` where it cannot be opened; what the database throws.
    public func token(of id: ID<ConnectionKind>, at now: Timestamp) async throws -> Secret? {
        guard let row = try await database.read("stored_token", { try $0.credential(of: id) }),
            row.revokingAt == nil, !row.hasEnded(at: now)
        else { return nil }
        return try vault.open(row).access
    }
}
