public import Kit

/// Work to be done, durably, at least once; its effects are bound to its end by the fence.
public struct NewJob: Sendable {
    public let id: ID<JobKind>
    /// The name of its worker: `event.apply`.
    public let kind: String
    /// Of the input's shape. A node claims only what it knows.
    public let version: Int
    public let lane: Lane
    public let dueAt: Timestamp
    public let createdAt: Timestamp
    /// What the worker reads; 8 KiB at most, content goes by id.
    public let input: [UInt8]
    /// The id of what it is about, for `trace`.
    public let subject: String?
    /// Among live jobs there is one with this text; a second is dropped, and a running one runs once more.
    public let uniqueKey: String?

    public init(
        id: ID<JobKind>, kind: String, version: Int = 1, lane: Lane, dueAt: Timestamp, createdAt: Timestamp,
        input: [UInt8], subject: String? = nil, uniqueKey: String? = nil
    ) {
        self.id = id
        self.kind = kind
        self.version = version
        self.lane = lane
        self.dueAt = dueAt
        self.createdAt = createdAt
        self.input = input
        self.subject = subject
        self.uniqueKey = uniqueKey
    }

    /// The same job at another time.
    public func due(at moment: Timestamp) -> NewJob {
        NewJob(
            id: id, kind: kind, version: version, lane: lane, dueAt: moment, createdAt: createdAt, input: input,
            subject: subject, uniqueKey: uniqueKey)
    }
}

/// A job in the hands of this node.
public struct ClaimedJob: Sendable {
    public let id: ID<JobKind>
    public let kind: String
    public let version: Int
    public let lane: String
    public let priority: Priority
    public let input: [UInt8]
    public let subject: String?
    /// This one included: 1 for the first.
    public let attempt: Int
    public let deaths: Int
    public let node: ID<NodeKind>
    /// Rises with every claim: who writes about the job with an older one is late.
    public let fence: Int64
    public let createdAt: Timestamp
    public let firstFailedAt: Timestamp?
}

/// Somebody else has the job now, or nobody does: whatever was done in this transaction must not be kept.
public struct Fenced: Error, Equatable {
    public let job: String
    public init(job: String) { self.job = job }
}

extension Session {
    /// Adds jobs and wakes their lanes. A job whose `uniqueKey` is alive is dropped; if that one runs, it runs again.
    public func enqueue(_ jobs: [NewJob]) throws {
        guard !jobs.isEmpty else { return }
        let added = Set(
            try insert(
                """
                INSERT INTO jobs (id, kind, version, lane, class, state, rank, due_at, input, subject, unique_key,
                                  created_at) VALUES
                """,
                jobs.map {
                    [
                        $0.id.cell, .text($0.kind), $0.version.cell, .text($0.lane.id), .text($0.lane.priority.name),
                        .text($0.dueAt <= $0.createdAt ? "available" : "scheduled"), $0.dueAt.cell, $0.dueAt.cell,
                        .blob($0.input), $0.subject.cell, $0.uniqueKey.cell, $0.createdAt.cell,
                    ]
                },
                "ON CONFLICT DO NOTHING RETURNING id"
            ) { try $0.text() })
        let repeated = jobs.filter { !added.contains($0.id.text) }.compactMap(\.uniqueKey)
        if !repeated.isEmpty {
            try run("UPDATE jobs SET again = 1 WHERE state = 'running' AND unique_key IN (\(SQL.list(repeated)))")
        }
        try arrived(in: jobs.filter { added.contains($0.id.text) && $0.dueAt <= $0.createdAt }.map(\.lane))
    }

    /// Makes a job that nobody has in hand run at once, in a lane where somebody waits.
    public func hasten(_ id: ID<JobKind>, to lane: Lane, at now: Timestamp) throws {
        let moved = try run(
            """
            UPDATE jobs
               SET due_at = \(now), rank = \(now), lane = \(lane.id), class = \(lane.priority.name), state = 'available'
             WHERE id = \(id) AND state IN ('scheduled', 'available')
            """)
        if moved == 1 { try arrived(in: [lane]) }
    }

    /// Makes scheduled jobs available whose time has come, at most `limit`. Answers how many.
    public func promoteScheduled(_ limit: Int, at now: Timestamp) throws -> Int {
        let promoted = try rows(
            """
            UPDATE jobs SET state = 'available'
             WHERE id IN (SELECT id FROM jobs
                           WHERE state = 'scheduled' AND due_at <= \(now)
                           ORDER BY due_at, id
                           LIMIT \(limit) \(dialect.skipLocked))
            RETURNING lane, class
            """
        ) { row in Lane(stored: try row.text(), Priority(name: try row.text()) ?? .event) }
        try arrived(in: promoted)
        return promoted.count
    }
    /// When the next scheduled job is due.
    public func nextScheduled() throws -> Timestamp? {
        try row("SELECT min(due_at) FROM jobs WHERE state = 'scheduled'") { try $0.optionalTime() } ?? nil
    }
    /// Whether a claim would find a lane.
    public func hasDueLane(at now: Timestamp) throws -> Bool {
        try row("SELECT 1 FROM lanes WHERE active = 1 AND gated_until <= \(now) LIMIT 1") { _ in true } ?? false
    }

    /// Takes up to `limit` jobs of the pools' lanes, those that have used least first, a few of each, and gives them
    /// to a node's session.
    ///
    /// Two nodes never get the same job. Lanes behind a gate are passed over; lanes found empty go to sleep.
    public func claim(_ limit: Int, pools: [Int], for node: ID<NodeKind>, at now: Timestamp) throws -> [ClaimedJob] {
        var claimed: [ClaimedJob] = []
        for pool in pools where claimed.count < limit {
            // Lanes that turn out to be empty may hide full ones behind them: look again, a bounded number of times.
            for _ in 0..<Self.claimRounds where claimed.count < limit {
                let (jobs, sawAll) = try claim(limit - claimed.count, pool: pool, for: node, at: now)
                claimed += jobs
                if sawAll { break }
            }
        }
        return claimed
    }
    private static var claimRounds: Int { 8 }
    /// Lanes looked at in one statement.
    private static var lanesAtOnce: Int { 32 }

    private func claim(
        _ limit: Int, pool: Int, for node: ID<NodeKind>, at now: Timestamp
    ) throws -> (jobs: [ClaimedJob], sawAll: Bool) {
        let lanes = try rows(
            """
            SELECT id, turn, weight, arrivals
              FROM lanes
             WHERE pool = \(pool) AND active = 1 AND gated_until <= \(now)
             ORDER BY turn, id
             LIMIT \(min(limit, Self.lanesAtOnce))
            """
        ) { row in
            DueLane(id: try row.text(), turn: try row.integer(), weight: try row.integer(), arrivals: try row.integer())
        }
        guard !lanes.isEmpty else { return ([], true) }
        let each = max(1, limit / lanes.count)
        let jobs = try take(each, ofEach: lanes, for: node, at: now)
        try advance(lanes, by: Dictionary(grouping: jobs, by: \.lane).mapValues(\.count), pool: pool)
        return (jobs, lanes.count < min(limit, Self.lanesAtOnce))
    }

    private func take(_ each: Int, ofEach lanes: [DueLane], for node: ID<NodeKind>, at now: Timestamp) throws
        -> [ClaimedJob]
    {
        var padded = lanes
        while padded.count & (padded.count - 1) != 0, let last = padded.last { padded.append(last) }
        let firsts = padded.map { lane -> SQL in
            """
            SELECT id FROM (SELECT id FROM jobs
                             WHERE lane = \(lane.id) AND state = 'available'
                             ORDER BY rank, id
                             LIMIT \(each) \(dialect.skipLocked)) AS first
            """
        }
        return try rows(
            """
            WITH due AS MATERIALIZED (\(SQL.joined(firsts, by: " UNION ALL ")))
            UPDATE jobs
               SET state = 'running', node = \(node), fence = fence + 1, attempts = attempts + 1, started_at = \(now)
             WHERE id IN (SELECT id FROM due)
            RETURNING id, kind, version, lane, class, input, subject, attempts, deaths, fence, created_at,
                      first_failed_at
            """
        ) { row in
            ClaimedJob(
                id: try row.id(), kind: try row.text(), version: Int(try row.integer()), lane: try row.text(),
                priority: Priority(name: try row.text()) ?? .event, input: try row.blob(),
                subject: try row.optionalText(), attempt: Int(try row.integer()), deaths: Int(try row.integer()),
                node: node, fence: try row.integer(), createdAt: try row.time(), firstFailedAt: try row.optionalTime())
        }
    }

    /// Lanes that gave work pay for it; lanes that had none sleep, unless something arrived since they were read.
    private func advance(_ lanes: [DueLane], by taken: [String: Int], pool: Int) throws {
        // In one order everywhere: claims and wakings that meet on several lanes would else wait for each other.
        if dialect.engine == .postgres {
            let ids = lanes.map(\.id)
            _ = try rows("SELECT id FROM lanes WHERE id IN (\(SQL.list(ids))) ORDER BY id FOR UPDATE") { try $0.text() }
        }
        let empty = lanes.filter { taken[$0.id] == nil }
        if !empty.isEmpty {
            let seen = SQL.rows(empty.map { [.text($0.id), .integer($0.arrivals)] }, casts: ["TEXT", "BIGINT"])
            try run(
                """
                UPDATE lanes SET active = 0
                  FROM (VALUES \(seen)) AS seen
                 WHERE lanes.id = seen.column1 AND lanes.arrivals = seen.column2
                """)
        }
        let served = lanes.filter { taken[$0.id] != nil }
        guard let clock = served.map(\.turn).max() else { return }
        let costs = SQL.rows(
            served.map { [.text($0.id), .integer(Int64(taken[$0.id] ?? 0) * $0.weight)] }, casts: ["TEXT", "BIGINT"])
        try run(
            """
            UPDATE lanes SET turn = turn + cost.column2
              FROM (VALUES \(costs)) AS cost
             WHERE lanes.id = cost.column1
            """)
        try run("UPDATE lane_clocks SET turn = \(clock) WHERE pool = \(pool) AND turn < \(clock)")
    }
}

private struct DueLane {
    let id: String
    let turn: Int64
    let weight: Int64
    let arrivals: Int64
}
