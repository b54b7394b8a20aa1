import Engine
import Hummingbird
import Kit
import Store

/// Finds any id, ours or a platform's, users, endpoints and types: by Enter, or while one types.
enum SearchPage {
    struct Model: Sendable {
        struct Group: Sendable {
            let name: String
            let hits: [Hit]
        }
        let text: String
        let groups: [Group]
        let empty: Empty?
    }
    struct Hit: Sendable {
        let jack: Jack
        let name: String
        let kind: String
        let more: String
        let href: String
    }

    /// The list below the field.
    static let suggestionsMax = 8
    private static let eachMax = 10

    static let page = Page(path: "/search", entry: nil, template: "search") { request in
        let (text, words) = (searched(request), request.words)
        if let path = Places.page(of: text) { throw PageProblem.elsewhere(path) }
        let hits = try await find(text, eachMax, request)
        let exact = hits.filter { $0.isExact && $0.kind != .type }
        // A customer and the user whose it is are one thing to go to.
        if let path = exact.first.map(Self.path), exact.allSatisfy({ Self.path(of: $0) == path }), path != "/search" {
            throw PageProblem.elsewhere(path)
        }
        var head = Head(text.isEmpty ? words("search.title") : words("search.title_of", ["text": text]))
        head.lede = hits.isEmpty ? nil : words.count("search.found", hits.count)
        let groups = SearchHit.Kind.allCases.compactMap { kind -> Model.Group? in
            let found = hits.filter { $0.kind == kind }
            return found.isEmpty
                ? nil : Model.Group(name: words("search.kind.\(kind.rawValue)"), hits: found.map { hit($0, words) })
        }
        let empty = Empty(
            words(text.isEmpty ? "search.hint" : "search.nothing"),
            commands: text.isEmpty ? [] : [Command(nil, "patchbay trace \(ShellText.quoted(text))")])
        return PageContent(
            head, Model(text: text, groups: groups, empty: groups.isEmpty ? empty : nil),
            commands: text.isEmpty
                ? []
                : [
                    request.curl("/v1/trace/\(PercentEncoding.encode(text))"),
                    Command("CLI", "patchbay trace \(ShellText.quoted(text))"),
                ])
    }

    /// `GET /search/suggestions?q=`: what the field shows below itself.
    ///
    ///     {"q": "cus_1", "hits": [
    ///       {"jack": "Cu", "name": "cus_1", "kind": "Customer", "more": "rye", "href": "/users/rye"}]}
    static func suggestions(_ request: PageRequest) async throws -> Response {
        guard request.visitor != nil else { throw PageProblem.forbidden }
        let (text, words) = (searched(request), request.words)
        var hits: [Hit] = []
        if let path = Places.page(of: text) {
            let kind = words.text("search.own.\(text.prefix { $0 != "_" })") ?? words("search.own")
            hits = [
                Hit(jack: Jack(kind), name: ShortID(text).short, kind: kind, more: "", href: path)
            ]
        } else {
            hits = try await find(text, suggestionsMax, request).map { hit($0, words) }
        }
        let json: JSON = [
            "q": .string(text),
            "hits": .array(
                hits.prefix(suggestionsMax).map { hit in
                    [
                        "jack": .string(hit.jack.letters), "name": .string(hit.name), "kind": .string(hit.kind),
                        "more": .string(hit.more), "href": .string(hit.href),
                    ]
                }),
        ]
        var fields = Dashboard.headers
        fields[.contentType] = "application/json"
        return Response(status: .ok, headers: fields, body: .init(byteBuffer: ByteBuffer(bytes: json.bytes)))
    }

    private static func searched(_ request: PageRequest) -> String {
        let text = (request.query["q"] ?? "").drop { $0.isWhitespace }
        let end = text.lastIndex { !$0.isWhitespace }
        return OutsideText.bounded(end.map { String(text[...$0]) } ?? "")
    }

    private static func find(_ text: String, _ limit: Int, _ request: PageRequest) async throws -> [SearchHit] {
        let (providers, now) = (Providers.webhookSources.map(\.about.id), request.now)
        let term = try await request.app.hooks.eventTerms?.term(of: text)
        return try await request.app.database.read("search") { session in
            let holding = try term.map { try session.countEvents(withTerm: $0, atMost: holdingMax) } ?? 0
            let hits = try session.search(text, providers: providers, limit: limit, at: now)
            guard holding > 0 else { return hits }
            let count = holding < holdingMax ? String(holding) : "\(holdingMax - 1)+"
            return hits
                + [SearchHit(kind: .value, id: text, provider: nil, owner: count, isExact: hits.isEmpty)]
        }
    }
    /// Events that hold a value and are counted.
    private static let holdingMax = 101

    private static func path(of hit: SearchHit) -> String {
        switch hit.kind {
        case .event: "/events/\(hit.id)"
        case .user: Places.user(hit.id)
        case .customer, .subscription, .payment, .paymentMethod:
            hit.owner.map(Places.user) ?? "/review"
        case .endpoint: "/endpoints/\(hit.id)"
        case .type: "/events" + BrowserText.query([("q", "type:\(hit.id)")])
        case .value: "/events" + BrowserText.query([("q", "find:\(hit.id)")])
        }
    }

    private static func hit(_ hit: SearchHit, _ words: Words) -> Hit {
        let kind = words("search.kind.\(hit.kind.rawValue)")
        let name = hit.kind == .endpoint ? Hosts.of(hit.owner ?? "") : hit.id
        let more =
            switch hit.kind {
            case .endpoint: ShortID(hit.id).short
            case .value: words("search.held_by", ["n": hit.owner ?? ""])
            case .customer, .subscription, .payment, .paymentMethod:
                hit.owner.map { words("search.of_user", ["user": $0]) } ?? words("search.of_nobody")
            default: hit.owner ?? ""
            }
        return Hit(jack: Jack(hit.provider ?? kind), name: name, kind: kind, more: more, href: path(of: hit))
    }
}

/// The whole story of one thing, as a list of what happened.
enum TracePage {
    struct Model: Sendable {
        let steps: [Step]
        let cut: String?
    }

    static let page = Page(path: "/trace/{id}", entry: nil, template: "trace") { request in
        let (id, now, words) = (request.parameter(), request.now, request.words)
        guard OutsideID.passes(id),
            let story = try await request.app.database.read("story", { try $0.story(of: id, at: now) })
        else { throw PageProblem.notFound }
        var head = Head(words("trace.title", ["id": ShortID(id).short]))
        head.id = ShortID(id)
        head.crumbs = [Link(words("search.title"), "/search")]
        let steps = story.steps.map { told -> Step in
            var step = Step(lamp(told.state), told.sentence)
            (step.code, step.time) = (told.id, request.times.exact(told.at))
            return step
        }
        return PageContent(
            head, Model(steps: steps, cut: story.isCut ? words("trace.cut") : nil),
            commands: [
                request.curl("/v1/trace/\(PercentEncoding.encode(id))"),
                Command("CLI", "patchbay trace \(ShellText.quoted(id))"),
            ])
    }

    private static func lamp(_ state: String) -> LampState {
        switch state {
        case "dead", "failed", "rejected", "gone", "disabled": .failed
        case "duplicate", "cancelled", "ignored": .paused
        case "opened", "waiting_review", "failing": .needs
        case "scheduled", "pending", "queued": .waiting
        case "started", "running": .running
        default: .ok
        }
    }
}
