public import Kit

/// Webhooks: `TikTok-Signature: t=1795255200,s=<hex>`, over `t.body`, with the app's client secret.
/// Source: developers.tiktok.com/doc/webhooks-verification, developers.tiktok.com/doc/webhooks-events.
extension TikTok: OperatorConfigured {
    public var webhooks: WebhookScheme { Self.scheme }

    private static let scheme = WebhookScheme(
        .hmac(
            HMACScheme(
                "TikTok-Signature", .pairs(timestamp: "t", signature: "s", blanks: true), .sha256, .hex,
                over: [.timestamp, .text("."), .body])),
        secrets: .text,
        // TikTok does not say whether `t` is renewed when it sends again, so what is believed and unseen is kept for
        // as long as it sends, and flagged.
        tolerance: .init(past: .seconds(300), future: .seconds(300), late: .hours(72)),
        repeatsFor: .hours(72),
        handled: EventTypes(["authorization.removed", "post.publish.*"] + newVideos),
        findable: FindableValues(
            FindableValue("account", json: "user_openid"),
            FindableValue("publication") { event in
                // A text that holds JSON.
                let content = (try? content.read(event))?.text(0).map { Array($0.utf8) } ?? []
                return (try? publication.read(content)).flatMap { $0.text(0) ?? $0.text(1) }
            }),
        events: events(in:))

    public static func routes(_ settings: OperatorSettings) throws(BadValue) -> [WebhookRoute] {
        // There is no secret for webhooks alone: the second name is for those whose configuration has one.
        let own = try settings.secrets("TIKTOK_WEBHOOK_SECRET")
        let secrets = own.isEmpty ? try settings.secrets("TIKTOK_CLIENT_SECRET") : own
        return secrets.isEmpty ? [] : [WebhookRoute(scheme, secrets)]
    }

    public static let verifying: [String: Verify.Builder] = [
        "tiktok": Verify.lists(["client_secrets"], for: scheme, atLeast: 1)
    ]

    /// One event a delivery. TikTok gives it no id: what happened to whom, when and how is what names it.
    private static func events(in delivery: Delivery) throws(Unreadable) -> [Event] {
        let found: JSONScan.Found
        do { found = try scan.read(delivery.body) } catch { throw Unreadable(error.sentence) }
        guard let type = found.text(0), !type.isEmpty else { throw Unreadable("The delivery names no event.") }
        let at = found.integer(2).map(Timestamp.init(seconds:))
        let parts = [0, 1, 2, 3].map { path in found[path].map { Array(delivery.body[$0.range]) } ?? [] }
        return [
            Event(
                identity: EventIdentity(day: at?.day ?? 0, ofParts: parts),
                type: OutsideText.bounded(type),
                account: found.text(1).map { OutsideText.bounded($0) },
                occurredAt: at, body: delivery.body.indices)
        ]
    }

    private static let content = JSONScan([["content"]])
    private static let publication = JSONScan([["publish_id"], ["share_id"]])
    private static let scan = JSONScan([["event"], ["user_openid"], ["create_time"], ["content"]])
}
