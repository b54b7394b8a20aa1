import Kit
import Store

/// Applying an event once more: first what it would change, then for real, by the API's own action.
enum ReplayPage {
    struct Model: Sendable {
        let action: String
        let version: String
        /// What it would change; empty for nothing.
        let changes: [ChangedRow]
        let nothing: String?
        /// What else happened to the same user since, which a replay does not undo.
        let newer: String?
        let canAct: Bool
        let back: String
    }

    static let page = Page(path: "/events/{id}/replay", entry: .events, template: "replay") { request in
        let id = try request.id(EventKind.self)
        let found = try await EventPage.find(id, request)
        let rehearsed = try await request.app.hooks.rehearse(id)
        let words = request.words
        var head = Head(words("replay.title", ["type": found.event.type]))
        head.crumbs = [Link(words("events.title"), "/events"), Link(ShortID(id.text).short, "/events/\(id)")]
        head.lede = words("replay.lede")
        let base = request.app.settings.browserAddress
        return PageContent(
            head, model(found, rehearsed, request),
            commands: [
                Command(
                    "curl",
                    "curl -X POST -H \"Authorization: Bearer $PATCHBAY_API_KEY\" \(base)/v1/events/\(id)/replay"),
                Command("CLI", "patchbay events replay \(id)"),
            ])
    }

    static func model(_ found: EventPage.Found, _ rehearsed: [Change]?, _ request: PageRequest) -> Model {
        let (words, event) = (request.words, found.event)
        let changes = (rehearsed ?? []).filter { $0.type != "event.received" }.flatMap {
            ChangedRow.rows(of: $0, earlier: nil, times: request.times)
        }
        let rows = Set(found.story.changes.filter { $0.type != "event.received" }.compactMap(\.subject)).count
        let nothing =
            rehearsed == nil
            ? words("replay.not_handled") : rows > 0 ? words.count("replay.already", rows) : words("replay.nothing")
        return Model(
            action: "/events/\(event.id)/replay", version: Instance.version, changes: changes,
            nothing: changes.isEmpty ? nothing : nil, newer: newer(found, request),
            canAct: request.visitor?.isAdmin == true, back: "/events/\(event.id)")
    }

    private static func newer(_ found: EventPage.Found, _ request: PageRequest) -> String? {
        guard let occurred = found.event.occurredAt, request.now - occurred > .minutes(1), found.event.userID != nil
        else { return nil }
        return request.words("replay.order")
    }

    static let forms = [
        PageForm(path: "/events/{id}/replay") { request in
            let id = try request.id(EventKind.self)
            _ = try await request.perform(ReplayAPI.one, path: ["id": id.text])
            return .seeOther("/events/\(id)", note: "replayed")
        },
        PageForm(path: "/events/replay") { request in
            let query = EventsQuery(request.form["q"] ?? "", request.words)
            guard query.problem == nil, let filter = query.replayFilter(request.now) else { throw PageProblem.notFound }
            let until = min(request.form["until"].flatMap(Timestamp.init(rfc3339:)) ?? request.now, request.now)
            let (count, _) = try await ReplayPlanPage.found(filter, until: until, request)
            guard count > 0, PlanModel.stands(request, count: count) else {
                return .again(ReplayPlanPage.page, try await ReplayPlanPage.content(query, isAnew: true, request))
            }
            // Of what was counted, nothing that came since; what came at that very moment was counted.
            let counted = (filter.members ?? []) + [JSONMember("received_before", JSON(until + .microseconds(1)))]
            let answer = try await request.perform(
                ReplayAPI.many, body: .object([JSONMember("filter", .object(counted))]))
            let job = (try? JSON.parse(answer.body))?["job_id"]?.text  // Our own answer.
            return .seeOther(job.map { "/jobs/\($0)" } ?? query.href, note: "replays_queued")
        },
    ]
}

/// Applying all events that a filter finds once more: a plan with its numbers, then the button.
enum ReplayPlanPage {
    struct Model: Sendable {
        struct Line: Sendable {
            let lamp: Lamp
            let count: String
            let what: String
        }
        let title: String
        let lines: [Line]
        let query: String
        let first: [TrafficRow]
        let act: String?
        let problem: String?
        let back: String
        let fields: [HeadAction.HiddenField]
        /// The plan that was sent was older, or about other events.
        let isAnew: Bool
    }

    static let page = Page(path: "/events/replay", entry: .events, template: "replay-plan") { request in
        try await content(EventsQuery(request.query["q"] ?? "", request.words), isAnew: false, request)
    }

    /// How many events a filter finds that came until a moment, and the first of them.
    static func found(
        _ filter: JSON, until: Timestamp, _ request: PageRequest
    ) async throws -> (matches: Int, first: [EventRow]) {
        let selection = try Replay.Selection(filter, until: until)
        return try await request.app.database.read("replay_plan") { session in
            (
                try session.count(
                    selection.filter, selection.page(ReplayAPI.countMax), atMost: ReplayAPI.countMax + 1),
                try session.events(selection.filter, selection.page(9))
            )
        }
    }

    static func content(_ query: EventsQuery, isAnew: Bool, _ request: PageRequest) async throws -> PageContent {
        let words = request.words
        var head = Head(words("plan.replay_title"))
        head.crumbs = [Link(words("events.title"), query.href)]
        guard query.problem == nil, let filter = query.replayFilter(request.now) else {
            let problem = query.problem ?? words("plan.needs_filter")
            return PageContent(head, model(query, nil, problem, isAnew: false, request))
        }
        let found = try await found(filter, until: request.now, request)
        head.lede = words("plan.lede", ["filter": query.text])
        let body = JSON.object([JSONMember("filter", filter)]).bytes
        let base = request.app.settings.browserAddress
        return PageContent(
            head, model(query, found, nil, isAnew: isAnew, request),
            commands: [
                Command(
                    "curl",
                    "curl -X POST -H \"Authorization: Bearer $PATCHBAY_API_KEY\" -H 'Content-Type: application/json' "
                        + "-d \(ShellText.quoted(String(decoding: body, as: UTF8.self))) \(base)/v1/events/replay")
            ])
    }

    private static func model(
        _ query: EventsQuery, _ found: (matches: Int, first: [EventRow])?, _ problem: String?,
        isAnew: Bool, _ request: PageRequest
    ) -> Model {
        let words = request.words
        let matches = found?.matches ?? 0
        let number = matches > ReplayAPI.countMax ? "\(words.number(ReplayAPI.countMax))+" : words.number(matches)
        let how = matches > ReplayAPI.atOnceMax ? words("plan.by_job") : words("plan.at_once")
        return Model(
            title: words("plan.replay", ["n": number]),
            lines: matches == 0 ? [] : [Model.Line(lamp: Lamp(.ok), count: number, what: how)], query: query.text,
            first: (found?.first ?? []).map { TrafficRow($0, request) },
            act: matches > 0 && request.visitor?.isAdmin == true ? words("plan.act", ["n": number]) : nil,
            problem: problem ?? (matches == 0 ? words("plan.nothing") : nil), back: query.href,
            fields: PlanModel.fields(count: matches, until: request.now), isAnew: isAnew)
    }
}
