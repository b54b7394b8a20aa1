import Engine
import Kit
import Store

/// How endpoints are spoken of.
enum EndpointWords {
    /// The address as people may see it: without its query, which may hold secrets, and without a user and a password.
    static func address(_ url: String) -> String {
        let shown = url.prefix { $0 != "?" && $0 != "#" }
        let parts = shown.split(separator: "/", maxSplits: 3, omittingEmptySubsequences: false)
        guard parts.count >= 3 else { return String(shown) }
        let path = parts.count > 3 ? "/" + parts[3] : ""
        return "\(parts[0])//\(Hosts.of(url))" + path
    }

    static func pill(_ endpoint: Endpoint, _ request: PageRequest) -> Pill {
        let words = request.words
        switch endpoint.state {
        case .active: return Pill(.ok, words("endpoints.state.active"))
        case .failing:
            return Pill(
                .failed, words("endpoints.state.failing"), time: endpoint.health.failingSince.map(request.times.moment))
        case .disabled: return Pill(.paused, words("endpoints.state.disabled"))
        }
    }

    /// How it fares, as somebody would say it.
    static func health(_ endpoint: Endpoint, _ backlog: EndpointBacklog, _ request: PageRequest) -> String {
        let (words, times) = (request.words, request.times)
        switch endpoint.state {
        case .disabled:
            return words(
                "endpoint.health.disabled",
                ["reason": endpoint.stateReason ?? "?", "time": times.moment(endpoint.updatedAt).text])
        case .failing:
            let since = endpoint.health.failingSince ?? endpoint.updatedAt
            let begins = words(
                "endpoint.health.failing", ["time": times.moment(since).text, "age": times.age(since)])
            let next = backlog.nextDueAt.map { words("endpoint.health.next", ["time": times.moment($0).text]) }
            let end = words(
                "endpoint.health.ends", ["time": times.moment(since + EndpointJudge.patience).text])
            return [begins, next, end].compactMap { $0 }.joined(separator: " ")
        case .active:
            guard let last = endpoint.health.lastSuccessAt else { return words("endpoint.health.nothing") }
            return words("endpoint.health.well", ["time": times.moment(last).text])
        }
    }

    static func outcome(_ attempt: Attempt, _ words: Words) -> Pill {
        let state: LampState =
            switch attempt.outcome {
            case .delivered: .ok
            case .failed: .needs
            case .gone, .dead: .failed
            }
        return Pill(state, words("attempts.outcome.\(attempt.outcome.rawValue)"))
    }

    /// `204`, or why no answer came.
    static func answer(_ attempt: Attempt, _ words: Words) -> String {
        attempt.status.map { String($0) } ?? attempt.problem ?? words("attempts.no_answer")
    }
}
