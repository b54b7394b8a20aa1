public import Kit

/// A person who may sign in to the pages.
public struct OperatorRow: Sendable, Equatable {
    /// What an operator may do there.
    public enum Role: String, Sendable, CaseIterable {
        /// Everything.
        case admin
        /// Look at everything, change nothing.
        case viewer
    }

    public let id: ID<OperatorKind>
    /// What they sign in with.
    public let name: String
    public let role: Role
    /// As `Passwords` writes it; nil until it is set.
    public let password: String?
    public let createdAt: Timestamp
    public let passwordAt: Timestamp?
    public let signedInAt: Timestamp?

    public init(
        id: ID<OperatorKind>, name: String, role: Role, password: String? = nil, createdAt: Timestamp,
        passwordAt: Timestamp? = nil, signedInAt: Timestamp? = nil
    ) {
        self.id = id
        self.name = name
        self.role = role
        self.password = password
        self.createdAt = createdAt
        self.passwordAt = passwordAt
        self.signedInAt = signedInAt
    }
}

extension Session {
    /// Adds an operator; false when the name is taken.
    public func add(_ row: OperatorRow) throws -> Bool {
        try run(
            """
            INSERT INTO operators (id, name, role, password, created_at, password_at)
            VALUES (\(row.id), \(row.name), \(row.role.rawValue), \(row.password), \(row.createdAt), \(row.passwordAt))
            ON CONFLICT (name) DO NOTHING
            """) == 1
    }

    public func operatorRow(_ id: ID<OperatorKind>) throws -> OperatorRow? {
        try row("SELECT \(Self.operatorColumns) FROM operators t WHERE t.id = \(id)", Self.operatorRow)
    }
    public func operatorRow(named name: String) throws -> OperatorRow? {
        try row("SELECT \(Self.operatorColumns) FROM operators t WHERE t.name = \(name)", Self.operatorRow)
    }

    /// Every operator by name, at most `limit`.
    public func operators(limit: Int) throws -> [OperatorRow] {
        try rows(
            "SELECT \(Self.operatorColumns) FROM operators t ORDER BY t.name, t.id LIMIT \(limit)", Self.operatorRow)
    }
    public func hasOperators() throws -> Bool {
        try row("SELECT 1 FROM operators LIMIT 1") { _ in true } ?? false
    }

    /// Sets a password and ends every session of its operator. False when there is no such operator.
    public func setPassword(_ password: String, of id: ID<OperatorKind>, at now: Timestamp) throws -> Bool {
        let changed = try run(
            "UPDATE operators SET password = \(password), password_at = \(now) WHERE id = \(id)")
        try endSessions(of: id)
        return changed == 1
    }
    public func noteSignIn(of id: ID<OperatorKind>, at now: Timestamp) throws {
        try run("UPDATE operators SET signed_in_at = \(now) WHERE id = \(id)")
    }

    /// Removes an operator with sessions and links.
    public func remove(_ id: ID<OperatorKind>) throws {
        try endSessions(of: id)
        try run("DELETE FROM operator_links WHERE operator_id = \(id)")
        try run("DELETE FROM operators WHERE id = \(id)")
    }

    static var operatorColumns: SQL {
        "t.id, t.name, t.role, t.password, t.created_at, t.password_at, t.signed_in_at"
    }
    static func operatorRow(_ row: inout Row) throws -> OperatorRow {
        OperatorRow(
            id: try row.id(), name: try row.text(), role: OperatorRow.Role(rawValue: try row.text()) ?? .viewer,
            password: try row.optionalText(), createdAt: try row.time(), passwordAt: try row.optionalTime(),
            signedInAt: try row.optionalTime())
    }
}

/// What an address that works once is for.
public enum OperatorLinkPurpose: String, Sendable {
    /// Sets a password; without an operator, makes the first one.
    case setup
    case signIn = "sign_in"
}

extension Session {
    /// - Parameter hash: the SHA-256 of what stands in the address.
    public func addLink(
        _ purpose: OperatorLinkPurpose, hash: [UInt8], for id: ID<OperatorKind>?, at now: Timestamp, until: Timestamp
    ) throws {
        try run(
            """
            INSERT INTO operator_links (hash, purpose, operator_id, created_at, expires_at)
            VALUES (\(hash), \(purpose.rawValue), \(id), \(now), \(until))
            """)
    }

    /// Whose link it is, if it still works. The outer nil: it does not.
    public func link(_ purpose: OperatorLinkPurpose, hash: [UInt8], at now: Timestamp) throws -> ID<OperatorKind>?? {
        try row(
            """
            SELECT operator_id FROM operator_links
             WHERE hash = \(hash) AND purpose = \(purpose.rawValue) AND expires_at > \(now)
            """
        ) { try $0.optionalID() }
    }

    /// The same, and it works no more.
    public func takeLink(_ purpose: OperatorLinkPurpose, hash: [UInt8], at now: Timestamp) throws -> ID<OperatorKind>??
    {
        try row(
            """
            DELETE FROM operator_links
             WHERE hash = \(hash) AND purpose = \(purpose.rawValue) AND expires_at > \(now)
            RETURNING operator_id
            """
        ) { try $0.optionalID() }
    }

    /// Ends the links that make a first operator.
    public func endFirstLinks() throws { try run("DELETE FROM operator_links WHERE operator_id IS NULL") }
    /// Ends an operator's links of one purpose.
    public func endLinks(_ purpose: OperatorLinkPurpose, of id: ID<OperatorKind>) throws {
        try run("DELETE FROM operator_links WHERE operator_id = \(id) AND purpose = \(purpose.rawValue)")
    }
}
