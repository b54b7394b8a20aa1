public import Kit
public import Store

/// Takes in connections that stand elsewhere: another instance's, or another system's.
///
/// Each is a connection of its user from then on, as if the account had been connected here. Taking the same in again
/// changes nothing, and tokens that are older than those here are left alone, so an import may be broken off and begun
/// anew.
public struct ConnectionImporting: Sendable {
    /// A connection as it stood there.
    public struct Line: Sendable {
        public let userID: String
        public let provider: String
        /// Nil for the platform's usual app.
        public let app: ID<AppKind>?
        public let account: String
        public let name: String?
        public let scopes: [String]
        /// What was asked for.
        public let wanted: [String]
        public let tokens: Tokens
        /// When the tokens were given: the newer ones count.
        public let obtainedAt: Timestamp

        public init(
            userID: String, provider: String, app: ID<AppKind>?, account: String, name: String?, scopes: [String],
            wanted: [String], tokens: Tokens, obtainedAt: Timestamp
        ) {
            self.userID = userID
            self.provider = provider
            self.app = app
            self.account = account
            self.name = name
            self.scopes = scopes
            self.wanted = wanted
            self.tokens = tokens
            self.obtainedAt = obtainedAt
        }
    }

    /// What became of a line.
    public enum Outcome: String, Sendable, CaseIterable {
        case created, updated
        /// What is here is as new, or newer.
        case unchanged
    }

    /// Why a line is not taken: a sentence for the person who imports.
    public struct Refusal: Error, Sendable {
        public let sentence: String
        public init(sentence: String) { self.sentence = sentence }
    }

    private static let roundsMax = 5

    private let platforms: [String: any Connectable]
    private let apps: ConnectionApps
    private let database: any Database
    private let vault: Vault
    private let ids: Identifiers
    private let time: TimeSource
    private let bells: Bells

    public init(
        platforms: [String: any Connectable], apps: ConnectionApps, database: any Database, vault: Vault,
        ids: Identifiers, time: TimeSource, bells: Bells
    ) {
        self.platforms = platforms
        self.apps = apps
        self.database = database
        self.vault = vault
        self.ids = ids
        self.time = time
        self.bells = bells
    }

    /// - Parameter isRehearsal: says what would become of it, and changes nothing.
    /// - Throws: `Refusal`; what the database throws.
    public func take(
        _ line: Line, isRehearsal: Bool, by actor: String
    ) async throws -> (outcome: Outcome, connection: ID<ConnectionKind>?) {
        guard let platform = platforms[line.provider] else {
            throw Refusal(sentence: "No account can be connected at \(OutsideText.bounded(line.provider, 64)) here.")
        }
        let app: ID<AppKind>
        if let named = line.app {
            app = named
        } else if let usual = try await apps.usual(of: line.provider) {
            app = usual
        } else {
            throw Refusal(
                sentence: "\(platform.about.name) has no app here. Set \(platform.oauth.settings.clientID) first.")
        }
        guard try await apps.credentials(of: app, at: line.provider) != nil else {
            throw Refusal(sentence: "\(app) is no app of \(platform.about.name) that can be used.")
        }
        for _ in 0..<Self.roundsMax {
            let standing = try await database.read("import_standing") { try Self.standing(line, app, in: $0) }
            if let held = standing.held, standing.row?.health.isAlive == true, held.obtainedAt >= line.obtainedAt {
                return (.unchanged, standing.row?.id)
            }
            let outcome: Outcome = standing.row == nil ? .created : .updated
            guard !isRehearsal else { return (outcome, standing.row?.id) }
            do {
                guard let id = try await keep(line, app, platform, over: standing, by: actor) else { continue }
                return (outcome, id)
            } catch StoreError.constraint {
                continue  // Made meanwhile.
            } catch is ErasureRunning {
                throw Refusal(sentence: "The user was erased, or is being erased. Put the user first.")
            }
        }
        throw StoreError.conflict
    }

    /// What there is of this account and user.
    private struct Standing: Sendable {
        let row: ConnectionRow?
        let held: CredentialRow?
    }

    private static func standing(_ line: Line, _ app: ID<AppKind>, in session: Session) throws -> Standing {
        let row = try session.connection(of: line.userID, to: line.account, at: line.provider, through: app)
        return Standing(row: row, held: try row.flatMap { try session.credential(of: $0.id) })
    }

    /// Nil where something has changed since it was looked at.
    private func keep(
        _ line: Line, _ app: ID<AppKind>, _ platform: any Connectable, over standing: Standing, by actor: String
    ) async throws -> ID<ConnectionKind>? {
        let id = standing.row?.id ?? ids.make(ConnectionKind.self)
        let new = NewConnection(
            id: id, userID: line.userID, provider: line.provider, app: app, openID: line.account,
            name: line.name.map { Personal($0) }, scopes: line.scopes, wanted: line.wanted, isPending: false)
        let credential = try NewCredential(
            line.tokens, of: id, version: (standing.row?.lastTokenVersion ?? 0) + 1, oauth: platform.oauth,
            obtained: line.obtainedAt, vault: vault)
        let (now, news, refreshJob, syncJob, auditID) = (
            time.now(), ConnectionNews(ids), ids.make(JobKind.self), ids.make(JobKind.self), ids.make(AuditKind.self)
        )
        let isKept = try await database.write("import_connection", in: .work) { session -> Bool in
            if let known = standing.row { _ = try session.holdConnection(known.id) }
            let there = try Self.standing(line, app, in: session)
            guard there.row?.id == standing.row?.id, there.row?.tokenVersion == standing.row?.tokenVersion,
                there.row?.lastTokenVersion == standing.row?.lastTokenVersion
            else { return false }
            let isNew = there.row == nil
            let row = try session.connect(new, at: now)
            guard try session.keep(credential, of: row, replacing: there.row?.tokenVersion, at: now),
                let fresh = try session.connection(id)
            else { throw StoreError.damaged("tokens whose connection is held") }
            try news.connected(fresh, isNew: isNew, in: session, at: now)
            try session.enqueue([SyncBeginning.job(syncJob, id, at: now)])
            if let due = credential.refreshAt {
                try session.enqueue([RefreshWorker.job(refreshJob, id, version: credential.version, at: due, now: now)])
            }
            try session.audit(
                NewAudit(id: auditID, at: now, actor: actor, action: "connection.imported", subject: id.text))
            return true
        }
        guard isKept else { return nil }
        bells.written.ring()
        bells.jobs.ring()
        return id
    }
}
