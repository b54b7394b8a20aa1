public import Kit
public import Store

/// What operators have begun to write: one post each, sealed like everything that may be about people.
extension Publishing {
    /// In bytes. A longer one is not kept.
    private static let draftMax = 64 << 10

    public func keepDraft(
        _ fields: JSON, of author: String, in database: any Database, at now: Timestamp
    ) async throws {
        let bytes = fields.bytes
        guard bytes.count <= Self.draftMax else { return }
        let sealed = try vault.seal(Secret(bytes), in: Self.draft(of: author))
        try await database.write("keep_draft", in: .work) {
            try $0.keepDraft(of: author, sealed: sealed.bytes, keyID: sealed.keyID, at: now)
        }
    }

    /// As it was kept, and when; nil where there is none, or it cannot be opened any more.
    public func draft(of author: String, in database: any Database) async throws -> (fields: JSON, at: Timestamp)? {
        guard let row = try await database.read("draft", { try $0.draft(of: author) }) else { return nil }
        do {
            let sealed = Sealed(bytes: row.sealed, keyID: row.keyID)
            return (try vault.open(sealed, in: Self.draft(of: author)).reveal { try JSON.parse($0) }, row.at)
        } catch { return nil }  // Its key is gone: it has to be written anew.
    }

    private static func draft(of author: String) -> Vault.Place {
        Vault.Place(table: SealedTable.drafts.rawValue, row: author)
    }
}
