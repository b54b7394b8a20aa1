import Engine
import Hummingbird
import Kit
import Store

/// Jobs: durable work, waiting, running or ended.
enum JobsAPI {
    static let list = Action(
        "listJobs", "List jobs",
        notes: "Live and ended ones in one list. Not to be followed: use /v1/changes.", .needs(.read, "jobs"),
        query: Paging.parameters + Paging.times + [
            Parameter("state", .words(JobView.states), "In this state; `waiting` is available behind a gate."),
            Parameter("kind", .slug(), "Of one kind."),
            Parameter("subject", .line(), "About one thing, by its id."),
            Parameter("lane", .line(), "Of one lane."),
        ],
        answers: [.list(of: JobView.schema)], problems: [.invalidCursor]
    ) { request in
        var filter = JobFilter()
        filter.state = request.queryText("state")
        filter.kind = request.queryText("kind")
        filter.subject = request.queryText("subject")
        filter.lane = request.queryText("lane")
        let (page, now) = (try request.page(), request.now)
        let rows = try await request.app.database.read("jobs") { [filter] in
            try $0.jobs(filter, $0.upToHead(page, at: now), at: now)
        }
        return request.list(rows, page, id: \.id.text) { JobView(row: $0) }
    }

    static let get = Action(
        "getJob", "Get a job", .needs(.read, "jobs"), path: [.id(JobKind.self)],
        answers: [.ok("The job.", JobView.schema)], problems: [.notFound]
    ) { request in
        let id = request.pathID(JobKind.self)
        let failures = try await request.app.database.read("job_failures") { try $0.failures(of: id) }
        return .json(200, JobView(row: try await request.job(), showsInput: true, failures: failures))
    }

    static let retry = Action(
        "retryJob", "Run a job again",
        notes:
            "A dead or cancelled job runs anew under its id, all its attempts before it. A scheduled one runs now.",
        .needs(.write, "jobs"), path: [.id(JobKind.self)], isIdempotent: true, mayWait: true,
        answers: [.accepted("The job is queued.", JobView.schema), .ok("The job has ended.", JobView.schema)],
        problems: [.notFound, .wrongState]
    ) { request in
        let changeID = request.app.ids.make(ChangeKind.self)
        let answer = try await request.wish("job.retried") { session, id, now in
            let wish = try session.retry(id, applying: EventApplying.kind, at: now)
            if case .done = wish { try session.resolve(.jobDead, id.text, changeID: changeID, at: now) }
            return wish
        }
        return try await request.awaitingJob(answer)
    }

    static let cancel = Action(
        "cancelJob", "Cancel a job",
        notes: "A waiting job ends at once. A running one stops at its next step; until then it is `running`.",
        .needs(.write, "jobs"), path: [.id(JobKind.self)], isIdempotent: true,
        answers: [.accepted("It is cancelled, or will be.", JobView.schema)], problems: [.notFound, .wrongState]
    ) { request in
        try await request.wish("job.cancelled") { session, id, now in
            try session.cancel(id, reason: "Cancelled by a person.", at: now)
        }
    }

    static let why = Action(
        "explainJob", "Why a job waits", .needs(.read, "jobs"), path: [.id(JobKind.self)],
        answers: [.ok("What it waits for.", WaitView.schema)], problems: [.notFound]
    ) { request in
        let (id, now) = (request.pathID(JobKind.self), request.now)
        guard let place = try await request.app.database.read("job_place", { try $0.place(of: id, at: now) }) else {
            throw Problem(.notFound, "There is no job \(id).")
        }
        return .json(200, WaitView(place: place))
    }
}

extension APIRequest {
    func job() async throws -> JobRow {
        let (id, now) = (pathID(JobKind.self), now)
        guard let row = try await app.database.read("job", { try $0.job(id, at: now) }) else {
            throw Problem(.notFound, "There is no job \(id).")
        }
        return row
    }

    /// Does something to the job in the path, and answers how it stands then.
    func wish(
        _ action: String, _ act: @escaping @Sendable (Session, ID<JobKind>, Timestamp) throws -> JobWish
    ) async throws -> Answer {
        let (id, now, auditID) = (pathID(JobKind.self), now, app.ids.make(AuditKind.self))
        return try await once("job_wish") { session in
            switch try act(session, id, now) {
            case .unknown: throw Problem(.notFound, "There is no job \(id).")
            case .refused(let state): throw Problem(.wrongState, "The job is \(state).")
            case .twin(let twin): throw Problem(.wrongState, "The same work is queued already, as job \(twin).")
            case .done: break
            }
            try session.audit(NewAudit(auditID, action, id.text, by: self))
            guard let row = try session.job(id, at: now) else { throw StoreError.conflict }
            return .json(202, JobView(row: row)).with("Location", "/v1/jobs/\(id)")
        }
    }

    /// With `Prefer: wait=n`: waits up to that many seconds, 30 at most, for the job that an answer points to.
    func awaitingJob(_ answer: Answer) async throws -> Answer {
        guard let seconds = preferredWait, seconds > 0, answer.status == 202,
            let id = answer.location.flatMap({ ID<JobKind>(String($0.dropFirst("/v1/jobs/".count))) })
        else { return answer }
        let deadline = app.now() + .seconds(min(seconds, 30))
        var pause = Duration.milliseconds(20)
        while app.now() < deadline {
            try await app.sleep(pause)
            pause = min(pause * 2, .milliseconds(500))
            let now = app.now()
            guard let row = try await app.database.read("job", { try $0.job(id, at: now) }), row.finishedAt != nil
            else { continue }
            var done = Answer.json(200, JobView(row: row))
            done.headers = answer.headers + [Field("Preference-Applied", "wait=\(seconds)")]
            return done
        }
        return answer
    }

    /// RFC 7240; what cannot be read is no preference.
    var preferredWait: Int64? {
        let preferences = headers[values: .prefer].flatMap { $0.split(separator: ",") }.map {
            $0.filter { !$0.isWhitespace }
        }
        return preferences.first { $0.lowercased().hasPrefix("wait=") }.flatMap { Int64($0.dropFirst(5)) }
    }
}

struct JobView: View {
    let row: JobRow
    var showsInput = false
    var failures: [JobFailure]?

    static let states = ["scheduled", "available", "running", "waiting", "succeeded", "cancelled", "dead"]
    static let schema = Schema.named(
        "Job",
        .object([
            .required("id", .id(JobKind.self), "Its id."),
            .required("kind", .text(), "What it does."),
            .required("state", .words(states), "How it stands."),
            .required("priority", .text(), "How urgent it is."),
            .required("lane", .text(), "What fairness is between."),
            .required("subject", Schema.text().orNull, "The id of what it is about."),
            .required("attempts", .integer(), "Runs so far."),
            .required("created_at", .time, "When it was asked for."),
            .required("started_at", Schema.time.orNull, "When its last run began."),
            .required("due_at", Schema.time.orNull, "When it is to run; null once it has ended."),
            .required("finished_at", Schema.time.orNull, "When it ended."),
            .required("reason", Schema.text().orNull, "Its last error, or why it ended."),
            .required("cancelling", .boolean, "It runs, and stops at its next step."),
            .optional("input", .anything, "What its worker reads."),
            .optional(
                "failures",
                .array(
                    of: .object([
                        .required("attempt", .integer(), "Which run it was."),
                        .required("at", .time, "When it failed."),
                        .required("problem", .text(), "Why, for a person."),
                    ])), "Why earlier runs failed that were tried again: the last ten, the oldest first."),
        ]))

    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("id", JSON(row.id))
            writer.member("kind", .string(row.kind))
            writer.member("state", .string(row.state))
            writer.member("priority", .string(row.priority))
            writer.member("lane", .string(row.lane))
            writer.member("subject", JSON(row.subject))
            writer.member("attempts", JSON(row.attempts))
            writer.member("created_at", JSON(row.createdAt))
            writer.member("started_at", JSON(row.startedAt))
            writer.member("due_at", JSON(row.dueAt))
            writer.member("finished_at", JSON(row.finishedAt))
            writer.member("reason", JSON(row.reason))
            writer.member("cancelling", .bool(row.isCancelled))
            if showsInput { writer.outside("input", row.input) }
            guard let failures else { return }
            writer.key("failures")
            writer.array { writer in
                for failure in failures {
                    writer.value([
                        "attempt": JSON(failure.attempt), "at": JSON(failure.at), "problem": .string(failure.problem),
                    ])
                }
            }
        }
    }
}

/// What a job waits for, until when, and its place in line.
struct WaitView: View {
    let place: JobPlace

    static let schema = Schema.named(
        "Wait",
        .object([
            .required("state", .words(JobView.states), "How the job stands."),
            .required("waits_for", .words(["nothing", "time", "gate", "turn"]), "What must happen before it runs."),
            .required("until", Schema.time.orNull, "When that is, where it is known."),
            .required("gate", Schema.text().orNull, "The quota, circuit, refresh or pause that holds its lane back."),
            .required("sentence", .text(), "For a person."),
            .required("ahead", .integer(0...1001), "Jobs of its lane that go first; 1,001 stands for more than 1,000."),
        ]))

    func write(to writer: inout JSONWriter) {
        let (waitsFor, until, sentence) = facts
        writer.object { writer in
            writer.member("state", .string(place.job.state))
            writer.member("waits_for", .string(waitsFor))
            writer.member("until", JSON(until))
            writer.member("gate", JSON(place.gate))
            writer.member("sentence", .string(sentence))
            writer.member("ahead", JSON(place.ahead))
        }
    }

    private var facts: (waitsFor: String, until: Timestamp?, sentence: String) {
        switch place.job.state {
        case "scheduled":
            let error = place.job.reason.map { " after: \($0)" } ?? "."
            return ("time", place.job.dueAt, "It runs at \(place.job.dueAt?.rfc3339 ?? "its time")\(error)")
        case "waiting":
            return ("gate", place.gatedUntil, place.gateReason ?? "Its lane is held back.")
        case "available":
            let ahead = place.ahead > JobPlace.aheadMax ? "more than \(JobPlace.aheadMax)" : String(place.ahead)
            return ("turn", nil, "It runs when a worker is free; \(ahead) of its lane go first.")
        case "running": return ("nothing", nil, "It runs now, for the \(place.job.attempts). time.")
        default: return ("nothing", nil, "It has ended. \(place.job.reason ?? "")")
        }
    }
}
