import Engine
import Kit
import Store

/// One try: what was sent, how it was signed, what came back.
enum AttemptPage {
    struct Model: Sendable {
        let sentence: String
        let lamp: Lamp
        /// Not `body`: by that name the frame finds the page's template.
        let sent: String?
        let gone: String?
        let headers: String
        let answer: String?
        let signing: [Step]
        let facts: [Fact]
        let others: [EndpointPage.Model.Row]
        let hasOthers: Bool
    }

    private static let othersShown = 20

    static let page = Page(path: "/attempts/{id}", entry: .endpoints, template: "attempt") { request in
        let (id, words) = (try request.id(AttemptKind.self), request.words)
        let found = try await request.app.database.read("attempt_page") { session -> Found? in
            guard let attempt = try session.attempt(id) else { return nil }
            return Found(
                attempt: attempt, endpoint: try session.endpoint(attempt.endpoint),
                change: attempt.position > 0 ? try session.changes(at: [attempt.position]).first : nil,
                tries: try session.attempts(of: attempt.change, limit: othersShown))
        }
        guard let found else { throw PageProblem.notFound }
        let attempt = found.attempt
        var head = Head(attempt.type)
        head.isCode = true
        head.id = ShortID(attempt.id.text)
        head.crumbs = EndpointPage.crumbs(words)
        if let endpoint = found.endpoint {
            head.crumbs.append(Link(Hosts.of(endpoint.url), "/endpoints/\(endpoint.id)"))
        }
        head.pill = EndpointWords.outcome(attempt, words)
        head.lede = words(
            "attempt.lede",
            [
                "n": words.number(attempt.number),
                "host": Hosts.of(found.endpoint?.url ?? attempt.endpoint.text),
            ])
        if request.mayAct, attempt.position > 0, found.endpoint != nil {
            var again = HeadAction(words("attempt.again"), "/attempts/\(id)/resend", key: "r", isFirst: true)
            again.isForm = true
            head.actions = [again]
        }
        return PageContent(
            head, model(found, request),
            commands: [
                request.curl("/v1/endpoints/\(attempt.endpoint)/attempts?change_id=\(attempt.change)"),
                Command("CLI", "patchbay trace \(attempt.change)"),
            ])
    }

    struct Found: Sendable {
        let attempt: Attempt
        let endpoint: Endpoint?
        let change: Change?
        let tries: [Attempt]
    }

    /// The body as it was sent: made of the change, which does not alter; of a test, of the same words.
    static func body(_ found: Found) -> [UInt8]? {
        if let change = found.change { return FeedItem(change).body }
        guard found.attempt.position == 0 else { return nil }
        let data: JSON = ["endpoint_id": .string(found.attempt.endpoint.text)]
        return (["type": "endpoint.test", "timestamp": .string(found.attempt.at.rfc3339), "data": data] as JSON).bytes
    }

    static func model(_ found: Found, _ request: PageRequest) -> Model {
        let (attempt, words) = (found.attempt, request.words)
        let body = body(found)
        let seconds = attempt.at.microseconds / 1_000_000
        let isKeyPair = found.endpoint?.signedBy == .ed25519
        let others = found.tries.filter { $0.id != attempt.id && $0.endpoint == attempt.endpoint }
        return Model(
            sentence: sentence(attempt, request), lamp: Lamp(attempt.outcome == .delivered ? .ok : .failed),
            sent: body.map { OutsideText.bounded($0, 32_768) }, gone: body == nil ? words("attempt.body_gone") : nil,
            headers: """
                content-type: application/json
                webhook-id: \(attempt.change)
                webhook-timestamp: \(seconds)
                webhook-signature: \(isKeyPair ? "v1a" : "v1"),‹\(words("attempt.signature"))›
                """,
            answer: attempt.answer.map { OutsideText.bounded($0, 4096) }.flatMap { $0.isEmpty ? nil : $0 },
            signing: signing(attempt, seconds, size: body?.count, isKeyPair: isKeyPair, words),
            facts: facts(attempt, request),
            others: others.map { EndpointPage.row($0, request) }, hasOthers: !others.isEmpty)
    }

    private static func sentence(_ attempt: Attempt, _ request: PageRequest) -> String {
        let words = request.words
        let values = [
            "answer": EndpointWords.answer(attempt, words), "took": words.took(attempt.latency),
            "next": attempt.nextAt.map { request.times.moment($0).text } ?? "",
        ]
        return words("attempt.said.\(attempt.outcome.rawValue)", values)
    }

    private static func signing(
        _ attempt: Attempt, _ seconds: Int64, size: Int?, isKeyPair: Bool, _ words: Words
    ) -> [Step] {
        func step(_ key: String, _ values: [String: String] = [:], code: String? = nil) -> Step {
            var step = Step(.ok, words("attempt.sign.\(key)", values))
            step.code = code
            return step
        }
        return [
            step("content", code: "\(attempt.change).\(seconds).\(size.map { "‹\(words.number($0)) B›" } ?? "‹…›")"),
            step(isKeyPair ? "ed25519" : "hmac"), step("compare"), step("age"),
        ]
    }

    private static func facts(_ attempt: Attempt, _ request: PageRequest) -> [Fact] {
        let (words, times) = (request.words, request.times)
        var facts = [
            Fact(words("attempts.at"), times.exact(attempt.at)),
            Fact(words("attempts.took"), words.took(attempt.latency)),
            Fact(words("attempts.answer"), EndpointWords.answer(attempt, words)),
            Fact(
                words("attempt.fact.change"), ShortID(attempt.change.text).short, href: "/trace/\(attempt.change)",
                isCode: true, copied: attempt.change.text),
            Fact(
                words("attempt.fact.position"),
                attempt.position == 0 ? words("attempt.fact.test") : words.number(attempt.position)),
        ]
        if let next = attempt.nextAt { facts.append(Fact(words("attempts.next"), times.moment(next))) }
        return facts
    }

    static let form = PageForm(path: "/attempts/{id}/resend") { request in
        let id = try request.id(AttemptKind.self)
        guard let attempt = try await request.app.database.read("attempt", { try $0.attempt(id) }) else {
            throw PageProblem.notFound
        }
        _ = try await request.perform(
            AttemptsAPI.recover, path: ["id": attempt.endpoint.text], body: ["change_id": JSON(attempt.change)])
        return .seeOther("/endpoints/\(attempt.endpoint)", note: "resent")
    }
}
