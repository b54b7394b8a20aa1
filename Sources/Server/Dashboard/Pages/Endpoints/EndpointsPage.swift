import Kit
import Store

/// The list of endpoints: address, types, how the last day went.
enum EndpointsPage {
    struct Model: Sendable {
        struct Row: Sendable {
            let id: String
            let host: String
            let address: String
            let types: String
            let pill: Pill
            let spark: Sparkline
            let waiting: String
        }
        let filter: FilterModel
        let rows: [Row]
        let ends: Ends
        let empty: Empty?
    }

    private static let states = EndpointView.states
    /// Each row counts a day of tries.
    private static let rowsShown = 20

    static let page = Page(
        path: "/endpoints", entry: .endpoints, template: "endpoints", fragments: ["endpoints-rows"],
        follows: ["endpoint.*"], every: .seconds(15)
    ) { request in
        let words = request.words
        var filter = FilterText(request, names: ["state"])
        filter.hold("state", to: states, words)
        let (place, state, now) = (ListPlace(request, limit: rowsShown), filter["state"], request.now)
        let found = try await request.app.database.read("endpoints_page") { session in
            try session.endpoints(state: state, place.page).map { endpoint in
                (
                    endpoint, try session.attemptHours(of: endpoint.id, hours: Sparkline.hours, at: now),
                    try session.backlog(of: endpoint)
                )
            }
        }
        var head = Head(words("endpoints.title"))
        head.lede = words("endpoints.lede")
        if request.mayAct { head.actions = [HeadAction(words("endpoints.new"), "/endpoints/new", isFirst: true)] }
        let rows = place.shown(found).map { row($0.0, $0.1, $0.2, request) }
        let chips =
            [Chip(label: words("endpoints.all"), href: filter.address("state", nil), isChosen: state == nil)]
            + states.map {
                Chip(
                    label: words("endpoints.state.\($0)"), href: filter.address("state", $0), isChosen: state == $0)
            }
        return PageContent(
            head,
            Model(
                filter: filter.model("state:failing", chips), rows: rows,
                ends: place.ends(found, filter: filter.query, request, id: \.0.id.text),
                empty: rows.isEmpty ? empty(filter, words) : nil),
            commands: [
                request.curl("/v1/endpoints" + BrowserText.query([("state", state)])),
                Command("CLI", "patchbay endpoints list" + (state.map { " --state \($0)" } ?? "")),
            ])
    }

    private static func row(
        _ endpoint: Endpoint, _ hours: AttemptHours, _ backlog: EndpointBacklog, _ request: PageRequest
    ) -> Model.Row {
        let words = request.words
        return Model.Row(
            id: endpoint.id.text, host: Hosts.of(endpoint.url),
            address: endpoint.description ?? EndpointWords.address(endpoint.url),
            types: endpoint.types.isEmpty
                ? words("endpoints.every_type")
                : endpoint.types.prefix(3).joined(separator: ", ")
                    + (endpoint.types.count > 3 ? " …" : ""),
            pill: EndpointWords.pill(endpoint, request), spark: Sparkline(hours, words),
            waiting: backlog.waiting > 0 ? words.count("endpoints.waiting", backlog.waiting) : "")
    }

    private static func empty(_ filter: FilterText, _ words: Words) -> Empty {
        guard filter.isEmpty else {
            return Empty(words("lists.none_match"), link: Link(words("lists.drop_filter"), "/endpoints"))
        }
        return Empty(
            words("endpoints.empty"),
            commands: [
                Command(nil, "patchbay endpoints create https://app.example.com/hooks --type 'user.*'")
            ], link: Link(words("endpoints.new"), "/endpoints/new"))
    }
}
