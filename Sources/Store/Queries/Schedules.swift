public import Kit

/// Work that comes again and again: a row, advanced by the transaction that enqueues.
public struct NewSchedule: Sendable {
    public let name: String
    public let kind: String
    public let lane: Lane
    public let input: [UInt8]
    public let every: Duration
    /// Not further ahead than `every`.
    public let firstAt: Timestamp

    public init(name: String, kind: String, lane: Lane, input: [UInt8] = [], every: Duration, firstAt: Timestamp) {
        self.name = name
        self.kind = kind
        self.lane = lane
        self.input = input
        self.every = every
        self.firstAt = firstAt
    }
}

extension Session {
    /// Declares a schedule. One that is there keeps its next time, unless the new interval would bring it sooner.
    public func declare(_ schedule: NewSchedule) throws {
        try run(
            """
            INSERT INTO schedules (name, kind, lane, class, input, every, next_at)
            VALUES (\(schedule.name), \(schedule.kind), \(schedule.lane.id), \(schedule.lane.priority.name),
                    \(schedule.input), \(schedule.every.microseconds), \(schedule.firstAt))
            ON CONFLICT (name) DO UPDATE
               SET kind = excluded.kind, lane = excluded.lane, class = excluded.class, input = excluded.input,
                   every = excluded.every,
                   next_at = CASE WHEN schedules.next_at < excluded.next_at
                                  THEN schedules.next_at ELSE excluded.next_at END
            """)
    }

    /// When the next schedule is due: now, where a clock that was set back has left one too far ahead.
    public func nextSchedule(at now: Timestamp) throws -> Timestamp? {
        try row(
            "SELECT min(CASE WHEN next_at - every > \(now) THEN \(now) ELSE next_at END) FROM schedules"
        ) { try $0.optionalTime() } ?? nil
    }

    /// Enqueues what is due and moves each schedule on, in one transaction. However many occurrences were missed, one
    /// job makes up for them; the next is at the first regular moment after now. One that is further ahead than its
    /// interval was moved on by a clock that has been set back since: it fires, too, and begins a new rhythm.
    ///
    /// - Parameter ids: one for each that may fire; more wait for the next round.
    public func fireSchedules(at now: Timestamp, ids: [ID<JobKind>]) throws -> Int {
        let due = try rows(
            """
            SELECT name, kind, lane, class, input, every, next_at
              FROM schedules
             WHERE next_at <= \(now) OR next_at - every > \(now)
             ORDER BY next_at, name
             LIMIT \(ids.count) \(dialect.skipLocked)
            """
        ) { row in
            DueSchedule(
                name: try row.text(), kind: try row.text(),
                lane: Lane(stored: try row.text(), Priority(name: try row.text()) ?? .analytics), input: try row.blob(),
                every: try row.integer(), nextAt: try row.time())
        }
        for (schedule, id) in zip(due, ids) {
            try run(
                """
                UPDATE schedules SET next_at = \(schedule.following(now)), last_at = \(now)
                 WHERE name = \(schedule.name)
                """
            )
            try enqueue([
                NewJob(
                    id: id, kind: schedule.kind, lane: schedule.lane, dueAt: now, createdAt: now, input: schedule.input,
                    subject: nil, uniqueKey: "schedule/\(schedule.name)")
            ])
        }
        return due.count
    }
}

private struct DueSchedule {
    let name: String
    let kind: String
    let lane: Lane
    let input: [UInt8]
    let every: Int64
    let nextAt: Timestamp

    /// The first moment of its rhythm that is after `now`; saturates.
    func following(_ now: Timestamp) -> Timestamp {
        if nextAt > now { return now + .microseconds(every) }
        let missed = max(0, (now - nextAt).microseconds / max(1, every))
        let (steps, overflow) = every.multipliedReportingOverflow(by: missed + 1)
        return overflow ? Timestamp(microseconds: .max) : nextAt + .microseconds(steps)
    }
}
