import Kit
import Store

/// Signing in and out.
struct Sessions: Sendable {
    let database: any Database
    let ids: Identifiers
    let desk = PasswordDesk()
    let cost: Passwords.Cost

    /// How long a browser stays signed in.
    static let life = Duration.days(14)
    /// The last use is written down this often at most.
    private static let touchedEvery = Duration.minutes(5)

    /// Who a cookie's token belongs to; nil for none.
    func visitor(_ token: Secret, at now: Timestamp) async throws -> Visitor? {
        let hash = SessionToken.hash(token)
        guard let (session, row) = try await database.read("session", { try $0.operatorSession(hash: hash, at: now) })
        else { return nil }
        if now - session.lastUsedAt > Self.touchedEvery {
            try await database.write("touch_session", in: .maintenance) { try $0.touch(session.id, at: now) }
        }
        return Visitor(session, row, token: token)
    }

    enum SignIn: Sendable {
        case done(Secret)
        case wrong(left: Int)
        case paused(until: Timestamp)
    }

    /// Name and password: a new session, or how many tries are left. It takes as long for a name that nobody has.
    func signIn(_ name: String, _ password: Secret, by request: PageRequest) async throws -> SignIn {
        let (now, guarding) = (request.now, SignInGuard(name: name, address: request.address))
        let verdict = try await database.write("sign_in_guard") { try guarding.take($0, at: now) }
        guard case .allowed(let left, let pausedUntil) = verdict else {
            if case .paused(let until) = verdict { return .paused(until: until) }
            return .wrong(left: 0)
        }
        let row = try await database.read("operator") { try $0.operatorRow(named: name) }
        let kept = row?.password
        let (cost, salt) = (cost, ids.bytes(16))
        let fits = try await desk.work {
            if let kept { return Passwords.fits(password, kept) }
            _ = try Passwords.kept(password, salt: salt, cost: cost)
            return false
        }
        guard fits, let row else {
            let audit = NewAudit(
                id: ids.make(), at: now, actor: row?.id.text ?? "anybody", action: "operator.sign_in_failed",
                subject: row?.id.text)
            try await database.write("audit", in: .maintenance) { try $0.audit(audit) }
            return pausedUntil > now ? .paused(until: pausedUntil) : .wrong(left: left)
        }
        return .done(try await open(row.id, "operator.signed_in", by: request) { try guarding.forget($0) })
    }

    /// Opens a session, with what else belongs to the same act.
    func open(
        _ id: ID<OperatorKind>, _ action: String, by request: PageRequest,
        with more: @escaping @Sendable (Session) throws -> Void = { _ in }
    ) async throws -> Secret {
        let (token, now) = (SessionToken.make(ids), request.now)
        let session = OperatorSession(
            id: ids.make(), operatorID: id, createdAt: now, expiresAt: now + Self.life, lastUsedAt: now,
            address: request.address, browser: request.browser)
        let audit = NewAudit(id: ids.make(), at: now, actor: id.text, action: action, subject: session.id.text)
        try await database.write("open_session") { store in
            try more(store)
            try store.open(session, hash: SessionToken.hash(token))
            try store.noteSignIn(of: id, at: now)
            try store.audit(audit)
        }
        return token
    }

    /// Ends one session of whoever asks.
    func end(_ id: ID<OperatorSessionKind>, by request: PageRequest) async throws -> Bool {
        guard let visitor = request.visitor else { return false }
        let audit = audit("operator.session_ended", id.text, by: request)
        return try await database.write("end_session") { store in
            guard try store.end(id, of: visitor.operator.id) else { return false }
            try store.audit(audit)
            return true
        }
    }

    func endOthers(by request: PageRequest) async throws {
        guard let visitor = request.visitor else { return }
        let audit = audit("operator.sessions_ended", visitor.operator.id.text, by: request)
        try await database.write("end_sessions") { store in
            try store.endSessions(of: visitor.operator.id, but: visitor.session.id)
            try store.audit(audit)
        }
    }

    private func audit(_ action: String, _ subject: String, by request: PageRequest) -> NewAudit {
        NewAudit(id: ids.make(), at: request.now, actor: request.operatorID, action: action, subject: subject)
    }
}
