import Kit
import Store

/// An event, or a delivery that became none, as a row of a list.
struct TrafficRow: Sendable {
    let id: String
    let href: String
    let time: TimeModel
    let jack: Jack
    let type: String
    /// Platform and account.
    let source: String
    let platformID: ShortID?
    let pill: Pill
    /// The same without a wash.
    let bare: Pill
    let effect: String
    let took: String?
    /// Of a search among contents: the part that says it.
    var excerpt: String?

    init(_ row: EventRow, _ request: PageRequest) {
        let words = request.words
        let name = ProviderNames.of(row.provider)
        id = row.id.text
        href = "/events/\(row.id)"
        time = request.times.exact(row.receivedAt)
        jack = Jack(name)
        type = row.type
        source = [name, row.account].compactMap { $0 }.joined(separator: " · ")
        platformID = row.providerEventID.map { ShortID($0, keeping: 8) }
        let (state, word) = EventWords.state(row.state, words)
        pill = Pill(state, word)
        bare = Pill(state, word, isBare: true)
        effect = EventWords.effect(row, words)
        took = row.state == "applied" ? words.took(row.stateAt - row.receivedAt) : nil
    }

    /// A delivery that was not believed.
    init(refused row: DeliveryRow, _ request: PageRequest) {
        let words = request.words
        let name = ProviderNames.of(row.provider)
        id = row.id.text
        href = "/deliveries/\(row.id)"
        time = request.times.exact(row.receivedAt)
        jack = Jack(name)
        type = words("events.refused_type")
        source = [name, row.remote].compactMap { $0 }.joined(separator: " · ")
        platformID = nil
        pill = Pill(.failed, words("state.refused"))
        bare = Pill(.failed, words("state.refused"), isBare: true)
        effect = EventWords.refusal(row.code, words)
        took = nil
    }

    /// Which came first: ids of both kinds end in the same clock.
    static func order(_ id: String) -> Substring { id.suffix(26) }

    /// Events and refused deliveries, newest first.
    static func merged(
        _ events: [EventRow], _ refused: [DeliveryRow], limit: Int, _ request: PageRequest
    ) -> [TrafficRow] {
        let rows = events.map { TrafficRow($0, request) } + refused.map { TrafficRow(refused: $0, request) }
        return Array(rows.sorted { order($0.id) > order($1.id) }.prefix(limit))
    }
}

/// A platform's name, as it writes itself.
enum ProviderNames {
    static let ids = Providers.webhookSources.map(\.about.id)
    static func of(_ id: String) -> String {
        Providers.all.first { $0.about.id == id }?.about.name ?? id
    }
}

/// What the states of events are called.
enum EventWords {
    static func state(_ state: String, _ words: Words) -> (LampState, String) {
        switch state {
        case "queued": (.running, words("state.queued"))
        case "applied": (.ok, words("state.applied"))
        case "waiting_review": (.waiting, words("state.waiting_review"))
        case "failed": (.failed, words("state.failed"))
        default: (.ok, words("state.ignored"))
        }
    }

    static func effect(_ row: EventRow, _ words: Words) -> String {
        let repeats = row.duplicates > 0 ? words.count("events.repeats", Int(row.duplicates)) : nil
        let what: String? =
            switch row.state {
            case "applied": row.userID.map { words("events.for_user", ["user": $0]) }
            case "ignored": words("events.passed_on")
            default: row.stateReason
            }
        return [what, repeats].compactMap { $0 }.joined(separator: " · ")
    }

    static func refusal(_ code: String?, _ words: Words) -> String {
        code.flatMap { words.text("refused.\($0)") } ?? words("refused.other")
    }
}
