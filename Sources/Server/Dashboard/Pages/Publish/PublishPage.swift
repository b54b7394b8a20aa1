import Kit
import Store

/// What is to be published, is being published, and was.
enum PublishPage {
    struct Model: Sendable {
        struct Entry: Sendable {
            let pill: Pill
            let href: String
            let text: String
            let accounts: String
            let reason: String?
            let at: TimeModel
        }
        struct List: Sendable {
            let entries: [Entry]
            let hasEntries: Bool
            let ends: Ends
            let empty: Empty?
        }
        let views: [Tab]
        let calendar: CalendarModel?
        let list: List?
        let chips: [Chip]
        let isList: Bool
    }

    private static let rowsMax = 50
    /// Targets whose accounts are named in a row.
    private static let accountsShown = 3

    static let page = Page(
        path: "/publish", entry: .publish, template: "publish", fragments: ["publish-rows"],
        follows: ["publication.*"], every: .seconds(5)
    ) { request in
        let words = request.words
        let view = CalendarView(request)
        var head = Head(words("nav.publish"))
        if request.mayAct {
            head.actions = [HeadAction(words("compose.title"), "/publish/new", key: "n", isFirst: true)]
        }
        let calendar = view.kind == .list ? nil : try await CalendarReading(view, request).model()
        let list = view.kind == .list ? try await list(request) : nil
        head.lede = words("publish.lede") + " " + words("calendar.zone", ["zone": request.reader.zone])
        let state = request.query["state"].flatMap(TargetState.init(rawValue:))
        return PageContent(
            head,
            Model(
                views: view.tabs(words), calendar: calendar, list: list, chips: list == nil ? [] : chips(state, words),
                isList: list != nil),
            commands: [
                request.curl("/v1/publications" + BrowserText.query([("state", state?.rawValue)])),
                Command("CLI", "patchbay publications list"),
            ])
    }

    /// Newest first, by state.
    private static func list(_ request: PageRequest) async throws -> Model.List {
        let words = request.words
        let state = request.query["state"].flatMap(TargetState.init(rawValue:))
        var filter = PublicationFilter()
        filter.state = state?.rawValue
        let before = request.query["before"].flatMap { ID<PublicationKind>($0)?.text }
        let views = try await request.app.database.read("publish_page") { [filter] session in
            try session.views(of: try session.publications(filter, ListPage(limit: rowsMax, after: before)))
        }
        let shown = Array(views.prefix(rowsMax))
        let names = try await accounts(of: shown, request)
        let older = views.count > rowsMax ? shown.last.map { address(state, before: $0.row.id.text) } : nil
        return Model.List(
            entries: shown.map { entry($0, names, request) }, hasEntries: !shown.isEmpty,
            ends: Ends(
                shown: words.count("list.shown", shown.count), newer: before == nil ? nil : address(state),
                older: older),
            empty: shown.isEmpty ? empty(words, isFiltered: state != nil) : nil)
    }

    static func empty(_ words: Words, isFiltered: Bool = false) -> Empty {
        Empty(
            words(isFiltered ? "lists.none_match" : "publish.empty"),
            commands: [Command(nil, "patchbay publish FILE --to conn_…")])
    }

    private static func address(_ state: TargetState?, before: String? = nil) -> String {
        "/publish" + BrowserText.query([("view", "list"), ("state", state?.rawValue), ("before", before)])
    }

    private static func chips(_ chosen: TargetState?, _ words: Words) -> [Chip] {
        let states: [TargetState?] = [nil, .unknown, .failed, .scheduled, .published]
        return states.map { state in
            Chip(
                label: state.map { PublicationWords.state($0, words) } ?? words("chip.all"), href: address(state),
                isChosen: chosen == state, lamp: state.map { Lamp(PublicationWords.lamp($0)) })
        }
    }

    /// What the accounts are called.
    private static func accounts(of views: [PublicationView], _ request: PageRequest) async throws -> [String: String] {
        let ids = Set(views.flatMap { $0.targets.prefix(accountsShown).map(\.row.connection) })
        let words = request.words
        return try await request.app.database.read("publish_accounts") { session in
            var names: [String: String] = [:]
            for id in ids { names[id.text] = try session.connection(id).map { ConnectionWords.name($0, words) } }
            return names
        }
    }

    private static func entry(
        _ view: PublicationView, _ names: [String: String], _ request: PageRequest
    ) -> Model.Entry {
        let words = request.words
        let accounts = view.targets.prefix(accountsShown).map {
            names[$0.row.connection.text] ?? words("connections.gone")
        }
        let more = view.targets.count - accounts.count
        let needing = view.targets.first { $0.row.state == view.state }
        return Model.Entry(
            pill: PublicationWords.pill(view.state, words), href: "/publish/\(view.row.id)",
            text: PublicationWords.text(view.row, words),
            accounts: accounts.joined(separator: ", ")
                + (more > 0 ? " " + words("publish.more_accounts", ["n": words.number(more)]) : ""),
            reason: needing?.row.reason,
            at: view.state == .scheduled
                ? request.times.moment(view.row.publishAt ?? view.row.createdAt)
                : request.times.moment(view.row.updatedAt))
    }
}

/// How publications are spoken of.
enum PublicationWords {
    private static let textShown = 80

    static func state(_ state: TargetState, _ words: Words) -> String { words("publish.state.\(state.rawValue)") }

    static func pill(_ state: TargetState, _ words: Words) -> Pill {
        Pill(lamp(state), Self.state(state, words), isBare: true)
    }

    static func lamp(_ state: TargetState) -> LampState {
        switch state {
        case .scheduled, .waiting: .waiting
        case .uploading, .processing: .running
        case .published, .inInbox: .ok
        case .failed: .failed
        case .unknown: .needs
        case .cancelled: .paused
        }
    }

    /// The beginning of what it says.
    static func text(_ row: PublicationRow, _ words: Words) -> String {
        let given = [row.content["title"]?.text, row.content["text"]?.text].compactMap { $0 }.first { !$0.isEmpty }
        guard let given else { return words("publish.no_text") }
        return given.count > textShown ? given.prefix(textShown) + "…" : given
    }
}
