public import Kit

/// Webhooks: `Stripe-Signature: t=1795255200,v1=<hex>,v1=<hex>`, over `t.body`.
/// Source: docs.stripe.com/webhooks, and what its official libraries do.
extension Stripe: WebhookSource {
    public var webhooks: WebhookScheme { Self.scheme }

    private static let scheme = WebhookScheme(
        // The key is the whole text of the secret, `whsec_` included. `v0` is sent for test events and proves nothing.
        .hmac(
            HMACScheme(
                "Stripe-Signature", .pairs(timestamp: "t", signature: "v1"), .sha256, .hex,
                over: [.timestamp, .text("."), .body])),
        secrets: .text,
        // Each repetition is signed anew, so an old signature is a replay: nothing unseen is believed of it.
        tolerance: .init(past: .seconds(300), future: .seconds(300)),
        repeatsFor: .days(3),
        marksTests: true,
        handled: handledEvents,
        findable: findable,
        events: events(in:))

    /// What a person has in hand: an object's id, the customer's, an address, the application's own number.
    private static let findable = FindableValues(
        FindableValue("object", json: "data.object.id", "related_object.id"),
        FindableValue("customer", json: "data.object.customer", "data.object.customer.id"),
        FindableValue(
            "e-mail address", json: "data.object.customer_email", "data.object.receipt_email",
            "data.object.customer_details.email", "data.object.billing_details.email", "data.object.email"),
        FindableValue(
            "order", json: "data.object.metadata.order_id", "data.object.client_reference_id",
            "data.object.payment_intent"))

    /// What changes a customer's subscription, payments or means of payment here.
    static let handledEvents: EventTypes = [
        "customer.subscription.*", "invoice.paid", "invoice.payment_failed", "payment_method.attached",
        "payment_method.detached", "payment_intent.*", "checkout.session.completed", "charge.refunded",
        "charge.dispute.*", listedSubscription,
    ]

    /// One event a delivery: a snapshot (`object: event`), or a thin one (`v2.core.event`), whose content is fetched.
    ///
    /// Its identity is its id alone. Two events about one change are two events: to join them by object and type
    /// would swallow every second `customer.subscription.updated`.
    static func events(in delivery: Delivery) throws(Unreadable) -> [Event] {
        let facts: Facts
        do { facts = Facts(try Facts.scan.read(delivery.body)) } catch { throw Unreadable(error.sentence) }
        guard let id = facts.id, let idBytes = facts.idBytes, !id.isEmpty else {
            throw Unreadable("The event has no id.")
        }
        guard let type = facts.type, !type.isEmpty else { throw Unreadable("The event has no type.") }
        return [
            Event(
                identity: EventIdentity(day: facts.created?.day ?? 0, of: idBytes),
                providerEventID: OutsideText.bounded(id),
                type: OutsideText.bounded(type),
                account: facts.account.map { OutsideText.bounded($0) },
                subject: facts.customer.map { OutsideText.bounded($0) },
                occurredAt: facts.created,
                isTest: facts.isTest,
                body: delivery.body.indices)
        ]
    }
}

/// What is read of an event when it arrives; handlers read the rest.
private struct Facts {
    private enum Path: Int, CaseIterable {
        case id, type, created, livemode, account, context
        case objectKind, objectID, customer, customerID, previousCustomer, relatedType, relatedID

        var names: [String] {
            switch self {
            case .id: ["id"]
            case .type: ["type"]
            case .created: ["created"]
            case .livemode: ["livemode"]
            case .account: ["account"]
            case .context: ["context"]
            case .objectKind: ["data", "object", "object"]
            case .objectID: ["data", "object", "id"]
            case .customer: ["data", "object", "customer"]
            case .customerID: ["data", "object", "customer", "id"]
            case .previousCustomer: ["data", "previous_attributes", "customer"]
            case .relatedType: ["related_object", "type"]
            case .relatedID: ["related_object", "id"]
            }
        }
    }
    static let scan = JSONScan(Path.allCases.map(\.names))

    private let found: JSONScan.Found
    init(_ found: JSONScan.Found) { self.found = found }
    private func text(_ path: Path) -> String? { found.text(path.rawValue) }

    var id: String? { text(.id) }
    /// As sent, since two ids that a `String` cannot tell apart are still two.
    var idBytes: ArraySlice<UInt8>? { found.content(Path.id.rawValue) }
    var type: String? { text(.type) }
    var isTest: Bool { found.boolean(Path.livemode.rawValue) == false }
    /// The connected account; thin events call it the context.
    var account: String? { text(.account) ?? text(.context) }

    /// Whole seconds in a snapshot, RFC 3339 in a thin event.
    var created: Timestamp? {
        found.integer(Path.created.rawValue).map(Timestamp.init(seconds:))
            ?? text(.created).flatMap(Timestamp.init(rfc3339:))
    }

    var customer: String? {
        if text(.relatedType) == "customer" { return text(.relatedID) }
        if text(.objectKind) == "customer" { return text(.objectID) }
        // Once detached, a payment method names its customer only in what it was before.
        return text(.customer) ?? text(.customerID) ?? text(.previousCustomer)
    }
}
