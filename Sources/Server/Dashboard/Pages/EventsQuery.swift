import Kit
import Store

/// What the filter field of the events' list says.
///
///     state:failed provider:stripe type:invoice.paid user:rye since:90m id:evt_1Q… json:$.data.object.id=in_1
///     words:"two loaves"
struct EventsQuery: Sendable, Equatable {
    var state: String?
    var provider: String?
    var type: String?
    var user: String?
    var connection: String?
    /// The platform's own id, or one of ours.
    var id: String?
    /// `90m`, `2h`, `3d`.
    var since: String?
    /// A value that it holds, by which events are found.
    var find: String?
    /// What must stand in its content.
    var words: [String] = []
    /// What its content must hold, and where.
    var place: ContentCondition.Place?
    /// What cannot be used, in a sentence.
    var problem: String?

    static let states = EventView.states + ["refused", "any"]
    private static let textMax = 512

    init() {}

    init(_ text: String, _ words: Words) {
        for token in QuotedWords.split(String(text.prefix(Self.textMax))) {
            let parts = token.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            guard parts.count == 2, !parts[1].isEmpty, Self.keys.contains(parts[0]) else {
                take(bare: token, words)
                continue
            }
            take(parts[0], parts[1], words)
        }
    }

    private static let keys = [
        "state", "provider", "type", "user", "connection", "id", "since", "find", "words", "json",
    ]

    private mutating func take(_ key: String, _ value: String, _ words: Words) {
        guard value != "any" else { return }
        switch key {
        case "state":
            guard Self.states.contains(value) else {
                problem = words(
                    "filter.state_unknown", ["state": value, "states": Self.states.joined(separator: ", ")])
                return
            }
            state = value
        case "provider": provider = value
        case "type": type = value
        case "user": user = value
        case "connection": connection = value
        case "find": find = value
        case "since":
            guard Self.duration(value) != nil else {
                problem = words("filter.since_unknown", ["since": value])
                return
            }
            since = value
        case "json":
            guard let place = ContentCondition.Place(value) else {
                problem = words("filter.json_unknown", ["json": value])
                return
            }
            self.place = place
        case "words": self.words.append(value)
        default: id = value
        }
    }

    /// A word without a key: an id or a type.
    private mutating func take(bare word: String, _ words: Words) {
        if word.contains(":") {
            problem = words("filter.key_unknown", ["word": word, "keys": Self.keys.joined(separator: ", ")])
        } else if word.contains(".") {
            type = word
        } else {
            id = word
        }
    }

    static func duration(_ text: String) -> Duration? {
        guard let number = Int64(text.dropLast()), (1...100_000).contains(number) else { return nil }
        switch text.last {
        case "s": return .seconds(number)
        case "m": return .minutes(number)
        case "h": return .hours(number)
        case "d": return .days(number)
        default: return nil
        }
    }

    /// As the field shows it.
    var text: String {
        let named = [
            ("state", state), ("provider", provider), ("type", type), ("user", user), ("connection", connection),
            ("id", id), ("since", since), ("find", find),
        ].compactMap { key, value in value.map { "\(key):\(QuotedWords.quoted($0))" } }
        let ofContent =
            words.map { "words:\(QuotedWords.quoted($0))" }
            + (place.map { ["json:\(QuotedWords.quoted($0.text))"] } ?? [])
        return (named + ofContent).joined(separator: " ")
    }

    private var quotedWords: String? {
        words.isEmpty ? nil : words.map(QuotedWords.quoted).joined(separator: " ")
    }

    /// What its content must say; nil where nothing is asked of it.
    var content: ContentCondition? {
        ContentCondition(words: quotedWords, place: place)
    }

    /// The address of the list with this filter.
    var href: String { "/events" + BrowserText.query([("q", text.isEmpty ? nil : text)]) }

    func with(_ change: (inout EventsQuery) -> Void) -> EventsQuery {
        var copy = self
        copy.problem = nil
        change(&copy)
        return copy
    }

    /// For the store; a refused delivery is no event.
    var filter: EventFilter {
        var filter = EventFilter()
        filter.provider = provider
        filter.type = type
        filter.userID = user
        filter.connectionID = connection
        filter.state = state == "refused" ? nil : state
        return filter
    }

    var wantsEvents: Bool { state != "refused" }
    /// Refused deliveries have no type, user or id that anybody believes.
    var wantsRefused: Bool {
        (state == nil || state == "refused") && type == nil && user == nil && connection == nil && id == nil
            && find == nil && content == nil
    }
    func sinceTime(_ now: Timestamp) -> Timestamp? { since.flatMap(Self.duration).map { now - $0 } }

    /// The filter as the API's replay takes it; nil where the API has no such filter.
    func replayFilter(_ now: Timestamp) -> JSON? {
        guard id == nil, find == nil, content == nil, wantsEvents else { return nil }
        let members: [JSONMember?] = [
            provider.map { JSONMember("provider", .string($0)) }, type.map { JSONMember("type", .string($0)) },
            connection.map { JSONMember("connection_id", .string($0)) },
            user.map { JSONMember("user_id", .string($0)) }, state.map { JSONMember("state", .string($0)) },
            sinceTime(now).map { JSONMember("received_after", JSON($0)) },
        ]
        let named = members.compactMap { $0 }
        return named.isEmpty ? nil : .object(named)
    }

    /// The same for `curl` and the command line.
    func commands(_ base: String) -> [Command] {
        let fields = [
            ("provider", provider), ("type", type), ("user_id", user), ("connection_id", connection),
            ("provider_event_id", id), ("find", find), ("state", wantsEvents ? state : nil),
            ("words", quotedWords), ("json", place?.text),
        ]
        let query = BrowserText.query(wantsEvents ? fields : [("verdict", "rejected"), ("provider", provider)])
        let flags = [
            ("provider", provider), ("type", type), ("user", user), ("platform-id", id), ("find", find),
            ("state", state), ("words", quotedWords), ("json-path", place?.text),
        ].compactMap { name, value in value.map { "--\(name) \(ShellText.quoted($0))" } }
        let verb = content == nil ? "list" : "search"
        let path = !wantsEvents ? "/v1/deliveries" : content == nil ? "/v1/events" : "/v1/events/search"
        let curl = "curl -H \"Authorization: Bearer $PATCHBAY_API_KEY\" \(ShellText.quoted(base + path + query))"
        guard wantsEvents else { return [Command("curl", curl)] }
        return [Command("curl", curl), Command("CLI", (["patchbay events \(verb)"] + flags).joined(separator: " "))]
    }
}
