import Engine
import Kit
import Store

/// What came in and what became of it, refused deliveries too.
enum EventsPage {
    // MARK: Query

    struct Found: Sendable {
        var events: [EventRow] = []
        var refused: [DeliveryRow] = []
        /// Where the search ended before the list did.
        var searchedTo: String?
        /// Of a search among contents: how far it is, and by event what says it.
        var slice: ContentScan.Slice?
        var history = TrafficHistory(from: .zero, came: [], refused: [])
        /// Newer rows than the page's first, at most `freshMax`.
        var fresh = 0
        /// There are more below.
        var hasMore = false
    }

    static let rowsMax = 50
    private static let freshMax = 100
    private static let minutes = 90

    /// Where a page of the list begins, and what stood at its top when it was drawn first.
    struct Place: Sendable {
        /// The end of an id: rows before it in time are shown.
        let before: String?
        /// The newest row of the first page as it was drawn.
        let top: String?

        init(_ request: PageRequest) {
            before = Self.mark(request.query["before"])
            top = Self.mark(request.query["top"])
        }
        private static func mark(_ text: String?) -> String? {
            text.flatMap { ID<EventKind>("evt_\($0)") == nil ? nil : $0 }
        }
        var event: ID<EventKind>? { upper.map { ID(stored: "evt_\($0)") } }
        var delivery: ID<DeliveryKind>? { upper.map { ID(stored: "dlv_\($0)") } }
        /// A page that is drawn anew shows what it showed: nothing above its top.
        private var upper: String? { before ?? top.map { $0 + "~" } }
    }

    private static func find(_ query: EventsQuery, _ place: Place, _ request: PageRequest) async throws -> Found {
        let (now, providers) = (request.now, query.provider.map { [$0] } ?? ProviderNames.ids)
        let filter = try await request.app.finding(query.find, in: query.filter)
        let slice = try await scan(query, filter, place, request)
        return try await request.app.database.read("events_page") { session in
            var found = Found()
            found.history = try session.traffic(minutes: minutes, before: now, of: ProviderNames.ids)
            found.slice = slice
            found.events = slice?.hits.map(\.event) ?? []
            guard let filter, slice == nil else { return found }
            if let id = query.id {
                found.events = try session.events(named: id, filter, at: now)
                return found
            }
            let since = query.sinceTime(now)
            if query.wantsEvents {
                let events = try session.search(filter, before: place.event, since: since, limit: rowsMax + 1)
                found.events = events.rows
                found.searchedTo = events.searchedTo.map { String(TrafficRow.order($0.text)) }
                if let top = place.top {
                    found.fresh = try session.count(filter, after: ID(stored: "evt_\(top)"), atMost: freshMax)
                }
            }
            if query.wantsRefused {
                found.refused = try session.refused(
                    of: providers, before: place.delivery, since: since, limit: rowsMax + 1)
            }
            found.hasMore = found.events.count + found.refused.count > rowsMax
            return found
        }
    }

    /// The next part of a search among contents; nil for any other.
    private static func scan(
        _ query: EventsQuery, _ filter: EventFilter?, _ place: Place, _ request: PageRequest
    ) async throws -> ContentScan.Slice? {
        guard let filter, let content = query.content, query.id == nil, query.wantsEvents else { return nil }
        return try await ContentScan(
            for: content, among: filter, since: query.sinceTime(request.now), until: nil, in: request.app.database,
            time: request.app.time
        ).slice(before: place.event, hitsMax: rowsMax)
    }

    // MARK: Model

    struct Model: Sendable {
        let filter: FilterModel
        let histogram: Histogram
        let fresh: Fresh?
        let rows: [TrafficRow]
        let ends: Ends
        let empty: Empty?
        let scan: ScanModel?
    }

    /// How far a search among contents is, this page and those before it.
    struct ScanModel: Sendable {
        let progress: ProgressModel
        /// The rest of it; nil at its end.
        let next: String?
    }

    static let page = Page(
        path: "/events", entry: .events, template: "events",
        fragments: ["events-fresh", "events-rows", "events-history"], follows: ["*"], every: .seconds(5),
        // Contents are read one by one: hundreds of them, at each change of the feed.
        stands: { EventsQuery($0.query["q"] ?? "", $0.words).content != nil }
    ) { request in
        let (words, place) = (request.words, Place(request))
        let query = EventsQuery(request.query["q"] ?? "", words)
        let found = try await find(query, place, request)
        let model = model(found, query, place, request)
        var head = Head(words("events.title"))
        head.lede = lede(found, words)
        if query.replayFilter(request.now) != nil {
            let path = "/events/replay" + BrowserText.query([("q", query.text)])
            head.actions = [HeadAction(words("events.replay"), path, key: "r")]
        }
        var content = PageContent(head, model, commands: query.commands(request.app.settings.browserAddress))
        let top = place.top ?? model.rows.first.map { String(TrafficRow.order($0.id)) }
        if place.before == nil {
            content.liveTarget =
                "/events"
                + BrowserText.query([("q", query.text.isEmpty ? nil : query.text), ("top", top)])
        }
        return content
    }

    private static func lede(_ found: Found, _ words: Words) -> String {
        let minutes = found.history.came.dropLast().suffix(5)
        let rate = minutes.isEmpty ? 0 : minutes.reduce(0, +) / minutes.count
        return words("events.lede", ["n": words.number(rate)])
    }

    static func model(_ found: Found, _ query: EventsQuery, _ place: Place, _ request: PageRequest) -> Model {
        let words = request.words
        var rows = TrafficRow.merged(found.events, found.refused, limit: rowsMax, request)
        if let slice = found.slice {
            let excerpts = Dictionary(uniqueKeysWithValues: slice.hits.map { ($0.event.id.text, $0.excerpt) })
            for index in rows.indices { rows[index].excerpt = excerpts[rows[index].id] }
        }
        let next = found.hasMore ? rows.last.map { String(TrafficRow.order($0.id)) } : found.searchedTo
        let older = next.map { "/events" + BrowserText.query([("q", nonempty(query.text)), ("before", $0)]) }
        let shown =
            found.hasMore || found.searchedTo == nil
            ? words.count("list.shown", rows.count)
            : words.count("events.searched", rows.count, ["looked": words.number(Session.eventsSearched)])
        return Model(
            filter: FilterModel(
                action: "/events", text: query.text, example: "state:failed since:90m find:rye@example.org",
                chips: chips(query, words), problem: query.problem),
            histogram: Histogram(found.history, request),
            fresh: found.fresh > 0 ? fresh(found.fresh, query, words) : nil, rows: rows,
            ends: Ends(shown: shown, newer: place.before == nil ? nil : query.href, older: older),
            empty: rows.isEmpty ? empty(query, found, request) : nil,
            scan: found.slice.map { scanned($0, rows.count, query, request) })
    }

    private static func scanned(
        _ slice: ContentScan.Slice, _ rows: Int, _ query: EventsQuery, _ request: PageRequest
    ) -> ScanModel {
        let words = request.words
        let found = rows + request.count("found")
        let looked = slice.looked + request.count("looked")
        let numbers = ["looked": words.number(looked), "percent": words.number(slice.percent)]
        let key = slice.through == nil ? "events.scanned_all" : "events.scanned"
        return ScanModel(
            progress: ProgressModel(
                state: slice.through == nil ? "ok" : "running", share: slice.percent,
                sentence: words.count(key, found, numbers)),
            next: slice.through.map { place in
                "/events"
                    + BrowserText.query([
                        ("q", query.text), ("before", String(TrafficRow.order(place.text))), ("found", "\(found)"),
                        ("looked", "\(looked)"),
                    ])
            })
    }

    private static func nonempty(_ text: String) -> String? { text.isEmpty ? nil : text }

    private static func fresh(_ count: Int, _ query: EventsQuery, _ words: Words) -> Fresh {
        let label = count < freshMax ? words.count("events.fresh", count) : words("events.fresh_many")
        return Fresh(href: query.href, label: label)
    }

    private static func chips(_ query: EventsQuery, _ words: Words) -> [Chip] {
        let states: [(String?, LampState?)] = [
            (nil, nil), ("waiting_review", .waiting), ("refused", .failed), ("failed", .failed),
            ("queued", .running), ("ignored", .ok),
        ]
        let byState = states.map { state, lamp in
            Chip(
                label: words(state.map { "chip.\($0)" } ?? "chip.all"), href: query.with { $0.state = state }.href,
                isChosen: query.state == state, lamp: lamp.map { Lamp($0) })
        }
        let byProvider = Providers.webhookSources.map { source in
            let isChosen = query.provider == source.about.id
            return Chip(
                label: source.about.name, href: query.with { $0.provider = isChosen ? nil : source.about.id }.href,
                isChosen: isChosen)
        }
        return byState + byProvider
    }

    private static func empty(_ query: EventsQuery, _ found: Found, _ request: PageRequest) -> Empty {
        let words = request.words
        guard query.text.isEmpty else {
            let isWhole = found.searchedTo == nil && found.slice?.through == nil
            return Empty(
                words(
                    isWhole
                        ? "events.none_fits" : found.slice == nil ? "events.none_fits_yet" : "events.none_fits_so_far",
                    ["filter": query.text, "looked": words.number(Session.eventsSearched)]),
                link: Link(words("events.drop_filter"), "/events"))
        }
        let base = request.app.settings.browserAddress
        let routes = request.app.settings.webhookSecrets.filter { !$0.value.isEmpty }.keys.sorted()
        return Empty(
            words(routes.isEmpty ? "events.none_no_secret" : "events.none"),
            commands: routes.map { Command(ProviderNames.of($0), "\(base)/webhooks/\($0)") },
            link: Link(words("events.how"), "/docs"))
    }
}

extension PageRequest {
    /// A count that an address carries on; nobody's harm where somebody types another.
    fileprivate func count(_ name: String) -> Int {
        query[name].flatMap { Int($0) }.map { min(max($0, 0), 1_000_000_000) } ?? 0
    }
}

extension Session {
    /// Events by one of our ids or by the platform's own.
    fileprivate func events(named id: String, _ filter: EventFilter, at now: Timestamp) throws -> [EventRow] {
        if let id = ID<EventKind>(id) { return try eventRow(id).map { [$0] } ?? [] }
        if let id = ID<DeliveryKind>(id), let event = try delivery(id)?.eventID {
            return try eventRow(ID(stored: event)).map { [$0] } ?? []
        }
        return try events(providerEventID: id, filter, at: now)
    }
}
