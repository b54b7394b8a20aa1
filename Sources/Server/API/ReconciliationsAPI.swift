import Engine
import Kit
import Store

/// Comparing what is stored with what a platform says, and fetching what never arrived.
enum ReconciliationsAPI {
    static let list = Action(
        "listReconciliations", "List reconciliations", .needs(.read, "events"),
        query: Paging.parameters + Paging.times, answers: [.list(of: ReconciliationView.schema)],
        problems: [.invalidCursor]
    ) { request in
        let page = try request.page()
        let rows = try await request.app.database.read("reconciliations") { try $0.reconciliations(page) }
        return request.list(rows, page, id: \.id.text, ReconciliationView.init)
    }

    static let get = Action(
        "getReconciliation", "Get a reconciliation", .needs(.read, "events"), path: [.id(ReconciliationKind.self)],
        answers: [.ok("The comparison.", ReconciliationView.schema)], problems: [.notFound]
    ) { request in
        let id = request.pathID(ReconciliationKind.self)
        guard let row = try await request.app.database.read("reconciliation", { try $0.reconciliation(id) }) else {
            throw Problem(.notFound, "There is no reconciliation \(id).")
        }
        return .json(200, ReconciliationView(row))
    }

    /// What any platform lets be compared.
    static let streams = eventStreams + Providers.syncBook.entries.map(\.stream.name)
    private static let eventStreams = [EventReconciling.stream] + Providers.objectListers.flatMap(\.listedStreams)

    static let create = Action(
        "createReconciliation", "Reconcile with a platform",
        notes: "Of `events`: asks the platform what happened and lets in, once, what never arrived; every hour it "
            + "happens by itself. Of `subscriptions`: reads all that stand there, the ended ones too, and puts right "
            + "what is missing here or differs, as if the platform had just told of it; for a business that already "
            + "runs. Of a connection's stream, such as `videos`: compares every row with what the platform says now, "
            + "names each that differs, and puts them right with `repair`. One that is under way is answered instead "
            + "of a second.",
        .needs(.write, "events"),
        body: .named(
            "ReconciliationRequest",
            .object([
                .optional("provider", .slug(), "The platform, of events and subscriptions: `stripe`."),
                .optional("connection_id", .id(ConnectionKind.self), "The connection, of its streams."),
                .optional("repair", .boolean, "Of a connection's stream: puts right what differs."),
                .optional("stream", .words(streams), "What is compared: `events` unless said."),
                .optional("dry_run", .boolean, "Counts, and lets nothing in."),
                .optional(
                    "since", Schema.time,
                    "Of events, from when; from where the last one ended unless said, three days ago the first time."),
            ])
        ).example(["provider": "stripe", "since": "2026-11-18T00:00:00Z"]),
        isIdempotent: true, answers: [.accepted("It runs.", ReconciliationView.schema)],
        problems: [.notSetUp, .notFound, .needsReconnect, .wrongState]
    ) { request in
        if request.body["connection_id"]?.text != nil { return try await RecordReconciliations.begin(request) }
        guard request.body["provider"]?.text != nil else {
            throw Problem(.invalidFields, [FieldProblem("provider", "or connection_id must be said.")])
        }
        guard request.body["repair"] == nil else {
            throw Problem(.invalidFields, [FieldProblem("repair", "is for a connection's streams: see dry_run.")])
        }
        let provider = request.body["provider"]?.text ?? ""
        let since = request.body["since"]?.text.flatMap(Timestamp.init(rfc3339:))
        let stream = request.body["stream"]?.text ?? EventReconciling.stream
        let isDryRun = request.body["dry_run"]?.boolean ?? false
        guard let reconciling = request.app.hooks.reconciling, reconciling.streams(of: provider).contains(stream) else {
            throw Problem(
                .notSetUp,
                "\(provider) cannot be asked for its \(stream): its key is not set, or it lists none. "
                    + "See: patchbay doctor"
            )
        }
        let (now, by, ids) = (request.now, request.caller.id, request.app.ids)
        let (ready, auditID) = (
            (id: ids.make(ReconciliationKind.self), job: ids.make(JobKind.self)), ids.make(AuditKind.self)
        )
        let answer = try await request.once("reconcile") { session in
            let row = try reconciling.begin(
                provider, stream: stream, since: since, isDryRun: isDryRun, askedBy: by, in: session, at: now,
                ids: ready)
            guard let row else { throw Problem(.notSetUp, "\(provider) cannot be asked for its \(stream).") }
            try session.audit(
                NewAudit(
                    auditID, "reconciliation.begun", row.id.text, by: request,
                    detail: ["provider": .string(provider), "stream": .string(stream), "dry_run": .bool(isDryRun)]))
            return Answer.json(202, ReconciliationView(row)).with("Location", "/v1/reconciliations/\(row.id)")
        }
        request.app.hooks.jobsArrived()
        return answer
    }
}

struct ReconciliationView: View {
    let row: ReconciliationRow
    init(_ row: ReconciliationRow) { self.row = row }

    static let schema = Schema.named(
        "Reconciliation",
        .object([
            .required("id", .id(ReconciliationKind.self), "Its id."),
            .required("provider", .text(), "The platform."),
            .required("app_id", .id(AppKind.self), "Whose webhooks they would have been."),
            .required("connection_id", Schema.id(ConnectionKind.self).orNull, "Of records: whose account."),
            .required("stream", .words(ReconciliationsAPI.streams), "What is compared."),
            .required("dry_run", .boolean, "Whether it only counts."),
            .required("state", .words(["running", "done", "failed"]), "Whether all is compared."),
            .required("job_id", .id(JobKind.self), "The job that does it."),
            .required("asked_by", Schema.text().orNull, "Whose key asked for it; null for the schedule."),
            .required("since", .time, "From when."),
            .required(
                "until", .time,
                "Up to when; the hourly one leaves out ten minutes, since what happened then may be on its way."),
            .required("matched", .integer(0...Int64.max), "What both have, so far."),
            .required("missing_here", .integer(0...Int64.max), "What only the platform had; it was let in."),
            .required("differing", .integer(0...Int64.max), "What stood otherwise here; it is put right."),
            .required("missing_there", .integer(0...Int64.max), "Of records: what only this side had."),
            .required(
                "moved", .integer(0...Int64.max),
                "Of records: rows of which only counts differed, which move by themselves."),
            .required(
                "accuracy", Schema.text().orNull,
                "The share that was here and the same, as a decimal from 0 to 1 with six places; null of none. Counts "
                    + "that have moved since they were read are no difference."),
            .required("problem", Schema.text().orNull, "Why it does not go on, for now or at all."),
            .required("started_at", .time, "When it began."),
            .required("ended_at", Schema.time.orNull, "When it ended."),
        ]))

    var accuracy: JSON {
        let same = row.matched + row.moved
        let all = same + row.missingHere + row.missingThere + row.differing
        guard all > 0 else { return .null }
        let millionths = String(same * 1_000_000 / all)
        guard millionths.utf8.count < 7 else { return "1.000000" }
        return .string("0." + String(repeating: "0", count: 6 - millionths.utf8.count) + millionths)
    }

    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("id", JSON(row.id))
            writer.member("provider", .string(row.provider))
            writer.member("app_id", JSON(row.app))
            writer.member("connection_id", JSON(row.connection))
            writer.member("stream", .string(row.stream))
            writer.member("dry_run", .bool(row.isDryRun))
            writer.member("state", .string(row.state))
            writer.member("job_id", JSON(row.job))
            writer.member("asked_by", JSON(row.askedBy))
            writer.member("since", JSON(row.since))
            writer.member("until", JSON(row.until))
            writer.member("matched", JSON(row.matched))
            writer.member("missing_here", JSON(row.missingHere))
            writer.member("differing", JSON(row.differing))
            writer.member("missing_there", JSON(row.missingThere))
            writer.member("moved", JSON(row.moved))
            writer.member("accuracy", accuracy)
            writer.member("problem", JSON(row.problem))
            writer.member("started_at", JSON(row.startedAt))
            writer.member("ended_at", JSON(row.endedAt))
        }
    }
}
