public import Kit

/// A job, live or ended, as lists and its page show it.
public struct JobRow: Sendable {
    public let id: ID<JobKind>
    public let kind: String
    public let lane: String
    public let priority: String
    /// `scheduled`, `available`, `waiting` (available behind a gate), `running`, `succeeded`, `cancelled`, `dead`.
    public let state: String
    public let subject: String?
    public let attempts: Int64
    public let createdAt: Timestamp
    public let startedAt: Timestamp?
    /// Of live jobs: when it is to run.
    public let dueAt: Timestamp?
    public let finishedAt: Timestamp?
    /// The last error of a live job; why an ended one ended.
    public let reason: String?
    /// A running job that is to stop.
    public let isCancelled: Bool
    public let input: [UInt8]
}

public struct JobFilter: Sendable {
    public var state: String?
    public var kind: String?
    public var subject: String?
    public var lane: String?
    public init() {}

    var conditions: [SQL] { Store.conditions([("kind", kind), ("subject", subject), ("lane", lane)]) }
}

/// What a live job waits for.
public struct JobPlace: Sendable {
    public let job: JobRow
    public let gatedUntil: Timestamp?
    public let gate: String?
    public let gateReason: String?
    /// Jobs of the same lane that go first, counted to `JobPlace.aheadMax` + 1.
    public let ahead: Int64
    public static let aheadMax: Int64 = 1000
}

/// What came of a wish about a job.
public enum JobWish: Sendable, Equatable {
    case done
    case unknown
    /// Its state does not allow it.
    case refused(state: String)
    /// The same work, under the same unique key, waits or runs already.
    case twin(ID<JobKind>)
}

extension Session {
    /// Whether a job has not ended.
    public func isAlive(_ id: ID<JobKind>) throws -> Bool {
        try row("SELECT 1 FROM jobs WHERE id = \(id)") { _ in true } ?? false
    }

    /// Whether a node has a job in hand.
    public func isRunning(_ id: ID<JobKind>) throws -> Bool {
        try row("SELECT 1 FROM jobs WHERE id = \(id) AND state = 'running'") { _ in true } ?? false
    }

    /// Live and ended jobs as one list.
    /// - Parameter border: no further than this id, in the list's order.
    public func jobs(
        _ filter: JobFilter, _ page: ListPage, at now: Timestamp, upTo border: String? = nil
    ) throws -> [JobRow] {
        var found: [JobRow] = []
        let within: [SQL] = border.map { [page.ascending ? "t.id <= \($0)" : "t.id >= \($0)"] } ?? []
        if let live = Self.liveCondition(filter.state, now) {
            found += try list(Self.liveJobs(now), where: filter.conditions + live + within, page, Self.job)
        }
        if filter.state.map(Self.endedStates.contains) ?? true {
            // Written out, since a partial index is not used for a bound value.
            let state = filter.state.map { [SQL(stringLiteral: "t.state = '\($0)'")] } ?? []
            found += try list(Self.endedJobs, where: filter.conditions + state + within, page, Self.job)
        }
        found.sort { page.ascending ? $0.id < $1.id : $0.id > $1.id }
        return Array(found.prefix(page.limit + 1))
    }
    private static var endedStates: Set<String> { ["succeeded", "cancelled", "dead"] }

    /// Nil when live jobs cannot be in this state.
    private static func liveCondition(_ state: String?, _ now: Timestamp) -> [SQL]? {
        switch state {
        case nil: []
        case "available": ["t.state = 'available'", "coalesce(l.gated_until, 0) <= \(now)"]
        case "waiting": ["t.state = 'available'", "l.gated_until > \(now)"]
        case "scheduled", "running": conditions([("state", state)])
        default: nil
        }
    }

    public func job(_ id: ID<JobKind>, at now: Timestamp) throws -> JobRow? {
        let live = try row(
            "SELECT \(Self.liveJobs(now).columns) FROM \(Self.liveJobs(now).from) WHERE t.id = \(id)", Self.job)
        return try live ?? row("SELECT \(Self.endedJobs.columns) FROM jobs_done t WHERE t.id = \(id)", Self.job)
    }

    /// The live job with this unique text.
    public func liveJob(uniqueKey: String) throws -> ID<JobKind>? {
        try row("SELECT id FROM jobs WHERE unique_key = \(uniqueKey)") { try $0.id() }
    }

    /// What a job waits for, and its place in its lane.
    public func place(of id: ID<JobKind>, at now: Timestamp) throws -> JobPlace? {
        guard let job = try job(id, at: now) else { return nil }
        let gate = try row("SELECT gated_until, gate, gate_reason FROM lanes WHERE id = \(job.lane)") { row in
            (try row.time(), try row.optionalText(), try row.optionalText())
        }
        let isGated = gate.map { $0.0 > now } ?? false
        let ahead = try row(
            """
            SELECT count(*)
              FROM (SELECT o.id FROM jobs o JOIN jobs t ON t.id = \(id)
                     WHERE o.lane = t.lane AND o.state = 'available' AND t.state = 'available'
                       AND (o.rank, o.id) < (t.rank, t.id)
                     LIMIT \(JobPlace.aheadMax + 1)) AS first
            """
        ) { try $0.integer() }
        return JobPlace(
            job: job, gatedUntil: isGated ? gate?.0 : nil, gate: isGated ? gate?.1 : nil,
            gateReason: isGated ? gate?.2 : nil, ahead: ahead ?? 0)
    }

    /// Runs an ended job anew under its id, with all its attempts before it, or a scheduled one now.
    ///
    /// - Parameter applying: the kind of the jobs that apply events: an event on which its job gave up is queued again.
    public func retry(_ id: ID<JobKind>, applying: String, at now: Timestamp) throws -> JobWish {
        let state = try row("SELECT state FROM jobs WHERE id = \(id) \(dialect.forUpdate)") { try $0.text() }
        if let state {
            guard state == "scheduled" else { return .refused(state: state) }
            let lane = try row(
                """
                UPDATE jobs SET state = 'available', due_at = \(now), rank = \(now)
                 WHERE id = \(id) AND state = 'scheduled'
                RETURNING lane, class
                """
            ) { row in Lane(stored: try row.text(), Priority(name: try row.text()) ?? .event) }
            try arrived(in: lane.map { [$0] } ?? [])
            return .done
        }
        let ended = try row(
            "SELECT state, lane, class FROM jobs_done WHERE id = \(id) \(dialect.forUpdate)"
        ) { row in (state: try row.text(), lane: Lane(stored: try row.text(), Priority(name: try row.text()) ?? .event))
        }
        guard let ended else { return .unknown }
        guard ended.state != "succeeded" else { return .refused(state: ended.state) }
        let added = try run(
            """
            INSERT INTO jobs (id, kind, version, lane, class, state, rank, due_at, input, subject, unique_key,
                              created_at)
            SELECT id, kind, version, lane, class, 'available', CAST(\(now) AS BIGINT), CAST(\(now) AS BIGINT), input,
                   subject, unique_key, created_at
              FROM jobs_done WHERE id = \(id)
            ON CONFLICT DO NOTHING
            """)
        guard added == 1 else {
            let twin = try row(
                "SELECT j.id FROM jobs j JOIN jobs_done d ON d.unique_key = j.unique_key WHERE d.id = \(id)"
            ) { try $0.id(JobKind.self) }
            // Gone meanwhile: the transaction runs once more.
            guard let twin else { throw StoreError.conflict }
            return .twin(twin)
        }
        try run("DELETE FROM jobs_done WHERE id = \(id)")
        try run(
            """
            UPDATE events SET state = 'queued', state_reason = NULL, state_at = \(now)
             WHERE state = 'failed' AND id = (SELECT subject FROM jobs WHERE id = \(id) AND kind = \(applying))
            """)
        try arrived(in: [ended.lane])
        return .done
    }

    /// Ends a job that waits; marks one that runs, so that it stops at its next step.
    public func cancel(_ id: ID<JobKind>, reason: String, at now: Timestamp) throws -> JobWish {
        let state = try row("SELECT state FROM jobs WHERE id = \(id) \(dialect.forUpdate)") { try $0.text() }
        guard let state else {
            let ended = try row("SELECT state FROM jobs_done WHERE id = \(id)") { try $0.text() }
            return ended.map { $0 == "cancelled" ? .done : .refused(state: $0) } ?? .unknown
        }
        if state == "running" {
            try run("UPDATE jobs SET cancelled = 1 WHERE id = \(id)")
        } else {
            try end(id, as: "cancelled", reason: reason, at: now)
        }
        return .done
    }

    // MARK: Reading rows

    static func liveJobs(_ now: Timestamp) -> Listed {
        Listed(
            columns: """
                t.id, t.kind, t.lane, t.class,
                CASE WHEN t.state = 'available' AND l.gated_until > \(now) THEN 'waiting' ELSE t.state END,
                t.subject, t.attempts, t.created_at, t.started_at, t.due_at, NULL, t.last_error, t.cancelled, t.input
                """, from: "jobs t LEFT JOIN lanes l ON l.id = t.lane", createdAt: "t.created_at", prefix: "job")
    }
    static var endedJobs: Listed {
        Listed(
            columns: """
                t.id, t.kind, t.lane, t.class, t.state, t.subject, t.attempts, t.created_at, t.started_at, NULL,
                t.finished_at, t.reason, 0, t.input
                """, from: "jobs_done t", createdAt: "t.created_at", prefix: "job")
    }
    static func job(_ row: inout Row) throws -> JobRow {
        JobRow(
            id: try row.id(), kind: try row.text(), lane: try row.text(), priority: try row.text(),
            state: try row.text(),
            subject: try row.optionalText(), attempts: try row.integer(), createdAt: try row.time(),
            startedAt: try row.optionalTime(), dueAt: try row.optionalTime(), finishedAt: try row.optionalTime(),
            reason: try row.optionalText(), isCancelled: try row.boolean(), input: try row.blob())
    }
}
