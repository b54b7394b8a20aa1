import Kit
import Store

/// The list of connections, by what breaks first.
enum ConnectionsPage {
    struct Model: Sendable {
        struct Row: Sendable {
            let href: String
            let jack: Jack
            let name: String
            let owner: String
            let pill: Pill
            let reason: String
            let next: TimeModel?
            /// The form that makes a new link; nil where none is needed, and for those who may not act.
            let reconnect: String?
        }
        let filter: FilterModel
        let rows: [Row]
        let more: String?
        let empty: Empty?
    }

    private static let rowsShown = 100
    private static let states = ["active", "suspect", "needs_reconnect", "paused", "pending", "revoked"]

    static let page = Page(
        path: "/connections", entry: .connections, template: "connections", fragments: ["connections-rows"],
        follows: ["connection.*"], every: .seconds(15)
    ) { request in
        let words = request.words
        var filter = FilterText(request, names: ["state", "provider", "user"], bare: "user")
        filter.hold("state", to: states, words)
        var wanted = ConnectionFilter()
        wanted.state = filter["state"].flatMap(ConnectionState.init)
        (wanted.provider, wanted.userID) = (filter["provider"], filter["user"])
        let (found, counts) = try await request.app.database.read("connections_page") { [wanted] session in
            (try session.connectionsBySoonest(wanted, limit: rowsShown + 1), try session.connectionCounts())
        }
        let rows = found.prefix(rowsShown).map { row($0, request) }
        return PageContent(
            head(counts, request),
            Model(
                filter: filter.model("state:needs_reconnect", chips(filter, counts, words)), rows: rows,
                more: found.count > rowsShown ? words("connections.more", ["n": words.number(rowsShown)]) : nil,
                empty: rows.isEmpty ? empty(filter, request) : nil),
            commands: [
                request.curl(
                    "/v1/connections"
                        + BrowserText.query([
                            ("state", wanted.state?.rawValue), ("provider", wanted.provider),
                            ("user_id", wanted.userID),
                        ])),
                Command("CLI", "patchbay connections list"), Command("CLI", "patchbay tokens check"),
            ])
    }

    private static func head(_ counts: [(state: ConnectionState, count: Int)], _ request: PageRequest) -> Head {
        let words = request.words
        var head = Head(words("nav.connections"))
        head.lede = words.count("connections.lede", counts.reduce(0) { $0 + $1.count })
        if request.mayAct { head.actions = [HeadAction(words("connections.new"), "/connections/new", isFirst: true)] }
        return head
    }

    private static func chips(
        _ filter: FilterText, _ counts: [(state: ConnectionState, count: Int)], _ words: Words
    ) -> [Chip] {
        let chosen = filter["state"]
        return [Chip(label: words("connections.all"), href: filter.address("state", nil), isChosen: chosen == nil)]
            + states.map { state in
                var chip = Chip(
                    label: words("connections.state.\(state)"), href: filter.address("state", state),
                    isChosen: chosen == state)
                chip.count = counts.first { $0.state.rawValue == state }.map { count($0.count, words) }
                return chip
            }
    }

    private static func count(_ count: Int, _ words: Words) -> String {
        count > Session.connectionCountMax ? words.number(Session.connectionCountMax) + "+" : words.number(count)
    }

    private static func row(_ row: ConnectionRow, _ request: PageRequest) -> Model.Row {
        let platform = ConnectionWords.platform(row, request)
        return Model.Row(
            href: "/connections/\(row.id)", jack: Jack(platform, size: "m", state: ConnectionWords.lamp(row)),
            name: ConnectionWords.name(row, request.words), owner: "\(platform) · \(row.userID)",
            pill: ConnectionWords.pill(row, request), reason: ConnectionWords.reason(row, request),
            next: row.refreshAt.map(request.times.moment),
            reconnect: request.mayAct && row.deletedAt == nil && lackOf(row)
                ? "/connections/\(row.id)/reconnect" : nil)
    }

    /// Whether only the account's owner can mend it.
    private static func lackOf(_ row: ConnectionRow) -> Bool {
        row.state == .needsReconnect || row.state == .revoked || row.attention == "ending_soon"
    }

    private static func empty(_ filter: FilterText, _ request: PageRequest) -> Empty {
        let words = request.words
        guard filter.isEmpty else {
            return Empty(words("lists.none_match"), link: Link(words("lists.drop_filter"), "/connections"))
        }
        let platform = request.app.hooks.connecting?.platforms.first?.about.id ?? "tiktok"
        return Empty(
            words("connections.empty"),
            commands: [
                Command("CLI", "patchbay connections connect \(platform) --user user-42"),
                Command(
                    "curl",
                    "curl -X POST \(request.app.settings.browserAddress)/v1/connect-sessions"
                        + " -H \"Authorization: Bearer $PATCHBAY_API_KEY\""
                        + " -d '{\"user_id\":\"user-42\",\"provider\":\"\(platform)\"}'"),
            ], link: request.mayAct ? Link(words("connections.new"), "/connections/new") : nil)
    }
}
