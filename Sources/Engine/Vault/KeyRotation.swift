public import Kit
public import Store

/// Puts every sealed secret under the newest key, and says which key has sealed what.
///
/// Works beside running servers: a row that changed since it was read is left alone. Every node must have the newest
/// key in its settings first, or it cannot open what was sealed with it.
public struct KeyRotation: Sendable {
    /// Rows of one transaction.
    static let rowsAtOnce = 200

    private let database: any Database
    private let vault: Vault
    private let ids: Identifiers
    private let time: TimeSource
    /// Who is named in audit entries.
    private let actor: String

    public init(database: any Database, vault: Vault, ids: Identifiers, time: TimeSource, actor: String) {
        self.database = database
        self.vault = vault
        self.ids = ids
        self.time = time
        self.actor = actor
    }

    /// A secret that does not open.
    public struct Unopened: Sendable, Equatable {
        public let table: SealedTable
        public let id: String
        public let problem: VaultProblem
    }

    /// What a rotation came to.
    public struct Outcome: Sendable, Equatable {
        public internal(set) var resealed = 0
        public internal(set) var unopened: [Unopened] = []
    }

    /// Re-seals what another key than the newest has sealed. Repeats without harm: what is done is not done again.
    ///
    /// - Throws: `VaultProblem.unusable` when no key is set; what the database throws: what was done till then stays.
    public func rotate() async throws -> Outcome {
        guard let newest = vault.newestKey else { throw VaultProblem.unusable }
        var outcome = Outcome()
        for table in SealedTable.allCases {
            try await pages(of: table, notUnder: newest) { page in
                let (fresh, unopened) = resealed(page)
                outcome.unopened += unopened
                outcome.resealed += try await store(fresh, unopened, in: table, under: newest)
            }
        }
        return outcome
    }

    /// Opens every sealed secret, keeps none, and answers what each key has sealed and what does not open.
    public func audit() async throws -> (counts: [SealedCount], unopened: [Unopened]) {
        let counts = try await database.read("sealed_counts") { try $0.sealedCounts() }
        try await note([entry("vault.audited", subject: nil, ["rows": JSON(counts.reduce(0) { $0 + $1.rows })])])
        var unopened: [Unopened] = []
        for table in SealedTable.allCases {
            try await pages(of: table, notUnder: nil) { page in unopened += page.compactMap(problem) }
        }
        for part in stride(from: 0, to: unopened.count, by: Self.rowsAtOnce) {
            try await note(unopened[part..<min(part + Self.rowsAtOnce, unopened.count)].map(refusal))
        }
        return (counts, unopened)
    }

    // MARK: Rows

    private func pages(
        of table: SealedTable, notUnder key: String?, _ work: ([SealedSecret]) async throws -> Void
    ) async throws {
        var last = ""
        while true {
            let page = try await database.read("sealed") { [last] session in
                try session.sealedSecrets(in: table, notUnder: key, after: last, limit: Self.rowsAtOnce)
            }
            guard let end = page.last?.id else { return }
            try await work(page)
            last = end
        }
    }

    private func resealed(_ page: [SealedSecret]) -> (fresh: [(SealedSecret, Sealed)], unopened: [Unopened]) {
        var (fresh, unopened): ([(SealedSecret, Sealed)], [Unopened]) = ([], [])
        for row in page {
            do throws(VaultProblem) {
                if let sealed = try vault.resealed(row.envelope, in: row.place) { fresh.append((row, sealed)) }
            } catch {
                unopened.append(Unopened(table: row.table, id: row.id, problem: error))
            }
        }
        return (fresh, unopened)
    }

    private func problem(_ row: SealedSecret) -> Unopened? {
        do throws(VaultProblem) {
            _ = try vault.open(row.envelope, in: row.place)
            return nil
        } catch {
            return Unopened(table: row.table, id: row.id, problem: error)
        }
    }

    /// One transaction: the rows, and the entries that tell of them. Answers how many rows were as they had been read.
    private func store(
        _ fresh: [(SealedSecret, Sealed)], _ unopened: [Unopened], in table: SealedTable, under key: String
    ) async throws -> Int {
        let refusals = unopened.map(refusal)
        let (id, now, actor) = (ids.make(AuditKind.self), time.now(), actor)
        return try await database.set("reseal", in: .maintenance) { session in
            var count = 0
            for (old, sealed) in fresh where try session.reseal(old, as: sealed.bytes, keyID: sealed.keyID) {
                count += 1
            }
            if count > 0 {
                let detail: JSON = ["table": .string(table.rawValue), "key": .string(key), "rows": JSON(count)]
                try session.audit(
                    NewAudit(id: id, at: now, actor: actor, action: "vault.resealed", subject: nil, detail: detail))
            }
            for refusal in refusals { try session.audit(refusal) }
            return count
        }
    }

    private func note(_ entries: [NewAudit]) async throws {
        try await database.set("vault_audit", in: .work) { session in for entry in entries { try session.audit(entry) }
        }
    }

    private func refusal(_ unopened: Unopened) -> NewAudit {
        entry("vault.refused", subject: unopened.id, ["table": .string(unopened.table.rawValue)])
    }

    private func entry(_ action: String, subject: String?, _ detail: JSON) -> NewAudit {
        NewAudit(id: ids.make(), at: time.now(), actor: actor, action: action, subject: subject, detail: detail)
    }
}

extension SealedSecret {
    var envelope: Sealed { Sealed(bytes: sealed, keyID: keyID) }

    /// What binds it to its row: the same that sealed it.
    var place: Vault.Place {
        switch table {
        case .apps, .credentials, .works, .bodies: Vault.Place(table: table.rawValue, row: id, purpose: purpose)
        case .endpoints:
            Vault.place(
                of: EndpointSigner.context(ID(stored: id), of: ID(stored: owner)))
        }
    }
}
