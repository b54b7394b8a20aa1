public import Kit

/// A page of the list of jobs, looked for within a bound.
public struct JobsFound: Sendable {
    public let rows: [JobRow]
    /// Set where the search ended before it had enough: the last id that was looked at.
    public let stoppedAt: String?
}

/// What holds a lane back.
public struct LaneGate: Sendable, Equatable {
    public let until: Timestamp
    /// What it is: a quota, a circuit, a refresh, a pause.
    public let name: String?
    /// For a person.
    public let reason: String?

    public init(until: Timestamp, name: String?, reason: String?) {
        self.until = until
        self.name = name
        self.reason = reason
    }
}

/// What is known of a live job besides its row.
public struct LiveJobFacts: Sendable, Equatable {
    public let node: String?
    /// Processes that ended while they ran it.
    public let deaths: Int64
    public let firstFailedAt: Timestamp?
}

/// Jobs of one kind among those that a plan is about.
public struct JobsOfKind: Sendable, Equatable {
    public let kind: String
    public let count: Int
    /// Of these, jobs whose lane is held back now.
    public let gated: Int
    public let gatedUntil: Timestamp?
}

extension Session {
    /// Rows that a filter without an index looks through before it says so.
    public static var jobsScanned: Int { 20_000 }

    /// The jobs that a filter finds among the next `jobsScanned` rows of each table.
    public func searchJobs(_ filter: JobFilter, _ page: ListPage, at now: Timestamp) throws -> JobsFound {
        guard filter.kind != nil || filter.subject != nil || filter.lane != nil || filter.state == "cancelled" else {
            return JobsFound(rows: try jobs(filter, page, at: now), stoppedAt: nil)
        }
        let stop = try ["jobs", "jobs_done"].compactMap { try jobsBorder($0, page) }
            .reduce(nil as String?) { page.ascending ? min($0 ?? $1, $1) : max($0 ?? $1, $1) }
        guard let stop, filter.state != "dead" else {
            return JobsFound(rows: try jobs(filter, page, at: now), stoppedAt: nil)
        }
        // A condition of its own on the id bounds what both tables are searched for.
        let rows = try jobs(filter, page, at: now, upTo: stop)
        return JobsFound(rows: rows, stoppedAt: rows.count > page.limit ? nil : stop)
    }

    /// The id at the far end of what is looked through; nil where the table ends before.
    private func jobsBorder(_ table: String, _ page: ListPage) throws -> String? {
        let name = SQL(stringLiteral: table)
        let after: SQL = page.after.map { page.ascending ? "WHERE id > \($0)" : "WHERE id < \($0)" } ?? ""
        return try row(
            """
            SELECT id FROM \(name) \(after)
             ORDER BY id \(page.order) LIMIT 1 OFFSET \(Self.jobsScanned - 1)
            """
        ) { try $0.text() }
    }

    /// Which lanes of these are held back now.
    public func gates(of lanes: [String], at now: Timestamp) throws -> [String: LaneGate] {
        guard !lanes.isEmpty else { return [:] }
        let found = try rows(
            """
            SELECT id, gated_until, gate, gate_reason FROM lanes
             WHERE id IN (\(SQL.list(lanes))) AND gated_until > \(now)
            """
        ) { row in
            (
                try row.text(),
                LaneGate(until: try row.time(), name: try row.optionalText(), reason: try row.optionalText())
            )
        }
        return Dictionary(found) { first, _ in first }
    }

    public func liveFacts(of id: ID<JobKind>) throws -> LiveJobFacts? {
        try row("SELECT node, deaths, first_failed_at FROM jobs WHERE id = \(id)") { row in
            LiveJobFacts(
                node: try row.optionalText(), deaths: try row.integer(), firstFailedAt: try row.optionalTime())
        }
    }

    /// The first jobs in a lane's line.
    public func line(in lane: String, limit: Int) throws -> [(id: ID<JobKind>, kind: String, subject: String?)] {
        try rows(
            """
            SELECT id, kind, subject FROM jobs
             WHERE lane = \(lane) AND state = 'available' ORDER BY rank, id LIMIT \(limit)
            """
        ) { row in (try row.id(), try row.text(), try row.optionalText()) }
    }

    /// How many jobs of which kind a selection has, counted to `limit`.
    public func countJobs(
        _ filter: JobFilter, before: Timestamp, atMost limit: Int, at now: Timestamp
    ) throws -> [JobsOfKind] {
        let page = ListPage(limit: limit, ascending: true, createdBefore: before)
        return try grouped(try jobs(filter, page, at: now), at: now)
    }

    /// The same for jobs that were chosen one by one.
    public func countJobs(_ ids: [ID<JobKind>], at now: Timestamp) throws -> [JobsOfKind] {
        try grouped(try ids.compactMap { try job($0, at: now) }, at: now)
    }

    private func grouped(_ rows: [JobRow], at now: Timestamp) throws -> [JobsOfKind] {
        let gates = try gates(of: Array(Set(rows.map(\.lane)).prefix(1000)), at: now)
        return Dictionary(grouping: rows, by: \.kind).map { kind, rows in
            let held = rows.compactMap { gates[$0.lane] }
            return JobsOfKind(
                kind: kind, count: rows.count, gated: held.count, gatedUntil: held.map(\.until).max())
        }.sorted { ($1.count, $0.kind) < ($0.count, $1.kind) }
    }

    /// Lets a job be that gave up: it is cancelled, with a person's reason.
    public func closeDead(_ id: ID<JobKind>, reason: String, at now: Timestamp) throws -> JobWish {
        let state = try row("SELECT state FROM jobs_done WHERE id = \(id) \(dialect.forUpdate)") { try $0.text() }
        guard let state else { return .unknown }
        guard state == "dead" else { return .refused(state: state) }
        try run("UPDATE jobs_done SET state = 'cancelled', reason = \(reason) WHERE id = \(id)")
        return .done
    }
}
