import Kit
import Store

/// One endpoint: how it fares, its tries, its secrets, and sending again.
enum EndpointPage {
    struct Model: Sendable {
        struct Row: Sendable {
            let href: String
            let type: String
            let number: String
            let pill: Pill
            let answer: String
            let start: String
            let took: String
            let next: TimeModel?
            let at: TimeModel
        }
        struct Secret: Sendable {
            let hint: String
            let made: TimeModel
            let until: TimeModel?
            let publicKey: String?
        }
        /// A choice of since when, for the two replays.
        struct Since: Sendable {
            let value: String
            let label: String
        }
        let sentence: String
        let lamp: Lamp
        let spark: Sparkline
        let filter: FilterModel
        let rows: [Row]
        let ends: Ends
        let empty: Empty?
        let stopped: String?
        let facts: [Fact]
        let secrets: [Secret]
        /// Addresses of the forms, for those who may act.
        let acts: Acts?
    }
    struct Acts: Sendable {
        let replay: String
        let rotate: String
        let sinces: [Model.Since]
    }

    static let page = Page(
        path: "/endpoints/{id}", entry: .endpoints, template: "endpoint",
        fragments: ["endpoint-health", "endpoint-rows"], every: .seconds(5)
    ) { request in
        let (id, now, words) = (try request.id(EndpointKind.self), request.now, request.words)
        var filter = FilterText(request, names: ["outcome"])
        filter.hold("outcome", to: Attempt.Outcome.allCases.map(\.rawValue), words)
        let (place, outcome) = (ListPlace(request, limit: 25), filter["outcome"])
        let found = try await request.app.database.read("endpoint_page") { session in
            try session.endpoint(id).map { endpoint in
                Found(
                    endpoint: endpoint, backlog: try session.backlog(of: endpoint),
                    hours: try session.attemptHours(of: id, hours: Sparkline.hours, at: now),
                    attempts: try session.searchAttempts(at: id, outcome: outcome, place.page),
                    secrets: try session.secrets(of: id, at: now))
            }
        }
        guard let found else { throw PageProblem.notFound }
        return PageContent(
            head(found.endpoint, request), model(found, filter, place, request),
            commands: [
                request.curl("/v1/endpoints/\(id)/attempts" + BrowserText.query([("outcome", outcome)])),
                Command("CLI", "patchbay endpoints show \(id)"),
            ])
    }

    struct Found: Sendable {
        let endpoint: Endpoint
        let backlog: EndpointBacklog
        let hours: AttemptHours
        let attempts: (rows: [Attempt], stoppedAt: String?)
        let secrets: [EndpointSecret]
    }

    static func crumbs(_ words: Words) -> [Link] { [Link(words("nav.endpoints"), "/endpoints")] }

    private static func head(_ endpoint: Endpoint, _ request: PageRequest) -> Head {
        let words = request.words
        var head = Head(Hosts.of(endpoint.url))
        head.crumbs = crumbs(words)
        head.id = ShortID(endpoint.id.text)
        head.pill = EndpointWords.pill(endpoint, request)
        head.lede = endpoint.description ?? EndpointWords.address(endpoint.url)
        guard request.mayAct else { return head }
        let base = "/endpoints/\(endpoint.id)"
        var test = HeadAction(words("endpoint.test"), "\(base)/test", key: "t")
        test.isForm = true
        var enable = HeadAction(words("endpoint.enable"), "\(base)/enable", isFirst: true)
        enable.isForm = true
        var delete = HeadAction(words("endpoint.delete"), "\(base)/delete")
        delete.isDanger = true
        head.actions = [test, HeadAction(words("endpoint.edit"), "\(base)/edit")]
        head.actions.append(
            endpoint.state == .disabled ? enable : HeadAction(words("endpoint.disable"), "\(base)/disable"))
        head.actions.append(delete)
        return head
    }

    static func model(
        _ found: Found, _ filter: FilterText, _ place: ListPlace, _ request: PageRequest
    ) -> Model {
        let (endpoint, words) = (found.endpoint, request.words)
        let rows = place.shown(found.attempts.rows).map { row($0, request) }
        let outcome = filter["outcome"]
        let chips =
            [Chip(label: words("attempts.all"), href: filter.address("outcome", nil), isChosen: outcome == nil)]
            + Attempt.Outcome.allCases.map(\.rawValue).map {
                Chip(
                    label: words("attempts.outcome.\($0)"), href: filter.address("outcome", $0),
                    isChosen: outcome == $0)
            }
        return Model(
            sentence: EndpointWords.health(endpoint, found.backlog, request),
            lamp: Lamp(endpoint.state == .active ? .ok : endpoint.state == .failing ? .failed : .paused),
            spark: Sparkline(found.hours, words), filter: filter.model("outcome:failed", chips), rows: rows,
            ends: place.ends(
                found.attempts.rows, stoppedAt: found.attempts.stoppedAt, filter: filter.query, request, id: \.id.text),
            empty: rows.isEmpty
                ? Empty(
                    words(outcome == nil ? "attempts.empty" : "lists.none_match"),
                    commands: outcome == nil ? [Command(nil, "patchbay trigger stripe invoice.paid")] : [],
                    link: outcome == nil ? nil : Link(words("lists.drop_filter"), request.path)) : nil,
            stopped: found.attempts.stoppedAt == nil
                ? nil : words("jobs.stopped", ["n": words.number(Session.attemptsScanned)]),
            facts: facts(found, request), secrets: found.secrets.map { secret($0, request) },
            acts: request.mayAct ? acts(endpoint, request) : nil)
    }

    static func row(_ attempt: Attempt, _ request: PageRequest) -> Model.Row {
        Model.Row(
            href: "/attempts/\(attempt.id)", type: attempt.type, number: request.words.number(attempt.number),
            pill: EndpointWords.outcome(attempt, request.words), answer: EndpointWords.answer(attempt, request.words),
            start: attempt.answer.map { OutsideText.bounded($0, 80) } ?? "", took: request.words.took(attempt.latency),
            next: attempt.nextAt.map(request.times.moment), at: request.times.moment(attempt.at))
    }

    private static func facts(_ found: Found, _ request: PageRequest) -> [Fact] {
        let (endpoint, words, times) = (found.endpoint, request.words, request.times)
        var facts = [
            Fact(
                words("endpoint.fact.address"), EndpointWords.address(endpoint.url), isCode: true,
                // The whole is for those who may change it.
                copied: request.mayAct ? endpoint.url : EndpointWords.address(endpoint.url)),
            Fact(
                words("endpoint.fact.types"),
                endpoint.types.isEmpty ? words("endpoints.every_type") : endpoint.types.joined(separator: ", "),
                isCode: !endpoint.types.isEmpty),
            Fact(words("endpoint.fact.order"), words("endpoint.order.\(endpoint.orderedBy.rawValue)")),
            Fact(words("endpoint.fact.signed"), words("endpoint.signed.\(endpoint.signedBy.rawValue)")),
            Fact(
                words("endpoint.fact.waiting"),
                words.number(found.backlog.waiting) + (found.backlog.waiting > EndpointBacklog.countMax ? "+" : "")),
            Fact(words("endpoint.fact.behind"), words.number(found.backlog.behind)),
        ]
        if let next = found.backlog.nextDueAt { facts.append(Fact(words("endpoint.fact.next"), times.moment(next))) }
        if let last = endpoint.health.lastSuccessAt {
            facts.append(Fact(words("endpoint.fact.success"), times.moment(last)))
        }
        facts.append(Fact(words("endpoint.fact.made"), times.moment(endpoint.createdAt)))
        return facts
    }

    private static func secret(_ secret: EndpointSecret, _ request: PageRequest) -> Model.Secret {
        Model.Secret(
            hint: ShortID(secret.id.text).short, made: request.times.moment(secret.createdAt),
            until: secret.expiresAt.map(request.times.moment), publicKey: secret.publicKey)
    }

    private static func acts(_ endpoint: Endpoint, _ request: PageRequest) -> Acts {
        let words = request.words
        let sinces = [(1, "hour"), (24, "day"), (72, "three_days"), (24 * 30, "month")].map { hours, key in
            Model.Since(value: String(hours), label: words("endpoint.since.\(key)"))
        }
        return Acts(
            replay: "/endpoints/\(endpoint.id)/replay", rotate: "/endpoints/\(endpoint.id)/rotate", sinces: sinces)
    }
}
