import Kit
import Store

/// Conditions that someone should know of: what is the matter, what to do, and quiet for a while.
enum AlertsPage {
    struct Model: Sendable {
        struct Row: Sendable {
            let id: String
            let pill: Pill
            let summary: String
            let action: String
            let subject: Link
            let count: String
            let opened: TimeModel
            let silence: String?
        }
        let tabs: [Tab]
        let filter: FilterModel
        let rows: [Row]
        let ends: Ends
        let empty: Empty?
    }

    static let page = Page(
        path: "/system/alerts", entry: .system, template: "alerts", fragments: ["alerts-rows"], follows: ["alert.*"]
    ) { request in
        let words = request.words
        var filter = FilterText(request, names: ["state", "kind"])
        filter.hold("state", to: AlertView.states, words)
        var wanted = AlertFilter()
        (wanted.state, wanted.kind) = (filter["state"], filter["kind"])
        let place = ListPlace(request)
        let found = try await request.app.database.read("alerts_page") { [wanted] in
            try $0.alerts(wanted, place.page)
        }
        let rows = place.shown(found).map { row($0, request) }
        let chips =
            [Chip(label: words("alerts.all"), href: filter.address("state", nil), isChosen: filter["state"] == nil)]
            + AlertView.states.map {
                Chip(
                    label: words("alerts.state.\($0)"), href: filter.address("state", $0),
                    isChosen: filter["state"] == $0)
            }
        return PageContent(
            SystemTab.head(.alerts, words),
            Model(
                tabs: SystemTab.tabs(.alerts, words), filter: filter.model("state:open kind:job_dead", chips),
                rows: rows,
                ends: place.ends(found, filter: filter.query, request, id: \.id.text),
                empty: rows.isEmpty
                    ? Empty(words("alerts.empty"), commands: [Command(nil, "patchbay alerts list")]) : nil),
            commands: [
                request.curl("/v1/alerts" + BrowserText.query([("state", filter["state"])])),
                Command("CLI", "patchbay alerts list" + (filter["state"].map { " --state \($0)" } ?? "")),
            ])
    }

    private static func row(_ alert: AlertRow, _ request: PageRequest) -> Model.Row {
        let lamp: LampState = alert.state == "open" ? .needs : alert.state == "silenced" ? .paused : .ok
        return Model.Row(
            id: alert.id.text,
            pill: Pill(
                lamp, request.words("alerts.state.\(alert.state)"),
                time: alert.state == "silenced" ? alert.silencedUntil.map(request.times.moment) : nil),
            summary: StoredSentences.summary(alert, request.words),
            action: StoredSentences.action(alert, request.words), subject: Places.link(alert.subject),
            count: alert.count > 1 ? request.words("alerts.count", ["n": request.words.number(alert.count)]) : "",
            opened: request.times.moment(alert.openedAt),
            silence: alert.state == "open" && request.mayAct ? "/system/alerts/\(alert.id)/silence" : nil)
    }

    static let form = PageForm(path: "/system/alerts/{id}/silence") { request in
        let until = request.now + .hours(24)
        _ = try await request.perform(
            AlertsAPI.silence, path: ["id": try request.id(AlertKind.self).text], body: ["until": JSON(until)])
        return .seeOther("/system/alerts", note: "silenced")
    }
}
