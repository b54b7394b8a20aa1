import Kit

/// A page for every error code: what happened, who must act, what to do, an example.
enum DocsErrors {
    static func path(_ type: ProblemType) -> String { "/docs/errors/\(type.code)" }

    static var list: Markup {
        let rows = ProblemType.all.map { type in
            Markup(
                """
                <tr><td>\(type.status)</td><td><a href="\(path(type))"><code>\(type.code)</code></a></td>\
                <td>\(type.title)</td><td>\(acts(type.who))</td></tr>
                """)
        }
        return DocsFrame(
            path: "/docs/errors", title: "Errors",
            body: """
                <p>Every error is answered as <code>application/problem+json</code> (RFC 9457). Programs look at \
                <code>code</code>, which never changes; <code>retry</code> says whether the same request may succeed \
                later; <code>instance</code> is the request's id, by which the operator finds it in the log.</p>
                <div class="scroll"><table><thead><tr><th>Status</th><th>Code</th><th>What happened</th>\
                <th>Who acts</th></tr></thead><tbody>\(rows)</tbody></table></div>
                """
        ).page
    }

    static func page(_ type: ProblemType, base: String) -> Markup {
        let example = Problem(type, type.example)
        let body =
            (try? JSON.parse(example.body(base: base, instance: "req_7f3a", at: Timestamp(seconds: 1_795_255_200))))
            .map { JSONPretty.written($0) }
        return DocsFrame(
            path: path(type), title: type.title,
            body: """
                <p><code>\(type.code)</code>, HTTP \(type.status)</p>
                <h2>What happened, and what to do</h2><p>\(Markup.prose(type.meaning))</p>
                <h2>Who must act</h2><p>\(acts(type.who)). \(retries(type))</p>
                <h2>Example</h2><pre tabindex="0">\(body ?? "")</pre>\(met(type))
                """
        ).page
    }

    private static func acts(_ who: ProblemType.Who) -> String {
        switch who {
        case .you: "You, the caller"
        case .yourUser: "The application's user"
        case .provider: "The platform"
        case .operator: "Whoever runs this server"
        }
    }

    private static func retries(_ type: ProblemType) -> String {
        switch type.retry {
        case .never: "The same request fails again: change it first."
        case .now: "The same request may be sent again at once."
        case .later: "The same request may succeed later: Retry-After says when, and retry holds the time."
        }
    }

    /// Where it may be met.
    private static func met(_ type: ProblemType) -> Markup {
        let routes = Routes.all.filter { $0.action.problems.contains(type) }.prefix(24).map { route in
            Markup("<li><code>\(route.method) \(route.template)</code></li>")
        }
        return routes.isEmpty ? "" : "<h2>Met at</h2><ul>\(Array(routes))</ul>"
    }
}

extension ProblemType {
    /// The detail of the example on its page.
    fileprivate var example: String {
        switch code {
        case "invalid_fields": "url: must be a text. types[0]: invoice is no pattern. Write invoice.* or *."
        case "invalid_query": "limit: must be an integer from 1 to 100."
        case "not_found": "There is no event evt_01kb2c3d4e5f6g7h8j9k0m1n2p."
        case "insufficient_scope": "It needs the scope write or endpoints:write."
        case "rate_limited": "This key may send 60000 requests a minute."
        case "method_not_allowed": "It takes GET, HEAD."
        case "position_gone": "The feed begins at position 4812. What came before it was removed by retention."
        default: meaning.replacing("`", with: "")
        }
    }
}
