import Kit
import Store

/// One event: what was received, why it was believed, what it became, what it changed, who was told.
enum EventPage {
    // MARK: Query

    struct Found: Sendable {
        let event: EventRow
        var delivery: DeliveryRow?
        /// Of its delivery, whole; nil when it is no longer kept.
        var body: [UInt8]?
        var story: Story
        /// Of changes that do not say it themselves: the one before, by the change's id.
        var earlier: [String: Change] = [:]
        /// The one about the same thing before it, where it is compared.
        var before: (event: EventRow, payload: [UInt8]?)?
        var secrets: [WebhookSecret] = []
        var scheme: WebhookScheme?
    }

    static func find(_ id: ID<EventKind>, _ request: PageRequest) async throws -> Found {
        let now = request.now
        let isCompared = request.query["view"] == ReceivedModel.comparing
        let found = try await request.app.database.read("event_page") { session -> Found? in
            guard let event = try session.eventRow(id), let story = try session.story(of: id.text, at: now) else {
                return nil
            }
            var found = Found(event: event, story: story)
            found.delivery = try session.delivery(ID(stored: event.deliveryID))
            found.body = try session.body(event.range.body)
            if isCompared, let before = try session.event(before: event) {
                let body = try session.body(before.range.body)
                found.before = (before, body.flatMap { ReceivedModel.cut($0, before.range) })
            }
            for change in story.changes where change.version > 1 {
                guard let subject = change.subject else { continue }
                found.earlier[change.id.text] = try session.changes(about: subject, limit: 50).first {
                    $0.version == change.version - 1 && $0.type.prefix { $0 != "." } == change.type.prefix { $0 != "." }
                }
            }
            return found
        }
        guard var found else { throw PageProblem.notFound }
        let app = ID<AppKind>(stored: found.event.appID)
        found.secrets = try await request.app.hooks.webhookSecrets(found.event.provider, app)
        let target = String(decoding: found.delivery?.target ?? [], as: UTF8.self)
        found.scheme = request.app.hooks.webhookScheme(found.event.provider, app, target)
        return found
    }

    // MARK: Model

    struct Model: Sendable {
        let path: [PathStep]
        let changed: [ChangedRow]
        let changedNothing: String?
        let job: Link?
        let received: ReceivedModel
        let proof: ProofModel
        let told: [Told]
        let toldNobody: String?
        let ids: [Fact]
        let repeats: String?
    }
    struct PathStep: Sendable {
        let state: String
        let lamp: Lamp?
        let jack: Jack?
        let name: String
        let what: String?
        let time: TimeModel?
        let href: String
    }
    struct Told: Sendable {
        let lamp: Lamp
        let host: String
        let href: String
        let type: String
        let answer: String
    }
    struct Fact: Sendable {
        let name: String
        let id: ShortID
        let href: String?
    }

    static let page = Page(
        path: "/events/{id}", entry: .events, template: "event",
        fragments: ["event-path", "event-changed", "event-told", "event-repeats"], follows: ["*"], every: .seconds(5)
    ) { request in
        let found = try await find(try request.id(EventKind.self), request)
        let event = found.event
        let base = request.app.settings.browserAddress
        return PageContent(
            head(found, request), model(found, request),
            commands: [
                Command(
                    "curl", "curl -H \"Authorization: Bearer $PATCHBAY_API_KEY\" \(base)/v1/events/\(event.id)"),
                Command("CLI", "patchbay events show \(event.id)"), Command("CLI", "patchbay trace \(event.id)"),
            ])
    }

    static func head(_ found: Found, _ request: PageRequest) -> Head {
        let (words, event) = (request.words, found.event)
        let (state, word) = EventWords.state(event.state, words)
        var head = Head(event.type)
        head.crumbs = [Link(words("events.title"), "/events")]
        head.id = ShortID(event.id.text)
        head.jack = Jack(ProviderNames.of(event.provider), size: "l")
        head.isCode = true
        let effects = changedRows(found, request).count { !$0.name.isEmpty }
        head.pill = Pill(state, effects > 0 ? words.count("event.kept_effects", effects) : word)
        let received = [
            "time": request.times.exact(event.receivedAt).text, "provider": ProviderNames.of(event.provider),
            "user": event.userID ?? "",
        ]
        head.lede = [words(event.userID == nil ? "event.lede" : "event.lede_for", received), event.stateReason]
            .compactMap { $0 }.joined(separator: " ")
        head.actions = [HeadAction(words("event.replay"), "/events/\(event.id)/replay", key: "r")]
        return head
    }

    static func model(_ found: Found, _ request: PageRequest) -> Model {
        let (words, event) = (request.words, found.event)
        let job = found.story.jobs.last
        let changed = changedRows(found, request)
        let told = told(found, request)
        let payload = found.body.flatMap { ReceivedModel.cut($0, event.range) }
        let key = event.state == "applied" ? "event.changed_nothing" : "event.changed_not_yet"
        return Model(
            path: path(found, changed, told, request), changed: changed,
            changedNothing: changed.isEmpty ? words(event.state == "ignored" ? "event.changed_ignored" : key) : nil,
            job: job.map { Link(ShortID($0.id.text).short, "/jobs/\($0.id)") },
            received: ReceivedModel(
                of: found.delivery, body: found.body, payload: payload, target: "/events/\(event.id)",
                known: [event.subject, event.userID].compactMap { $0 }.count == 2
                    ? [event.subject ?? "": event.userID ?? ""] : [:],
                signature: found.scheme?.signatureHeaders ?? [],
                compared: { ContentDifference(payload, earlier: found.before, request) }, request),
            proof: ProofModel(found, request), told: told,
            toldNobody: told.isEmpty ? words("event.told_nobody") : nil, ids: ids(found, request),
            repeats: event.lastDuplicateAt.map { last in
                words.count(
                    event.bytesDiffered ? "event.repeated_differing" : "event.repeated", Int(event.duplicates),
                    ["time": request.times.moment(last).text])
            })
    }

    static func changedRows(_ found: Found, _ request: PageRequest) -> [ChangedRow] {
        found.story.changes.filter { $0.type != "event.received" }.flatMap {
            ChangedRow.rows(of: $0, earlier: found.earlier[$0.id.text], times: request.times)
        }
    }

    // MARK: The path of the signal

    private static func path(
        _ found: Found, _ changed: [ChangedRow], _ told: [Told], _ request: PageRequest
    ) -> [PathStep] {
        let (words, event, times) = (request.words, found.event, request.times)
        func step(_ state: LampState, _ name: String, _ what: String?, _ time: TimeModel? = nil, _ href: String)
            -> PathStep
        {
            PathStep(
                state: state.rawValue, lamp: Lamp(state), jack: nil, name: name, what: what, time: time, href: href)
        }
        let name = ProviderNames.of(event.provider)
        let sent = PathStep(
            state: "ok", lamp: nil, jack: Jack(name, size: "l"), name: name, what: words("event.sent"),
            time: event.occurredAt.map { times.clock($0) }, href: "#received")
        let proof = ProofModel(found, request)
        let rows = Set(changed.map(\.name)).subtracting([""]).count
        let failed = told.contains { $0.lamp.state != "ok" }
        return [
            sent, step(proof.state, words("event.signature"), proof.short, nil, "#why"),
            step(
                .ok, words("event.on_disk"), words("event.bytes", ["n": words.number(event.range.length)]),
                times.clock(event.receivedAt), "#received"),
            job(found, request),
            rows > 0
                ? step(.ok, words.count("event.rows", rows), words("event.changed"), nil, "#changed")
                : step(
                    event.state == "applied" || event.state == "ignored" ? .ok : .todo, words("event.no_rows"), nil,
                    nil, "#changed"),
            told.isEmpty
                ? step(.todo, words("event.told"), words("event.told_nobody_short"), nil, "#told")
                : step(
                    failed ? .waiting : .ok, words.count("event.told_count", told.count),
                    told.count == 1 ? told.first?.answer : nil, nil, "#told"),
        ]
    }

    private static func job(_ found: Found, _ request: PageRequest) -> PathStep {
        let words = request.words
        guard let job = found.story.jobs.last else {
            let key = found.event.state == "ignored" ? "event.no_job" : "event.job_gone"
            return PathStep(
                state: found.event.state == "ignored" ? "ok" : "todo",
                lamp: Lamp(found.event.state == "ignored" ? .ok : .todo), jack: nil, name: words("event.job"),
                what: words(key), time: nil, href: "#changed")
        }
        let state: LampState =
            switch job.state {
            case "succeeded": .ok
            case "dead": .failed
            case "running": .running
            case "cancelled": .paused
            case "scheduled": .todo
            default: .waiting
            }
        let attempts = words.count("event.attempts", Int(job.attempts))
        let took = job.finishedAt.map { ", " + words.took($0 - job.createdAt) } ?? ""
        return PathStep(
            state: state.rawValue, lamp: Lamp(state), jack: nil, name: words("event.job"), what: attempts + took,
            time: nil, href: "/jobs/\(job.id)")
    }

    // MARK: Who was told

    private static func told(_ found: Found, _ request: PageRequest) -> [Told] {
        let words = request.words
        let endpoints = Dictionary(found.story.endpoints.map { ($0.id, $0) }) { first, _ in first }
        var seen = Set<String>()
        // The newest try of each change at each endpoint.
        let newest = found.story.attempts.reversed().filter {
            seen.insert("\($0.endpoint) \($0.change)").inserted
        }
        return newest.prefix(20).map { attempt in
            let state: LampState =
                switch attempt.outcome {
                case .delivered: .ok
                case .failed: .waiting
                case .gone, .dead: .failed
                }
            let answer = attempt.status.map(String.init) ?? attempt.problem ?? words("event.no_answer")
            let next = attempt.nextAt.map {
                words("event.next_try", ["n": words.number(attempt.number + 1), "time": request.times.clock($0).text])
            }
            return Told(
                lamp: Lamp(state, label: attempt.outcome.rawValue),
                host: endpoints[attempt.endpoint].map { Hosts.of($0.url) } ?? attempt.endpoint.text,
                href: "/endpoints/\(attempt.endpoint)",
                type: [attempt.type, next].compactMap { $0 }.joined(separator: " · "),
                answer: "\(answer), \(words.took(attempt.latency))")
        }
    }

    private static func ids(_ found: Found, _ request: PageRequest) -> [Fact] {
        let (words, event) = (request.words, found.event)
        var facts = [
            Fact(name: words("event.id"), id: ShortID(event.id.text), href: nil),
            Fact(
                name: words("event.delivery"), id: ShortID(event.deliveryID), href: "/deliveries/\(event.deliveryID)"),
        ]
        facts += found.story.jobs.suffix(3).map {
            Fact(name: words("event.job"), id: ShortID($0.id.text), href: "/jobs/\($0.id)")
        }
        if let id = event.providerEventID {
            facts.append(
                Fact(
                    name: words("event.at", ["provider": ProviderNames.of(event.provider)]),
                    id: ShortID(id, keeping: 24), href: nil))
        }
        if let subject = event.subject {
            facts.append(Fact(name: words("event.subject"), id: ShortID(subject, keeping: 24), href: nil))
        }
        if let user = event.userID {
            facts.append(
                Fact(
                    name: words("event.user"), id: ShortID(user, keeping: 24),
                    href: "/users/\(PercentEncoding.encode(user))"))
        }
        return facts
    }
}
