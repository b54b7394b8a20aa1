import Kit

/// The routes for reading, a page a noun, made from the descriptions that the server runs by.
enum DocsReference {
    /// The last of the nouns: what needs no key.
    static let open = "running"

    static var nouns: [String] { Scope.resources.filter { !routes(of: $0).isEmpty } + [open] }

    static func routes(of noun: String) -> [Route] {
        Routes.all.filter { route in
            switch route.action.access {
            case .open: noun == open
            case .needs(_, let resource): noun == resource
            }
        }
    }

    /// - Parameter sends: whether a reader may send the requests from the page, with a key of theirs.
    static func page(_ noun: String, sends: Bool) -> Markup {
        DocsFrame(
            path: "/docs/\(noun)", title: noun.first.map { $0.uppercased() + noun.dropFirst() } ?? noun,
            body: routes(of: noun).map { operation($0, sends: sends) }.joined, sends: sends
        ).page
    }

    /// What a request is answered, and with which example.
    private static func operation(_ route: Route, sends: Bool) -> Markup {
        let (action, example) = (route.action, DocsExample(route))
        return """
            <section id="\(action.name)"><div class="said"><h2><span class="method">\(route.method)</span> \
            <code>\(route.template)</code></h2><p><b>\(action.summary).</b> \(Markup.prose(action.notes ?? ""))</p>\
            \(access(action))\(parameters("Path", action.path))\(parameters("Query", action.query))\(headers(action))\
            \(body(action))\(answers(action))</div>
            <div class="shown"\(sends ? sending(route, example) : "")><h3>Request</h3>\
            <pre tabindex="0">\(example.curl)</pre>\
            <h3>Answer <span class="status">\(example.status)</span></h3>\(sample(example))</div></section>
            """
    }

    /// What the script sends by: a stream has no end, so it is not sent.
    private static func sending(_ route: Route, _ example: DocsExample) -> Markup {
        let action = route.action
        guard action.answers.first?.contentType != "text/event-stream" else { return "" }
        let body = action.body.map { JSONPretty.written($0.sample) }
        return """
             data-method="\(route.method)" data-path="\(example.path)"\
            \(action.access == .open ? "" : " data-key")\(action.isIdempotent ? " data-once" : "")\
            \(body.map { Markup(" data-body=\"\($0)\"") } ?? "")
            """
    }

    private static func sample(_ example: DocsExample) -> Markup {
        guard let answer = example.answer else { return "<p>\(example.says)</p>" }
        return "<pre tabindex=\"0\">\(answer)</pre>"
    }

    private static func access(_ action: Action) -> Markup {
        guard case .needs(let level, let resource) = action.access else { return "<p>Needs no key.</p>" }
        return "<p>Needs a key with the scope <code>\(resource):\(level.rawValue)</code>.</p>"
    }

    private static func parameters(_ place: String, _ parameters: [Parameter]) -> Markup {
        guard !parameters.isEmpty else { return "" }
        return list(place, parameters.map { ($0.name, form($0.schema), Markup.prose($0.what)) })
    }

    private static func headers(_ action: Action) -> Markup {
        var headers: [(String, String, Markup)] = []
        if action.isIdempotent {
            headers.append(("Idempotency-Key", "text", "Makes the request safe to repeat, for seven days."))
        }
        headers += action.headers.map { ($0.name, form($0.schema), Markup.prose($0.what)) }
        if action.isConditional { headers.append(("If-Match", "ETag", "Only if it is still this version.")) }
        if action.mayWait {
            headers.append(("Prefer", "wait=10", "Waits so many seconds, 30 at most, for the job's end."))
        }
        return headers.isEmpty ? "" : list("Headers", headers)
    }

    private static func body(_ action: Action) -> Markup {
        guard let body = action.body?.unnamed, case .object(let properties) = body.kind else { return "" }
        return list(
            "Body",
            properties.map {
                ($0.name, form($0.schema) + ($0.isRequired ? "" : ", optional"), Markup.prose($0.what))
            })
    }

    private static func answers(_ action: Action) -> Markup {
        let good = action.answers.map { Markup("<li><b>\($0.status)</b> \(Markup.prose($0.what))</li>") }
        let bad = Dictionary(grouping: action.allProblems, by: \.status).sorted { $0.key < $1.key }
            .map { status, types -> Markup in
                let codes = types.map { Markup(#"<a href="\#(DocsErrors.path($0))">\#($0.code)</a> "#) }
                return "<li><b>\(status)</b> \(codes)</li>"
            }
        return """
            <details><summary>Answers and errors</summary><ul>\(good)\(bad)</ul></details>
            """
    }

    private static func list(_ title: String, _ rows: [(name: String, form: String, what: Markup)]) -> Markup {
        let rows = rows.map {
            Markup("<dt><code>\($0.name)</code> <span class=\"form\">\($0.form)</span></dt><dd>\($0.what)</dd>")
        }
        return "<h3>\(title)</h3><dl>\(rows)</dl>"
    }

    /// The form of a value in a few words.
    private static func form(_ schema: Schema) -> String {
        let form =
            switch schema.unnamed.kind {
            case .text(let text): text.format ?? "text"
            case .words(let words): words.count > 12 ? "word" : words.joined(separator: " | ")
            case .integer: "integer"
            case .boolean: "true | false"
            case .array(let element, _): "list of \(self.form(element))"
            case .object, .map: "object"
            case .anything: "JSON"
            case .named(let name, _): name
            }
        return schema.isNullable ? form + " or null" : form
    }
}
