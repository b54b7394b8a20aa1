import Engine
public import Kit
public import Store

/// Applying events once more: one by its id, or all that a filter finds.
enum ReplayAPI {
    static let one = Action(
        "replayEvent", "Replay an event",
        notes:
            "Applies the event once more. A replay that waits already is joined. `Prefer: wait=10` waits for its end.",
        .needs(.write, "events"), path: [.id(EventKind.self)], isIdempotent: true, mayWait: true,
        answers: [.accepted("The job that applies it.", JobView.schema), .ok("The job has ended.", JobView.schema)],
        problems: [.notFound]
    ) { request in
        let (app, id, now) = (request.app, request.pathID(EventKind.self), request.now)
        let (jobID, auditID) = (app.ids.make(JobKind.self), app.ids.make(AuditKind.self))
        let answer = try await request.once("replay_event") { session in
            guard let event = try session.eventRow(id) else { throw Problem(.notFound, "There is no event \(id).") }
            let job = try session.replay(event, as: app.hooks.replay(event, jobID, now), at: now)
            try session.audit(
                NewAudit(auditID, "event.replayed", id.text, by: request))
            guard let row = try session.job(job, at: now) else { throw StoreError.conflict }
            return .json(202, JobView(row: row)).with("Location", "/v1/jobs/\(job)")
        }
        return try await request.awaitingJob(answer)
    }

    /// Events that are replayed in the request itself; more are a job's work.
    static let atOnceMax = 500
    /// Matches are counted to here.
    static let countMax = 10_000

    static let many = Action(
        "replayEvents", "Replay the events that a filter finds",
        notes:
            "With `dry_run` it says what would be replayed and changes nothing. Up to 500 events are queued at once; "
            + "more by a job of kind `events.replay`, 500 at a time, oldest first.",
        .needs(.write, "events"),
        body: .named(
            "ReplayRequest",
            .object([
                .required("filter", Replay.filterSchema, "Which events: at least one member."),
                .optional("dry_run", .boolean, "Only say what would be replayed."),
                .optional(
                    "per_second", .integer(1...Pace.perSecondMax), "So many a second; as fast as it goes unless said."),
            ])
        ).example(["filter": ["state": "failed", "provider": "stripe"], "dry_run": true]),
        isIdempotent: true,
        answers: [.ok("What would be replayed.", ReplayView.schema), .accepted("It is queued.", ReplayView.schema)]
    ) { request in
        var filter = try Replay.Selection(request.body["filter"] ?? .null, until: request.now)
        filter.pace = request.body["per_second"]?.integer.map { Pace(perSecond: $0, from: request.now) }
        return request.body["dry_run"]?.boolean == true
            ? try await dryRun(request, filter) : try await queue(request, filter)
    }

    private static func dryRun(_ request: APIRequest, _ selection: Replay.Selection) async throws -> Answer {
        let view = try await request.app.database.read("replay_dry_run") { session in
            ReplayView(
                matches: try session.count(selection.filter, selection.page(countMax), atMost: countMax + 1),
                jobID: nil,
                first: try session.events(selection.filter, selection.page(19)))
        }
        return .json(200, view)
    }

    private static func queue(_ request: APIRequest, _ selection: Replay.Selection) async throws -> Answer {
        let (app, now) = (request.app, request.now)
        let ids = (0..<atOnceMax).map { _ in app.ids.make(JobKind.self) }
        let (jobID, auditID) = (app.ids.make(JobKind.self), app.ids.make(AuditKind.self))
        return try await request.once("replay_events") { session in
            let events = try session.events(selection.filter, selection.page(atOnceMax))
            let isMany = events.count > atOnceMax
            if isMany {
                try session.enqueue([Replay.chunksJob(jobID, selection.json.bytes, at: now)])
            } else {
                for (number, (event, id)) in zip(events, ids).enumerated() {
                    let due = selection.due(number, at: now)
                    try session.replay(event, as: app.hooks.replay(event, id, now).due(at: due), at: now)
                }
            }
            try session.audit(
                NewAudit(
                    auditID, "events.replayed", isMany ? jobID.text : nil, by: request,
                    detail: ["count": JSON(isMany ? nil : events.count)]))
            let matches =
                try isMany
                ? session.count(selection.filter, selection.page(countMax), atMost: countMax + 1) : events.count
            let view = ReplayView(matches: matches, jobID: isMany ? jobID : nil, first: Array(events.prefix(20)))
            return .json(202, view).with("Location", isMany ? "/v1/jobs/\(jobID)" : "/v1/jobs")
        }
    }
}

/// What is replayed, and how: shared by the API and the worker of `events.replay`.
public enum Replay {
    /// Kind of the job that works through a filter. Its input:
    ///
    ///     {"filter": {"provider": "stripe", "state": "failed", "received_after": "…"},
    ///      "until": "2026-11-28T10:15:00.000000Z", "after": "evt_…"}
    ///
    /// `until` is when it was asked for: what came later is not replayed. `after` is the last event done, absent at
    /// first; with a pace there stand `per_second`, when it began (`from`) and how many are `queued` already. The
    /// worker calls `Replay.chunk` and puts the rest back as the next job.
    public static let kind = "events.replay"

    /// The usual job for one event: as the gateway makes it, but in a lane of its own, so that a replay of thousands
    /// does not hold back what comes in.
    public static func job(_ event: EventRow, _ id: ID<JobKind>, _ now: Timestamp) -> NewJob {
        EventApplying.job(id, for: event.id, lane: Lane("\(event.appID)/replay", .event), at: now)
    }

    static func chunksJob(_ id: ID<JobKind>, _ input: [UInt8], at now: Timestamp) -> NewJob {
        NewJob(id: id, kind: kind, lane: Lane("replay", .analytics), dueAt: now, createdAt: now, input: input)
    }

    /// Queues the next events of a job of kind `events.replay`, oldest first, at most `ids.count`.
    ///
    /// - Parameters:
    ///   - ids: for the jobs, made outside of the transaction: at most 500.
    ///   - job: `Hooks.replay`.
    /// - Returns: the input for what is left; nil when all is queued.
    public static func chunk(
        _ input: [UInt8], ids: [ID<JobKind>], job: (EventRow, ID<JobKind>, Timestamp) -> NewJob, at now: Timestamp,
        in session: Session
    ) throws -> [UInt8]? {
        let selection = try Selection(stored: JSON.parse(input))
        let events = try session.events(selection.filter, selection.page(ids.count))
        for (number, (event, id)) in zip(events, ids).enumerated() {
            try session.replay(event, as: job(event, id, now).due(at: selection.due(number, at: now)), at: now)
        }
        guard events.count > ids.count, let last = events.prefix(ids.count).last else { return nil }
        return selection.after(last.id.text, queued: ids.count).json.bytes
    }

    static let filterSchema = Schema.object([
        .optional("provider", .slug(), "Of one provider."),
        .optional("type", .line(), "Of one type."),
        .optional("connection_id", .line(), "Of one connection."),
        .optional("user_id", .line(), "Of one user."),
        .optional("state", .words(EventView.states), "In this state."),
        .optional("received_after", .time, "Received after this moment."),
        .optional("received_before", .time, "Received before this moment."),
    ])

    /// Which events, oldest first.
    struct Selection: Sendable {
        var filter = EventFilter()
        private let wanted: JSON
        private let until: Timestamp
        private var last: String?
        var pace: Pace?
        /// By the steps before.
        private var queued = 0

        init(_ wanted: JSON, until: Timestamp) throws(Problem) {
            guard wanted.members?.isEmpty == false else {
                throw Problem(
                    .invalidFields,
                    [FieldProblem("filter", "must name at least one thing, or everything would be replayed.")])
            }
            self.wanted = wanted
            self.until = until
            filter.provider = wanted["provider"]?.text
            filter.type = wanted["type"]?.text
            filter.connectionID = wanted["connection_id"]?.text
            filter.userID = wanted["user_id"]?.text
            filter.state = wanted["state"]?.text
        }

        init(stored: JSON) throws {
            let until = stored["until"]?.text.flatMap(Timestamp.init(rfc3339:)) ?? .zero
            try self.init(stored["filter"] ?? .null, until: until)
            last = stored["after"]?.text
            guard let perSecond = stored["per_second"]?.integer,
                let from = stored["from"]?.text.flatMap(Timestamp.init(rfc3339:))
            else { return }
            pace = Pace(perSecond: perSecond, from: from)
            queued = Int(stored["queued"]?.integer ?? 0)
        }

        func after(_ last: String, queued more: Int) -> Selection {
            var copy = self
            copy.last = last
            copy.queued += more
            return copy
        }

        /// When the event of a step is applied.
        func due(_ number: Int, at now: Timestamp) -> Timestamp { max(now, pace?.due(queued + number) ?? now) }

        var json: JSON {
            let paced = pace.map { pace in
                [
                    JSONMember("per_second", JSON(pace.perSecond)), JSONMember("from", JSON(pace.from)),
                    JSONMember("queued", JSON(queued)),
                ]
            }
            return .object(
                [.init("filter", wanted), .init("until", JSON(until))]
                    + (last.map { [.init("after", .string($0))] } ?? []) + (paced ?? []))
        }

        func page(_ limit: Int) -> ListPage {
            // What was received at the very moment of asking is meant, too.
            let until = until + .microseconds(1)
            let before = wanted["received_before"]?.text.flatMap(Timestamp.init(rfc3339:))
            return ListPage(
                limit: limit, ascending: true, after: last,
                createdAfter: wanted["received_after"]?.text.flatMap(Timestamp.init(rfc3339:)),
                createdBefore: min(before ?? until, until))
        }
    }
}

extension Session {
    /// Queues an event once more; answers the job, or the one that already waits.
    ///
    /// What failed is queued again. What was applied stays applied, and followers are not told of it a second time.
    @discardableResult
    fileprivate func replay(_ event: EventRow, as job: NewJob, at now: Timestamp) throws -> ID<JobKind> {
        try enqueue([job])
        if event.state == "failed" { try setState("queued", of: event.id, at: now) }
        guard let key = job.uniqueKey else { return job.id }
        return try liveJob(uniqueKey: key) ?? job.id
    }
}

struct ReplayView: View {
    let matches: Int
    let jobID: ID<JobKind>?
    let first: [EventRow]

    static let schema = Schema.named(
        "Replay",
        .object([
            .required(
                "matches", .integer(0...10_001), "Events that the filter finds; 10,001 stands for more than 10,000."),
            .required("job_id", Schema.text().orNull, "The job that queues them, where there are more than 500."),
            .required(
                "first",
                .array(
                    of: .object([
                        .required("id", .id(EventKind.self), "The event."),
                        .required("provider", .text(), "Who said it."),
                        .required("type", .text(), "What happened."),
                        .required("state", .words(EventView.states), "What became of it."),
                        .required("received_at", .time, "When it came."),
                    ])), "The first 20, oldest first."),
        ]))

    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("matches", JSON(matches))
            writer.member("job_id", JSON(jobID))
            writer.key("first")
            writer.array { writer in
                for event in first {
                    writer.value([
                        "id": JSON(event.id), "provider": .string(event.provider), "type": .string(event.type),
                        "state": .string(event.state), "received_at": JSON(event.receivedAt),
                    ])
                }
            }
        }
    }
}
