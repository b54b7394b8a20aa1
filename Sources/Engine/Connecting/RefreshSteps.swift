import Kit
import Logging
import Store

/// The steps of one refresh: noted before it leaves, asked, and its outcome written. What dies between two of them
/// leaves a row from which another node goes on.
struct RefreshSteps: Sendable {
    /// So long new tokens are tried to be kept while the database is away; then they are lost.
    private static let keepingTries = 60

    let platforms: [String: any Connectable]
    let apps: ConnectionApps
    let desk: TokenDesk
    let database: any Database
    let vault: Vault
    let node: @Sendable () -> ID<NodeKind>
    let ids: Identifiers
    let time: TimeSource
    let bells: Bells
    let logger: Logger

    /// A refresh that this node has begun.
    struct Ticket: Sendable {
        let row: ConnectionRow
        let held: CredentialRow
        let fence: Int64
        let platform: any Connectable
        let client: ClientCredentials?
    }

    enum Start: Sendable {
        case begun(Ticket)
        case newer(Int64)
        case later(Timestamp)
        case held(fence: Int64, hasEnded: Bool)
        case ended
    }

    // MARK: Before it leaves

    /// - Parameter fence: of a refresh that counts as given up.
    func begin(
        _ id: ID<ConnectionKind>, from version: Int64, takingOver fence: Int64?, _ insistence: Refreshing.Insistence
    ) async throws -> Start {
        guard let known = try await database.read("connection", { try $0.connection(id) }),
            let platform = platforms[known.provider]
        else { return .ended }
        // Read before anything is noted: what is noted has left, as far as others know.
        let client = try await client(of: known)
        let (node, now, news, jobID) = (node(), time.now(), ConnectionNews(ids), ids.make(JobKind.self))
        let start = try await database.write("refresh_begin", in: .ingest) { session -> Start in
            guard let row = try session.holdConnection(id), row.health.isAlive,
                let held = try session.holdCredential(of: id), held.revokingAt == nil
            else { return .ended }
            guard held.version <= version else { return .newer(held.version) }
            if let other = held.attemptNode {
                guard fence == held.attemptFence else {
                    return .held(fence: held.attemptFence, hasEnded: try session.hasEnded(other))
                }
                let verdict = RefreshRules.unheard(held, row.health == .suspect, platform.oauth, at: now)
                let isSpared = verdict.refreshAt.map { $0 > verdict.pausedUntil } ?? false
                if isSpared, insistence == .usual {
                    try Self.note(
                        verdict, row, held, fence: held.attemptFence, platform, news, jobID, in: session, at: now)
                    return .later(verdict.refreshAt ?? verdict.pausedUntil)
                }
            } else if held.pausedUntil > now, insistence != .byHand {
                return .later(held.pausedUntil)
            }
            let fence = try session.beginRefresh(of: id, by: node, at: now)
            if row.health == .active {
                try session.setConnection(id, .refreshing, reason: row.reason, attention: row.attention, at: now)
            }
            return .begun(Ticket(row: row, held: held, fence: fence, platform: platform, client: client))
        }
        bells.written.ring()
        return start
    }

    /// Nil where the app cannot be used; what does not open counts so, too.
    private func client(of row: ConnectionRow) async throws -> ClientCredentials? {
        do { return try await apps.credentials(of: row.app, at: row.provider) } catch is VaultProblem { return nil }
    }

    // MARK: Asking

    func ask(_ ticket: Ticket) async throws -> Refreshing.Renewal {
        let opened: (access: Secret, refresh: Secret?)
        do { opened = try vault.open(ticket.held) } catch { return try await failed(ticket, .unreadable) }
        guard let refresh = opened.refresh else { return try await failed(ticket, .nothingToRefresh) }
        guard let client = ticket.client else { return try await failed(ticket, .noApp) }
        switch await desk.ask(.refresh(refresh), of: ticket.platform, as: client) {
        case .given(let tokens, let asked):
            return try await given(tokens.keeping(refresh, ticket.row), asked, ticket)
        case .problem(let problem): return try await failed(ticket, .token(problem))
        case .notSent: return try await failed(ticket, .notSent)
        case .unheard: return try await failed(ticket, .unheard)
        }
    }

    // MARK: After

    /// Keeps new tokens. While the database is away it is tried again: nobody else has them.
    private func given(_ tokens: Tokens, _ asked: Timestamp, _ ticket: Ticket) async throws -> Refreshing.Renewal {
        var tries = 0
        while true {
            do { return try await keep(tokens, asked, ticket) } catch let error as StoreError where error.passes {
                tries += 1
                guard tries < Self.keepingTries else { throw error }
                logger.error("tokens.not_kept", metadata: ["connection": "\(ticket.row.id)", "problem": "\(error)"])
                try await time.sleep(.seconds(1))
            }
        }
    }

    private func keep(_ tokens: Tokens, _ asked: Timestamp, _ ticket: Ticket) async throws -> Refreshing.Renewal {
        let (id, old) = (ticket.row.id, ticket.held.version)
        let new = try NewCredential(
            tokens, of: id, version: old + 1, oauth: ticket.platform.oauth, obtained: asked, vault: vault)
        let (now, news, jobID) = (time.now(), ConnectionNews(ids), ids.make(JobKind.self))
        let kept = try await database.write("refresh_keep", in: .ingest) { session -> Int64? in
            guard let row = try session.holdConnection(id) else { return nil }
            // A slower one may be ahead of us here: whoever comes first is right, for both used the same tokens.
            guard try session.keep(new, of: row, replacing: old, at: now) else { return nil }
            if let scopes = tokens.scopes { try session.setScopes(scopes, of: id) }
            try session.setConnection(id, .active, reason: nil, attention: nil, at: now)
            if let due = new.refreshAt {
                try session.enqueue([RefreshWorker.job(jobID, id, version: new.version, at: due, now: now)])
            }
            if row.attention != nil, let fresh = try session.connection(id) {
                try news.connected(fresh, isNew: false, in: session, at: now)
            }
            return new.version
        }
        bells.written.ring()
        guard let kept else {
            logger.warning("tokens.late", metadata: ["connection": "\(id)"])
            let held = try await database.read("credential") { try $0.credential(of: id) }
            return held.map { $0.version > old ? .renewed($0.version) : .held } ?? .ended
        }
        logger.info("tokens.refreshed", metadata: ["connection": "\(id)", "version": "\(kept)"])
        return .renewed(kept)
    }

    private func failed(_ ticket: Ticket, _ problem: RefreshRules.Problem) async throws -> Refreshing.Renewal {
        let (now, news, jobID) = (time.now(), ConnectionNews(ids), ids.make(JobKind.self))
        let verdict = RefreshRules.verdict(
            on: problem, ticket.held, isSuspect: ticket.row.health == .suspect, oauth: ticket.platform.oauth, at: now)
        let id = ticket.row.id
        try await database.write("refresh_failed", in: .ingest) { session in
            guard let row = try session.holdConnection(id), row.health.isAlive else { return }
            try Self.note(
                verdict, row, ticket.held, fence: ticket.fence, ticket.platform, news, jobID, in: session, at: now)
        }
        bells.written.ring()
        logger.warning(
            "tokens.refresh_failed",
            metadata: ["connection": "\(id)", "problem": "\(problem)", "state": "\(verdict.state.rawValue)"])
        return verdict.state == .needsReconnect ? .ended : .later(verdict.refreshAt ?? verdict.pausedUntil)
    }

    /// Writes a verdict; nothing where another refresh has begun since.
    private static func note(
        _ verdict: RefreshRules.Verdict, _ row: ConnectionRow, _ held: CredentialRow, fence: Int64,
        _ platform: any Connectable, _ news: ConnectionNews, _ jobID: ID<JobKind>, in session: Session,
        at now: Timestamp
    ) throws {
        var note = RefreshFailureNote(pausedUntil: verdict.pausedUntil, refreshAt: verdict.refreshAt)
        (note.isRefusal, note.isUnheard) = (verdict.isRefusal, verdict.isUnheard)
        guard try session.endRefresh(of: row.id, fence: fence, version: held.version, note) else { return }
        let attention = verdict.attention?.rawValue ?? row.attention
        try session.setConnection(
            row.id, verdict.state, reason: verdict.reason?.rawValue, attention: attention, at: now)
        if let due = verdict.refreshAt {
            try session.enqueue([
                RefreshWorker.job(jobID, row.id, version: held.version, try: fence, at: due, now: now)
            ])
        }
        guard let reason = verdict.attention, let fresh = try session.connection(row.id) else { return }
        let name = platform.about.name
        if verdict.state == .needsReconnect {
            try news.needsReconnect(fresh, reason, platform: name, in: session, at: now)
        } else if row.attention == nil {
            try news.needsAttention(fresh, reason, platform: name, in: session, at: now)
        }
    }
}

extension Tokens {
    /// What the answer leaves out stays as it was.
    fileprivate func keeping(_ old: Secret, _ row: ConnectionRow) -> Tokens {
        Tokens(
            access: access, refresh: refresh ?? old, expiresAt: expiresAt,
            refreshExpiresAt: refreshExpiresAt ?? row.refreshExpiresAt, scopes: scopes, account: account)
    }
}
