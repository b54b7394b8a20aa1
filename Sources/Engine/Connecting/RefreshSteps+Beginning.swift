import Kit
import Store

/// Which refresh of which tokens: what a node must have watched to take it over.
struct RefreshAttempt: Sendable, Equatable {
    let version: Int64
    let fence: Int64
}

extension RefreshSteps {
    /// A refresh that this node has begun.
    struct Ticket: Sendable {
        let row: ConnectionRow
        let held: CredentialRow
        let fence: Int64
        let platform: any Connectable
        let client: ClientCredentials?
        /// Nil where they do not open.
        let opened: (access: Secret, refresh: Secret?)?
        /// Within the pause after a failure, since a person insisted: what is refused then counts for nothing.
        let isEarly: Bool
        /// When it began, by this node's clock that nobody can set.
        let began: Duration
    }

    enum Start: Sendable {
        case begun(Ticket)
        case newer(Int64)
        case later(Timestamp)
        case held(RefreshAttempt, hasEnded: Bool)
        /// There is no refresh token, and nothing says that the access token is bad.
        case nothing
        case ended
    }

    /// What is asked for.
    struct Wish: Sendable {
        let version: Int64
        /// A refresh that counts as given up.
        let takingOver: RefreshAttempt?
        let insistence: Refreshing.Insistence
    }

    private struct Found: Sendable {
        let row: ConnectionRow
        let held: CredentialRow
        /// Whether the node that asks at present has gone.
        let hasEnded: Bool
    }

    private enum Decision {
        case answer(Start)
        /// What there is is used as long as it lasts.
        case spare(RefreshRules.Verdict)
        case begin
    }

    /// Looks, and writes only where a refresh is free or given up: who waits for another's costs no transaction.
    func begin(_ id: ID<ConnectionKind>, _ wish: Wish) async throws -> Start {
        let seen = try await database.read("refresh_look") { try Self.find(id, in: $0, held: false) }
        guard let seen, let platform = platforms[seen.row.provider] else { return .ended }
        if case .answer(let start) = decide(seen, wish, platform, at: time.now()) { return start }
        let opened = try? vault.open(seen.held)  // Nil: `ask` says so.
        if let opened, opened.refresh == nil, wish.insistence != .accessRefused, !seen.held.hasEnded(at: time.now()) {
            return .nothing
        }
        // Read before anything is noted: what is noted has left, as far as others know.
        let client = try await client(of: seen.row)
        let (node, now, news, jobID) = (node(), time.now(), ConnectionNews(ids), ids.make(JobKind.self))
        let began = time.uptime()
        let start = try await database.write("refresh_begin", in: .ingest) { session -> Start in
            guard let found = try Self.find(id, in: session, held: true) else { return .ended }
            // Those that were opened are not there any more.
            guard found.held.version == seen.held.version else { return .newer(found.held.version) }
            let (row, held) = (found.row, found.held)
            switch decide(found, wish, platform, at: now) {
            case .answer(let start): return start
            case .spare(let verdict):
                try Self.note(
                    verdict, row, held, fence: held.attemptFence, platform, news, jobID, in: session, at: now)
                return .later(verdict.refreshAt ?? verdict.pausedUntil)
            case .begin: break
            }
            let fence = try session.beginRefresh(of: id, by: node, at: now)
            if row.health == .active {
                try session.setConnection(id, .refreshing, reason: row.reason, attention: row.attention, at: now)
            }
            return .begun(
                Ticket(
                    row: row, held: held, fence: fence, platform: platform, client: client, opened: opened,
                    isEarly: held.pausedUntil > now, began: began))
        }
        bells.written.ring()
        return start
    }

    private static func find(_ id: ID<ConnectionKind>, in session: Session, held: Bool) throws -> Found? {
        guard let row = held ? try session.holdConnection(id) : try session.connection(id),
            let credential = held ? try session.holdCredential(of: id) : try session.credential(of: id)
        else { return nil }
        let hasEnded = try credential.attemptNode.map { try session.hasEnded($0) } ?? false
        return Found(row: row, held: credential, hasEnded: hasEnded)
    }

    private func decide(
        _ found: Found, _ wish: Wish, _ platform: any Connectable, at now: Timestamp
    ) -> Decision {
        let (row, held) = (found.row, found.held)
        guard row.health.isAlive, held.revokingAt == nil else { return .answer(.ended) }
        guard held.version <= wish.version else { return .answer(.newer(held.version)) }
        guard held.attemptNode != nil else {
            // A person may know that a pause of ours is over; what the platform asked for, nobody shortens.
            let pause = wish.insistence == .byHand ? held.retryAt ?? .zero : held.pausedUntil
            return pause > now ? .answer(.later(pause)) : .begin
        }
        let attempt = RefreshAttempt(version: held.version, fence: held.attemptFence)
        guard attempt == wish.takingOver else { return .answer(.held(attempt, hasEnded: found.hasEnded)) }
        let verdict = RefreshRules.unheard(held, row.health == .suspect, platform.oauth, at: now)
        let isSpared = verdict.refreshAt.map { $0 > verdict.pausedUntil } ?? false
        return isSpared && wish.insistence == .usual ? .spare(verdict) : .begin
    }

    /// Nil where the app cannot be used; what does not open counts so, too.
    private func client(of row: ConnectionRow) async throws -> ClientCredentials? {
        do { return try await apps.credentials(of: row.app, at: row.provider) } catch is VaultProblem { return nil }
    }
}
