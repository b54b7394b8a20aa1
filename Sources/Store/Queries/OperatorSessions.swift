public import Kit

/// A browser in which an operator is signed in.
public struct OperatorSession: Sendable, Equatable {
    public let id: ID<OperatorSessionKind>
    public let operatorID: ID<OperatorKind>
    public let createdAt: Timestamp
    public let expiresAt: Timestamp
    public let lastUsedAt: Timestamp
    /// The address that it signed in from.
    public let address: String
    /// As the browser calls itself, cut.
    public let browser: String

    public init(
        id: ID<OperatorSessionKind>, operatorID: ID<OperatorKind>, createdAt: Timestamp, expiresAt: Timestamp,
        lastUsedAt: Timestamp, address: String, browser: String
    ) {
        self.id = id
        self.operatorID = operatorID
        self.createdAt = createdAt
        self.expiresAt = expiresAt
        self.lastUsedAt = lastUsedAt
        self.address = address
        self.browser = browser
    }
}

extension Session {
    /// - Parameter hash: the SHA-256 of the token in the cookie.
    public func open(_ session: OperatorSession, hash: [UInt8]) throws {
        try run(
            """
            INSERT INTO operator_sessions (id, operator_id, hash, created_at, expires_at, last_used_at, address,
                                           browser)
            VALUES (\(session.id), \(session.operatorID), \(hash), \(session.createdAt), \(session.expiresAt),
                    \(session.lastUsedAt), \(session.address), \(session.browser))
            """)
    }

    /// The session of a token and whose it is, while it lasts.
    public func operatorSession(hash: [UInt8], at now: Timestamp) throws -> (OperatorSession, OperatorRow)? {
        try row(
            """
            SELECT \(Self.sessionColumns), \(Self.operatorColumns)
              FROM operator_sessions s JOIN operators t ON t.id = s.operator_id
             WHERE s.hash = \(hash) AND s.expires_at > \(now)
            """
        ) { row in (try Self.operatorSession(&row), try Self.operatorRow(&row)) }
    }

    /// Whether a session has not ended.
    public func isOpen(_ id: ID<OperatorSessionKind>, at now: Timestamp) throws -> Bool {
        try row("SELECT 1 FROM operator_sessions WHERE id = \(id) AND expires_at > \(now)") { _ in true } ?? false
    }

    /// An operator's sessions, the newest first, at most `limit`.
    public func operatorSessions(of id: ID<OperatorKind>, at now: Timestamp, limit: Int) throws -> [OperatorSession] {
        try rows(
            """
            SELECT \(Self.sessionColumns) FROM operator_sessions s
             WHERE s.operator_id = \(id) AND s.expires_at > \(now)
             ORDER BY s.id DESC
             LIMIT \(limit)
            """, Self.operatorSession)
    }

    public func touch(_ id: ID<OperatorSessionKind>, at now: Timestamp) throws {
        try run("UPDATE operator_sessions SET last_used_at = \(now) WHERE id = \(id)")
    }

    /// Ends one session of an operator. False when there is none.
    public func end(_ id: ID<OperatorSessionKind>, of operatorID: ID<OperatorKind>) throws -> Bool {
        try run("DELETE FROM operator_sessions WHERE id = \(id) AND operator_id = \(operatorID)") == 1
    }
    /// Ends all sessions of an operator but one.
    @discardableResult
    public func endSessions(of id: ID<OperatorKind>, but kept: ID<OperatorSessionKind>? = nil) throws -> Int {
        try run("DELETE FROM operator_sessions WHERE operator_id = \(id) AND id <> \(kept?.text ?? "")")
    }

    private static var sessionColumns: SQL {
        "s.id, s.operator_id, s.created_at, s.expires_at, s.last_used_at, s.address, s.browser"
    }
    private static func operatorSession(_ row: inout Row) throws -> OperatorSession {
        OperatorSession(
            id: try row.id(), operatorID: try row.id(), createdAt: try row.time(), expiresAt: try row.time(),
            lastUsedAt: try row.time(), address: try row.text(), browser: try row.text())
    }
}

/// How often signing in has failed lately, for one name or address.
public struct SignInFailures: Sendable, Equatable {
    public let count: Int64
    public let lastAt: Timestamp
    public let pausedUntil: Timestamp
    public init(count: Int64, lastAt: Timestamp, pausedUntil: Timestamp) {
        self.count = count
        self.lastAt = lastAt
        self.pausedUntil = pausedUntil
    }
}

extension Session {
    public func signInFailures(_ key: String) throws -> SignInFailures? {
        try row(
            "SELECT count, last_at, paused_until FROM sign_in_failures WHERE key = \(key) \(dialect.forUpdate)"
        ) { row in
            SignInFailures(count: try row.integer(), lastAt: try row.time(), pausedUntil: try row.time())
        }
    }
    public func keep(_ failures: SignInFailures, of key: String) throws {
        try run(
            """
            INSERT INTO sign_in_failures (key, count, last_at, paused_until)
            VALUES (\(key), \(failures.count), \(failures.lastAt), \(failures.pausedUntil))
            ON CONFLICT (key) DO UPDATE
               SET count = excluded.count, last_at = excluded.last_at, paused_until = excluded.paused_until
            """)
    }
    public func forgetFailures(_ key: String) throws { try run("DELETE FROM sign_in_failures WHERE key = \(key)") }

    /// Removes what is over: sessions, links, old failures. At most `limit` of each; answers whether there may be more.
    public func sweepOperators(_ limit: Int, at now: Timestamp) throws -> Bool {
        let sessions = try run(
            """
            DELETE FROM operator_sessions
             WHERE id IN (SELECT id FROM operator_sessions WHERE expires_at <= \(now) ORDER BY expires_at
                           LIMIT \(limit))
            """)
        let links = try run(
            """
            DELETE FROM operator_links
             WHERE hash IN (SELECT hash FROM operator_links WHERE expires_at <= \(now) ORDER BY expires_at
                             LIMIT \(limit))
            """)
        let failures = try run(
            """
            DELETE FROM sign_in_failures
             WHERE key IN (SELECT key FROM sign_in_failures WHERE last_at <= \(now - .days(2)) ORDER BY last_at
                            LIMIT \(limit))
            """)
        return max(sessions, links, failures) == limit
    }
}
