import Kit

/// What every page of the documentation has around it: the contents at the left, the page in the middle.
struct DocsFrame {
    /// The path of the page, marked in the contents.
    let path: String
    let title: String
    let body: Markup
    /// Whether its requests may be sent from the page.
    var sends = false

    /// The whole page. Its stylesheet is an asset of this server, and its script, where it has one.
    var page: Markup {
        """
        <!doctype html>
        <html lang="en" data-theme="system"><head><meta charset="utf-8"><title>\(title) · Patchbay</title>
        <meta name="viewport" content="width=device-width,initial-scale=1">
        <link rel="stylesheet" href="\(Assets.shared.names.docs)">
        <link rel="icon" href="\(Assets.shared.names.favicon)" type="image/svg+xml">\(script)</head>
        <body><a class="skip" href="#main">To the text</a><div class="docs">
        <nav aria-label="Documentation"><a class="brand" href="/docs">Patchbay</a>\(contents)</nav>
        <main id="main" tabindex="-1"><h1>\(title)</h1>\(body)</main></div></body></html>
        """
    }

    private var script: Markup {
        sends ? "<script src=\"\(Assets.shared.names.docsJS)\" defer></script>" : ""
    }

    private var contents: Markup {
        """
        <details open><summary>Contents</summary><h2>Start</h2><ul>\(entry("/docs", "The API"))\
        \(DocsProviders.guides.map { entry($0.path, "Set up \($0.name)") })</ul>
        <h2>Routes</h2><ul>\(DocsReference.nouns.map { entry("/docs/\($0)", $0) })</ul>
        <h2>What it says</h2><ul>\(entry("/docs/errors", "Errors"))\(entry("/docs/sent", "Events that we send"))\
        <li><a href="/openapi.json">openapi.json</a></li></ul></details>
        """
    }

    private func entry(_ path: String, _ name: String) -> Markup {
        path == self.path
            ? "<li><a href=\"\(path)\" aria-current=\"page\">\(name)</a></li>"
            : "<li><a href=\"\(path)\">\(name)</a></li>"
    }
}
