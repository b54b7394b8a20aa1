public import Kit

/// Which part of a list is wanted. The API's cursor holds `after`.
public struct ListPage: Sendable, Equatable {
    /// One row more than this is read, so that the caller knows whether there is more.
    public let limit: Int
    public let ascending: Bool
    /// The id of the last row seen, in the list's order.
    public let after: String?
    /// Both without the moment itself.
    public let createdAfter: Timestamp?
    public let createdBefore: Timestamp?

    public init(
        limit: Int, ascending: Bool = false, after: String? = nil, createdAfter: Timestamp? = nil,
        createdBefore: Timestamp? = nil
    ) {
        self.limit = limit
        self.ascending = ascending
        self.after = after
        self.createdAfter = createdAfter
        self.createdBefore = createdBefore
    }
}

extension ListPage {
    /// The word for the list's order.
    var order: SQL { ascending ? "ASC" : "DESC" }
}

extension Session {
    /// A page in ascending order ends at the feed's head: before what is not placed yet, and before what is so new that
    /// transactions which began earlier may still add to it. A page in descending order stays as it is.
    ///
    /// Ids are made before their rows are committed. Whoever has seen a list up to its end could otherwise miss what
    /// comes in before it; here the rest stands behind the last cursor later.
    public func upToHead(_ page: ListPage, at now: Timestamp) throws -> ListPage {
        guard page.ascending else { return page }
        var head = now - Self.settling
        let unplaced = try row(
            "SELECT c.id FROM feed_pending p JOIN changes c ON c.seq = p.seq ORDER BY p.seq LIMIT 1"
        ) { row -> ID<ChangeKind> in try row.id() }
        if let moment = unplaced?.madeAt { head = min(head, moment) }
        return ListPage(
            limit: page.limit, ascending: true, after: page.after, createdAfter: page.createdAfter,
            createdBefore: min(page.createdBefore ?? head, head))
    }
    /// From an id's making to its commit: a wait for the writer, a batch, a sync.
    private static var settling: Duration { .seconds(2) }
}

/// A table as lists read it.
struct Listed {
    let columns: SQL
    /// With its joins; the table itself is called `t`.
    let from: SQL
    /// When its rows came to be; nil where only their ids say it, to the millisecond.
    let createdAt: SQL?
    /// The prefix of its ids; nil where ids are not ours and say nothing of time.
    let prefix: String?
}

extension Session {
    /// At most `limit` + 1 rows, ordered to the end by the id.
    func list<Value>(
        _ table: Listed, where conditions: [SQL], _ page: ListPage, _ read: (inout Row) throws -> Value
    ) throws -> [Value] {
        var conditions = conditions
        if let after = page.after { conditions.append(page.ascending ? "t.id > \(after)" : "t.id < \(after)") }
        if let createdAt = table.createdAt {
            if let moment = page.createdAfter { conditions.append("\(createdAt) > \(moment)") }
            if let moment = page.createdBefore { conditions.append("\(createdAt) < \(moment)") }
        }
        if let prefix = table.prefix {
            conditions += Self.idRange(page, prefix, slack: table.createdAt == nil ? .zero : .seconds(1))
        }
        if conditions.isEmpty { conditions.append("1 = 1") }
        return try rows(
            """
            SELECT \(table.columns)
              FROM \(table.from)
             WHERE \(SQL.joined(conditions, by: " AND "))
             ORDER BY t.id \(page.order)
             LIMIT \(page.limit + 1)
            """, read)
    }

    /// Ids sort by time, so the primary key finds a time.
    ///
    /// - Parameter slack: to each side, where a column decides: ids never go backwards and may run ahead of the clock.
    private static func idRange(_ page: ListPage, _ prefix: String, slack: Duration) -> [SQL] {
        var range: [SQL] = []
        if let moment = page.createdAfter {
            range.append("t.id >= \(prefix + ID<EventKind>.first(at: moment - slack).text.dropFirst(3))")
        }
        if let moment = page.createdBefore {
            range.append("t.id < \(prefix + ID<EventKind>.first(at: moment + slack).text.dropFirst(3))")
        }
        return range
    }
}

/// A condition for each filter that is set.
func conditions(_ filters: [(column: String, value: String?)]) -> [SQL] {
    filters.compactMap { column, value in value.map { SQL(stringLiteral: "t.\(column) = ") + "\($0)" } }
}
