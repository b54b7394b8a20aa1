public import Kit
public import Store

/// Operators and their one-time addresses, for the command line, the first start and the demo.
public struct Operators: Sendable {
    let database: any Database
    let ids: Identifiers
    /// Before `/setup/…`, without a slash at its end.
    let base: String

    /// What an operator is told when something cannot be done.
    public struct Refusal: Error, Sendable, CustomStringConvertible {
        public let description: String
    }

    public init(database: any Database, ids: Identifiers, settings: Settings) {
        self.database = database
        self.ids = ids
        base = settings.browserAddress
    }

    /// How long an address that sets a password works, and one that signs in.
    static let setupLife = Duration.hours(24)
    static let signInLife = Duration.minutes(15)

    /// The address under which the first operator sets name and password; nil when there is an operator already.
    /// Earlier ones work no more.
    public func firstAddress(at now: Timestamp) async throws -> String? {
        let token = SessionToken.make(ids)
        let isNeeded = try await database.write("first_operator") { store in
            guard try !store.hasOperators() else { return false }
            try store.endFirstLinks()
            try store.addLink(
                .setup, hash: SessionToken.hash(token), for: nil, at: now, until: now + Self.setupLife)
            return true
        }
        return isNeeded ? "\(base)/setup/\(SessionToken.text(token))" : nil
    }

    /// Makes an operator, and the address under which they set their password.
    public func add(_ name: String, _ role: OperatorRow.Role, at now: Timestamp) async throws -> String {
        let row = OperatorRow(id: ids.make(), name: name, role: role, createdAt: now)
        guard OperatorName.fits(name) else {
            throw Refusal(description: "A name has 1 to 64 characters, none blank at its ends or invisible.")
        }
        return try await link(.setup, for: row.id, "operator.added", at: now) { store in
            guard try store.add(row) else {
                throw Refusal(description: "There is an operator \(name) already. Give another name, or: reset")
            }
            try store.endFirstLinks()
        }
    }

    public func list() async throws -> [OperatorRow] {
        try await database.read("operators") { try $0.operators(limit: 1000) }
    }

    /// Ends an operator's sessions; answers the address under which they set a new password.
    public func reset(_ name: String, at now: Timestamp) async throws -> String {
        let row = try await named(name)
        return try await link(.setup, for: row.id, "operator.reset", at: now) { store in
            try store.endSessions(of: row.id)
            try store.endLinks(.setup, of: row.id)
        }
    }

    /// Removes an operator; the last admin stays.
    public func remove(_ name: String, at now: Timestamp) async throws {
        let row = try await named(name)
        let audit = NewAudit(id: ids.make(), at: now, actor: "cli", action: "operator.removed", subject: row.id.text)
        try await database.write("remove_operator") { store in
            let admins = try store.operators(limit: 1000).filter { $0.role == .admin }
            guard row.role == .viewer || admins.count > 1 else {
                throw Refusal(description: "\(name) is the last admin. Add another one first.")
            }
            try store.remove(row.id)
            try store.audit(audit)
        }
    }

    /// An address that signs an operator in, once, within fifteen minutes.
    public func signInAddress(_ name: String, at now: Timestamp) async throws -> String {
        let row = try await named(name)
        return try await link(.signIn, for: row.id, "operator.link_made", at: now) { _ in }
    }

    /// The same for an admin of this name who is made where there is none: for a demo, which has nobody to ask.
    public func demoAddress(_ name: String = "demo", at now: Timestamp) async throws -> String {
        let row = OperatorRow(id: ids.make(), name: name, role: .admin, createdAt: now)
        let audit = NewAudit(id: ids.make(), at: now, actor: "cli", action: "operator.added", subject: row.id.text)
        try await database.write("demo_operator") { store in
            guard try store.operatorRow(named: name) == nil else { return }
            _ = try store.add(row)
            try store.audit(audit)
        }
        return try await signInAddress(name, at: now)
    }

    private func named(_ name: String) async throws -> OperatorRow {
        guard let row = try await database.read("operator", { try $0.operatorRow(named: name) }) else {
            throw Refusal(description: "There is no operator \(name). See: patchbay operators list")
        }
        return row
    }

    private func link(
        _ purpose: OperatorLinkPurpose, for id: ID<OperatorKind>, _ action: String, at now: Timestamp,
        with more: @escaping @Sendable (Session) throws -> Void
    ) async throws -> String {
        let token = SessionToken.make(ids)
        let life = purpose == .setup ? Self.setupLife : Self.signInLife
        let audit = NewAudit(id: ids.make(), at: now, actor: "cli", action: action, subject: id.text)
        try await database.write("operator_link") { store in
            try more(store)
            try store.addLink(purpose, hash: SessionToken.hash(token), for: id, at: now, until: now + life)
            try store.audit(audit)
        }
        let path = purpose == .setup ? "setup" : "sign-in"
        return "\(base)/\(path)/\(SessionToken.text(token))"
    }
}

/// What an operator may be called.
enum OperatorName {
    static let longest = 64

    static func fits(_ name: String) -> Bool {
        (1...longest).contains(name.count) && name.utf8.count <= 4 * longest && name.first?.isWhitespace == false
            && name.last?.isWhitespace == false
            && name.unicodeScalars.allSatisfy { ![.control, .format].contains($0.properties.generalCategory) }
    }
}

extension Settings {
    /// Where a browser finds this server, without a slash at its end.
    public var browserAddress: String {
        if let publicURL { return publicURL }
        let host = listen.host == "0.0.0.0" || listen.host == "::" ? "localhost" : listen.host
        return "http\(tls == nil ? "" : "s")://\(host.contains(":") ? "[\(host)]" : host):\(listen.port)"
    }
}
