import Kit
import Store

/// Is everything well, and what needs me: the page for a second monitor.
enum NowPage {
    // MARK: Query

    struct Found: Sendable {
        var attention = AttentionList()
        var history = TrafficHistory(from: .zero, came: [], refused: [])
        var events: [EventRow] = []
        var refused: [DeliveryRow] = []
        var coming: [ComingUp] = []
        var endpoints: [Endpoint] = []
        var oldestDue: Timestamp?
        var head: Int64 = 0
    }

    private static let minutes = 90
    private static let rowsShown = 7
    private static let comingShown = 5
    private static let cablesShown = 6

    private static func find(_ request: PageRequest) async throws -> Found {
        let now = request.now
        return try await request.app.database.read("now_page") { session in
            Found(
                attention: try session.attentionList(),
                history: try session.traffic(minutes: minutes, before: now, of: ProviderNames.ids),
                events: try session.search(EventFilter(), before: nil, since: nil, limit: rowsShown).rows,
                refused: try session.refused(of: ProviderNames.ids, before: nil, since: nil, limit: rowsShown),
                coming: try session.comingUp(limit: comingShown),
                endpoints: try session.endpoints(limit: cablesShown), oldestDue: try session.oldestDue(at: now),
                head: try session.feedHead())
        }
    }

    // MARK: Model

    struct Model: Sendable {
        struct Need: Sendable {
            let lamp: Lamp
            let what: String
            let evidence: String
            let since: String
            let act: Link
        }
        struct Coming: Sendable {
            let time: TimeModel
            let what: String
            let why: String?
            let href: String?
        }
        let needs: [Need]
        let needsPill: Pill?
        let nothing: String?
        let coming: [Coming]
        let path: SignalPath
        let rows: [TrafficRow]
        let histogram: Histogram
        let checklist: Checklist?
        let first: FirstSteps?
    }

    static let page = Page(
        path: "/", entry: .now, template: "now",
        fragments: ["now-needs", "now-coming", "now-path", "now-rows", "now-history", "now-steps"], follows: ["*"],
        every: .seconds(5)
    ) { request in
        let found = try await find(request)
        let checklist = await request.app.hooks.checklist(request.words.language.rawValue)
        let model = model(found, request, checklist: checklist)
        var head = Head(title(found.attention, request.words))
        head.lede = lede(found, request)
        let base = request.app.settings.browserAddress
        return PageContent(
            head, model,
            commands: [
                Command("curl", "curl -H \"Authorization: Bearer $PATCHBAY_API_KEY\" \(base)/v1/alerts?state=open"),
                Command("CLI", "patchbay alerts list --state open"), Command("CLI", "patchbay reviews list"),
            ])
    }

    static func model(_ found: Found, _ request: PageRequest, checklist: Checklist?) -> Model {
        let words = request.words
        let needs =
            found.attention.alerts.map { need($0, request) } + found.attention.reviews.map { need($0, request) }
            + found.attention.endpoints.map { need($0, request) }
        return Model(
            needs: needs,
            needsPill: needs.isEmpty
                ? nil : Pill(.needs, words.number(found.attention.counted.total, upTo: Attention.countMax)),
            nothing: needs.isEmpty ? words("now.nothing", ["time": request.times.clock(request.now).text]) : nil,
            coming: found.coming.map { coming($0, request) }, path: SignalPath(found, request),
            rows: TrafficRow.merged(found.events, found.refused, limit: rowsShown, request),
            histogram: Histogram(found.history, request), checklist: checklist,
            first: found.events.isEmpty && found.refused.isEmpty ? FirstSteps(found, request) : nil)
    }

    private static func title(_ attention: AttentionList, _ words: Words) -> String {
        let count = attention.counted.total
        return count == 0
            ? words("now.title_nothing") : words.count("now.title", count, upTo: Attention.countMax)
    }

    private static func lede(_ found: Found, _ request: PageRequest) -> String {
        let words = request.words
        let (came, refused) = (found.history.came.suffix(60), found.history.refused.suffix(60))
        let kept = words.number(came.reduce(0, +) - refused.reduce(0, +))
        let about = found.history.isEstimate ? "now.kept_about" : "now.kept"
        let oldest = found.oldestDue.map { words("now.oldest", ["age": request.times.age($0)]) }
        return [words(about, ["n": kept]), oldest ?? words("now.no_job")].joined(separator: " ")
    }

    // MARK: What needs a person

    private static func need(_ alert: AlertRow, _ request: PageRequest) -> Model.Need {
        let words = request.words
        let place = alert.subject.hasPrefix("job_") ? "/jobs/\(alert.subject)" : "/search?q=\(alert.subject)"
        let isJob = alert.kind == AlertName.jobDead.rawValue
        let key = isJob ? "now.alert_job" : "now.alert_other"
        return Model.Need(
            lamp: Lamp(isJob ? .failed : .needs), what: StoredSentences.summary(alert, words),
            evidence: [words(key, ["subject": ShortID(alert.subject).short]), StoredSentences.action(alert, words)]
                .joined(separator: " · "),
            since: request.times.age(alert.openedAt), act: Link(words("now.act.look"), place))
    }

    private static func need(_ reviews: AttentionList.Reviews, _ request: PageRequest) -> Model.Need {
        let words = request.words
        let since = reviews.oldest.madeAt ?? request.now
        return Model.Need(
            lamp: Lamp(.needs), what: words.count("now.reviews", reviews.count, upTo: Session.reviewsMax),
            evidence: words("now.review_oldest", ["question": StoredSentences.question(reviews.first, words)]),
            since: request.times.age(since),
            act: Link(words("now.act.review"), "/review/\(reviews.oldest)"))
    }

    private static func need(_ endpoint: Endpoint, _ request: PageRequest) -> Model.Need {
        let words = request.words
        let since = endpoint.health.failingSince ?? endpoint.updatedAt
        return Model.Need(
            lamp: Lamp(.failed), what: words("now.endpoint", ["host": Hosts.of(endpoint.url)]),
            evidence: endpoint.stateReason ?? words("now.endpoint_why"), since: request.times.age(since),
            act: Link(words("now.act.attempts"), "/endpoints/\(endpoint.id)"))
    }

    private static func coming(_ item: ComingUp, _ request: PageRequest) -> Model.Coming {
        let words = request.words
        let time = request.times.clock(item.at)
        switch item.kind {
        case .schedule:
            return Model.Coming(time: time, what: item.name, why: words("now.coming_schedule"), href: nil)
        case .job:
            return Model.Coming(
                time: time, what: item.name, why: words("now.coming_job"), href: item.id.map { "/jobs/\($0)" })
        case .attempt:
            return Model.Coming(
                time: time, what: words("now.coming_attempt"), why: ShortID(item.name).short,
                href: item.id.map { "/endpoints/\($0)" })
        }
    }
}

/// What may be shown of an address whose path and query may hold secrets.
enum Hosts {
    /// `app.example`; a text that is no address as it is.
    static func of(_ url: String) -> String {
        let parts = url.split(separator: "/", maxSplits: 3, omittingEmptySubsequences: false)
        guard parts.count >= 3 else { return url }
        let authority = parts[2].prefix { $0 != "?" && $0 != "#" }
        return authority.split(separator: "@").last.map(String.init) ?? url
    }
}

/// What a new instance shows in place of empty panels.
struct FirstSteps: Sendable {
    struct Route: Sendable {
        let name: String
        let address: Command
        let state: Pill
    }
    let routes: [Route]
    let steps: [Step]

    init(_ found: NowPage.Found, _ request: PageRequest) {
        let (words, settings) = (request.words, request.app.settings)
        let secrets = settings.webhookSecrets
        routes = Providers.webhookSources.map { source in
            let isOn = secrets[source.about.id]?.isEmpty == false
            return Route(
                name: source.about.name,
                address: Command(nil, "\(settings.browserAddress)/webhooks/\(source.about.id)"),
                state: Pill(isOn ? .ok : .todo, words(isOn ? "first.route_on" : "first.route_off")))
        }
        let isOn = secrets.values.contains { !$0.isEmpty }
        var secret = Step(isOn ? .ok : .todo, words("first.secret"))
        secret.why = words("first.secret_why")
        var send = Step(.todo, words("first.send"))
        send.why = words("first.send_why")
        var endpoint = Step(found.endpoints.isEmpty ? .todo : .ok, words("first.endpoint"))
        endpoint.why = words("first.endpoint_why")
        steps = [secret, send, endpoint]
    }
}
