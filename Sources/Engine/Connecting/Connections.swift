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
        /// To be named when the platform refuses it (`refusing:`).
        public let version: Int64
        public let access: Secret
    }

    /// Tokens that end within this time are refreshed before they are used; but none so soon after it came.
    private static let (nearEnd, freshFor) = (Duration.seconds(60), OAuth2.pause)

    /// The codes of failures that say that somebody holds a connection back: what is to be done with it waits.
    static let heldCodes: Set<String> = [pausedCode, pendingCode]
    private static let (pausedCode, pendingCode) = ("connection_paused", "connection_pending")
    /// Until one that is held back is looked at again.
    static let heldPause = Duration.minutes(1)

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
        let began = time.uptime()
        while try isRefused() || isNearEnd(held) {
            let renewal = try await refreshing.renew(
                id, from: held.version, isRefused() ? .accessRefused : .usual, patience: Refreshing.patience)
            (row, held) = try await load(id)
            switch renewal {
            // The new ones may themselves not last long: they are what there is.
            case .renewed where isRefused() && time.uptime() - began < Refreshing.patience: continue
            case .held where time.uptime() - began < Refreshing.patience: try await time.sleep(.milliseconds(200))
            case .renewed, .held, .later, .nothing, .ended: return try go(on: row, held, isRefused: isRefused())
            }
        }
        return try go(on: row, held, isRefused: false)
    }

    /// Whether new ones should be there first; not before the end where there is nothing to get them with.
    private func isNearEnd(_ held: CredentialRow) throws -> Bool {
        let now = time.now()
        guard let end = held.expiresAt, end <= now + Self.nearEnd, !isFresh(held) else { return false }
        if end <= now { return true }
        do { return try vault.open(held).refresh != nil } catch { return true }  // The refresh says that it is so.
    }

    /// Whether these have just come: a platform whose tokens last for seconds is not asked before every call.
    private func isFresh(_ held: CredentialRow) -> Bool { held.obtainedAt > time.now() - Self.freshFor }

    /// Not refused and not over yet: it goes on with what it has.
    private func go(on row: ConnectionRow, _ held: CredentialRow, isRefused: Bool) throws -> Credential {
        guard !isRefused, !held.hasEnded(at: time.now()) || isFresh(held) else {
            let name = name(row.provider)
            let isSuspect = row.reason == ConnectionReason.refused.rawValue
            throw Failure(
                .unavailable(retryAfter: nil),
                isSuspect
                    ? "\(name) did not accept this connection. Once more, and its account must be connected again."
                    : "\(name) has given no new tokens yet. It is asked again.", code: row.reason)
        }
        return try open(held)
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
        case .pending:
            throw Failure(
                .forbidden, "The connection waits for the application to confirm it.", code: Self.pendingCode)
        case .paused:
            throw Failure(.forbidden, "The connection is paused. Resume it first.", code: Self.pausedCode)
        case .needsReconnect, .revoked:
            throw Failure(
                .unauthorized,
                "\(name(row.provider)) no longer accepts this connection. Connect the account again.", code: row.reason,
                who: .yourUser)
        }
        guard let held, held.revokingAt == nil else { throw Failure(.unauthorized, "The connection has no tokens.") }
        return (row, held)
    }

    private func open(_ held: CredentialRow) throws -> Credential {
        Credential(version: held.version, access: try vault.open(held).access)
    }

    private func name(_ provider: String) -> String { platforms[provider]?.about.name ?? provider }

    // MARK: Acts

    /// Takes a connection back: erased here at once, revoked at the platform by a job, unless somebody else is
    /// connected to the same account. False when there is none.
    public func disconnect(_ id: ID<ConnectionKind>, reason: String, by actor: String) async throws -> Bool {
        try await disconnect(id, reason: reason, by: actor) { _ in true }
    }

    /// The same only where a condition holds, looked at with the row held.
    func disconnect(
        _ id: ID<ConnectionKind>, reason: String, by actor: String,
        where condition: @escaping @Sendable (ConnectionRow) -> Bool
    ) async throws -> Bool {
        let (now, jobID, audit, news) = (
            time.now(), ids.make(JobKind.self), ids.make(AuditKind.self), ConnectionNews(ids)
        )
        let done = try await database.write("disconnect", in: .work) { session in
            guard let row = try session.holdConnection(id), condition(row) else { return false }
            return try Self.disconnect(id, reason: reason, by: actor, jobID, audit, news, in: session, at: now)
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
}
