import Kit
import Logging
import Store

/// The steps of one refresh: noted before it leaves, asked, and its outcome written. What dies between two of them
/// leaves a row from which another node goes on.
struct RefreshSteps: Sendable {
    /// Between two tries to keep new tokens while the database is away.
    private static let keepingPause = Duration.seconds(1)

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

    // MARK: Asking

    func ask(_ ticket: Ticket) async throws -> Refreshing.Renewal {
        guard let opened = ticket.opened else { return try await failed(ticket, .unreadable) }
        guard let refresh = opened.refresh else {
            return try await failed(ticket, ticket.held.hasEnded(at: time.now()) ? .over : .nothingToRefresh)
        }
        guard let client = ticket.client else { return try await failed(ticket, .noApp) }
        switch await desk.ask(.refresh(refresh), of: ticket.platform, as: client, for: ticket.row.id) {
        case .given(let tokens, let asked):
            return try await given(tokens.keeping(refresh, ticket.row), asked, ticket)
        case .problem(let problem): return try await failed(ticket, .token(problem))
        case .notSent: return try await failed(ticket, .notSent)
        case .unheard: return try await failed(ticket, .unheard)
        }
    }

    // MARK: After

    /// Keeps new tokens. While the database is away it is tried again, for nobody else has them, until the lease is
    /// over: from then on another node may ask with the old ones.
    private func given(_ tokens: Tokens, _ asked: Timestamp, _ ticket: Ticket) async throws -> Refreshing.Renewal {
        while true {
            do { return try await keep(tokens, asked, ticket) } catch let error as StoreError where error.passes {
                logger.error("tokens.not_kept", metadata: ["connection": "\(ticket.row.id)", "problem": "\(error)"])
                guard time.uptime() - ticket.began + Self.keepingPause < RefreshWatch.lease else { throw error }
                try await time.sleep(Self.keepingPause)
            }
        }
    }

    /// What became of tokens that came.
    private enum Kept {
        case kept
        /// A slower one was ahead of us: whoever comes first is right, for both used the same tokens.
        case late(Int64)
        /// Disconnected meanwhile.
        case gone(mayRevoke: Bool)
    }

    private func keep(_ tokens: Tokens, _ asked: Timestamp, _ ticket: Ticket) async throws -> Refreshing.Renewal {
        let id = ticket.row.id
        let new = try NewCredential(
            tokens, of: id, version: ticket.held.version + 1, oauth: ticket.platform.oauth, obtained: asked,
            vault: vault)
        let (now, news, jobID) = (time.now(), ConnectionNews(ids), ids.make(JobKind.self))
        let kept = try await database.write("refresh_keep", in: .ingest) { session -> Kept in
            guard let row = try session.holdConnection(id),
                try session.keep(new, of: row, replacing: ticket.held.version, at: now)
            else {
                if let held = try session.credential(of: id), held.revokingAt == nil { return .late(held.version) }
                return .gone(mayRevoke: try !session.isConnectedAnew(ticket.held))
            }
            if let scopes = tokens.scopes { try session.setScopes(scopes, of: id) }
            let stillEnds = ConnectionSweep.isToldOfEnd(row, new.endsAt, at: now)
            try session.setConnection(id, .active, reason: nil, attention: stillEnds ? row.attention : nil, at: now)
            if let due = new.refreshAt {
                try session.enqueue([RefreshWorker.job(jobID, id, version: new.version, at: due, now: now)])
            }
            if row.attention != nil, !stillEnds, let fresh = try session.connection(id) {
                try news.connected(fresh, isNew: false, in: session, at: now)
            }
            return .kept
        }
        bells.written.ring()
        switch kept {
        case .kept:
            logger.info("tokens.refreshed", metadata: ["connection": "\(id)", "version": "\(new.version)"])
            return .renewed(new.version)
        case .late(let version):
            logger.warning("tokens.late", metadata: ["connection": "\(id)"])
            return version > ticket.held.version ? .renewed(version) : .held
        case .gone(let mayRevoke):
            if mayRevoke { await takeBack(tokens, ticket) }
            return .ended
        }
    }

    /// Tokens of a connection that is gone: the job that takes its grant back knows only those before them.
    private func takeBack(_ tokens: Tokens, _ ticket: Ticket) async {
        guard let client = ticket.client, await desk.revoke(tokens, at: ticket.platform, as: client, for: ticket.row.id)
        else {
            return logger.warning(
                "connection.not_revoked",
                metadata: ["connection": "\(ticket.row.id)", "provider": "\(ticket.row.provider)"])
        }
        logger.notice("tokens.taken_back", metadata: ["connection": "\(ticket.row.id)"])
    }

    private func failed(_ ticket: Ticket, _ problem: RefreshRules.Problem) async throws -> Refreshing.Renewal {
        let (now, news, jobID) = (time.now(), ConnectionNews(ids), ids.make(JobKind.self))
        let verdict = RefreshRules.verdict(
            on: problem, ticket.held, isSuspect: ticket.row.health == .suspect, isEarly: ticket.isEarly,
            oauth: ticket.platform.oauth, at: now)
        let id = ticket.row.id
        try await database.write("refresh_failed", in: .ingest) { session in
            guard let row = try session.holdConnection(id), row.health.isAlive else { return }
            try Self.note(
                verdict, row, ticket.held, fence: ticket.fence, ticket.platform, news, jobID, in: session, at: now)
        }
        bells.written.ring()
        logger.warning(
            "tokens.refresh_failed",
            metadata: [
                "connection": "\(id)", "problem": "\(problem.word(at: ticket.platform.oauth))",
                "state": "\(verdict.state.rawValue)",
            ])
        return verdict.state == .needsReconnect ? .ended : .later(verdict.refreshAt ?? verdict.pausedUntil)
    }

    /// Writes a verdict; nothing where another refresh has begun since.
    static func note(
        _ verdict: RefreshRules.Verdict, _ row: ConnectionRow, _ held: CredentialRow, fence: Int64,
        _ platform: any Connectable, _ news: ConnectionNews, _ jobID: ID<JobKind>, in session: Session,
        at now: Timestamp
    ) throws {
        var note = RefreshFailureNote(
            pausedUntil: verdict.pausedUntil, refreshAt: verdict.refreshAt, retryAt: verdict.retryAt)
        note.isRefusal = verdict.isRefusal
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
        } else if row.attention != reason.rawValue {
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
