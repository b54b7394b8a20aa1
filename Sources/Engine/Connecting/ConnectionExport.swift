public import Kit
public import Store

/// Writes out the connections of an instance with their tokens, a JSON object each, as an import takes them.
public struct ConnectionExport: Sendable {
    private static let atOnce = 100

    private let database: any Database
    private let vault: Vault
    private let ids: Identifiers
    private let time: TimeSource

    public init(database: any Database, vault: Vault, ids: Identifiers, time: TimeSource) {
        self.database = database
        self.vault = vault
        self.ids = ids
        self.time = time
    }

    /// What came of it.
    public struct Outcome: Sendable {
        public var lines: [String] = []
        /// Connections whose tokens could not be opened, with why.
        public var unopened: [(id: String, problem: String)] = []
        /// How many of them have refresh tokens, which only one side may use.
        public var refreshing = 0
    }

    /// Those that are alive.
    ///
    /// - Parameter pauses: whether each is paused here, so that no call goes out on its behalf any more.
    public func lines(of provider: String?, pauses: Bool, by actor: String) async throws -> Outcome {
        var (outcome, last) = (Outcome(), String?.none)
        var filter = ConnectionFilter()
        filter.provider = provider
        while true {
            let page = ListPage(limit: Self.atOnce, after: last)
            let found = try await database.read("export_connections") { [filter] session in
                try session.connections(filter, page).prefix(Self.atOnce).map { row in
                    (row, try session.credential(of: row.id))
                }
            }
            for (row, held) in found where row.health.isAlive {
                guard let held, held.revokingAt == nil else { continue }
                do {
                    let tokens = try vault.open(held)
                    if tokens.refresh != nil { outcome.refreshing += 1 }
                    outcome.lines.append(Self.line(row, held, tokens))
                } catch {
                    outcome.unopened.append((row.id.text, "\(error)"))
                    continue
                }
                try await note(row, pauses: pauses, by: actor)
            }
            guard found.count == Self.atOnce, let next = found.last?.0.id.text else { return outcome }
            last = next
        }
    }

    private static func line(
        _ row: ConnectionRow, _ held: CredentialRow, _ tokens: (access: Secret, refresh: Secret?)
    ) -> String {
        func text(_ secret: Secret) -> String { secret.reveal { String(decoding: $0, as: UTF8.self) } }
        let json: JSON = [
            "user_id": .string(row.userID), "provider": .string(row.provider), "account_id": .string(row.openID),
            "name": JSON(row.name?.reveal { $0 }), "scopes": .array(row.scopes.map(JSON.string)),
            "wanted_scopes": .array(row.wanted.map(JSON.string)), "access_token": .string(text(tokens.access)),
            "refresh_token": JSON(tokens.refresh.map(text)), "obtained_at": JSON(held.obtainedAt),
            "expires_at": JSON(held.expiresAt), "refresh_expires_at": JSON(row.refreshExpiresAt),
        ]
        return String(decoding: json.bytes, as: UTF8.self)
    }

    private func note(_ row: ConnectionRow, pauses: Bool, by actor: String) async throws {
        let (now, auditID) = (time.now(), ids.make(AuditKind.self))
        try await database.write("export_connection", in: .maintenance) { session in
            guard let held = try session.holdConnection(row.id) else { return }
            if pauses, held.pausedAt == nil { try session.pauseConnection(row.id, since: now, at: now) }
            try session.audit(
                NewAudit(
                    id: auditID, at: now, actor: actor, action: "connection.exported", subject: row.id.text,
                    detail: ["paused": .bool(pauses)]))
        }
    }
}
