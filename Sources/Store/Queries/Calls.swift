public import Kit

/// One exchange with a platform, as it is kept: no body unless it is captured, no secret, no address but its template.
public struct CallRow: Sendable, Equatable {
    public var id: ID<CallKind>
    public var provider: String
    /// What it was for, in a word: `subscription`, `proxy`.
    public var purpose: String
    public var method: String
    public var host: String
    /// `/v1/subscriptions/{}`.
    public var path: String
    public var at: Timestamp
    public var latency: Duration
    /// Nil when no answer came.
    public var status: Int64?
    /// `ok`, or the kind of failure.
    public var outcome: String
    /// The platform's own code.
    public var code: String?
    /// Units of quotas.
    public var cost: Int64
    /// 1 is the first.
    public var attempt: Int64
    public var bytesSent: Int64
    public var bytesReceived: Int64
    public var connection: String?
    public var userID: String?
    /// The id of what it was done for: an event, a job.
    public var subject: String?
    /// Of the request that asked for it.
    public var correlation: String?
    /// Kept beside it, where somebody has asked for that.
    public var captured: CapturedCall?

    public init(
        id: ID<CallKind>, provider: String, purpose: String, method: String, host: String, path: String, at: Timestamp
    ) {
        self.id = id
        self.provider = provider
        self.purpose = purpose
        self.method = method
        self.host = host
        self.path = path
        self.at = at
        latency = .zero
        outcome = "ok"
        cost = 0
        attempt = 1
        bytesSent = 0
        bytesReceived = 0
    }
}

public struct CallFilter: Sendable {
    public var provider: String?
    public var purpose: String?
    public var connection: String?
    public var userID: String?
    public var subject: String?
    public var correlation: String?
    /// `ok`, a kind of failure, or `failed` for all of them.
    public var outcome: String?
    public init() {}

    /// Every failure is in one index, whatever its kind.
    fileprivate var outcomeConditions: [SQL] {
        switch outcome {
        case nil: []
        case "ok"?: ["t.outcome = 'ok'"]
        case "failed"?: ["t.outcome <> 'ok'"]
        case let outcome?: ["t.outcome <> 'ok'", "t.outcome = \(outcome)"]
        }
    }
}

extension Session {
    /// Keeps exchanges; one that is there already stays as it is.
    public func insert(_ calls: [CallRow]) throws {
        try insert(
            """
            INSERT INTO calls (id, provider, purpose, method, host, path, at, latency, status, outcome, code, cost,
                               attempt, bytes_sent, bytes_received, connection_id, user_id, subject, correlation) VALUES
            """,
            calls.map {
                [
                    $0.id.cell, .text($0.provider), .text($0.purpose), .text($0.method), .text($0.host),
                    .text($0.path), $0.at.cell, .integer($0.latency.microseconds), $0.status.cell, .text($0.outcome),
                    $0.code.cell, .integer($0.cost), .integer($0.attempt), .integer($0.bytesSent),
                    .integer($0.bytesReceived), $0.connection.cell, $0.userID.cell, $0.subject.cell,
                    $0.correlation.cell,
                ]
            }, "ON CONFLICT (id) DO NOTHING")
        for call in calls { try keepCaptured(of: call) }
    }

    /// In the order in which they were written down, which is when they ended; a page's times are those, too. When a
    /// call left says nothing of its place: an upload may end hours later.
    public func calls(_ filter: CallFilter, _ page: ListPage) throws -> [CallRow] {
        let conditions = conditions([
            ("provider", filter.provider), ("purpose", filter.purpose), ("connection_id", filter.connection),
            ("user_id", filter.userID), ("subject", filter.subject), ("correlation", filter.correlation),
        ])
        return try list(
            Listed(columns: Self.callColumns, from: "calls t", createdAt: nil, prefix: "call"),
            where: conditions + filter.outcomeConditions, page, Self.call)
    }

    /// The calls made for one user, oldest first.
    public func calls(for user: String, after last: String, limit: Int) throws -> [CallRow] {
        try rows(
            """
            SELECT \(Self.callColumns) FROM calls t
             WHERE t.user_id = \(user) AND t.id > \(last)
             ORDER BY t.id LIMIT \(limit)
            """, Self.call)
    }

    public func call(_ id: ID<CallKind>) throws -> CallRow? {
        try row("SELECT \(Self.callColumns) FROM calls t WHERE t.id = \(id)", Self.call)
    }

    /// The calls that were made for one thing, newest first.
    public func calls(about subject: String, limit: Int) throws -> [CallRow] {
        try rows(
            """
            SELECT \(Self.callColumns) FROM calls t
             WHERE t.subject = \(subject)
             ORDER BY t.id DESC LIMIT \(limit)
            """, Self.call)
    }

    private static var callColumns: SQL {
        """
        t.id, t.provider, t.purpose, t.method, t.host, t.path, t.at, t.latency, t.status, t.outcome, t.code, t.cost,
        t.attempt, t.bytes_sent, t.bytes_received, t.connection_id, t.user_id, t.subject, t.correlation
        """
    }
    private static func call(_ row: inout Row) throws -> CallRow {
        var call = CallRow(
            id: try row.id(), provider: try row.text(), purpose: try row.text(), method: try row.text(),
            host: try row.text(), path: try row.text(), at: try row.time())
        call.latency = .microseconds(try row.integer())
        call.status = try row.optionalInteger()
        call.outcome = try row.text()
        call.code = try row.optionalText()
        call.cost = try row.integer()
        call.attempt = try row.integer()
        call.bytesSent = try row.integer()
        call.bytesReceived = try row.integer()
        call.connection = try row.optionalText()
        call.userID = try row.optionalText()
        call.subject = try row.optionalText()
        call.correlation = try row.optionalText()
        return call
    }
}
