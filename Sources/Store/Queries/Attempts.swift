public import Kit

/// One try to deliver a change to an endpoint.
public struct Attempt: Sendable, Equatable {
    public enum Outcome: String, Sendable, CaseIterable {
        case delivered
        /// Tried again at `nextAt`.
        case failed
        /// 410: the endpoint is disabled.
        case gone
        /// Failed, and not tried again by itself.
        case dead
    }

    public let id: ID<AttemptKind>
    public let endpoint: ID<EndpointKind>
    /// Of the change in the feed; 0 for a test event.
    public let position: Int64
    /// The `webhook-id`: the same in every try.
    public let change: ID<ChangeKind>
    public let type: String
    /// 1 is the first.
    public let number: Int64
    public let at: Timestamp
    public let latency: Duration
    public let outcome: Outcome
    /// Nil when no answer came.
    public let status: Int64?
    /// Why no answer came, in our words.
    public let problem: String?
    /// The start of the answer's body.
    public let answer: [UInt8]?
    public let nextAt: Timestamp?

    public init(
        id: ID<AttemptKind>, endpoint: ID<EndpointKind>, position: Int64, change: ID<ChangeKind>, type: String,
        number: Int64, at: Timestamp, latency: Duration, outcome: Outcome, status: Int64?, problem: String?,
        answer: [UInt8]?, nextAt: Timestamp?
    ) {
        self.id = id
        self.endpoint = endpoint
        self.position = position
        self.change = change
        self.type = type
        self.number = number
        self.at = at
        self.latency = latency
        self.outcome = outcome
        self.status = status
        self.problem = problem
        self.answer = answer
        self.nextAt = nextAt
    }
}

extension Session {
    /// Records tries; one that is there already stays as it is.
    public func insert(_ attempts: [Attempt]) throws {
        try insert(
            """
            INSERT INTO attempts (id, endpoint_id, position, change_id, type, number, at, latency, outcome, status,
                                  problem, answer, next_at) VALUES
            """,
            attempts.map {
                [
                    $0.id.cell, $0.endpoint.cell, .integer($0.position), $0.change.cell, .text($0.type),
                    .integer($0.number), $0.at.cell, .integer($0.latency.microseconds), .text($0.outcome.rawValue),
                    $0.status.cell, $0.problem.cell, $0.answer.cell, $0.nextAt.cell,
                ]
            }, "ON CONFLICT (id) DO NOTHING")
    }

    /// The tries at an endpoint, newest first, those before `before`.
    public func attempts(
        at endpoint: ID<EndpointKind>, before: ID<AttemptKind>? = nil, outcome: Attempt.Outcome? = nil, limit: Int
    ) throws -> [Attempt] {
        let older: SQL = before.map { "AND id < \($0)" } ?? ""
        let only: SQL = outcome.map { "AND outcome = \($0.rawValue)" } ?? ""
        return try rows(
            """
            SELECT \(Self.attemptColumns) FROM attempts
             WHERE endpoint_id = \(endpoint) \(older) \(only)
             ORDER BY id DESC
             LIMIT \(limit)
            """, Self.attempt)
    }

    /// The tries to deliver a change anywhere, newest first.
    public func attempts(of change: ID<ChangeKind>, limit: Int) throws -> [Attempt] {
        try rows(
            "SELECT \(Self.attemptColumns) FROM attempts WHERE change_id = \(change) ORDER BY id DESC LIMIT \(limit)",
            Self.attempt)
    }

    static var attemptColumns: SQL {
        """
        id, endpoint_id, position, change_id, type, number, at, latency, outcome, status, problem, answer, next_at
        """
    }

    static func attempt(_ row: inout Row) throws -> Attempt {
        Attempt(
            id: try row.id(), endpoint: try row.id(), position: try row.integer(), change: try row.id(),
            type: try row.text(), number: try row.integer(), at: try row.time(),
            latency: .microseconds(try row.integer()), outcome: try read(row.text()),
            status: try row.optionalInteger(), problem: try row.optionalText(), answer: try row.optionalBlob(),
            nextAt: try row.optionalTime())
    }
}
