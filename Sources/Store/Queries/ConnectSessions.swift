public import Kit

/// A link that somebody opens to connect an account.
public struct ConnectSessionRow: Sendable {
    public let id: ID<ConnectSessionKind>
    /// `open`, `pending`, `connected`, `failed`; see `shownState`.
    public let state: String
    /// Why it failed.
    public let code: String?
    public let userID: String
    public let provider: String
    public let app: ID<AppKind>
    public let scopes: [String]
    public let returnURL: String?
    /// Whether the application must confirm who consented.
    public let confirms: Bool
    /// The connection that is to be made anew.
    public let wantedConnection: ID<ConnectionKind>?
    public let connection: ID<ConnectionKind>?
    public let madeBy: String
    public let createdAt: Timestamp
    public let expiresAt: Timestamp
    public let endedAt: Timestamp?
    public let confirmHash: [UInt8]?
    public let confirmUntil: Timestamp?
    /// Of the browser that opened the link first; nil before.
    public let browserHash: [UInt8]?

    /// Whether the link has done its work.
    public var hasConnected: Bool { state == "connected" || state == "pending" }

    /// As the API shows it.
    public func shownState(at now: Timestamp) -> String {
        switch state {
        case "open" where expiresAt <= now: "expired"
        case "pending" where confirmUntil.map { $0 <= now } ?? false: "expired"
        default: state
        }
    }
}

public struct NewConnectSession: Sendable {
    public let id: ID<ConnectSessionKind>
    public let linkHash: [UInt8]
    public let userID: String
    public let provider: String
    public let app: ID<AppKind>
    public let scopes: [String]
    public let returnURL: String?
    public let confirms: Bool
    public let wantedConnection: ID<ConnectionKind>?
    public let madeBy: String
    public let createdAt: Timestamp
    public let expiresAt: Timestamp

    public init(
        id: ID<ConnectSessionKind>, linkHash: [UInt8], userID: String, provider: String, app: ID<AppKind>,
        scopes: [String], returnURL: String?, confirms: Bool, wantedConnection: ID<ConnectionKind>?, madeBy: String,
        createdAt: Timestamp, expiresAt: Timestamp
    ) {
        self.id = id
        self.linkHash = linkHash
        self.userID = userID
        self.provider = provider
        self.app = app
        self.scopes = scopes
        self.returnURL = returnURL
        self.confirms = confirms
        self.wantedConnection = wantedConnection
        self.madeBy = madeBy
        self.createdAt = createdAt
        self.expiresAt = expiresAt
    }
}

/// One way from a browser to the platform's page and back.
public struct ConnectAttempt: Sendable {
    public let stateHash: [UInt8]
    public let session: ID<ConnectSessionKind>
    public let browserHash: [UInt8]
    public let redirect: String
    /// Sealed; nil where the platform takes none.
    public let verifier: [UInt8]?
    public let keyID: String?
    public let createdAt: Timestamp
    public let usedAt: Timestamp?

    public init(
        stateHash: [UInt8], session: ID<ConnectSessionKind>, browserHash: [UInt8], redirect: String,
        verifier: [UInt8]?, keyID: String?, createdAt: Timestamp, usedAt: Timestamp? = nil
    ) {
        self.stateHash = stateHash
        self.session = session
        self.browserHash = browserHash
        self.redirect = redirect
        self.verifier = verifier
        self.keyID = keyID
        self.createdAt = createdAt
        self.usedAt = usedAt
    }
}

extension Session {
    /// One session has so many ways at the most, over its ten minutes.
    public static var attemptsMax: Int { 30 }

    public func add(_ new: NewConnectSession) throws {
        try run(
            """
            INSERT INTO connect_sessions (id, link, state, user_id, provider, app_id, scope, return_url, confirms,
                                          wanted_connection, made_by, created_at, expires_at)
            VALUES (\(new.id), \(new.linkHash), 'open', \(new.userID), \(new.provider), \(new.app),
                    \(Self.joined(new.scopes)), \(new.returnURL), \(new.confirms), \(new.wantedConnection),
                    \(new.madeBy), \(new.createdAt), \(new.expiresAt))
            """)
    }

    public func connectSession(_ id: ID<ConnectSessionKind>) throws -> ConnectSessionRow? {
        try row("SELECT \(Self.sessionColumns) FROM connect_sessions WHERE id = \(id)", Self.session)
    }
    public func holdConnectSession(_ id: ID<ConnectSessionKind>) throws -> ConnectSessionRow? {
        try row(
            "SELECT \(Self.sessionColumns) FROM connect_sessions WHERE id = \(id) \(dialect.forUpdate)", Self.session)
    }
    public func connectSession(link hash: [UInt8]) throws -> ConnectSessionRow? {
        try row("SELECT \(Self.sessionColumns) FROM connect_sessions WHERE link = \(hash)", Self.session)
    }

    /// Binds a session to the browser that opens its link first; its row is held.
    public func bind(_ id: ID<ConnectSessionKind>, to browserHash: [UInt8]) throws {
        try run("UPDATE connect_sessions SET browser = \(browserHash) WHERE id = \(id) AND browser IS NULL")
    }

    /// False when the session, whose row is held, has too many already.
    public func add(_ attempt: ConnectAttempt) throws -> Bool {
        let count =
            try row("SELECT count(*) FROM connect_attempts WHERE session_id = \(attempt.session)") {
                try $0.integer()
            } ?? 0
        guard count < Int64(Self.attemptsMax) else { return false }
        try run(
            """
            INSERT INTO connect_attempts (state, session_id, browser, redirect, verifier, key_id, created_at)
            VALUES (\(attempt.stateHash), \(attempt.session), \(attempt.browserHash), \(attempt.redirect),
                    \(attempt.verifier), \(attempt.keyID), \(attempt.createdAt))
            """)
        return true
    }

    public func connectAttempt(_ stateHash: [UInt8]) throws -> ConnectAttempt? {
        try row(
            """
            SELECT state, session_id, browser, redirect, verifier, key_id, created_at, used_at
              FROM connect_attempts WHERE state = \(stateHash)
            """
        ) { row in
            ConnectAttempt(
                stateHash: try row.blob(), session: try row.id(), browserHash: try row.blob(),
                redirect: try row.text(), verifier: try row.optionalBlob(), keyID: try row.optionalText(),
                createdAt: try row.time(), usedAt: try row.optionalTime())
        }
    }

    /// Uses a state up, with its verifier. False when it was used before: of two callbacks one goes on.
    public func use(_ stateHash: [UInt8], at now: Timestamp) throws -> Bool {
        try run(
            """
            UPDATE connect_attempts SET used_at = \(now), verifier = NULL WHERE state = \(stateHash) AND used_at IS NULL
            """) == 1
    }

    /// How a session stands.
    public func setConnectSession(
        _ id: ID<ConnectSessionKind>, state: String, code: String?, connection: ID<ConnectionKind>?, at now: Timestamp
    ) throws {
        try run(
            """
            UPDATE connect_sessions
               SET state = \(state), code = \(code), connection_id = coalesce(\(connection), connection_id),
                   ended_at = \(now)
             WHERE id = \(id)
            """)
    }
    /// The code that the application gives back to confirm.
    public func setConfirmation(
        of id: ID<ConnectSessionKind>, hash: [UInt8]?, until: Timestamp?
    ) throws {
        try run("UPDATE connect_sessions SET confirm = \(hash), confirm_until = \(until) WHERE id = \(id)")
    }

    /// Forgets sessions that began before a moment. Answers how many.
    public func sweepConnectSessions(before moment: Timestamp, _ limit: Int) throws -> Int {
        let old = try rows(
            "SELECT id FROM connect_sessions WHERE created_at < \(moment) ORDER BY created_at, id LIMIT \(limit)"
        ) { try $0.text() }
        guard !old.isEmpty else { return 0 }
        try run("DELETE FROM connect_attempts WHERE session_id IN (\(SQL.list(old)))")
        return try run("DELETE FROM connect_sessions WHERE id IN (\(SQL.list(old)))")
    }

    private static var sessionColumns: SQL {
        """
        id, state, code, user_id, provider, app_id, scope, return_url, confirms, wanted_connection, connection_id,
        made_by, created_at, expires_at, ended_at, confirm, confirm_until, browser
        """
    }
    private static func session(_ row: inout Row) throws -> ConnectSessionRow {
        ConnectSessionRow(
            id: try row.id(), state: try row.text(), code: try row.optionalText(), userID: try row.text(),
            provider: try row.text(), app: try row.id(), scopes: split(try row.text()),
            returnURL: try row.optionalText(), confirms: try row.boolean(), wantedConnection: try row.optionalID(),
            connection: try row.optionalID(), madeBy: try row.text(), createdAt: try row.time(),
            expiresAt: try row.time(), endedAt: try row.optionalTime(), confirmHash: try row.optionalBlob(),
            confirmUntil: try row.optionalTime(),
            browserHash: try row.optionalBlob())
    }
}
