import Kit

/// The API for reading: one page, no script, made from the routes.
struct DocsPage {
    let html: String

    init(_ routes: [Route]) {
        let sections =
            Scope.resources.map { resource in
                (
                    title: resource,
                    routes: routes.filter { if case .needs(_, resource) = $0.action.access { true } else { false } }
                )
            } + [(title: "running", routes: routes.filter { $0.action.access == .open })]
        let filled = sections.filter { !$0.routes.isEmpty }
        let contents = filled.map { "<a href=\"#\($0.title)\">\(Self.escaped($0.title))</a>" }.joined(separator: " · ")
        let body = filled.map { section in
            "<h2 id=\"\(section.title)\">\(Self.escaped(section.title))</h2>"
                + section.routes.map(Self.operation).joined()
        }.joined()
        html = Self.page(
            "Patchbay API",
            "<p>Version \(APIVersion.current). Machine-readable: <a href=\"/openapi.json\">/openapi.json</a>. "
                + "Send <code>Authorization: Bearer</code> with an API key. Problems are explained at "
                + "<code>/problems/{code}</code>.</p><p>\(contents)</p>" + body)
    }

    static func problem(_ type: ProblemType) -> String {
        page(
            type.title,
            """
            <p><code>\(type.code)</code>, HTTP \(type.status). Who must act: <code>\(type.who.rawValue)</code>.</p>
            <p>\(escaped(type.meaning))</p><p><a href="/docs">The API</a></p>
            """)
    }

    private static func operation(_ route: Route) -> String {
        let action = route.action
        var html = "<section id=\"\(action.name)\"><h3><code>\(route.method) \(escaped(route.template))</code></h3>"
        html += "<p>\(escaped(action.summary)).\(action.notes.map { " " + escaped($0) } ?? "")"
        if case .needs(let level, let resource) = action.access {
            html += " Scope <code>\(resource):\(level.rawValue)</code>."
        }
        html += "</p>"
        let parameters = action.path + action.query
        if !parameters.isEmpty {
            html +=
                "<dl>" + parameters.map { "<dt><code>\($0.name)</code></dt><dd>\(escaped($0.what))</dd>" }.joined()
                + "</dl>"
        }
        if let body = action.body?.unnamed, case .object(let properties) = body.kind {
            html +=
                "<p>Body:</p><dl>"
                + properties.map {
                    "<dt><code>\($0.name)</code>\($0.isRequired ? "" : " <small>optional</small>")</dt>"
                        + "<dd>\(escaped($0.what))</dd>"
                }.joined() + "</dl>"
        }
        let answers = action.answers.map { "\($0.status) \(escaped($0.what))" }.joined(separator: " · ")
        let problems = action.allProblems.map { "<a href=\"/problems/\($0.code)\">\($0.status) \($0.code)</a>" }.joined(
            separator: ", ")
        return html + "<p>\(answers)</p><details><summary>Problems</summary><p>\(problems)</p></details></section>"
    }

    private static func page(_ title: String, _ body: String) -> String {
        """
        <!doctype html><html lang="en"><head><meta charset="utf-8"><title>\(escaped(title))</title>
        <meta name="viewport" content="width=device-width,initial-scale=1"><style>
        :root{color-scheme:light dark}
        body{font:16px/1.5 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem}
        code{font-family:ui-monospace,monospace}h3{margin:2rem 0 0}
        dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1rem}
        dd{margin:0}@media(max-width:40rem){dl{display:block}dd{margin:0 0 .5rem 1rem}}
        </style></head><body><h1>\(escaped(title))</h1>\(body)</body></html>
        """
    }

    static func escaped(_ text: String) -> String {
        text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;").replacing(
            "\"", with: "&quot;")
    }
}

extension Schema {
    /// The schema that a name stands for.
    var unnamed: Schema { if case .named(_, let schema) = kind { schema.unnamed } else { self } }
}
