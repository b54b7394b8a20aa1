public import Kit

/// Tries at an endpoint, hour by hour, the last one last.
public struct AttemptHours: Sendable, Equatable {
    public let delivered: [Int]
    public let failed: [Int]
    /// More tries than are looked at: only the newest were counted.
    public let isCut: Bool

    public var total: Int { delivered.reduce(0, +) + failed.reduce(0, +) }
}

/// What an endpoint has yet to take.
public struct EndpointBacklog: Sendable, Equatable {
    /// Changes that were set aside and will be tried again, counted to `EndpointBacklog.countMax`.
    public let waiting: Int
    public let nextDueAt: Timestamp?
    /// Positions of the feed that it has not been sent yet.
    public let behind: Int64
    public static let countMax = 10_000
}

extension Session {
    /// Tries that are looked at for the hours, and by a filter without an index.
    public static var attemptsScanned: Int { 5000 }

    /// - Parameter hours: so many full hours before now, and the one that runs.
    public func attemptHours(of id: ID<EndpointKind>, hours: Int, at now: Timestamp) throws -> AttemptHours {
        let hour: Int64 = 3_600_000_000
        let last = now.microseconds / hour
        let first = last - Int64(hours) + 1
        var (delivered, failed, seen) = ([Int](repeating: 0, count: hours), [Int](repeating: 0, count: hours), 0)
        let counted = try rows(
            """
            SELECT at / \(hour), outcome, count(*)
              FROM (SELECT at, outcome FROM attempts
                     WHERE endpoint_id = \(id) AND id >= \(ID<AttemptKind>.floor(Timestamp(microseconds: first * hour)))
                       AND position > 0
                     ORDER BY id DESC
                     LIMIT \(Self.attemptsScanned)) AS newest
             GROUP BY 1, 2
            """
        ) { row in (try row.integer(), try row.text(), Int(try row.integer())) }
        for (at, outcome, count) in counted {
            seen += count
            let index = Int(min(max(at - first, 0), Int64(hours - 1)))
            if outcome == "delivered" { delivered[index] += count } else { failed[index] += count }
        }
        return AttemptHours(delivered: delivered, failed: failed, isCut: seen >= Self.attemptsScanned)
    }

    public func backlog(of endpoint: Endpoint) throws -> EndpointBacklog {
        let counted = try row(
            """
            SELECT count(*), min(due_at)
              FROM (SELECT due_at FROM attempts_due WHERE endpoint_id = \(endpoint.id)
                     LIMIT \(EndpointBacklog.countMax + 1)) AS waiting
            """
        ) { row in (Int(try row.integer()), try row.optionalTime()) }
        return EndpointBacklog(
            waiting: counted?.0 ?? 0, nextDueAt: counted?.1, behind: max(0, try feedHead() - endpoint.position))
    }

    /// The tries with one outcome among the next `attemptsScanned`; the second is set where the search ended early.
    public func searchAttempts(
        at endpoint: ID<EndpointKind>, outcome: String?, _ page: ListPage
    ) throws -> (rows: [Attempt], stoppedAt: String?) {
        guard outcome != nil else { return (try attempts(at: endpoint, outcome: nil, change: nil, page), nil) }
        let after: SQL = page.after.map { page.ascending ? "AND id > \($0)" : "AND id < \($0)" } ?? ""
        let border = try row(
            """
            SELECT id FROM attempts WHERE endpoint_id = \(endpoint) \(after)
             ORDER BY id \(page.order) LIMIT 1 OFFSET \(Self.attemptsScanned - 1)
            """
        ) { try $0.text() }
        let found = try attempts(at: endpoint, outcome: outcome, change: nil, page, upTo: border)
        return (found, found.count > page.limit ? nil : border)
    }

    /// How many changes a replay of what failed would queue, counted to `limit` + 1.
    public func countFailed(at endpoint: Endpoint, in time: RecoveredTime, atMost limit: Int) throws -> Int {
        try row(
            """
            SELECT count(*)
              FROM (SELECT DISTINCT a.position
                      FROM attempts a
                     WHERE a.endpoint_id = \(endpoint.id) AND a.outcome IN ('failed', 'dead', 'gone')
                       AND \(time.condition("a.at")) AND a.position > 0 AND a.position <= \(endpoint.position)
                       AND NOT EXISTS (SELECT 1 FROM attempts d
                                        WHERE d.change_id = a.change_id AND d.endpoint_id = \(endpoint.id)
                                          AND d.outcome = 'delivered')
                     LIMIT \(limit + 1)) AS failed
            """
        ) { Int(try $0.integer()) } ?? 0
    }

    /// How many changes a replay of what was made would queue, among the first `limit` of the feed in that time.
    ///
    /// - Parameter matches: whether the endpoint wants a type.
    /// - Returns: the count, and whether there is more of the feed than was looked at.
    public func countMade(
        at endpoint: Endpoint, in time: RecoveredTime, takenToo: Bool, atMost limit: Int,
        matching matches: (String) -> Bool
    ) throws -> (count: Int, isMore: Bool) {
        let (start, end) = try positions(of: time, after: nil, upTo: endpoint.position)
        let seen = try rows(
            """
            SELECT c.type, EXISTS (SELECT 1 FROM attempts d
                                    WHERE d.change_id = c.id AND d.endpoint_id = \(endpoint.id)
                                      AND d.outcome = 'delivered')
              FROM feed f
              JOIN changes c ON c.seq = f.seq
             WHERE f.position > \(start) AND f.position <= \(end) AND \(time.made)
             ORDER BY f.position
             LIMIT \(limit + 1)
            """
        ) { row in (try row.text(), try row.boolean()) }
        return (seen.prefix(limit).count { (takenToo || !$0.1) && matches($0.0) }, seen.count > limit)
    }
}
