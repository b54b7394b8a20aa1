public import Kit

/// What came of asking for one change again.
public enum ResendAnswer: Sendable, Equatable {
    case queued
    /// Its turn has not come yet; it will be sent anyway.
    case onItsWay
    case unknownEndpoint
    /// There is no such change, or it is no longer kept.
    case unknownChange
}

/// How far a replay has come.
public struct ReplayStep: Sendable, Equatable {
    /// Changes that were queued by this step.
    public let queued: Int
    /// Where the next step begins.
    public let position: Int64
    /// Whether nothing is left to look at.
    public let isLast: Bool
}

/// The time of what is sent again.
public struct RecoveredTime: Sendable, Equatable {
    public let since: Timestamp
    /// What was made, or failed, before; nil for no end.
    public let until: Timestamp?

    public init(since: Timestamp, until: Timestamp? = nil) { (self.since, self.until) = (since, until) }

    func condition(_ column: SQL) -> SQL {
        let since: SQL = "\(column) >= \(since)"
        guard let until else { return since }
        return "\(since) AND \(column) < \(until)"
    }

    /// Of changes `c`.
    var made: SQL { until.map { "c.id < \(ID<ChangeKind>.floor($0))" } ?? "1 = 1" }
}

/// A change as a replay looks at it.
private struct Replayed {
    let position: Int64
    let type: String
    let user: String?
    let connection: String?
}

extension Session {
    /// Sends one change again, whether it was delivered or not.
    public func resend(_ change: ID<ChangeKind>, to id: ID<EndpointKind>, at now: Timestamp) throws -> ResendAnswer {
        guard let endpoint = try endpoint(id, held: true) else { return .unknownEndpoint }
        let found = try rows(
            """
            SELECT f.position, c.type, c.user_id, c.connection_id
              FROM changes c
              JOIN feed f ON f.seq = c.seq
             WHERE c.id = \(change)
            """, Self.replayed)
        guard let found = found.first else { return .unknownChange }
        guard found.position <= endpoint.position else { return .onItsWay }
        try queue([found], for: endpoint) { _ in now }
        return .queued
    }

    /// Queues the next of those that failed at an endpoint in a time and were never delivered to it.
    /// - Parameters:
    ///   - position: where the step before ended; 0 at first.
    ///   - due: when the first, the second… of them is sent.
    public func replayFailed(
        at id: ID<EndpointKind>, in range: RecoveredTime, after position: Int64, limit: Int, due: (Int) -> Timestamp
    ) throws -> ReplayStep? {
        guard let endpoint = try endpoint(id, held: true) else { return nil }
        let found = try rows(
            """
            SELECT DISTINCT a.position, c.type, c.user_id, c.connection_id
              FROM attempts a
              JOIN changes c ON c.id = a.change_id
             WHERE a.endpoint_id = \(id) AND a.outcome IN ('failed', 'dead', 'gone') AND \(range.condition("a.at"))
               AND a.position > \(position) AND a.position <= \(endpoint.position)
               AND NOT \(Self.isDelivered(to: id))
             ORDER BY a.position
             LIMIT \(limit)
            """, Self.replayed)
        try queue(found, for: endpoint, due: due)
        return ReplayStep(
            queued: found.count, position: found.last?.position ?? endpoint.position, isLast: found.count < limit)
    }

    /// Queues the next of those that an endpoint should have got in a time and never took; with `takenToo` those that
    /// it took as well.
    /// - Parameters:
    ///   - position: where the step before ended; nil at first.
    ///   - due: when the first, the second… of them is sent.
    ///   - matches: whether the endpoint wants a type.
    public func replayMade(
        at id: ID<EndpointKind>, in range: RecoveredTime, takenToo: Bool, after position: Int64?, limit: Int,
        due: (Int) -> Timestamp, matching matches: (String) -> Bool
    ) throws -> ReplayStep? {
        guard let endpoint = try endpoint(id, held: true) else { return nil }
        let (start, end) = try positions(of: range, after: position, upTo: endpoint.position)
        let seen = try rows(
            """
            SELECT f.position, c.type, c.user_id, c.connection_id, \(Self.isDelivered(to: id))
              FROM feed f
              JOIN changes c ON c.seq = f.seq
             WHERE f.position > \(start) AND f.position <= \(end) AND \(range.made)
             ORDER BY f.position
             LIMIT \(limit)
            """
        ) { row in (try Self.replayed(&row), try row.boolean()) }
        let wanted = seen.filter { (takenToo || !$0.1) && matches($0.0.type) }.map(\.0)
        try queue(wanted, for: endpoint, due: due)
        return ReplayStep(
            queued: wanted.count, position: seen.last?.0.position ?? end, isLast: seen.count < limit)
    }

    /// Where in the feed a time may lie.
    func positions(of range: RecoveredTime, after position: Int64?, upTo head: Int64) throws
        -> (after: Int64, upTo: Int64)
    {
        let start = try position ?? firstPosition(since: range.since) - 1
        guard let until = range.until else { return (start, head) }
        // Looked up as the beginning is, a minute early: so two minutes behind is surely behind.
        return (start, min(head, try firstPosition(since: until + .minutes(2))))
    }

    /// The position of the first change made since a time; one more than the head when there is none. Nodes' clocks
    /// may differ by a minute: it is rather one too early.
    public func firstPosition(since: Timestamp) throws -> Int64 {
        let first = try row(
            """
            SELECT f.position
              FROM changes c
              JOIN feed f ON f.seq = c.seq
             WHERE c.id >= \(ID<ChangeKind>.floor(since - .minutes(1)))
             ORDER BY c.id
             LIMIT 1
            """
        ) { try $0.integer() }
        return try first ?? feedHead() + 1
    }

    private static func isDelivered(to endpoint: ID<EndpointKind>) -> SQL {
        """
        EXISTS (SELECT 1 FROM attempts d
                 WHERE d.change_id = c.id AND d.endpoint_id = \(endpoint) AND d.outcome = 'delivered')
        """
    }

    /// Puts changes aside as due now. Within a key they keep their order: all are held, then the first is let go.
    private func queue(_ changes: [Replayed], for endpoint: Endpoint, due moment: (Int) -> Timestamp) throws {
        let due = changes.enumerated().map { number, change in
            let key = endpoint.orderedBy.key(user: change.user, connection: change.connection)
            return DueChange(
                position: change.position, orderingKey: key, attempts: 0, dueAt: moment(number), firstAt: nil,
                isHeld: key != nil)
        }
        try insert(
            """
            INSERT INTO attempts_due (endpoint_id, position, ordering_key, attempts, due_at, first_at, held) VALUES
            """,
            due.map {
                [
                    endpoint.id.cell, .integer($0.position), $0.orderingKey.cell, .integer(0), $0.dueAt.cell, .null,
                    $0.isHeld.cell,
                ]
            },
            """
            ON CONFLICT (endpoint_id, position) DO UPDATE
               SET attempts = 0, due_at = excluded.due_at
            """)
        try release(Set(due.compactMap(\.orderingKey)), of: endpoint.id, at: moment(0))
    }

    private static func replayed(_ row: inout Row) throws -> Replayed {
        Replayed(
            position: try row.integer(), type: try row.text(), user: try row.optionalText(),
            connection: try row.optionalText())
    }
}

extension Endpoint.Order {
    /// Whose order a change must keep; nil where there is none to keep.
    public func key(user: String?, connection: String?) -> String? {
        switch self {
        case .none: nil
        case .user: user
        case .connection: connection
        }
    }
}
