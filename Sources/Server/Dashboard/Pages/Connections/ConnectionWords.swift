import Kit
import Store

/// How connections are spoken of.
enum ConnectionWords {
    static func lamp(_ row: ConnectionRow) -> LampState {
        switch row.state {
        case .active: row.attention == nil ? .ok : .needs
        case .refreshing: .running
        case .suspect, .pending: .waiting
        case .needsReconnect: .needs
        case .paused: .paused
        case .revoked: .failed
        }
    }

    static func pill(_ row: ConnectionRow, _ request: PageRequest) -> Pill {
        Pill(lamp(row), state(row, request))
    }

    /// `52 days left`, where it ends by itself; else its state.
    private static func state(_ row: ConnectionRow, _ request: PageRequest) -> String {
        let words = request.words
        guard row.state == .active, let end = row.endsAt, let days = days(until: end, request) else {
            return words("connections.state.\(row.state.rawValue)")
        }
        return words.count("connections.days_left", days)
    }

    /// Whole days; nil for what is over.
    static func days(until end: Timestamp, _ request: PageRequest) -> Int? {
        end > request.now ? Int((end - request.now).components.seconds / 86_400) : nil
    }

    /// Why it is so, or what comes next.
    static func reason(_ row: ConnectionRow, _ request: PageRequest) -> String {
        let words = request.words
        if let key = row.attention ?? row.reason, let text = words.text("connections.reason.\(key)") {
            return text.replacing(
                "{time}", with: row.endsAt.map { request.times.moment($0).text } ?? words("connections.soon"))
        }
        if row.state == .paused, let since = row.pausedAt {
            return words("connections.paused_since", ["time": request.times.moment(since).text])
        }
        if let next = row.refreshAt {
            return words("connections.next", ["time": request.times.moment(next).text])
        }
        return ""
    }

    /// What people call the account, else the platform's own id.
    static func name(_ row: ConnectionRow, _ words: Words) -> String {
        if let name = row.name?.reveal({ $0 }), !name.isEmpty { return name }
        return row.openID.isEmpty ? words("connections.gone") : row.openID
    }

    static func platform(_ row: ConnectionRow, _ request: PageRequest) -> String {
        request.app.hooks.connecting?.platform(row.provider)?.about.name ?? row.provider
    }
}
