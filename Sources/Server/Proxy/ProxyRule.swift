import Kit

/// Where a key's calls on a connection's behalf may go: `GET /v2/video/list/`, `/v2/video/**`.
struct ProxyRule: Sendable, Equatable {
    /// Nil for every method.
    let method: Outgoing.Method?
    let template: String

    init?(_ text: String) {
        let words = text.split(separator: " ").map(String.init)
        guard (1...2).contains(words.count), let path = words.last, path.hasPrefix("/"),
            !path.contains(where: { $0 == "?" || $0 == "#" || $0 == "%" })
        else { return nil }
        if words.count == 2 {
            guard let method = words.first.flatMap(Outgoing.Method.init) else { return nil }
            self.method = method
        } else {
            method = nil
        }
        template = path
    }

    /// Whoever may GET may ask for the head alone.
    ///
    /// - Parameter path: without its query.
    func allows(_ wanted: Outgoing.Method, _ path: String) -> Bool {
        let isAllowed = method == nil || method == wanted || (method == .get && wanted == .head)
        return isAllowed && KnownPath.matches(template, path)
    }
}
