public import Kit

/// The erasure of a user, or of an account at a platform, as kept for the receipt.
public struct ErasureRow: Sendable {
    public let id: ID<ErasureKind>
    /// A digest of the user's id, or of platform and account.
    public let who: String
    /// `running` or `done`.
    public let state: String
    public let askedBy: String
    public let askedAt: Timestamp
    /// Events up to and with this one were looked at.
    public let position: String
    /// A JSON object: how many rows of what.
    public let counts: String
    public let finishedAt: Timestamp?
    /// Whose account it is that is erased; nil for a user.
    public let provider: String?
    /// The platform's request for it.
    public let event: ID<EventKind>?
}

/// Somebody is being erased: what is said about them has to wait for its end.
public struct ErasureRunning: Error, Sendable {
    public init() {}
}

extension Session {
    public func erasure(_ id: ID<ErasureKind>) throws -> ErasureRow? {
        try row("SELECT \(Self.erasureColumns) FROM erasures WHERE id = \(id)", Self.erasure)
    }

    public func erasures(_ page: ListPage) throws -> [ErasureRow] {
        try list(
            Listed(columns: Self.erasureColumns, from: "erasures t", createdAt: "t.asked_at", prefix: "era"), where: [],
            page, Self.erasure)
    }

    /// Notes how far an erasure has come.
    public func advance(_ id: ID<ErasureKind>, to position: String, counts: String) throws {
        try run("UPDATE erasures SET position = \(position), counts = \(counts) WHERE id = \(id)")
    }

    public func finish(_ id: ID<ErasureKind>, at now: Timestamp) throws {
        try run("UPDATE erasures SET state = 'done', finished_at = \(now) WHERE id = \(id)")
    }

    // MARK: Names

    func note(_ names: [ErasedName], of erasure: ID<ErasureKind>, at now: Timestamp) throws {
        try insert(
            "INSERT INTO erased_names (hash, erasure_id, at) VALUES",
            Set(names).sorted { $0.hash.lexicographicallyPrecedes($1.hash) }.map {
                [.blob($0.hash), erasure.cell, now.cell]
            },
            "ON CONFLICT (hash) DO UPDATE SET erasure_id = excluded.erasure_id, at = excluded.at")
    }

    /// Of these, those who were erased and are not back.
    public func erased(among names: [ErasedName]) throws -> [ErasedName: (erasure: ID<ErasureKind>, at: Timestamp)] {
        guard !names.isEmpty else { return [:] }
        let byHash = Dictionary(names.map { ($0.hash, $0) }) { first, _ in first }
        let hashes = byHash.keys.sorted { $0.lexicographicallyPrecedes($1) }
        let found = try rows(
            """
            SELECT hash, erasure_id, at FROM erased_names
             WHERE hash IN (\(SQL.joined(hashes.map { "\(Cell.blob($0))" }, by: ", ")))
            """
        ) { row in (try row.blob(), try row.id(ErasureKind.self), try row.time()) }
        return Dictionary(
            found.compactMap { hash, erasure, at in byHash[hash].map { ($0, (erasure, at)) } }
        ) { first, _ in first }
    }

    public func hasErasedNames() throws -> Bool {
        try row("SELECT 1 FROM erased_names LIMIT 1") { _ in true } ?? false
    }

    /// Somebody is known again, since the application or a person says so.
    ///
    /// - Throws: `ErasureRunning` while the erasure has not ended: the rest of it could not tell old from new.
    func lift(_ names: [ErasedName]) throws {
        for (name, noted) in try erased(among: names) {
            guard try erasure(noted.erasure)?.state == "done" else { throw ErasureRunning() }
            try run("DELETE FROM erased_names WHERE hash = \(Cell.blob(name.hash))")
        }
    }

    static var erasureColumns: SQL {
        "id, who, state, asked_by, asked_at, position, counts, finished_at, provider, event_id"
    }
    static func erasure(_ row: inout Row) throws -> ErasureRow {
        ErasureRow(
            id: try row.id(), who: try row.text(), state: try row.text(), askedBy: try row.text(),
            askedAt: try row.time(), position: try row.text(), counts: try row.text(),
            finishedAt: try row.optionalTime(), provider: try row.optionalText(),
            event: try row.optionalText().map { ID(stored: $0) })
    }
}
