public import Kit
public import Store

/// A first key, made beside the API: by `patchbay keys create` and by the demo.
public enum KeyMaking {
    /// Keeps a new key and answers it; it is shown this once. The schema is made where there is none yet.
    ///
    /// The key is of the database's own mode; of the settings' where no server has started on it yet.
    public static func make(
        name: String, scopes: [String], settings: Settings, database: any Database, ids: Identifiers, at now: Timestamp,
        by actor: String
    ) async throws -> Secret {
        _ = try await database.migrate(program: Instance.version, at: now)
        let settled = try await database.read("mode") { try $0.instanceMode() }.flatMap(Settings.Mode.init)
        let key = NewKey(
            name: name, scopes: scopes, expiresAt: nil, mode: settled ?? settings.mode, ids: ids, at: now)
        let audit = NewAudit(id: ids.make(), at: now, actor: actor, action: "key.created", subject: key.row.id.text)
        try await database.write("create_key") { session in
            try session.add(key.row, hash: KeyText.hash(key.key))
            try session.audit(audit)
        }
        return key.key
    }
}
