import Engine
import Kit
import Store

/// Comparing a connection's rows with what the platform says now.
enum RecordReconciliations {
    /// `POST /v1/reconciliations` with a `connection_id`.
    static func begin(_ request: APIRequest) async throws -> Answer {
        let (syncs, now, ids) = (try request.syncs, request.now, request.app.ids)
        let id = ID<ConnectionKind>(stored: request.body["connection_id"]?.text ?? "")
        guard request.body["provider"] == nil, request.body["dry_run"] == nil, request.body["since"] == nil else {
            throw Problem(
                .invalidFields,
                [
                    FieldProblem(
                        "connection_id", "goes with stream and repair; provider, dry_run and since are of events.")
                ])
        }
        let row = try await request.app.database.read("connection") { try $0.connection(id) }
        guard let row, row.deletedAt == nil else { throw Problem(.notFound, "There is no connection \(id).") }
        let names = syncs.book.streams(of: row.provider).map(\.name)
        guard let name = request.body["stream"]?.text, let stream = syncs.book.stream(name, of: row.provider) else {
            throw Problem(
                .invalidFields,
                [FieldProblem("stream", "must be one of \(names.joined(separator: ", ")).")])
        }
        let repairs = request.body["repair"]?.boolean ?? false
        let ready = (id: ids.make(ReconciliationKind.self), job: ids.make(JobKind.self))
        let (auditID, by) = (ids.make(AuditKind.self), request.caller.id)
        return try await request.once("reconcile_records") { session in
            guard let row = try session.connection(id) else {
                throw Problem(.notFound, "There is no connection \(id).")
            }
            do throws(Syncs.Refusal) { try syncs.check(stream, row) } catch {
                throw error.problem(syncs.book.platform(row.provider))
            }
            let begun = try RecordReconciling.begin(
                stream, of: row, repairs: repairs, askedBy: by, syncs, in: session, at: now, ids: ready)
            try session.audit(
                NewAudit(
                    auditID, "reconciliation.begun", begun.id.text, by: request,
                    detail: ["connection": JSON(id), "stream": .string(name), "repair": .bool(repairs)]))
            return Answer.json(202, ReconciliationView(begun)).with("Location", "/v1/reconciliations/\(begun.id)")
        }
    }

    static let differences = Action(
        "listDifferences", "List what a reconciliation found to differ",
        notes: "Of records: each row that is missing on a side or stands otherwise, by its key.",
        .needs(.read, "events"), path: [.id(ReconciliationKind.self)],
        query: [
            Parameter("limit", .integer(1...100), "Rows a page, 20 unless said."),
            Parameter("cursor", .line(1...1024), "From `next_cursor` of the page before."),
        ],
        answers: [.list(of: DifferenceView.schema)], problems: [.notFound, .invalidCursor]
    ) { request in
        let (id, page) = (request.pathID(ReconciliationKind.self), try request.page())
        let rows = try await request.app.database.read("differences") { session in
            try session.reconciliation(id) == nil
                ? nil : try session.differences(of: id, after: page.after, limit: page.limit + 1)
        }
        guard let rows else { throw Problem(.notFound, "There is no reconciliation \(id).") }
        return request.list(rows, page, id: \.key, DifferenceView.init)
    }
}

struct DifferenceView: View {
    let row: RecordDifference
    init(_ row: RecordDifference) { self.row = row }

    static let schema = Schema.named(
        "Difference",
        .object([
            .required("key", .text(), "The platform's own id of the row."),
            .required(
                "kind", .words(RecordDifference.Kind.allCases.map(\.rawValue)),
                "Missing on a side, standing otherwise, or `moved`: only counts differ, which move by themselves."),
            .required("fields", .array(of: .text()), "The columns in which both differ."),
        ]))

    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("key", .string(row.key))
            writer.member("kind", .string(row.kind.rawValue))
            writer.member("fields", .array(row.fields.map(JSON.string)))
        }
    }
}
