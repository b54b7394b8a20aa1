import Hummingbird
import Kit
import Store

/// Everything kept about a user, as one JSON document that is written while it is read.
struct UserExport: Sendable {
    private static let window = 2000
    private static let changesAtOnce = 200
    private static let callsAtOnce = 500

    let app: App
    let user: UserView
    let at: Timestamp

    static let action = Action(
        "exportUser", "Export a user",
        notes: "Everything kept about the user as one document: what the application said, connections, "
            + "subscriptions, payment methods, payments, the changes that were told, the calls that were made, the "
            + "platforms' events with their payloads.",
        .needs(.read, "users"), path: UsersAPI.path,
        answers: [.ok("What is kept.", schema)], problems: [.notFound]
    ) { request in
        let (app, id, auditID) = (request.app, request.pathText(), request.app.ids.make(AuditKind.self))
        let view = try await app.database.read("export_user") { session in
            try session.user(id).map { UserView(user: $0, customers: try session.customers(of: id)) }
        }
        guard let view else { throw Problem(.notFound, "There is no such user.") }
        // Before the act: who has read it is known, also when the reading breaks off.
        try await app.database.write("audit_export") { session in
            try session.audit(
                NewAudit(auditID, "user.exported", nil, by: request, detail: ["user": .string(UserDigest.of(id))]))
        }
        let export = UserExport(app: app, user: view, at: request.now)
        var answer = Answer(status: 200, contentType: "application/json")
        answer.stream = { try await export.write(to: &$0) }
        return answer.with("Content-Disposition", "attachment; filename=\"user.json\"")
    }

    private static let row = Schema.anything
    static let schema = Schema.named(
        "UserExport",
        .object([
            .required("exported_at", .time, "When the reading began."),
            .required("user", UserView.schema, "What the application said, and what the platforms' events come to."),
            .required("oauth_accounts", .array(of: row), "Accounts at platforms, without their tokens."),
            .required("subscriptions", .array(of: row), "One for each subscription of the user's customers."),
            .required("payment_methods", .array(of: row), "Means of payment, as far as they are known."),
            .required("payments", .array(of: row), "Payments."),
            .required("publication_targets", .array(of: row), "What was published for the user, and where."),
            .required("publications", .array(of: row), "The content of these."),
            .required("objects", .array(of: row), "Files; their bytes are at /v1/objects/{id}/content."),
            .required(
                "records", .map(of: .array(of: row), most: 500),
                "Rows of the accounts that the user is connected to, by their table, with each step of their counts."),
            .required("changes", .array(of: row), "What was told about the user, as long as it is kept."),
            .required(
                "calls", .array(of: CallView.schema),
                "Calls to platforms for the user, oldest first, as long as they are kept."),
            .required("events", .array(of: EventView.schema), "The platforms' events, oldest first."),
        ]))

    private func write(to out: inout any ResponseBodyWriter) async throws {
        let (database, id) = (app.database, user.user.id)
        let sections = try await database.read("export_rows") { try $0.exportedRows(of: id) }
        try await send(to: &out) { writer in
            writer.member("exported_at", JSON(at))
            writer.key("user")
            user.write(to: &writer)
            for section in sections { writer.member(section.what, .array(section.rows)) }
        }
        try await text(",\"records\":{", to: &out)
        try await RecordExport(database: database, user: id).write(to: &out)
        try await text("},\"changes\":[", to: &out)
        try await writeChanges(to: &out)
        try await text("],\"calls\":[", to: &out)
        try await writeCalls(to: &out)
        try await text("],\"events\":[", to: &out)
        try await writeEvents(to: &out)
        try await text("]}", to: &out)
        try await out.finish(nil)
    }

    private func writeChanges(to out: inout any ResponseBodyWriter) async throws {
        let (database, id) = (app.database, user.user.id)
        var (last, isFirst) = (Int64(0), true)
        while true {
            let page = try await database.read("export_changes") { [last] in
                try $0.changesAbout(id, after: last, limit: Self.changesAtOnce)
            }
            for change in page {
                try await text((isFirst ? "" : ",") + String(decoding: change.json.bytes, as: UTF8.self), to: &out)
                isFirst = false
            }
            guard let end = page.last?.seq, page.count == Self.changesAtOnce else { return }
            last = end
        }
    }

    private func writeCalls(to out: inout any ResponseBodyWriter) async throws {
        let (database, id) = (app.database, user.user.id)
        var last = ""
        while true {
            let page = try await database.read("export_calls") { [last] in
                try $0.calls(for: id, after: last, limit: Self.callsAtOnce)
            }
            for row in page {
                var writer = JSONWriter(capacity: 1024)
                CallView(row: row).write(to: &writer)
                let comma: [UInt8] = last.isEmpty ? [] : [UInt8(ascii: ",")]
                try await out.write(ByteBuffer(bytes: comma + writer.bytes))
                last = row.id.text
            }
            guard page.count == Self.callsAtOnce else { return }
        }
    }

    private func writeEvents(to out: inout any ResponseBodyWriter) async throws {
        let (database, id, customers) = (app.database, user.user.id, user.customers.map(\.name))
        var (last, isFirst) = ("", true)
        while true {
            let (page, end) = try await database.read("export_events") { [last] in
                try $0.eventsAbout(id, customers, after: last, window: Self.window)
            }
            for row in page {
                let payload = try await database.read("export_payload") {
                    try $0.payloads(of: [row], bytesMax: .max).bytes[row.id.text]
                }
                var writer = JSONWriter(capacity: (payload?.count ?? 0) + 1024)
                EventView(row: row, payload: payload).write(to: &writer)
                try await out.write(ByteBuffer(bytes: (isFirst ? [] : [UInt8(ascii: ",")]) + writer.bytes))
                isFirst = false
            }
            guard let end else { return }
            last = end
        }
    }

    /// The beginning of the document: an object that is not closed yet.
    private func send(to out: inout any ResponseBodyWriter, _ members: (inout JSONWriter) -> Void) async throws {
        var writer = JSONWriter(capacity: 4096)
        writer.object { members(&$0) }
        try await out.write(ByteBuffer(bytes: writer.bytes.dropLast()))
    }
    private func text(_ text: String, to out: inout any ResponseBodyWriter) async throws {
        try await out.write(ByteBuffer(string: text))
    }
}
