public import Kit

/// A change that an endpoint has not taken yet although its cursor has passed it.
public struct DueChange: Sendable, Equatable {
    public let position: Int64
    /// Whose order it must keep; nil where there is none to keep.
    public let orderingKey: String?
    /// Tries so far.
    public let attempts: Int64
    public let dueAt: Timestamp
    /// Of the first try; nil before it.
    public let firstAt: Timestamp?
    /// Waits for an earlier change of its key, without a time of its own.
    public let isHeld: Bool

    public init(
        position: Int64, orderingKey: String?, attempts: Int64, dueAt: Timestamp, firstAt: Timestamp?, isHeld: Bool
    ) {
        self.position = position
        self.orderingKey = orderingKey
        self.attempts = attempts
        self.dueAt = dueAt
        self.firstAt = firstAt
        self.isHeld = isHeld
    }
}

/// What an endpoint's run found out, for one commit.
public struct EndpointProgress: Sendable {
    public let endpoint: ID<EndpointKind>
    public let node: ID<NodeKind>
    /// Of the lease that allows this.
    public let fence: Int64
    /// Up to here nothing is open any more.
    public let position: Int64
    public let attempts: [Attempt]
    /// Moved aside, or moved on.
    public let later: [DueChange]
    /// Positions that were aside and are done.
    public let done: [Int64]
    public let verdict: EndpointVerdict
    /// Told to followers whatever becomes of the verdict.
    public let markers: [NewChange]
    public let at: Timestamp

    public init(
        endpoint: ID<EndpointKind>, node: ID<NodeKind>, fence: Int64, position: Int64, attempts: [Attempt],
        later: [DueChange], done: [Int64], verdict: EndpointVerdict, markers: [NewChange], at: Timestamp
    ) {
        self.endpoint = endpoint
        self.node = node
        self.fence = fence
        self.position = position
        self.attempts = attempts
        self.later = later
        self.done = done
        self.verdict = verdict
        self.markers = markers
        self.at = at
    }
}

/// What an endpoint is held to be, judged from settings of one version. Void when a person has changed them since.
public struct EndpointVerdict: Sendable {
    public var version: Int64
    public var state: Endpoint.State
    public var reason: String?
    public var health: EndpointHealth
    /// Told to followers with it.
    public var changes: [NewChange]

    public init(
        version: Int64, state: Endpoint.State, reason: String?, health: EndpointHealth, changes: [NewChange] = []
    ) {
        self.version = version
        self.state = state
        self.reason = reason
        self.health = health
        self.changes = changes
    }
}

/// What an endpoint's run must know after its progress is on disk.
public struct RecordedProgress: Sendable {
    /// Of the settings; another than the verdict's means that they are to be read anew.
    public let version: Int64
    public let keysTouched: Set<String>
    /// Of those, the ones that still have something aside.
    public let keysDue: Set<String>
}

extension Session {
    /// Records what became of changes at an endpoint: tries, cursor, what is aside, and the endpoint's health, all or
    /// nothing.
    ///
    /// - Parameter repeated: whether the same progress was recorded before with an outcome that nobody knows.
    /// - Returns: nil when this node no longer holds the endpoint, or it is gone; nothing is kept then.
    public func record(_ progress: EndpointProgress, repeated: Bool = false) throws -> RecordedProgress? {
        let lease = Self.endpointLease(progress.endpoint)
        guard try holdsLease(lease, node: progress.node, fence: progress.fence),
            let endpoint = try endpoint(progress.endpoint, held: true)
        else { return nil }
        let keys = try keys(of: progress)
        if try !(repeated && isRecorded(progress)) {
            try insert(progress.attempts)
            try moveAside(progress.later, of: endpoint.id)
            try removeDue(progress.done, of: endpoint.id)
            try release(keys, of: endpoint.id, at: progress.at)
            try run(
                """
                UPDATE endpoints SET position = \(progress.position)
                 WHERE id = \(endpoint.id) AND position < \(progress.position)
                """)
            if progress.verdict.version == endpoint.version { try write(progress.verdict, of: endpoint.id) }
            try append(progress.markers)
        }
        return RecordedProgress(
            version: endpoint.version, keysTouched: keys, keysDue: try keysDue(keys, of: endpoint.id))
    }

    /// What is aside and due, in the order in which it became due.
    public func due(of endpoint: ID<EndpointKind>, at now: Timestamp, limit: Int) throws -> [DueChange] {
        try rows(
            """
            SELECT position, ordering_key, attempts, due_at, first_at, held
              FROM attempts_due
             WHERE endpoint_id = \(endpoint) AND held = 0 AND due_at <= \(now)
             ORDER BY due_at, position
             LIMIT \(limit)
            """, Self.dueChange)
    }

    /// When something aside is due next after a time.
    public func nextDue(of endpoint: ID<EndpointKind>, after now: Timestamp) throws -> Timestamp? {
        try row(
            "SELECT min(due_at) FROM attempts_due WHERE endpoint_id = \(endpoint) AND held = 0 AND due_at > \(now)"
        ) { try $0.optionalTime() } ?? nil
    }

    /// What is aside beyond the cursor: a crash came between its move and the cursor's.
    public func due(of endpoint: ID<EndpointKind>, after position: Int64, limit: Int) throws -> [DueChange] {
        try rows(
            """
            SELECT position, ordering_key, attempts, due_at, first_at, held
              FROM attempts_due
             WHERE endpoint_id = \(endpoint) AND position > \(position)
             ORDER BY position
             LIMIT \(limit)
            """, Self.dueChange)
    }

    /// Of these keys, those that have something aside.
    public func keysDue(_ keys: Set<String>, of endpoint: ID<EndpointKind>) throws -> Set<String> {
        guard !keys.isEmpty else { return [] }
        return Set(
            try rows(
                """
                SELECT DISTINCT ordering_key FROM attempts_due
                 WHERE endpoint_id = \(endpoint) AND ordering_key IN (\(SQL.list(keys.sorted())))
                """
            ) { try $0.text() })
    }

    /// How much is aside, counted to `limit`.
    public func countDue(of endpoint: ID<EndpointKind>, limit: Int) throws -> Int64 {
        try row(
            """
            SELECT count(*) FROM (SELECT 1 FROM attempts_due WHERE endpoint_id = \(endpoint) LIMIT \(limit)) AS aside
            """
        ) { try $0.integer() } ?? 0
    }

    // MARK: The parts

    private func isRecorded(_ progress: EndpointProgress) throws -> Bool {
        guard let attempt = progress.attempts.first else { return false }
        return try row("SELECT 1 FROM attempts WHERE id = \(attempt.id)") { _ in true } ?? false
    }

    private func keys(of progress: EndpointProgress) throws -> Set<String> {
        var keys = Set(progress.later.compactMap(\.orderingKey))
        guard !progress.done.isEmpty else { return keys }
        keys.formUnion(
            try rows(
                """
                SELECT DISTINCT ordering_key FROM attempts_due
                 WHERE endpoint_id = \(progress.endpoint) AND position IN (\(SQL.list(progress.done)))
                   AND ordering_key IS NOT NULL
                """
            ) { try $0.text() })
        return keys
    }

    func moveAside(_ later: [DueChange], of endpoint: ID<EndpointKind>) throws {
        try insert(
            """
            INSERT INTO attempts_due (endpoint_id, position, ordering_key, attempts, due_at, first_at, held) VALUES
            """,
            later.map {
                [
                    endpoint.cell, .integer($0.position), $0.orderingKey.cell, .integer($0.attempts), $0.dueAt.cell,
                    $0.firstAt.cell, $0.isHeld.cell,
                ]
            },
            """
            ON CONFLICT (endpoint_id, position) DO UPDATE
               SET attempts = excluded.attempts, due_at = excluded.due_at, first_at = excluded.first_at,
                   held = excluded.held
            """)
    }

    private func removeDue(_ positions: [Int64], of endpoint: ID<EndpointKind>) throws {
        guard !positions.isEmpty else { return }
        try run("DELETE FROM attempts_due WHERE endpoint_id = \(endpoint) AND position IN (\(SQL.list(positions)))")
    }

    /// Of each key of which nothing is being tried, lets the first go.
    func release(_ keys: Set<String>, of endpoint: ID<EndpointKind>, at now: Timestamp) throws {
        guard !keys.isEmpty else { return }
        try run(
            """
            UPDATE attempts_due
               SET held = 0, due_at = CASE WHEN due_at > \(now) THEN due_at ELSE \(now) END
             WHERE endpoint_id = \(endpoint) AND held = 1 AND ordering_key IN (\(SQL.list(keys.sorted())))
               AND NOT EXISTS (SELECT 1 FROM attempts_due d
                                WHERE d.endpoint_id = attempts_due.endpoint_id
                                  AND d.ordering_key = attempts_due.ordering_key
                                  AND (d.held = 0 OR d.position < attempts_due.position))
            """)
    }

    private func write(_ verdict: EndpointVerdict, of endpoint: ID<EndpointKind>) throws {
        try run(
            """
            UPDATE endpoints
               SET state = \(verdict.state.rawValue), state_reason = \(verdict.reason),
                   failing_since = \(verdict.health.failingSince), last_success_at = \(verdict.health.lastSuccessAt),
                   paused_until = \(verdict.health.pausedUntil), warned = \(verdict.health.warned)
             WHERE id = \(endpoint)
            """)
        try append(verdict.changes)
    }

    private static func dueChange(_ row: inout Row) throws -> DueChange {
        DueChange(
            position: try row.integer(), orderingKey: try row.optionalText(), attempts: try row.integer(),
            dueAt: try row.time(), firstAt: try row.optionalTime(), isHeld: try row.boolean())
    }
}
