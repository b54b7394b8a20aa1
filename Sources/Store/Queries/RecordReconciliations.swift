public import Kit

/// A row in which what is kept and what the platform says differ.
public struct RecordDifference: Sendable, Equatable {
    public enum Kind: String, Sendable, CaseIterable {
        case missingHere = "missing_here", missingThere = "missing_there", differing
        /// Only counts differ, which move by themselves.
        case moved
    }
    public let key: String
    public let kind: Kind
    /// The columns, where both have the row.
    public let fields: [String]

    public init(key: String, kind: Kind, fields: [String]) {
        self.key = key
        self.kind = kind
        self.fields = fields
    }
}

/// What a step of a comparison of records found.
public struct ComparedRecords: Sendable {
    public var matched = 0
    public var differences: [RecordDifference] = []
    public init() {}

    func count(_ kind: RecordDifference.Kind) -> Int { differences.count { $0.kind == kind } }
}

extension Session {
    /// A comparison of a connection's stream that has not ended.
    public func liveReconciliation(of connection: ID<ConnectionKind>, stream: String) throws -> ReconciliationRow? {
        let id: ID<ReconciliationKind>? = try row(
            """
            SELECT id FROM reconciliations
             WHERE connection_id = \(connection) AND stream = \(stream) AND state = 'running'
             ORDER BY id DESC LIMIT 1
            """
        ) { try $0.id() }
        return try id.flatMap { try reconciliation($0) }
    }

    /// Comparisons of a connection's stream, the newest first.
    public func reconciliations(
        of connection: ID<ConnectionKind>, stream: String, limit: Int
    ) throws -> [ReconciliationRow] {
        let ids: [ID<ReconciliationKind>] = try rows(
            """
            SELECT id FROM reconciliations WHERE connection_id = \(connection) AND stream = \(stream)
             ORDER BY id DESC LIMIT \(limit)
            """
        ) { try $0.id() }
        return try ids.compactMap { try reconciliation($0) }
    }

    public func begin(_ new: NewReconciliation, of connection: ID<ConnectionKind>, at now: Timestamp) throws {
        try begin(new, at: now)
        try run("UPDATE reconciliations SET connection_id = \(connection) WHERE id = \(new.id)")
    }

    /// A step further, in the commit of what it repairs.
    ///
    /// - Parameters:
    ///   - seen: keys that the platform showed.
    ///   - position: where the next step begins; nil when all is compared.
    public func advance(
        _ id: ID<ReconciliationKind>, _ found: ComparedRecords, seen: [String], to position: String?, at now: Timestamp
    ) throws {
        let end: Timestamp? = position == nil ? now : nil
        try run(
            """
            UPDATE reconciliations
               SET matched = matched + \(found.matched), missing_here = missing_here + \(found.count(.missingHere)),
                   missing_there = missing_there + \(found.count(.missingThere)),
                   differing = differing + \(found.count(.differing)), moved = moved + \(found.count(.moved)),
                   position = \(position), problem = NULL, ended_at = \(end),
                   state = \(position == nil ? "done" : "running")
             WHERE id = \(id)
            """)
        try insert(
            "INSERT INTO reconciliation_differences (reconciliation_id, key, kind, fields) VALUES",
            found.differences.map {
                [id.cell, $0.key.cell, $0.kind.rawValue.cell, $0.fields.joined(separator: " ").cell]
            }, "ON CONFLICT DO NOTHING")
        if position == nil {
            try run("DELETE FROM reconciliation_seen WHERE reconciliation_id = \(id)")
        } else {
            try insert(
                "INSERT INTO reconciliation_seen (reconciliation_id, key) VALUES", seen.map { [id.cell, $0.cell] },
                "ON CONFLICT DO NOTHING")
        }
    }

    /// Whether a comparison has been shown a row already: a list may show one twice.
    public func seen(_ keys: [String], by id: ID<ReconciliationKind>) throws -> Set<String> {
        guard !keys.isEmpty else { return [] }
        return Set(
            try rows(
                """
                SELECT key FROM reconciliation_seen
                 WHERE reconciliation_id = \(id) AND key IN (\(SQL.list(keys))) ORDER BY key
                """
            ) { try $0.text() })
    }

    /// Rows that were here before the comparison began and that the platform has not shown, by key.
    public func unseen(
        by row: ReconciliationRow, in table: RecordTable, of account: String, after key: String, limit: Int
    ) throws -> [String] {
        try rows(
            """
            SELECT \(table.keyed) FROM \(table.named)
             WHERE account_id = \(account) AND \(table.keyed) > \(key) AND deleted_at IS NULL
               AND first_seen_at < \(row.startedAt)
               AND NOT EXISTS (SELECT 1 FROM reconciliation_seen s
                                WHERE s.reconciliation_id = \(row.id) AND s.key = \(table.named).\(table.keyed))
             ORDER BY \(table.keyed)
             LIMIT \(limit)
            """
        ) { try $0.text() }
    }

    /// What a comparison found to differ, by key.
    public func differences(
        of id: ID<ReconciliationKind>, after key: String?, limit: Int
    ) throws -> [RecordDifference] {
        try rows(
            """
            SELECT key, kind, fields FROM reconciliation_differences
             WHERE reconciliation_id = \(id) AND key > \(key ?? "") ORDER BY key LIMIT \(limit)
            """
        ) { row in
            RecordDifference(
                key: try row.text(), kind: .init(rawValue: try row.text()) ?? .differing,
                fields: try row.text().split(separator: " ").map(String.init))
        }
    }

    /// Removes all but the newest comparisons of a connection's stream, with what they found.
    public func trimReconciliations(of connection: ID<ConnectionKind>, stream: String, keeping: Int) throws {
        let old: SQL = """
            SELECT id FROM reconciliations WHERE connection_id = \(connection) AND stream = \(stream)
             ORDER BY id DESC LIMIT 500 OFFSET \(keeping)
            """
        try forgetReconciliations(old)
    }

    /// - Parameter old: their ids.
    func forgetReconciliations(_ old: SQL) throws {
        let ids = try rows(old) { try $0.text() }
        guard !ids.isEmpty else { return }
        for table in ["reconciliation_seen", "reconciliation_differences"] {
            try run("DELETE FROM \(SQL(stringLiteral: table)) WHERE reconciliation_id IN (\(SQL.list(ids)))")
        }
        try run("DELETE FROM reconciliations WHERE id IN (\(SQL.list(ids)))")
    }
}
