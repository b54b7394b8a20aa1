public import Kit

/// Webhooks: `X-ANET-Signature: sha512=<HEX>`, over the body. The key is the Signature Key as text, all 128 characters;
/// decoding it is right for Authorize.Net's transaction hash and wrong here.
/// Source: developer.authorize.net/api/reference/features/webhooks.html; the key as text by the notifications that
/// independent receivers publish.
extension AuthorizeNet: OperatorConfigured {
    public var webhooks: WebhookScheme { Self.scheme }

    private static let scheme = WebhookScheme(
        .hmac(HMACScheme("X-ANET-Signature", .plain(prefix: "sha512="), .sha512, .hexAnyCase, over: [.body])),
        secrets: .text,
        tolerance: nil,
        // Ten attempts: three at 3 minutes, three at 8 hours, four at 48 hours.
        repeatsFor: .days(10),
        handled: .none,
        findable: FindableValues(
            FindableValue("transaction or subscription", json: "payload.id"),
            FindableValue("invoice", json: "payload.invoiceNumber", "payload.merchantReferenceId"),
            FindableValue("customer profile", json: "payload.customerProfileId", "payload.profile.customerProfileId")),
        events: events(in:))

    public static func routes(_ settings: OperatorSettings) throws(BadValue) -> [WebhookRoute] {
        let secrets = try settings.secrets("AUTHNET_SIGNATURE_KEY")
        return secrets.isEmpty ? [] : [WebhookRoute(scheme, secrets)]
    }

    public static let verifying: [String: Verify.Builder] = [
        "authorize-net": Verify.lists(["signature_keys"], for: scheme, atLeast: 1)
    ]

    /// One notification a delivery; `notificationId` is the same in every repetition.
    private static func events(in delivery: Delivery) throws(Unreadable) -> [Event] {
        let found: JSONScan.Found
        do { found = try scan.read(delivery.body) } catch { throw Unreadable(error.sentence) }
        guard let id = found.content(0), !id.isEmpty else {
            throw Unreadable("The notification has no notificationId.")
        }
        guard let type = found.text(1), !type.isEmpty else { throw Unreadable("The notification has no eventType.") }
        let at = found.text(2).flatMap(Timestamp.init(rfc3339:))
        return [
            Event(
                identity: EventIdentity(day: at?.day ?? 0, of: id),
                providerEventID: found.text(0).map { OutsideText.bounded($0) },
                type: OutsideText.bounded(type),
                subject: (3...5).lazy.compactMap(found.text).first.map { OutsideText.bounded($0) },
                occurredAt: at, body: delivery.body.indices)
        ]
    }

    private static let scan = JSONScan([
        ["notificationId"], ["eventType"], ["eventDate"], ["payload", "customerProfileId"],
        ["payload", "profile", "customerProfileId"], ["payload", "id"],
    ])
}
