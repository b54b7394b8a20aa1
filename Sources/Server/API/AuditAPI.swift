import Kit
import Store

/// The audit log: who did what. Written with the act, never changed.
enum AuditAPI {
    static let list = Action(
        "listAudit", "List audit entries", .needs(.read, "audit"),
        query: Paging.parameters + Paging.times + [
            Parameter("actor", .line(), "By one actor, such as a key's id."),
            Parameter("action", .slug(), "Of one kind of act."),
            Parameter("subject", .line(), "About one thing, by its id."),
        ],
        answers: [.list(of: AuditView.schema)], problems: [.invalidCursor]
    ) { request in
        var filter = AuditFilter()
        filter.actor = request.queryText("actor")
        filter.action = request.queryText("action")
        filter.subject = request.queryText("subject")
        let (page, now) = (try request.page(), request.now)
        let rows = try await request.app.database.read("audit") { [filter] in
            try $0.audit(filter, $0.upToHead(page, at: now))
        }
        return request.list(rows, page, id: \.id.text, AuditView.init)
    }
}

struct AuditView: View {
    let row: AuditRow

    static let schema = Schema.named(
        "AuditEntry",
        .object([
            .required("id", .id(AuditKind.self), "Its id."),
            .required("at", .time, "When."),
            .required("actor", .text(), "Who: a key's or node's id, `operator` or `system`."),
            .required("action", .text(), "What."),
            .required("subject", Schema.text().orNull, "About what."),
            .required("detail", .anything, "Ids and digests; no personal text."),
            .required("batch", Schema.integer().orNull, "The batch of the chain that seals it; null until then."),
        ]))

    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("id", JSON(row.id))
            writer.member("at", JSON(row.at))
            writer.member("actor", .string(row.actor))
            writer.member("action", .string(row.action))
            writer.member("subject", JSON(row.subject))
            writer.outside("detail", Array(row.detail.utf8))
            writer.member("batch", JSON(row.batch))
        }
    }
}
