import Engine
import Kit

/// The documentation that this server serves: of its own version, with its own addresses.
enum DocsPages {
    private static let html = [AnswerDescription.document("A page.", "text/html; charset=utf-8")]

    static let start = Action("docs", "The API, for reading", .open, answers: html) { request in
        .page(startPage(SettingsRules.base(request.app.settings)))
    }

    static let noun = Action(
        "docsOfNoun", "The routes of one noun, for reading", .open,
        // The list of routes, of which this is one, cannot be asked here.
        path: [Parameter("noun", .words(Scope.resources + [DocsReference.open]).example("events"), "The noun.")],
        answers: html,
        problems: [.notFound]
    ) { request in
        let noun = request.pathText("noun")
        guard DocsReference.nouns.contains(noun) else { throw Problem(.notFound, "There is no such page. See /docs.") }
        // Where a request acts upon real things a page that is for reading does not send any.
        return .page(DocsReference.page(noun, sends: request.app.settings.mode == .test))
    }

    static let errors = Action("docsOfErrors", "Every error code, for reading", .open, answers: html) { _ in
        .page(DocsErrors.list)
    }

    static let error = Action(
        "docsOfError", "What an error means", .open,
        path: [
            Parameter(
                "code", .words(ProblemType.all.map(\.code)).example("invalid_fields"), "The problem's code.")
        ], answers: html, problems: [.notFound]
    ) { request in
        guard let type = ProblemType.all.first(where: { $0.code == request.pathText("code") }) else {
            throw Problem(.notFound, "There is no error of this name.")
        }
        return .page(DocsErrors.page(type, base: request.app.settings.publicURL ?? ""))
    }

    static let provider = Action(
        "docsOfProvider", "How a platform is set up, with this server's addresses", .open,
        path: [
            Parameter("provider", .words(DocsProviders.guides.map(\.id)).example("stripe"), "The platform.")
        ], answers: html, problems: [.notFound]
    ) { request in
        guard let guide = DocsProviders.guides.first(where: { $0.id == request.pathText("provider") }) else {
            throw Problem(.notFound, "There is no page of this platform.")
        }
        return .page(DocsProviders.page(guide, request.app.settings))
    }

    static let sent = Action("docsOfSentEvents", "The events that we send, for reading", .open, answers: html) {
        request in
        let rows = request.app.hooks.eventSchemas.sorted { $0.key < $1.key }.map { type, schema in
            Markup(
                """
                <tr><td><a href="/events/\(type).schema.json"><code>\(type)</code></a></td>\
                <td>\(schema["description"]?.text ?? "")</td></tr>
                """)
        }
        return .page(
            DocsFrame(
                path: "/docs/sent", title: "Events that we send",
                body: """
                    <p>Webhooks to your application are signed as Standard Webhooks: <code>webhook-id</code>, \
                    <code>webhook-timestamp</code>, <code>webhook-signature</code>, over \
                    <code>id.timestamp.body</code>. Any library for Standard Webhooks or Svix verifies them. Answer \
                    2xx once you have kept the event; keep its <code>webhook-id</code>, since it may come twice. \
                    The feed at <a href="/docs/changes">/v1/changes</a> holds the same events.</p>
                    <div class="scroll"><table><thead><tr><th>Type, with its schema</th><th>What happened</th></tr>\
                    </thead><tbody>\(rows)</tbody></table></div>
                    """
            ).page)
    }

    private static func startPage(_ base: String) -> Markup {
        let nouns = DocsReference.nouns.map { noun in
            let routes = DocsReference.routes(of: noun).map { route in
                Markup(
                    """
                    <li><a href="/docs/\(noun)#\(route.action.name)"><span class="method">\(route.method)</span> \
                    <code>\(route.template)</code></a> \(route.action.summary)</li>
                    """)
            }
            return Markup(
                "<h2 id=\"\(noun)\"><a href=\"/docs/\(noun)\">\(noun)</a></h2><ul class=\"routes\">\(routes)</ul>")
        }
        return DocsFrame(
            path: "/docs", title: "The API",
            body: """
                <p>Version \(APIVersion.current). JSON in and out; times as RFC 3339 in UTC; money in the smallest \
                unit. <a href="/openapi.json">/openapi.json</a> is the whole contract. Make a key on the machine of \
                the server, then ask:</p>
                <pre tabindex="0">export PATCHBAY_URL=\(base)
                export PATCHBAY_API_KEY=$(patchbay keys create --scope admin)
                curl "$PATCHBAY_URL/v1/events?limit=2" -H "Authorization: Bearer $PATCHBAY_API_KEY"</pre>
                <p>Lists answer <code>data</code> and <code>next_cursor</code>; send it as <code>cursor</code> for the \
                next page. Only <a href="/docs/changes">the change feed</a> may be followed. A POST that acts takes an \
                <code>Idempotency-Key</code>: the same key and the same request get the stored answer. \
                <a href="/docs/errors">Errors</a> say what happened, who must act, and whether to try again.</p>
                \(nouns)
                """
        ).page
    }
}

extension Answer {
    /// A page of the documentation: nothing from elsewhere, nothing inline, in nobody's frame.
    static func page(_ html: Markup) -> Answer {
        Answer(status: 200, contentType: "text/html; charset=utf-8", body: Array(html.text.utf8))
    }
}

extension Schema {
    /// The schema that a name stands for.
    var unnamed: Schema { if case .named(_, let schema) = kind { schema.unnamed } else { self } }
}
