import Kit

/// What the app's callback address is told.
/// Source: developers.tiktok.com/doc/webhooks-overview, webhooks-events and webhooks-verification.
extension TikTokBooks {
    private static let eventKind = "tiktok.event"

    /// `content` is a text that holds JSON.
    static func event(_ type: String, of openID: String?, clientKey: String, at time: Int64, _ content: JSON) -> JSON {
        var event: JSON = [
            "client_key": .string(clientKey), "event": .string(type), "create_time": JSON(time),
        ]
        if let openID { event.set("user_openid", .string(openID)) }
        event.set("content", .string(String(decoding: content.bytes, as: UTF8.self)))
        return event
    }

    /// Tells the callback address, in the order of one person's events.
    func tell(_ type: String, of openID: String?, _ content: JSON) {
        let event = Self.event(
            type, of: openID, clientKey: own.text("client_key") ?? "", at: world.now, content)
        let id = keep(event)
        world.told += 1
        count("event.\(type)")
        guard isTold(type) else { return }
        world.mail(
            id, to: SimulatedTikTok.callback, lane: "tiktok " + (openID ?? ""), from: SimulatedTikTok.name)
    }

    /// Whether there is an address that takes events of this type.
    func isTold(_ type: String) -> Bool {
        guard let url = settings.webhookURL, isLoopback(url) else { return false }
        return (own["webhook_types"]?.elements ?? ["*"]).contains { type.isLike($0.text ?? "") }
    }

    /// There is no id in an event; this one is the sandbox's own.
    func keep(_ event: JSON) -> String {
        let id = world.id("ev_", length: 16)
        world.put(Self.eventKind, id, event)
        return id
    }

    func event(_ id: String) -> JSON? { world.object(Self.eventKind, id) }
}
