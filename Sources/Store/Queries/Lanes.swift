public import Kit

/// What fairness is between, and what a gate holds back: the jobs of one user or connection and class.
public struct Lane: Sendable, Hashable {
    public let id: String
    public let priority: Priority

    /// - Parameter owner: the user, connection, or shard of subjects whose jobs these are. Bounded outside text.
    public init(_ owner: String, _ priority: Priority) {
        id = "\(priority.rawValue)/\(owner)"
        self.priority = priority
    }

    /// A lane as a row of ours names it.
    public init(stored id: String, _ priority: Priority) {
        self.id = id
        self.priority = priority
    }
}

extension Priority {
    /// Urgent work and waiting persons have worker slots that nothing else may take; the rest share theirs by weight.
    var pool: Int {
        switch self {
        case .urgent: 0
        case .person: 1
        case .event, .publishing, .sync, .analytics: 2
        }
    }
    /// How much of its turn a job costs its lane: twice the weight, half the share when there is not enough for all.
    /// Nothing starves, and the order stays an index.
    var weight: Int {
        switch self {
        case .urgent, .person, .event: 1
        case .publishing: 2
        case .sync: 4
        case .analytics: 8
        }
    }
}

/// Jobs that came into a lane.
struct LaneArrival {
    let pool: Int
    let weight: Int
    var jobs: Int
}

extension Session {
    /// Wakes the lanes of jobs that were just made available: at once, or right after the commit (`Dialect`).
    func arrived(in lanes: [Lane]) throws {
        var arrivals: [String: LaneArrival] = [:]
        for lane in lanes {
            arrivals[lane.id, default: LaneArrival(pool: lane.priority.pool, weight: lane.priority.weight, jobs: 0)]
                .jobs += 1
        }
        if dialect.wakesLanesAtOnce {
            try wake(arrivals)
        } else {
            transaction.lanesToWake.merge(arrivals) { old, new in
                LaneArrival(pool: new.pool, weight: new.weight, jobs: old.jobs + new.jobs)
            }
        }
    }

    /// A lane that wakes does not bring back the turns it slept through: it starts at the pool's clock.
    func wake(_ arrivals: [String: LaneArrival]) throws {
        guard !arrivals.isEmpty else { return }
        let clocks = Dictionary(
            uniqueKeysWithValues: try rows("SELECT pool, turn FROM lane_clocks") {
                (try $0.integer(), try $0.integer())
            })
        try insert(
            "INSERT INTO lanes (id, pool, weight, turn, active, arrivals) VALUES",
            arrivals.sorted { $0.key < $1.key }.map { id, arrival in
                [
                    .text(id), arrival.pool.cell, arrival.weight.cell, .integer(clocks[Int64(arrival.pool)] ?? 0),
                    .integer(1), arrival.jobs.cell,
                ]
            },
            """
            ON CONFLICT (id) DO UPDATE
               SET active = 1, arrivals = lanes.arrivals + excluded.arrivals,
                   turn = CASE WHEN lanes.active = 1 OR lanes.turn > excluded.turn
                               THEN lanes.turn ELSE excluded.turn END
            """)
    }

    /// Lanes that hold available jobs and sleep: left behind by a process that died between its commit and the waking
    /// (PostgreSQL). Steps from lane to lane by the index.
    public func forgottenLanes(_ limit: Int) throws -> [Lane] {
        try rows(
            """
            WITH RECURSIVE waiting (lane) AS (
                SELECT min(lane) FROM jobs WHERE state = 'available'
                UNION ALL
                SELECT (SELECT min(j.lane) FROM jobs j WHERE j.state = 'available' AND j.lane > waiting.lane)
                  FROM waiting WHERE waiting.lane IS NOT NULL)
            SELECT w.lane, (SELECT j.class FROM jobs j WHERE j.lane = w.lane AND j.state = 'available' LIMIT 1)
              FROM waiting w
             WHERE w.lane IS NOT NULL
               AND NOT EXISTS (SELECT 1 FROM lanes l WHERE l.id = w.lane AND l.active = 1)
             LIMIT \(limit)
            """
        ) { row in Lane(stored: try row.text(), Priority(name: try row.text()) ?? .event) }
    }
    /// Wakes them. Answers how many.
    public func wakeForgottenLanes(_ limit: Int) throws -> Int {
        let lanes = try forgottenLanes(limit)
        try wake(
            Dictionary(
                lanes.map { ($0.id, LaneArrival(pool: $0.priority.pool, weight: $0.priority.weight, jobs: 1)) },
                uniquingKeysWith: { first, _ in first }))
        return lanes.count
    }

    /// Holds a lane back: one row, not a row a job. `why` reads it.
    public func gate(_ lane: Lane, until: Timestamp, by gate: String, reason: String) throws {
        try run(
            """
            UPDATE lanes
               SET gated_until = \(until), gate = \(gate), gate_reason = \(reason)
             WHERE id = \(lane.id) AND gated_until < \(until)
            """)
    }
}
