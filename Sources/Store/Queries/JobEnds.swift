public import Kit

/// How a job's run ended.
public enum JobEnd: Sendable, Equatable {
    case succeeded
    case cancelled(reason: String)
    /// Runs again at this time; the attempt counts.
    case retry(at: Timestamp, error: String)
    /// Goes back untouched: a gate, a shutdown. The attempt does not count.
    case released
    /// Goes back untouched and comes again at this time: a version that this node does not know. The attempt does not
    /// count, and nothing has failed.
    case deferred(to: Timestamp, reason: String)
    /// Runs again at this time, as planned: nothing has failed, and the attempt does not count.
    case postponed(to: Timestamp)
    case dead(reason: String)
}

/// An end to be recorded, with the fence that allows it.
public struct EndedJob: Sendable {
    public let job: ClaimedJob
    public let end: JobEnd
    public let at: Timestamp
    public init(job: ClaimedJob, end: JobEnd, at: Timestamp) {
        self.job = job
        self.end = end
        self.at = at
    }
}

extension Session {
    /// Records ends, each only if the job is still this session's. Answers for each whether it was.
    public func complete(_ ended: [EndedJob]) throws -> [Bool] {
        var recorded = Set<String>()
        let leaving = ended.filter { $0.end.state != nil }
        recorded.formUnion(try remove(leaving))
        for end in ended where end.end.state == nil {
            if try put(back: end) { recorded.insert(end.job.id.text) }
        }
        return ended.map { recorded.contains($0.job.id.text) }
    }

    /// Ends a job well within the transaction that holds its effects: both or neither.
    ///
    /// - Throws: `Fenced` when the job is no longer this session's; the transaction must not be kept then.
    public func succeed(_ job: ClaimedJob, at now: Timestamp) throws {
        guard try complete([EndedJob(job: job, end: .succeeded, at: now)]) == [true] else {
            throw Fenced(job: job.id.text)
        }
    }

    /// Holds a job's row to the end of the transaction, so that a cancellation or a revoked session waits or wins.
    ///
    /// - Throws: `Fenced` when the job is no longer this session's.
    public func hold(_ job: ClaimedJob) throws {
        let held = try row(
            """
            SELECT cancelled FROM jobs
             WHERE id = \(job.id) AND node = \(job.node) AND fence = \(job.fence) AND state = 'running'
             \(dialect.forUpdate)
            """
        ) { try $0.boolean() }
        guard held == false else { throw Fenced(job: job.id.text) }
    }

    /// Forgets how often a process died while it ran a job that gets further each time: that job is not what kills it.
    public func survive(_ job: ClaimedJob) throws {
        guard job.deaths > 0 else { return }
        try run("UPDATE jobs SET deaths = 0 WHERE id = \(job.id) AND node = \(job.node) AND fence = \(job.fence)")
    }

    /// Deletes what has ended and appends it to `jobs_done`; what was asked for again meanwhile stays, as new.
    private func remove(_ ended: [EndedJob]) throws -> Set<String> {
        guard !ended.isEmpty else { return [] }
        let sorted = ended.sorted { $0.job.id < $1.job.id }
        var gone: [String: String?] = [:]
        var start = 0
        while start < sorted.count {
            var size = 64
            while size > sorted.count - start { size /= 2 }
            let part = sorted[start..<start + size]
            let held = SQL.rows(
                part.map { [$0.job.id.cell, $0.job.node.cell, .integer($0.job.fence)] },
                casts: ["TEXT", "TEXT", "BIGINT"])
            // The ids twice: SQLite uses no index for a row of values and would scan the table.
            let removed = try rows(
                """
                DELETE FROM jobs
                 WHERE id IN (\(SQL.list(part.map(\.job.id.text)))) AND again = 0
                   AND (id, node, fence) IN (VALUES \(held))
                RETURNING id, unique_key
                """
            ) { row in (try row.text(), try row.optionalText()) }
            gone.merge(removed) { $1 }
            start += size
        }
        let asked = sorted.filter { gone[$0.job.id.text] == nil }
        let restarted = try asked.filter { try restart($0) }
        try insert(
            """
            INSERT INTO jobs_done (id, kind, version, lane, class, state, input, subject, unique_key, attempts, deaths,
                                   created_at, finished_at, reason) VALUES
            """,
            sorted.compactMap { ended -> [Cell]? in
                let job = ended.job
                guard let uniqueKey = gone[job.id.text] else { return nil }
                return [
                    job.id.cell, .text(job.kind), job.version.cell, .text(job.lane), .text(job.priority.name),
                    ended.end.state.cell, .blob(job.input), job.subject.cell, uniqueKey.cell, job.attempt.cell,
                    job.deaths.cell,
                    job.createdAt.cell, ended.at.cell, ended.end.reason.cell,
                ]
            })
        return Set(gone.keys).union(restarted.map(\.job.id.text))
    }

    /// A unique job that was asked for while it ran begins again.
    private func restart(_ ended: EndedJob) throws -> Bool {
        let job = ended.job
        let changed = try run(
            """
            UPDATE jobs
               SET state = 'available', again = 0, attempts = 0, node = NULL, rank = \(ended.at), due_at = \(ended.at)
             WHERE id = \(job.id) AND node = \(job.node) AND fence = \(job.fence) AND again = 1
            """)
        if changed == 1 { try arrived(in: [Lane(stored: job.lane, job.priority)]) }
        return changed == 1
    }

    private func put(back ended: EndedJob) throws -> Bool {
        let job = ended.job
        switch ended.end {
        case .retry(let time, let error):
            let isPut = try run(
                """
                UPDATE jobs
                   SET state = 'scheduled', due_at = \(time), rank = \(time), node = NULL, last_error = \(error),
                       first_failed_at = coalesce(first_failed_at, \(ended.at))
                 WHERE id = \(job.id) AND node = \(job.node) AND fence = \(job.fence)
                """)
            if isPut == 1 {
                try note(JobFailure(attempt: Int64(job.attempt), at: ended.at, problem: error), of: job.id)
            }
            return isPut == 1
        case .released:
            let changed = try run(
                """
                UPDATE jobs SET state = 'available', node = NULL, attempts = attempts - 1
                 WHERE id = \(job.id) AND node = \(job.node) AND fence = \(job.fence)
                """)
            if changed == 1 { try arrived(in: [Lane(stored: job.lane, job.priority)]) }
            return changed == 1
        case .deferred(let time, let reason):
            return try run(
                """
                UPDATE jobs
                   SET state = 'scheduled', due_at = \(time), node = NULL, attempts = attempts - 1,
                       last_error = \(reason)
                 WHERE id = \(job.id) AND node = \(job.node) AND fence = \(job.fence)
                """) == 1
        case .postponed(let time):
            return try run(
                """
                UPDATE jobs
                   SET state = 'scheduled', node = NULL, attempts = 0, deaths = 0, first_failed_at = NULL,
                       last_error = NULL,
                       due_at = CASE WHEN again = 1 THEN CAST(\(ended.at) AS BIGINT)
                                 ELSE CAST(\(time) AS BIGINT) END,
                       rank = \(time), again = 0
                 WHERE id = \(job.id) AND node = \(job.node) AND fence = \(job.fence)
                """) == 1
        case .succeeded, .cancelled, .dead: return false
        }
    }
}

extension JobEnd {
    /// The state in `jobs_done`; nil for what stays in `jobs`.
    var state: String? {
        switch self {
        case .succeeded: "succeeded"
        case .cancelled: "cancelled"
        case .dead: "dead"
        case .retry, .released, .deferred, .postponed: nil
        }
    }
    var reason: String? {
        switch self {
        case .cancelled(let reason), .dead(let reason): reason
        case .retry(_, let reason), .deferred(_, let reason): reason
        case .succeeded, .released, .postponed: nil
        }
    }
}
