import Kit
import Store

/// Who did what, and when. Written with the act, never changed.
enum AuditPage {
    struct Model: Sendable {
        struct Row: Sendable {
            let id: String
            let action: String
            let actor: Link
            let subject: Link?
            let detail: String
            let at: TimeModel
        }
        let tabs: [Tab]
        let filter: FilterModel
        let rows: [Row]
        let ends: Ends
        let empty: Empty?
        let stopped: String?
    }

    private static let namesMax = 1000

    static let page = Page(path: "/system/audit", entry: .system, template: "audit") { request in
        let words = request.words
        let filter = FilterText(request, names: ["actor", "action", "subject"], bare: "subject")
        var wanted = AuditFilter()
        (wanted.actor, wanted.action, wanted.subject) = (filter["actor"], filter["action"], filter["subject"])
        let place = ListPlace(request)
        let (found, names) = try await request.app.database.read("audit_page") { [wanted] session in
            (try session.searchAudit(wanted, place.page), try session.operatorNames(limit: namesMax))
        }
        let rows = place.shown(found.rows).map { row($0, names, filter, request) }
        let options = ["actor", "action", "subject"].compactMap { name in
            filter[name].map { " --\(name) \(ShellText.quoted($0))" }
        }
        return PageContent(
            SystemTab.head(.audit, words, lede: words("audit.lede")),
            Model(
                tabs: SystemTab.tabs(.audit, words),
                filter: filter.model("action:job.retried actor:op_… subject:job_…", []), rows: rows,
                ends: place.ends(found.rows, stoppedAt: found.stoppedAt, filter: filter.query, request, id: \.id.text),
                empty: rows.isEmpty
                    ? Empty(
                        words(filter.isEmpty ? "audit.empty" : "lists.none_match"),
                        link: filter.isEmpty ? nil : Link(words("lists.drop_filter"), "/system/audit")) : nil,
                stopped: found.stoppedAt == nil ? nil : words("jobs.stopped", ["n": words.number(Session.auditScanned)])
            ),
            commands: [
                request.curl(
                    "/v1/audit"
                        + BrowserText.query(["actor", "action", "subject"].map { ($0, filter[$0]) })),
                Command("CLI", "patchbay audit list\(options.joined())"),
            ])
    }

    private static func row(
        _ entry: AuditRow, _ names: [String: String], _ filter: FilterText, _ request: PageRequest
    ) -> Model.Row {
        let members = (try? JSON.parse(Array(entry.detail.utf8)))?.members ?? []  // Our own; unread it shows nothing.
        let detail = members.prefix(8).map {
            "\($0.name): \($0.value.text ?? String(decoding: $0.value.bytes, as: UTF8.self))"
        }
        return Model.Row(
            id: entry.id.text, action: entry.action,
            actor: Link(names[entry.actor] ?? ShortID(entry.actor).short, filter.address("actor", entry.actor)),
            subject: entry.subject.map(Places.link), detail: OutsideText.bounded(detail.joined(separator: " · "), 300),
            at: request.times.moment(entry.at))
    }
}
