import Crypto
public import Kit
public import Logging
public import Store

/// The way of a person from a link of ours to the platform's page and back: begun, bound to one browser, ended once.
///
/// All of it is in the database, so that every node can take the next step.
public struct ConnectSessions: Sendable {
    /// A link is good for so long.
    public static let life = Duration.minutes(10)
    /// So long the application may confirm who consented.
    public static let confirmLife = Duration.minutes(10)

    let platforms: [String: any Connectable]
    let apps: ConnectionApps
    let desk: TokenDesk
    let database: any Database
    let vault: Vault
    let ids: Identifiers
    let time: TimeSource
    let bells: Bells
    let logger: Logger
    /// `https://patchbay.example.com`: redirects are below it, exactly as registered at the platform.
    let base: String

    public init(
        platforms: [String: any Connectable], apps: ConnectionApps, desk: TokenDesk, database: any Database,
        vault: Vault, ids: Identifiers, time: TimeSource, bells: Bells, logger: Logger, base: String
    ) {
        self.platforms = platforms
        self.apps = apps
        self.desk = desk
        self.database = database
        self.vault = vault
        self.ids = ids
        self.time = time
        self.bells = bells
        self.logger = logger
        self.base = base
    }

    /// The one address of ours to which a platform sends people back.
    public static func redirect(_ provider: String, base: String) -> String { "\(base)/callback/\(provider)" }

    /// The app that is taken where nobody says which; nil where the platform has none.
    public func usualApp(of provider: String) async throws -> ID<AppKind>? { try await apps.usual(of: provider) }

    /// Whether an app has what it takes to connect accounts.
    public func isUsable(_ app: ID<AppKind>, at provider: String) async throws -> Bool {
        try await apps.credentials(of: app, at: provider) != nil
    }

    /// 256 random bits as text, and what is kept of them.
    public struct Token: Sendable {
        public let secret: Secret
        public let hash: [UInt8]

        init(_ ids: Identifiers) {
            secret = Secret(Base64URL.encode(ids.bytes(32)))
            hash = Self.hash(secret)
        }

        public static func hash(_ secret: Secret) -> [UInt8] { secret.reveal { Array(SHA256.hash(data: $0)) } }
    }

    /// A new random text: for a link, a browser's cookie, a code.
    public func token() -> Token { Token(ids) }

    private static func place(_ attempt: [UInt8]) -> Vault.Place {
        Vault.Place(
            table: "connect_attempts", row: String(decoding: Hex.encode(attempt), as: UTF8.self), purpose: "verifier")
    }

    // MARK: To the platform

    /// Where a browser goes from our link.
    public enum Departure: Sendable {
        /// The platform's page.
        case platform(String)
        case ended(ConnectProblem, ConnectSessionRow?)
    }

    /// The session of a link, whoever opens it; nil where there is none.
    public func session(link: Secret) async throws -> ConnectSessionRow? {
        let hash = Token.hash(link)
        return try await database.read("connect_link") { try $0.connectSession(link: hash) }
    }

    /// Begins a way to the platform's page, bound to a browser.
    ///
    /// - Parameter browser: the secret in the browser's cookie.
    public func depart(_ link: Secret, browser: Secret) async throws -> Departure {
        guard let session = try await session(link: link) else { return .ended(.unknownLink, nil) }
        return try await depart(session, browser: browser, again: false)
    }

    /// The same once more, for the browser that is on its way in this session: to try again, or to allow what is
    /// missing of the account that it has connected.
    public func departAgain(_ id: ID<ConnectSessionKind>, browser: Secret) async throws -> Departure {
        let session = try await database.read("connect_again") { try $0.connectSession(id) }
        guard let session, session.isBound(to: browser) else { return .ended(.unknownLink, nil) }
        return try await depart(session, browser: browser, again: true)
    }

    /// Why nobody goes to the platform from this session now; nil where the browser may.
    private func obstacle(_ session: ConnectSessionRow, _ browser: Secret, again: Bool) -> Departure? {
        // Somebody else's link says nothing of how it stands.
        guard session.browserHash == nil || session.isBound(to: browser) else { return .ended(.otherBrowser, nil) }
        guard session.expiresAt > time.now() else { return .ended(.expired, session) }
        guard session.code != ConnectProblem.wrongUser.code else { return .ended(.wrongUser, session) }
        return session.hasConnected && !again ? .ended(.linkUsed, session) : nil
    }

    private func depart(_ session: ConnectSessionRow, browser: Secret, again: Bool) async throws -> Departure {
        if let obstacle = obstacle(session, browser, again: again) { return obstacle }
        guard let platform = platforms[session.provider],
            let client = try await apps.credentials(of: session.app, at: session.provider)
        else { return .ended(.notConfigured, session) }
        let (state, redirect) = (Token(ids), Self.redirect(session.provider, base: base))
        let verifier =
            platform.oauth.pkce(for: redirect) == .none ? nil : PKCE.verifier(from: ids.bytes(32))
        let sealed = try verifier.map { try vault.seal($0, in: Self.place(state.hash)) }
        let attempt = ConnectAttempt(
            stateHash: state.hash, session: session.id, browserHash: Token.hash(browser), redirect: redirect,
            verifier: sealed?.bytes, keyID: sealed?.keyID, createdAt: time.now())
        let refused = try await database.write("connect_attempt") { store -> Departure? in
            guard let held = try store.holdConnectSession(session.id) else { return .ended(.unknownLink, nil) }
            // Of two browsers at once one was first.
            if let obstacle = obstacle(held, browser, again: again) { return obstacle }
            try store.bind(held.id, to: attempt.browserHash)
            return try store.add(attempt) ? nil : .ended(.tooMany, held)
        }
        if let refused { return refused }
        return .platform(
            platform.oauth.authorizeURL(
                client: client, scopes: session.scopes, redirect: redirect,
                state: state.secret.reveal { String(decoding: $0, as: UTF8.self) }, verifier: verifier))
    }

    // MARK: Back

    /// What the platform sent with the browser.
    public struct Callback: Sendable {
        public var provider: String
        public var state: Secret?
        public var code: Secret?
        /// The platform's own word.
        public var error: String?
        public var issuer: String?

        public init(provider: String) { self.provider = provider }
    }

    /// How a way ended.
    public enum Arrival: Sendable {
        /// - Parameters:
        ///   - code: for the application to confirm; nil where it need not or has one already.
        case connected(ConnectSessionRow, ConnectionRow, code: Secret?)
        case ended(ConnectProblem, ConnectSessionRow?)
    }

    /// Takes a browser back from the platform. Read downwards: what is not proven yet decides nothing.
    public func arrive(_ callback: Callback, browser: Secret?) async throws -> Arrival {
        guard let state = callback.state else { return .ended(.unknownState, nil) }
        let hash = Token.hash(state)
        let found = try await database.read("connect_state") { session in
            try session.connectAttempt(hash).map { ($0, try session.connectSession($0.session)) }
        }
        guard let (attempt, known) = found, let session = known else { return .ended(.unknownState, nil) }
        guard let browser, constantTimeEqual(Token.hash(browser), attempt.browserHash) else {
            return .ended(.otherBrowser, nil)
        }
        // From here on it is the browser that began.
        guard session.provider == callback.provider, let platform = platforms[session.provider] else {
            return .ended(.mixedUp, nil)
        }
        guard platform.oauth.accepts(issuer: callback.issuer) else { return .ended(.mixedUp, nil) }
        if let done = try await alreadyConnected(session, attempt) { return done }
        guard attempt.usedAt == nil, try await use(attempt) else { return .ended(.used, session) }
        guard session.expiresAt > time.now() else { return .ended(.expired, session) }
        guard session.code != ConnectProblem.wrongUser.code else { return .ended(.wrongUser, session) }
        if let error = callback.error { return try await fail(session, .said(error)) }
        guard let code = callback.code, !code.isEmpty else { return try await fail(session, .noCode) }
        return try await exchange(code, session, attempt, platform)
    }

    /// In another tab of the same browser: what was begun before it was connected brings nothing new.
    private func alreadyConnected(_ session: ConnectSessionRow, _ attempt: ConnectAttempt) async throws -> Arrival? {
        guard session.hasConnected, let id = session.connection, let ended = session.endedAt,
            attempt.createdAt <= ended, attempt.usedAt == nil
        else { return nil }
        _ = try await use(attempt)
        guard let row = try await database.read("connection", { try $0.connection(id) }) else { return nil }
        return .connected(session, row, code: nil)
    }

    private func use(_ attempt: ConnectAttempt) async throws -> Bool {
        let now = time.now()
        return try await database.write("use_state", in: .ingest) { try $0.use(attempt.stateHash, at: now) }
    }

    /// The code goes to the platform once: where no answer comes, the person begins anew.
    private func exchange(
        _ code: Secret, _ session: ConnectSessionRow, _ attempt: ConnectAttempt, _ platform: any Connectable
    ) async throws -> Arrival {
        guard let client = try await apps.credentials(of: session.app, at: session.provider) else {
            return try await fail(session, .notConfigured)
        }
        let verifier = try attempt.verifier.map {
            try vault.open(Sealed(bytes: $0, keyID: attempt.keyID ?? ""), in: Self.place(attempt.stateHash))
        }
        let outcome = await desk.ask(
            .code(code, redirect: attempt.redirect, verifier: verifier), of: platform, as: client)
        guard case .given(let tokens, let asked) = outcome else {
            logger.warning(
                "connect.no_tokens",
                metadata: [
                    "provider": "\(session.provider)", "outcome": "\(outcome.word(at: platform.oauth))",
                ])
            return try await fail(session, ConnectProblem(outcome))
        }
        let profile = await desk.account(of: tokens, at: platform, as: client)
        guard let account = tokens.account ?? profile?.id, OutsideID.passes(account) else {
            await takeBack(tokens, of: nil, session, platform)
            return try await fail(session, .noAccount)
        }
        // The token says whose it is; a profile of somebody else only names nobody.
        let own = profile.flatMap { $0.id == account ? $0 : nil }
        let granted = Granted(
            tokens: tokens, asked: asked, account: account, name: own?.name, scopedID: own?.scopedID)
        return try await keep(granted, session, platform)
    }

    func fail(_ session: ConnectSessionRow, _ problem: ConnectProblem) async throws -> Arrival {
        let now = time.now()
        try await database.write("connect_failed", in: .work) { store in
            guard let held = try store.holdConnectSession(session.id), held.state == "open" || held.state == "failed"
            else { return }
            try store.setConnectSession(held.id, state: "failed", code: problem.code, connection: nil, at: now)
        }
        return .ended(problem, session)
    }
}

extension ConnectSessionRow {
    fileprivate func isBound(to browser: Secret) -> Bool {
        browserHash.map { constantTimeEqual(ConnectSessions.Token.hash(browser), $0) } ?? false
    }
}

extension OAuth2 {
    /// RFC 9207: what comes must be the one that is expected, byte for byte.
    func accepts(issuer: String?) -> Bool {
        guard let issuer else { return !promisesIssuer }
        return self.issuer.map { $0.hasSameBytes(as: issuer) } ?? true
    }
}
