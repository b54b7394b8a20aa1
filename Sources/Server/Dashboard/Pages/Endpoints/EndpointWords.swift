import Engine
import Kit
import Store

/// How endpoints are spoken of.
enum EndpointWords {
    /// The host of an address: path and query may hold secrets.
    static func host(_ url: String) -> String {
        let parts = url.split(separator: "/", maxSplits: 3, omittingEmptySubsequences: false)
        guard parts.count >= 3 else { return url }
        return parts[2].split(separator: "@").last.map(String.init) ?? url
    }
    /// The address without its query, which may hold secrets.
    static func address(_ url: String) -> String { String(url.prefix { $0 != "?" }) }

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
                "endpoint.health.ends", ["time": times.moment(since + EndpointPatience.whole).text])
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

/// How long an endpoint may fail before it is disabled.
enum EndpointPatience {
    static let whole = Duration.hours(120)
}
