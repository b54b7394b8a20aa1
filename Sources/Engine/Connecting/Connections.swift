public import Kit
public import Store

/// What is done with connections that stand: their tokens for a call, paused, taken back.
public struct Connections: Sendable {
    private let platforms: [String: any Connectable]
    public let refreshing: Refreshing
    private let database: any Database
    private let vault: Vault
    private let ids: Identifiers
    private let time: TimeSource
    private let bells: Bells

    public init(
        platforms: [String: any Connectable], refreshing: Refreshing, database: any Database, vault: Vault,
        ids: Identifiers, time: TimeSource, bells: Bells
    ) {
        self.platforms = platforms
        self.refreshing = refreshing
        self.database = database
        self.vault = vault
        self.ids = ids
        self.time = time
        self.bells = bells
    }

    /// What authorizes a call on a connection's behalf.
    public struct Credential: Sendable {
        public let connection: ID<ConnectionKind>
        /// The platform's own id of the account.
        public let account: String
        /// To be named when the platform refuses it (`refusing:`).
        public let version: Int64
        public let access: Secret
        public let scopes: [String]
    }

    /// Tokens that end within this time are refreshed before they are used.
    private static let nearEnd = Duration.seconds(60)

    /// The tokens for a call.
    ///
    /// - Parameter version: of tokens that the platform has just refused (401): others are got, once. A refusal that
    ///   speaks of scopes or permission is no reason.
    /// - Throws: `Failure` with the sentence for a person; what the database throws.
    public func credential(
        of id: ID<ConnectionKind>, refusing version: Int64? = nil
    ) async throws -> Credential {
        var (row, held) = try await load(id)
        func isRefused() -> Bool { version.map { $0 >= held.version } ?? false }
        func isOver() -> Bool { held.expiresAt.map { $0 <= time.now() + Self.nearEnd } ?? false }
        let began = time.uptime()
        while isRefused() || isOver() {
            let renewal = try await refreshing.renew(
                id, from: held.version, isRefused() ? .accessRefused : .usual, patience: Refreshing.patience)
            (row, held) = try await load(id)
            switch renewal {
            case .renewed where time.uptime() - began < Refreshing.patience: continue
            // A flight of somebody with less patience.
            case .held where time.uptime() - began < Refreshing.patience: try await time.sleep(.milliseconds(200))
            case .renewed, .held, .later, .ended:
                // Not refused and not over yet: it goes on with what it has.
                guard !isRefused(), held.expiresAt.map({ $0 > time.now() }) ?? true else {
                    throw Failure(
                        .unavailable(retryAfter: nil),
                        "\(name(row.provider)) has given no new tokens yet. It is asked again.", code: row.reason)
                }
                return try open(row, held)
            }
        }
        return try open(row, held)
    }

    private func load(_ id: ID<ConnectionKind>) async throws -> (ConnectionRow, CredentialRow) {
        let found = try await database.read("credential") { session in
            try session.connection(id).map { ($0, try session.credential(of: id)) }
        }
        guard let (row, held) = found, row.deletedAt == nil else {
            throw Failure(.notFound, "There is no such connection.")
        }
        switch row.state {
        case .active, .refreshing, .suspect: break
        case .pending: throw Failure(.forbidden, "The connection waits for the application to confirm it.")
        case .paused: throw Failure(.forbidden, "The connection is paused. Resume it first.")
        case .needsReconnect, .revoked:
            throw Failure(
                .unauthorized,
                "\(name(row.provider)) no longer accepts this connection. Connect the account again.", code: row.reason)
        }
        guard let held, held.revokingAt == nil else { throw Failure(.unauthorized, "The connection has no tokens.") }
        return (row, held)
    }

    private func open(_ row: ConnectionRow, _ held: CredentialRow) throws -> Credential {
        Credential(
            connection: row.id, account: row.openID, version: held.version, access: try vault.open(held).access,
            scopes: row.scopes)
    }

    private func name(_ provider: String) -> String { platforms[provider]?.about.name ?? provider }

    // MARK: Acts

    /// Takes a connection back: erased here at once, revoked at the platform by a job, unless somebody else is
    /// connected to the same account. False when there is none.
    public func disconnect(_ id: ID<ConnectionKind>, reason: String, by actor: String) async throws -> Bool {
        let (now, jobID, audit, news) = (
            time.now(), ids.make(JobKind.self), ids.make(AuditKind.self), ConnectionNews(ids)
        )
        let done = try await database.write("disconnect", in: .work) { session in
            try Self.disconnect(id, reason: reason, by: actor, jobID, audit, news, in: session, at: now)
        }
        bells.jobs.ring()
        bells.written.ring()
        return done
    }

    static func disconnect(
        _ id: ID<ConnectionKind>, reason: String, by actor: String, _ jobID: ID<JobKind>, _ audit: ID<AuditKind>,
        _ news: ConnectionNews, in session: Session, at now: Timestamp
    ) throws -> Bool {
        guard let row = try session.holdConnection(id), row.deletedAt == nil else { return false }
        if try session.isShared(row) || row.health == .revoked {
            _ = try session.dropCredential(of: id)
        } else if try session.markRevoking(id, at: now) {
            try session.enqueue([RevokeWorker.job(jobID, id, at: now)])
        }
        try session.forgetAccount(of: id, reason: reason, at: now)
        if let fresh = try session.connection(id) {
            try news.revoked(fresh, reason: reason, in: session, at: now)
        }
        try session.audit(
            NewAudit(
                id: audit, at: now, actor: actor, action: "connection.disconnected", subject: id.text,
                detail: ["reason": .string(reason)]))
        return true
    }

    /// The platform says that the account's owner took the grant back: there is nothing to revoke any more.
    public func noteRevoked(account: String, at provider: String, app: ID<AppKind>, reason: String) async throws {
        let now = time.now()
        let links = try await database.read("links") {
            try $0.connections(to: account, at: provider, through: app)
        }
        for id in links {
            let news = ConnectionNews(ids)
            try await database.write("revoked", in: .work) { session in
                guard let row = try session.holdConnection(id), row.deletedAt == nil, row.health != .revoked else {
                    return
                }
                _ = try session.dropCredential(of: id)
                try session.setConnection(id, .revoked, reason: reason, attention: nil, at: now)
                if let fresh = try session.connection(id) {
                    try news.revoked(fresh, reason: reason, in: session, at: now)
                }
            }
        }
        bells.written.ring()
    }
}
