public import Kit

/// What a scrape shows of the database.
public struct StoreGauges: Sendable, Equatable {
    /// Live jobs by state, and `dead` ones.
    public var jobs: [String: Int64] = [:]
    /// When the job that has been due the longest was due; nil when none waits.
    public var oldestDueAt: Timestamp?
    /// The last position given in the feed.
    public var feedPosition: Int64 = 0
    /// By endpoint: how many positions it is behind the feed.
    public var endpointLag: [String: Int64] = [:]

    /// Rows of one state that are counted; beyond it PostgreSQL estimates, and on SQLite it stands for "or more".
    public static let countMax: Int64 = 10_000
    /// Endpoints that are shown, the oldest: each is a series.
    public static let endpointsMax = 100
    /// Lanes that are looked at for the oldest job.
    static let lanesMax = 10_000

    public init() {}
}

extension Session {
    /// One snapshot of everything that a scrape shows, at a bounded cost.
    public func gauges(at now: Timestamp) throws -> StoreGauges {
        var gauges = StoreGauges()
        let ready = try count("jobs WHERE state = 'available'", index: "jobs_ready")
        let waiting = try waitingCount(at: now)
        gauges.jobs = [
            "available": max(0, ready - waiting), "waiting": waiting,
            "scheduled": try count("jobs WHERE state = 'scheduled'", index: "jobs_scheduled"),
            "running": try count("jobs WHERE state = 'running'", index: "jobs_running"),
            "dead": try count("jobs_done WHERE state = 'dead'", index: "jobs_done_dead"),
        ]
        gauges.oldestDueAt = try oldestDue(at: now)
        gauges.feedPosition = try feedHead()
        let cursors = try rows(
            """
            SELECT id, position FROM endpoints WHERE state <> 'disabled' ORDER BY id LIMIT \(StoreGauges.endpointsMax)
            """
        ) { row in (try row.text(), try row.integer()) }
        for (id, position) in cursors { gauges.endpointLag[id] = max(0, gauges.feedPosition - position) }
        return gauges
    }

    /// - Parameters:
    ///   - rows: table and condition, which are an index of ours.
    ///   - index: its name, for the estimate.
    private func count(_ rows: String, index: String) throws -> Int64 {
        let max = StoreGauges.countMax
        let counted = try row(
            "SELECT count(*) FROM (SELECT 1 FROM \(SQL(stringLiteral: rows)) LIMIT \(max)) AS counted"
        ) {
            try $0.integer()
        }
        guard let counted, counted >= max, dialect.engine == .postgres else { return counted ?? 0 }
        let estimate = try row(
            """
            SELECT CAST(c.reltuples AS BIGINT)
              FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
             WHERE n.nspname = 'patchbay' AND c.relname = \(index)
            """
        ) { try $0.integer() }
        return Swift.max(counted, estimate ?? 0)
    }

    /// Jobs behind a gate.
    private func waitingCount(at now: Timestamp) throws -> Int64 {
        try row(
            """
            SELECT count(*)
              FROM (SELECT 1 FROM lanes l JOIN jobs j ON j.lane = l.id AND j.state = 'available'
                     WHERE l.gated_until > \(now)
                     LIMIT \(StoreGauges.countMax)) AS counted
            """
        ) { try $0.integer() } ?? 0
    }

    /// When the job that has been due the longest was due: the first of each lane that has work and no gate.
    public func oldestDue(at now: Timestamp) throws -> Timestamp? {
        try row(
            """
            SELECT min((SELECT j.due_at FROM jobs j
                         WHERE j.lane = l.id AND j.state = 'available' ORDER BY j.rank, j.id LIMIT 1))
              FROM (SELECT id FROM lanes
                     WHERE active = 1 AND gated_until <= \(now) ORDER BY pool, turn, id
                     LIMIT \(StoreGauges.lanesMax)) AS l
            """
        ) { try $0.optionalTime() } ?? nil
    }
}
