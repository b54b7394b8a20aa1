extension Session {
    /// How many rows tables of ours have, for reports and tests. Reads whole tables.
    public func rowCounts(of tables: [String]) throws -> [String: Int] {
        var counts: [String: Int] = [:]
        for table in tables
        where table.utf8.allSatisfy({ $0 == UInt8(ascii: "_") || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0) })
        {
            counts[table] = Int(try row(SQL(stringLiteral: "SELECT count(*) FROM \(table)")) { try $0.integer() } ?? 0)
        }
        return counts
    }

    /// Gives at most so many free pages of an SQLite file back to the system. Answers how many went.
    public func returnFreePages(_ limit: Int) throws -> Int {
        guard dialect.engine == .sqlite else { return 0 }
        let free = try row("PRAGMA freelist_count") { try $0.integer() } ?? 0
        guard free > 0 else { return 0 }
        _ = try rows(SQL(stringLiteral: "PRAGMA incremental_vacuum(\(limit))")) { _ in }
        return Int(min(free, Int64(limit)))
    }

    /// How far an SQLite file may grow; not below what it has.
    public func limitPages(_ pages: Int) throws {
        if dialect.engine == .sqlite { _ = try rows(SQL(stringLiteral: "PRAGMA max_page_count = \(pages)")) { _ in } }
    }
}
