public import Kit

/// A declaration as SQL. Its names are identifiers of ours (`RecordTable` takes no others).
extension RecordTable {
    /// What people type to see an account's rows; for reading, and never run here.
    public func statement(of account: String) -> String {
        "SELECT * FROM \(name) WHERE account_id = '\(account.replacing("'", with: "''"))';"
    }

    /// Of `columns`, in their order.
    public var storedColumns: [String] { columns.flatMap(\.storedNames) }

    var named: SQL { SQL(stringLiteral: name) }
    var keyed: SQL { SQL(stringLiteral: key.name) }

    var selected: SQL {
        SQL(
            stringLiteral: ([key.name] + storedColumns + [
                "source", "observed_at", "first_seen_at", "updated_at", "deleted_at",
            ]).joined(separator: ", "))
    }

    func read(_ row: inout Row) throws -> RecordRow {
        RecordRow(
            key: try row.text(), cells: try storedColumns.map { _ in try row.cell() }, source: try row.text(),
            observedAt: try row.time(), firstSeenAt: try row.time(), updatedAt: try row.time(),
            deletedAt: try row.optionalTime())
    }

    var insertHead: String {
        let names =
            ["account_id", key.name] + storedColumns + ["source", "observed_at", "first_seen_at", "updated_at"]
        return "INSERT INTO \(name) (\(names.joined(separator: ", "))) VALUES"
    }

    /// A row that is there already takes what is newer, never what is older.
    var insertTail: String {
        let set = (storedColumns + ["source", "observed_at", "updated_at"]).map { "\($0) = excluded.\($0)" }
        return """
            ON CONFLICT (account_id, \(key.name)) DO UPDATE
               SET \(set.joined(separator: ", ")), deleted_at = NULL
             WHERE \(name).observed_at <= excluded.observed_at
            """
    }

    var historyHead: String? {
        history.map { history in
            let names = ["account_id", key.name, "observed_at"] + metrics.map(\.name)
            return "INSERT INTO \(history) (\(names.joined(separator: ", "))) VALUES"
        }
    }

    /// A row over what is known of it.
    struct Merged {
        var cells: [Cell] = []
        /// Something that is more than a link's signature.
        var hasChanged = false
        var metrics: [Cell] = []
        var metricsMoved = false
    }

    /// What an answer says counts; of what it does not speak stays as it was.
    func merge(_ row: StreamRow, over old: RecordRow?) -> Merged {
        var merged = Merged()
        var position = 0
        for (column, value) in zip(columns, row.values) {
            let width = column.storedNames.count
            let before = old.map { Array($0.cells[position..<position + width]) }
            let cells = value?.cells(width) ?? before ?? Array(repeating: .null, count: width)
            let differs = before.map { !zip($0, cells).allSatisfy { $0.isSame(as: $1) } } ?? true
            if differs, !column.isVolatile { merged.hasChanged = true }
            if column.isMetric {
                merged.metrics += cells
                if differs, cells != [.null] { merged.metricsMoved = true }
            }
            merged.cells += cells
            position += width
        }
        return merged
    }

    /// The columns in which an answer differs from what is known; links whose signature differs do not count.
    public func differences(_ row: StreamRow, from old: RecordRow) -> [RecordColumn] {
        var position = 0
        return zip(columns, row.values).compactMap { column, value in
            let width = column.storedNames.count
            defer { position += width }
            guard let cells = value?.cells(width), !column.isVolatile else { return nil }
            return zip(old.cells[position..<position + width], cells).allSatisfy { $0.isSame(as: $1) } ? nil : column
        }
    }

    func problems(columns: [String], history: [String]?) -> [String] {
        guard !columns.isEmpty else { return ["there is no such table"] }
        var problems: [String] = []
        for column in [key] + self.columns {
            for name in column.storedNames where !columns.contains(name) {
                let old = column.oldName.flatMap { columns.contains($0) ? $0 : nil }
                problems.append(old.map { "\(name) is still called \($0)" } ?? "\(name) is missing")
            }
        }
        problems += Self.own.filter { !columns.contains($0) }.map { "\($0) is missing" }
        if let history, let name = self.history {
            problems += (["account_id", key.name, "observed_at"] + metrics.map(\.name))
                .filter { !history.contains($0) }.map { "\(name).\($0) is missing" }
        }
        return problems
    }
}

extension RecordValue {
    /// - Parameter width: how many columns it fills.
    func cells(_ width: Int) -> [Cell] {
        switch self {
        case .null: Array(repeating: .null, count: width)
        case .text(let text): [.text(text)]
        case .integer(let integer): [.integer(integer)]
        case .real(let real): [.real(real)]
        case .boolean(let boolean): [.integer(boolean ? 1 : 0)]
        case .time(let time): [time.cell]
        case .money(let money): [.integer(money.minor), .text(money.currency)]
        }
    }
}

extension Cell {
    /// Texts are the same when their bytes are: `==` asks whether they look the same.
    fileprivate func isSame(as other: Cell) -> Bool {
        if case .text(let left) = self, case .text(let right) = other { return left.hasSameBytes(as: right) }
        return self == other
    }
}
