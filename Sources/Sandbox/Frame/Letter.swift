import Kit

/// A webhook on its way from a platform to one endpoint, kept until it is acknowledged or given up.
struct Letter: Sendable, Equatable {
    static let kind = "frame.letter"

    let platform: String
    let event: String
    let endpoint: String
    /// Letters of one lane go one after the other, so that nothing overtakes unless it is told to.
    let lane: String
    /// Tries so far.
    var attempts = 0
    /// Not before this real time.
    var at: Timestamp
    /// Goes at the story's pace, and waits while the story is paused.
    var isPaced = false

    var id: String { event + "|" + endpoint }

    var json: JSON {
        [
            "platform": .string(platform), "event": .string(event), "endpoint": .string(endpoint),
            "lane": .string(lane), "attempts": JSON(attempts), "at": JSON(at.microseconds),
        ]
    }

    init(platform: String, event: String, endpoint: String, lane: String, at: Timestamp) {
        self.platform = platform
        self.event = event
        self.endpoint = endpoint
        self.lane = lane
        self.at = at
    }

    init?(_ json: JSON) {
        guard let platform = json.text("platform"), let event = json.text("event"),
            let endpoint = json.text("endpoint"), let lane = json.text("lane")
        else { return nil }
        self.init(
            platform: platform, event: event, endpoint: endpoint, lane: lane,
            at: Timestamp(microseconds: json.int("at")))
        attempts = Int(clamping: json.int("attempts"))
    }

    /// Sooner than any platform repeats, since a person waits: 1, 2, 4 … 60 seconds, for about an hour.
    static let attemptsMax = 64
    func pause() -> Duration { .seconds(attempts > 6 ? 60 : 1 << max(0, attempts - 1)) }
}

extension World {
    /// Sends an event to every endpoint of its platform that takes its type. How many these are.
    @discardableResult
    func mail(_ event: String, type: String, lane: String, from platform: any Platform) -> Int {
        let endpoints = platform.endpoints(for: type, in: self)
        for endpoint in endpoints { mail(event, to: endpoint, lane: lane, from: platform.id) }
        return endpoints.count
    }

    /// Sends an event to one endpoint.
    func mail(_ event: String, to endpoint: String, lane: String, from platform: String) {
        let letter = Letter(platform: platform, event: event, endpoint: endpoint, lane: lane, at: .zero)
        put(Letter.kind, letter.id, letter.json)
        add(letter)
    }
}
