import Engine
import Kit
import Store

/// What a person does with many things at once. Kept as JSON, so that a job goes on with it after a restart.
enum BulkWork: Sendable, Equatable {
    enum JobAct: String, Sendable, CaseIterable { case retry, cancel }

    case jobs(JobAct, JobSelection)
    /// Every open review of a kind that was opened until then gets the same choice.
    case reviews(kind: String, choice: String, note: String?, until: Timestamp)
    case endpoint(ID<EndpointKind>, Endpoints.Recovery)

    /// Things are counted to here; more is shown as more.
    static let countMax = 10_000

    /// How many things a run has. What was not counted to its end is one more than anything that is.
    static func total(_ count: Int, isOpen: Bool) -> Int { isOpen ? countMax + 1 : count }

    var name: String {
        switch self {
        case .jobs(let act, _): "jobs.\(act.rawValue)"
        case .reviews: "reviews.decide"
        case .endpoint(_, let recovery): "endpoint.\(recovery.what)"
        }
    }

    var selection: JSON {
        switch self {
        case .jobs(_, let selection): selection.json
        case .reviews(let kind, let choice, let note, let until):
            ["kind": .string(kind), "choice": .string(choice), "note": JSON(note), "until": JSON(until)]
        case .endpoint(let id, let recovery):
            .object([JSONMember("endpoint", JSON(id))] + (recovery.json.members ?? []))
        }
    }

    /// Nil for what this version does not know.
    init?(_ name: String, stored bytes: [UInt8]) {
        guard let json = try? JSON.parse(bytes) else { return nil }  // Our own; what cannot be read is nothing to do.
        switch name {
        case "jobs.retry": self = .jobs(.retry, JobSelection(stored: json))
        case "jobs.cancel": self = .jobs(.cancel, JobSelection(stored: json))
        case "reviews.decide":
            self = .reviews(
                kind: json["kind"]?.text ?? "", choice: json["choice"]?.text ?? "", note: json["note"]?.text,
                until: json["until"]?.text.flatMap(Timestamp.init(rfc3339:)) ?? .zero)
        case "endpoint.failed", "endpoint.missing", "endpoint.all":
            guard let recovery = Endpoints.Recovery(json, at: .zero) else { return nil }
            self = .endpoint(ID(stored: json["endpoint"]?.text ?? ""), recovery)
        default: return nil
        }
    }
}

/// Which jobs: chosen one by one, or all that a filter finds until a moment.
struct JobSelection: Sendable, Equatable {
    var ids: [ID<JobKind>] = []
    var state: String?
    var kind: String?
    var subject: String?
    var lane: String?
    var until = Timestamp.zero

    /// Chosen on one page, so it fits a form.
    static let idsMax = 200

    var filter: JobFilter {
        var filter = JobFilter()
        (filter.state, filter.kind, filter.subject, filter.lane) = (state, kind, subject, lane)
        return filter
    }

    var json: JSON {
        [
            "ids": .array(ids.map { JSON($0) }), "state": JSON(state), "kind": JSON(kind), "subject": JSON(subject),
            "lane": JSON(lane), "until": JSON(until),
        ]
    }

    init(ids: [ID<JobKind>]) { self.ids = Array(Set(ids)).sorted() }
    init(filter: JobFilter, until: Timestamp) {
        (state, kind, subject, lane) = (filter.state, filter.kind, filter.subject, filter.lane)
        self.until = until
    }
    init(stored json: JSON) {
        ids = (json["ids"]?.elements ?? []).compactMap { $0.text.map { ID(stored: $0) } }
        (state, kind, subject) = (json["state"]?.text, json["kind"]?.text, json["subject"]?.text)
        lane = json["lane"]?.text
        until = json["until"]?.text.flatMap(Timestamp.init(rfc3339:)) ?? .zero
    }

    /// States in which an act can do something.
    static func states(for act: BulkWork.JobAct) -> [String] {
        switch act {
        case .retry: ["dead", "cancelled", "scheduled"]
        case .cancel: ["scheduled", "available", "waiting", "running"]
        }
    }

    /// The next jobs after one, in the order of their ids.
    func next(after position: String, _ limit: Int, at now: Timestamp, in session: Session) throws -> [ID<JobKind>] {
        guard ids.isEmpty else { return Array(ids.filter { $0.text > position }.prefix(limit)) }
        let page = ListPage(
            limit: limit, ascending: true, after: position.isEmpty ? nil : position,
            createdBefore: until + .microseconds(1))
        return try session.jobs(filter, page, at: now).prefix(limit).map(\.id)
    }

    func counts(at now: Timestamp, in session: Session) throws -> [JobsOfKind] {
        guard ids.isEmpty else { return try session.countJobs(ids, at: now) }
        return try session.countJobs(filter, before: until + .microseconds(1), atMost: BulkWork.countMax, at: now)
    }
}

/// A run's job: what `serve` works on.
enum BulkJob {
    static let kind = "bulk.run"

    static func make(_ id: ID<JobKind>, for run: ID<BulkRunKind>, at now: Timestamp) -> NewJob {
        NewJob(
            id: id, kind: kind, lane: Lane("bulk", .analytics), dueAt: now, createdAt: now,
            input: JSON.object([JSONMember("run", JSON(run))]).bytes, subject: run.text)
    }
}

extension APIRequest {
    /// Begins a run: its row, its job and its audit entry in one transaction, once for each form.
    func begin(_ work: BulkWork, total: Int) async throws -> ID<BulkRunKind> {
        let (id, jobID, auditID) = (
            app.ids.make(BulkRunKind.self), app.ids.make(JobKind.self), app.ids.make(AuditKind.self)
        )
        let answer = try await once("begin_bulk") { session in
            try session.begin(
                id, work.name, selection: work.selection.bytes, total: total, by: caller.id, at: now)
            try session.enqueue([BulkJob.make(jobID, for: id, at: now)])
            try session.audit(
                NewAudit(auditID, "bulk.started", id.text, by: self, detail: ["what": .string(work.name)]))
            return .json(202) { $0.value(["id": JSON(id)]) }.with("Location", "/runs/\(id)")
        }
        guard let text = answer.location?.split(separator: "/").last, let kept = ID<BulkRunKind>(String(text)) else {
            return id
        }
        return kept
    }
}
