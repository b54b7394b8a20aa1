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

    /// Gives a bounded SQLite file more room.
    public func raisePageLimit(_ pages: Int) throws {
        if dialect.engine == .sqlite { _ = try rows(SQL(stringLiteral: "PRAGMA max_page_count = \(pages)")) { _ in } }
    }
}
