public import Kit
public import Store

/// A first key, made beside the API: by `patchbay keys create` and by the demo.
public enum KeyMaking {
    /// Keeps a new key and answers it; it is shown this once.
    public static func make(
        name: String, scopes: [String], settings: Settings, database: any Database, ids: Identifiers, at now: Timestamp,
        by actor: String
    ) async throws -> Secret {
        let key = NewKey(name: name, scopes: scopes, expiresAt: nil, mode: settings.mode, ids: ids, at: now)
        let audit = NewAudit(id: ids.make(), at: now, actor: actor, action: "key.created", subject: key.row.id.text)
        try await database.write("create_key") { session in
            try session.add(key.row, hash: KeyText.hash(key.key))
            try session.audit(audit)
        }
        return key.key
    }
}
