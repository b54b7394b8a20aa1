public import Kit

/// What became of the rows of an answer.
public struct KeptRows: Sendable, Equatable {
    /// Keys.
    public var new: [String] = []
    public var changed: [String] = []
    public var same = 0
    /// Rows of which something newer is known.
    public var older = 0
    public init() {}
}

/// A row of a stream as its table holds it.
public struct RecordRow: Sendable {
    public let key: String
    /// By `RecordTable.storedColumns`.
    public let cells: [Cell]
    public let source: String
    public let observedAt: Timestamp
    public let firstSeenAt: Timestamp
    public let updatedAt: Timestamp
    public let deletedAt: Timestamp?
}

// Names in these texts come from `RecordTable`, which takes identifiers only; values are bound.
extension Session {
    /// Keeps the rows of one answer: what is new, what has changed; nothing over what was observed later.
    ///
    /// - Parameters:
    ///   - account: whose they are at the platform.
    ///   - source: what asked: `sync`.
    ///   - observedAt: when the question left.
    public func keep(
        _ rows: [StreamRow], in table: RecordTable, of account: String, source: String, observedAt: Timestamp,
        at now: Timestamp
    ) throws -> KeptRows {
        // Of one id in one answer the last counts.
        var latest: [String: StreamRow] = [:]
        for row in rows { latest[row.key] = row }
        let known = try hold(Array(latest.keys), in: table, of: account)
        var (kept, written, history) = (KeptRows(), [[Cell]](), [[Cell]]())
        for row in latest.values.sorted(by: { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }) {
            let old = known[row.key]
            if let old, old.observedAt > observedAt {
                kept.older += 1
                continue
            }
            let merged = table.merge(row, over: old)
            switch old {
            case nil: kept.new.append(row.key)
            case _? where merged.hasChanged || old?.deletedAt != nil: kept.changed.append(row.key)
            case _?: kept.same += 1
            }
            let updated = merged.hasChanged || old?.deletedAt != nil ? now : (old?.updatedAt ?? now)
            written.append(
                [account.cell, row.key.cell] + merged.cells
                    + [source.cell, observedAt.cell, now.cell, updated.cell])
            if merged.metricsMoved { history.append([account.cell, row.key.cell, observedAt.cell] + merged.metrics) }
        }
        try insert(table.insertHead, written, table.insertTail)
        if let head = table.historyHead { try insert(head, history, "ON CONFLICT DO NOTHING") }
        return kept
    }

    /// What is known of rows, held until the transaction ends.
    private func hold(_ keys: [String], in table: RecordTable, of account: String) throws -> [String: RecordRow] {
        guard !keys.isEmpty else { return [:] }
        let found = try rows(
            """
            SELECT \(table.selected) FROM \(table.named)
             WHERE account_id = \(account) AND \(table.keyed) IN (\(SQL.list(keys)))
             ORDER BY \(table.keyed) \(dialect.forUpdate)
            """, table.read)
        return Dictionary(found.map { ($0.key, $0) }, uniquingKeysWith: { first, _ in first })
    }

    /// What is known of rows.
    public func records(_ keys: [String], in table: RecordTable, of account: String) throws -> [String: RecordRow] {
        guard !keys.isEmpty else { return [:] }
        let found = try rows(
            """
            SELECT \(table.selected) FROM \(table.named)
             WHERE account_id = \(account) AND \(table.keyed) IN (\(SQL.list(keys)))
             ORDER BY \(table.keyed)
            """, table.read)
        return Dictionary(found.map { ($0.key, $0) }, uniquingKeysWith: { first, _ in first })
    }

    /// A page of an account's rows, by key; the deleted ones only where they are asked for.
    public func records(
        in table: RecordTable, of account: String, deletedToo: Bool, _ page: ListPage
    ) throws -> [RecordRow] {
        var conditions: [SQL] = ["account_id = \(account)"]
        if !deletedToo { conditions.append("deleted_at IS NULL") }
        let time = SQL(stringLiteral: table.time ?? "first_seen_at")
        if let after = page.after {
            conditions.append(page.ascending ? "\(table.keyed) > \(after)" : "\(table.keyed) < \(after)")
        }
        if let moment = page.createdAfter { conditions.append("\(time) > \(moment)") }
        if let moment = page.createdBefore { conditions.append("\(time) < \(moment)") }
        return try rows(
            """
            SELECT \(table.selected) FROM \(table.named)
             WHERE \(SQL.joined(conditions, by: " AND "))
             ORDER BY \(table.keyed) \(page.order)
             LIMIT \(page.limit + 1)
            """, table.read)
    }

    /// Keys of rows that stand here and were not observed since a moment, in their order.
    ///
    /// - Parameter made: only those that the platform made since then.
    public func unobserved(
        since moment: Timestamp, made: Timestamp? = nil, in table: RecordTable, of account: String, after key: String,
        limit: Int
    ) throws -> [String] {
        let young: SQL = made.map { "AND \(SQL(stringLiteral: table.time ?? "first_seen_at")) >= \($0)" } ?? ""
        return try rows(
            """
            SELECT \(table.keyed) FROM \(table.named)
             WHERE account_id = \(account) AND \(table.keyed) > \(key) AND deleted_at IS NULL
               AND observed_at < \(moment) \(young)
             ORDER BY \(table.keyed)
             LIMIT \(limit)
            """
        ) { try $0.text() }
    }

    /// Marks rows as gone that were not observed since a moment. Answers the keys of those that were there.
    public func markDeleted(
        _ keys: [String], unobservedSince moment: Timestamp, in table: RecordTable, of account: String,
        at now: Timestamp
    ) throws -> [String] {
        guard !keys.isEmpty else { return [] }
        return try rows(
            """
            UPDATE \(table.named) SET deleted_at = \(now), updated_at = \(now)
             WHERE account_id = \(account) AND \(table.keyed) IN (\(SQL.list(keys))) AND deleted_at IS NULL
               AND observed_at < \(moment)
            RETURNING \(table.keyed)
            """
        ) { try $0.text() }
    }

    /// How many rows of an account stand here.
    public func recordCount(in table: RecordTable, of account: String) throws -> Int64 {
        try row(
            "SELECT count(*) FROM \(table.named) WHERE account_id = \(account) AND deleted_at IS NULL"
        ) { try $0.integer() } ?? 0
    }

    /// A whole number that stands in a row of an account; nil where none does.
    public func recordNumber(_ column: String, in table: RecordTable, of account: String) throws -> Int64? {
        guard table.columns.contains(where: { $0.name == column }) else { return nil }
        return try row(
            """
            SELECT \(SQL(stringLiteral: column)) FROM \(table.named)
             WHERE account_id = \(account) ORDER BY \(table.keyed) LIMIT 1
            """
        ) { try $0.optionalInteger() } ?? nil
    }

    // MARK: History

    /// Every step of a row's metrics, newest first unless the page says otherwise.
    public func history(
        of key: String, in table: RecordTable, of account: String, before: Timestamp?, limit: Int
    ) throws -> [(at: Timestamp, metrics: [Cell])] {
        guard let history = table.history else { return [] }
        let names = SQL(stringLiteral: table.metrics.map(\.name).joined(separator: ", "))
        let older: SQL = before.map { "AND observed_at < \($0)" } ?? ""
        return try rows(
            """
            SELECT observed_at, \(names) FROM \(SQL(stringLiteral: history))
             WHERE account_id = \(account) AND \(table.keyed) = \(key) \(older)
             ORDER BY observed_at DESC
             LIMIT \(limit)
            """
        ) { row in (try row.time(), try table.metrics.map { _ in try row.cell() }) }
    }

    /// Steps of all rows of an account, by key and time.
    public func steps(
        of table: RecordTable, account: String, after last: (key: String, at: Timestamp)?, limit: Int
    ) throws -> [(key: String, at: Timestamp, metrics: [Cell])] {
        guard let history = table.history else { return [] }
        let names = SQL(stringLiteral: table.metrics.map(\.name).joined(separator: ", "))
        let behind: SQL = last.map { "AND (\(table.keyed), observed_at) > (\($0.key), \($0.at))" } ?? ""
        return try rows(
            """
            SELECT \(table.keyed), observed_at, \(names) FROM \(SQL(stringLiteral: history))
             WHERE account_id = \(account) \(behind)
             ORDER BY \(table.keyed), observed_at
             LIMIT \(limit)
            """
        ) { row in (try row.text(), try row.time(), try table.metrics.map { _ in try row.cell() }) }
    }

    /// Deletes the oldest steps; at most `limit`. Answers how many.
    public func expireHistory(of table: RecordTable, before moment: Timestamp, limit: Int) throws -> Int {
        guard let history = table.history else { return 0 }
        let (name, key) = (SQL(stringLiteral: history), table.keyed)
        return try run(
            """
            DELETE FROM \(name) WHERE (account_id, \(key), observed_at) IN
                   (SELECT account_id, \(key), observed_at FROM \(name)
                     WHERE observed_at < \(moment) ORDER BY observed_at, account_id, \(key) LIMIT \(limit))
            """)
    }

    // MARK: Erasing

    /// Deletes rows of an account and their history, at most `limit` of each. Answers how many.
    public func eraseRecords(in table: RecordTable, of account: String, limit: Int) throws -> Int {
        let key = table.keyed
        var erased = try run(
            """
            DELETE FROM \(table.named) WHERE account_id = \(account) AND \(key) IN
                   (SELECT \(key) FROM \(table.named) WHERE account_id = \(account) ORDER BY \(key) LIMIT \(limit))
            """)
        guard let history = table.history else { return erased }
        let name = SQL(stringLiteral: history)
        erased += try run(
            """
            DELETE FROM \(name) WHERE account_id = \(account) AND (\(key), observed_at) IN
                   (SELECT \(key), observed_at FROM \(name) WHERE account_id = \(account)
                     ORDER BY \(key), observed_at LIMIT \(limit))
            """)
        return erased
    }

    // MARK: Agreement

    /// The columns of a table as the database has it; empty where there is none.
    public func columnNames(of table: String) throws -> [String] {
        switch dialect.engine {
        case .sqlite: try rows("SELECT name FROM pragma_table_info(\(table)) ORDER BY cid") { try $0.text() }
        case .postgres:
            try rows(
                """
                SELECT CAST(column_name AS TEXT) FROM information_schema.columns
                 WHERE table_schema = 'patchbay' AND table_name = \(table) ORDER BY ordinal_position
                """
            ) { try $0.text() }
        }
    }
}

extension Database {
    /// Checks that each stream's table is there with the columns that its declaration names.
    ///
    /// - Throws: `StoreError.refused` with what differs.
    public func check(_ tables: [RecordTable]) async throws {
        for table in tables {
            let problems = try await read("record_tables") { session in
                table.problems(
                    columns: try session.columnNames(of: table.name),
                    history: try table.history.map { try session.columnNames(of: $0) })
            }
            guard problems.isEmpty else {
                throw StoreError.refused(
                    "The table \(table.name) and what this program keeps there differ: "
                        + problems.joined(separator: "; ") + ". It needs a migration.")
            }
        }
    }
}
