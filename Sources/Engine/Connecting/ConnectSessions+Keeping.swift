public import Kit
import Logging
public import Store

extension ConnectSessions {
    /// What a platform granted, and for which account.
    struct Granted: Sendable {
        let tokens: Tokens
        let asked: Timestamp
        let account: String
        let name: String?
        let scopedID: String?
    }

    private static let roundsMax = 5

    /// Makes the connection, or gives the one that is there its new tokens: one transaction with all that tells of it.
    func keep(
        _ granted: Granted, _ session: ConnectSessionRow, _ platform: any Connectable
    ) async throws -> Arrival {
        for _ in 0..<Self.roundsMax {
            let standing = try await standing(granted, session)
            do {
                switch try await keep(granted, session, platform, over: standing) {
                case .kept(let arrival): return arrival
                case .otherAccount:
                    await takeBack(granted.tokens, of: granted.account, session, platform)
                    return try await fail(session, .wrongAccount)
                case .noSession:
                    await takeBack(granted.tokens, of: granted.account, session, platform)
                    return .ended(.unknownLink, nil)
                case .changed: continue
                }
            } catch StoreError.constraint {
                continue  // Made meanwhile, by another tab: then it is there now.
            } catch is ErasureRunning {
                await takeBack(granted.tokens, of: granted.account, session, platform)
                return try await fail(session, .erasing)
            }
        }
        throw StoreError.conflict
    }

    /// What was granted and is not kept belongs to nobody: it does not stay at the platform, unless by that a
    /// connection would end which stands.
    ///
    /// - Parameter account: nil where the platform did not say whose it is: any connection of the user's may be it.
    func takeBack(
        _ tokens: Tokens, of account: String?, _ session: ConnectSessionRow, _ platform: any Connectable
    ) async {
        do {
            let isLinked = try await database.read("granted_links") { store in
                if let account {
                    try !store.connections(to: account, at: session.provider, through: session.app).isEmpty
                } else {
                    try store.hasConnection(session.userID, at: session.provider, through: session.app)
                }
            }
            guard !isLinked, let client = try await apps.credentials(of: session.app, at: session.provider),
                await desk.revoke(tokens, at: platform, as: client)
            else { return }
            logger.notice("connect.taken_back", metadata: ["provider": "\(session.provider)"])
        } catch {
            logger.warning(
                "connect.not_taken_back", metadata: ["provider": "\(session.provider)", "problem": "\(error)"])
        }
    }

    /// What there is of this account and user.
    struct Standing: Sendable {
        let row: ConnectionRow?

        /// Whether nothing has happened since that new tokens would pass over.
        func isSame(as other: Standing) -> Bool {
            row?.id == other.row?.id && row?.tokenVersion == other.row?.tokenVersion
                && row?.lastTokenVersion == other.row?.lastTokenVersion
        }
    }

    private func standing(_ granted: Granted, _ session: ConnectSessionRow) async throws -> Standing {
        try await database.read("standing") { try Self.standing(granted, session, in: $0) }
    }

    private static func standing(
        _ granted: Granted, _ session: ConnectSessionRow, in store: Session
    ) throws -> Standing {
        Standing(
            row: try store.connection(
                of: session.userID, to: granted.account, at: session.provider, through: session.app))
    }

    /// What came of one try to keep tokens.
    private enum Kept: Sendable {
        case kept(Arrival)
        /// Something has changed since it was looked at.
        case changed
        /// Another account than the one that the session is for, or has connected.
        case otherAccount
        case noSession
    }

    private func keep(
        _ granted: Granted, _ session: ConnectSessionRow, _ platform: any Connectable, over standing: Standing
    ) async throws -> Kept {
        let id = standing.row?.id ?? ids.make(ConnectionKind.self)
        // Whose account it is was proven before, where the connection stood already.
        let isPending = session.confirms && (standing.row.map { $0.health == .pending } ?? true)
        var new = NewConnection(
            id: id, userID: session.userID, provider: session.provider, app: session.app, openID: granted.account,
            name: granted.name.map { Personal($0) }, scopes: granted.tokens.scopes ?? session.scopes,
            wanted: session.scopes, isPending: isPending)
        new.scopedID = granted.scopedID
        let credential = try NewCredential(
            granted.tokens, of: id, version: (standing.row?.lastTokenVersion ?? 0) + 1, oauth: platform.oauth,
            obtained: granted.asked, vault: vault)
        let confirmation = session.confirms ? token() : nil
        let (now, news, jobID, audit) = (
            time.now(), ConnectionNews(ids), ids.make(JobKind.self), ids.make(AuditKind.self)
        )
        let (syncJob, orderJob) = (ids.make(JobKind.self), ids.make(JobKind.self))
        let kept = try await database.write("connect", in: .ingest) { [new] store -> Kept in
            guard let held = try store.holdConnectSession(session.id) else { return .noSession }
            if let known = standing.row { _ = try store.holdConnection(known.id) }
            let there = try Self.standing(granted, session, in: store)
            guard there.isSame(as: standing) else { return .changed }
            if let wanted = held.wantedConnection ?? held.connection, there.row?.id != wanted { return .otherAccount }
            let isNew = there.row.map { $0.health == .pending } ?? true
            let row = try store.connect(new, at: now)
            guard try store.keep(credential, of: row, replacing: standing.row?.tokenVersion, at: now) else {
                throw StoreError.damaged("tokens whose connection is held")
            }
            let state = row.health == .pending ? "pending" : "connected"
            try store.setConnectSession(held.id, state: state, code: nil, connection: id, at: now)
            try store.setConfirmation(
                of: held.id, hash: confirmation?.hash, until: confirmation.map { _ in now + Self.confirmLife })
            guard let row = try store.connection(id), let ended = try store.connectSession(held.id) else {
                throw StoreError.damaged("a connection that was just made")
            }
            if row.health != .pending {
                try news.connected(row, isNew: isNew, in: store, at: now)
                try store.enqueue([SyncBeginning.job(syncJob, id, at: now)])
                try order(row, orderJob, in: store, at: now)
                if let due = credential.refreshAt {
                    try store.enqueue([RefreshWorker.job(jobID, id, version: credential.version, at: due, now: now)])
                }
            }
            try store.audit(
                NewAudit(
                    id: audit, at: now, actor: session.madeBy, action: "connection.connected", subject: id.text,
                    detail: ["session": JSON(session.id), "state": .string(row.state.rawValue)]))
            return .kept(.connected(ended, row, code: confirmation?.secret))
        }
        bells.written.ring()
        bells.jobs.ring()
        if case .kept = kept {
            logger.notice("connection.connected", metadata: ["connection": "\(id)", "provider": "\(session.provider)"])
        }
        return kept
    }

    /// Orders the account's webhooks, where that is done for each.
    private func order(_ row: ConnectionRow, _ job: ID<JobKind>, in store: Session, at now: Timestamp) throws {
        guard platforms[row.provider] is any AccountSubscriptionSource else { return }
        try store.enqueue([AccountSubscriptionWorker.job(job, row.id, at: now)])
    }

    // MARK: Confirming

    /// Why a confirmation is refused.
    public enum Refusal: Error, Sendable {
        case unknown, over, wrongCode, wrongUser, notPending(String)
        /// The connection has ended since: its state.
        case ended(String)
    }

    /// The application says that the user who consented is the one it sees signed in.
    ///
    /// - Throws: `Refusal`. A wrong user ends the session: the connection is taken back.
    public func confirm(
        _ id: ID<ConnectSessionKind>, code: Secret, user: String, by actor: String
    ) async throws -> ConnectSessionRow {
        let hash = Token.hash(code)
        let (now, news, jobID, audit) = (
            time.now(), ConnectionNews(ids), ids.make(JobKind.self), ids.make(AuditKind.self)
        )
        let (syncJob, orderJob) = (ids.make(JobKind.self), ids.make(JobKind.self))
        let outcome = try await database.write("confirm", in: .work) { store -> Result<ConnectSessionRow, Refusal> in
            guard let held = try store.holdConnectSession(id) else { return .failure(.unknown) }
            guard let wanted = held.confirmHash, constantTimeEqual(wanted, hash) else {
                return .failure(held.confirms && held.state == "pending" ? .wrongCode : .notPending(held.state))
            }
            guard let connection = held.connection, let row = try store.holdConnection(connection) else {
                return .failure(.unknown)
            }
            // Once more with the same code, or for a connection that needed none: it is done.
            if held.state == "connected", held.userID.hasSameBytes(as: user) { return .success(held) }
            guard held.state == "pending" else { return .failure(.notPending(held.state)) }
            guard held.confirmUntil.map({ $0 > now }) ?? false else { return .failure(.over) }
            guard held.userID.hasSameBytes(as: user) else {
                try store.setConfirmation(of: id, hash: nil, until: nil)
                try store.setConnectSession(
                    id, state: "failed", code: ConnectProblem.wrongUser.code, connection: nil, at: now)
                if row.health == .pending {
                    _ = try Connections.disconnect(
                        connection, reason: "wrong_user", by: actor, jobID, audit, news, in: store, at: now)
                }
                return .failure(.wrongUser)
            }
            // By another session it may be active already; what has ended since does not come back by a word of ours.
            guard row.health == .pending || row.health.isAlive else {
                return .failure(.ended(row.health.rawValue))
            }
            try store.setConnectSession(id, state: "connected", code: nil, connection: connection, at: now)
            guard row.health == .pending else {
                return try store.connectSession(id).map { .success($0) } ?? .failure(.unknown)
            }
            try store.setConnection(connection, .active, reason: nil, attention: nil, at: now)
            guard let fresh = try store.connection(connection), let done = try store.connectSession(id) else {
                return .failure(.unknown)
            }
            try news.connected(fresh, isNew: true, in: store, at: now)
            try store.enqueue([SyncBeginning.job(syncJob, connection, at: now)])
            try order(fresh, orderJob, in: store, at: now)
            if let due = fresh.refreshAt, let version = fresh.tokenVersion {
                try store.enqueue([RefreshWorker.job(jobID, connection, version: version, at: due, now: now)])
            }
            try store.audit(
                NewAudit(
                    id: audit, at: now, actor: actor, action: "connection.confirmed", subject: connection.text))
            return .success(done)
        }
        bells.written.ring()
        bells.jobs.ring()
        return try outcome.get()
    }
}
