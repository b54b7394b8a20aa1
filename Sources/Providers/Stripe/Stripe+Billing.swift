public import Kit

/// What Stripe's events say about subscriptions and payments. Source: docs/providers/stripe.md, "Objects", "Webhooks".
///
/// The shape follows the `api_version` of the endpoint, not ours, so the three fields that moved in 2025-03-31.basil
/// are read in both places: the period's end, the invoice's subscription, the invoice's payment.
extension Stripe: BillingSource {
    public var customerField: String { "stripe_customer_id" }

    public func billing(in event: EventContent) throws(Unreadable) -> [BillingFact] {
        let body = try Self.parsed(event.body)
        guard let at = event.occurredAt else { throw Unreadable("The event says no time.") }
        if event.type == Self.listedSubscription { return try listed(Members(body, "the subscription"), at: at) }
        guard let content = body["data", "object"], content.members != nil else {
            throw Unreadable("The event holds no object.")
        }
        let object = Members(content, "the event's object")
        let before = body["data", "previous_attributes"].flatMap { $0.members == nil ? nil : $0 }
        return switch event.type {
        case "invoice.paid", "invoice.payment_failed": try invoice(object, isPaid: event.type == "invoice.paid", at: at)
        case "payment_method.attached": [try method(object, of: object.reference("customer"), isAttached: true, at: at)]
        case "payment_method.detached":
            // The object has no customer any more.
            [
                try method(
                    object, of: before.map { Members($0, "what it was") }?.reference("customer"), isAttached: false,
                    at: at)
            ]
        case "checkout.session.completed": try checkout(object, at: at)
        case "charge.refunded": try refund(object, at: at)
        case let type where type.utf8.starts(with: "customer.subscription.".utf8):
            try subscription(object, before: before, type: type, at: at)
        case let type where type.utf8.starts(with: "payment_intent.".utf8): try payment(object, type: type, at: at)
        case let type where type.utf8.starts(with: "charge.dispute.".utf8): [try dispute(object, at: at)]
        default: []
        }
    }

    public func subscription(_ id: String, in account: String?) -> Call<SubscriptionObject> {
        let headers = [Field("Stripe-Version", about.version)] + (account.map { [Field("Stripe-Account", $0)] } ?? [])
        return Call(Outgoing(.get, "/v1/subscriptions/\(id)", headers: headers)) { answer throws(Unreadable) in
            try subscriptionObject(Members(try Self.parsed(answer.body), "the answer"))
        }
    }

    static func parsed(_ bytes: [UInt8]) throws(Unreadable) -> JSON {
        do { return try JSON.parse(bytes) } catch { throw Unreadable(error.sentence) }
    }

    // MARK: Subscriptions

    private func subscription(
        _ object: Members, before: JSON?, type: String, at: Timestamp
    ) throws(Unreadable) -> [BillingFact] {
        let subscription = try subscriptionObject(object, hasEnded: type == "customer.subscription.deleted")
        let kind: SubscriptionStatement.Kind =
            if type == "customer.subscription.created" { .created } else if let before {
                .changed(before: normalized(before))
            } else {
                .seen
            }
        return user(object.patchbayUser, customer: subscription.customer, at: at)
            + [.subscription(SubscriptionStatement(subscription, kind, at: at))]
    }

    /// As a list shows it, with its customer.
    private func listed(_ object: Members, at: Timestamp) throws(Unreadable) -> [BillingFact] {
        let subscription = try subscriptionObject(object)
        let customer = object.json["customer"]?.members == nil ? nil : try object.member("customer")
        let named = object.patchbayUser ?? customer?.patchbayUser
        return user(named, customer: subscription.customer, at: at)
            + [.subscription(SubscriptionStatement(subscription, .seen, at: at))]
    }

    /// - Parameter hasEnded: `deleted` is sent when a subscription ends, never when its end is only asked for.
    private func subscriptionObject(_ object: Members, hasEnded: Bool = false) throws(Unreadable) -> SubscriptionObject
    {
        try object.check("subscription")
        let status = try object.required("status")
        let items = try object.member("items")?.list("data") ?? []
        let price = try items.first?.reference("price", "plan")
        let plan = try object.reference("plan")
        return SubscriptionObject(
            id: try object.required("id"),
            customer: try object.reference("customer"),
            state: SubscriptionState(
                status: hasEnded ? "canceled" : status,
                plan: price ?? plan,
                currentPeriodEnd: try periodEnd(object, items),
                cancelAtPeriodEnd: try object.flag("cancel_at_period_end") ?? false,
                endedAt: try object.time("ended_at"),
                paymentMethod: try object.reference("default_payment_method")),
            isFinal: hasEnded || ["canceled", "incomplete_expired"].contains(status),
            content: normalized(object.json))
    }

    /// On the items since basil, before on the subscription.
    private func periodEnd(_ object: Members, _ items: [Members]) throws(Unreadable) -> Timestamp? {
        let before = try object.time("current_period_end")
        return try latest(items) { item throws(Unreadable) in try item.time("current_period_end") } ?? before
    }

    private func latest(
        _ parts: [Members], _ time: (Members) throws(Unreadable) -> Timestamp?
    ) throws(Unreadable) -> Timestamp? {
        var latest: Timestamp?
        for part in parts {
            if let next = try time(part) { latest = max(latest ?? next, next) }
        }
        return latest
    }

    /// An object, or what it was before, with the period's end in one place whatever the version: versions may mix
    /// where an operator moves an endpoint.
    private func normalized(_ json: JSON) -> JSON {
        let items = json["items", "data"]?.elements
        let ends = (items ?? []).compactMap { $0["current_period_end"]?.integer }
        var members = (json.members ?? []).filter { !Self.moved.contains($0.name) && $0.name != "items" }
        if let items {
            let kept = items.map { item in JSON.object((item.members ?? []).filter { !Self.moved.contains($0.name) }) }
            members.append(JSONMember("items", .object([JSONMember("data", .array(kept))])))
        }
        if let end = ends.max() ?? json["current_period_end"]?.integer {
            members.append(JSONMember("current_period_end", JSON(end)))
        }
        return .object(members)
    }
    private static let moved: Set<String> = ["current_period_start", "current_period_end"]

    private func invoice(_ object: Members, isPaid: Bool, at: Timestamp) throws(Unreadable) -> [BillingFact] {
        try object.check("invoice")
        let customer = try object.reference("customer")
        let details = try object.member("parent")?.member("subscription_details")
        let oldDetails = try object.member("subscription_details")
        let oldSubscription = try object.reference("subscription")
        let subscription = try details?.reference("subscription") ?? oldSubscription
        // The period on the invoice itself looks back; what was paid for stands in the lines.
        let end = try latest(object.member("lines")?.list("data") ?? []) { line throws(Unreadable) in
            try line.member("period")?.time("end")
        }
        let oldPayment = try object.reference("payment_intent")
        let paid = try object.member("payments")?.list("data").first?.member("payment")
        let payment = try paid?.reference("payment_intent") ?? oldPayment
        var facts = user(object.patchbayUser ?? (details ?? oldDetails)?.patchbayUser, customer: customer, at: at)
        if let payment {
            facts.append(.payment(PaymentStatement(id: payment, customer: customer, news: .mentioned, statedAt: at)))
        }
        guard let subscription else { return facts }
        let outcome: InvoiceStatement.Outcome =
            isPaid ? .paid(until: end) : .failed(nextAttempt: try object.time("next_payment_attempt"))
        facts.append(
            .invoice(
                InvoiceStatement(
                    subscription: subscription, customer: customer, outcome: outcome,
                    isFirst: try object.text("billing_reason") == "subscription_create", statedAt: at)))
        return facts
    }

    // MARK: Payments

    private func method(
        _ object: Members, of customer: String?, isAttached: Bool, at: Timestamp
    ) throws(Unreadable) -> BillingFact {
        try object.check("payment_method")
        let type = try object.text("type")
        let details = type == nil ? nil : try object.member(type ?? "")
        var expires: String?
        if let year = try details?.integer("exp_year"), let month = try details?.integer("exp_month") {
            expires = "\(year)-\(month < 10 ? "0" : "")\(month)"
        }
        return .paymentMethod(
            PaymentMethodStatement(
                id: try object.required("id"), customer: customer, isAttached: isAttached, type: type,
                brand: try details?.text("brand"), last4: try details?.text("last4"), expires: expires, statedAt: at))
    }

    private func payment(_ object: Members, type: String, at: Timestamp) throws(Unreadable) -> [BillingFact] {
        try object.check("payment_intent")
        let (id, customer) = (try object.required("id"), try object.reference("customer"))
        let status = try object.required("status")
        // A declined payment goes back to the state it began in; only the event says that something failed.
        let hasFailed = type == "payment_intent.payment_failed"
        let problem = try object.member("last_payment_error")?.text("decline_code", "code")
        let received = status == "succeeded" ? try object.money("amount_received") : nil
        let asked = try object.money("amount")
        let state = PaymentState(
            status: status,
            stage: hasFailed ? 4 : Self.paymentStages[status] ?? 3,
            outcome: status == "succeeded"
                ? .succeeded : status == "canceled" ? .cancelled : hasFailed ? .failed : .open,
            amount: received ?? asked,
            problem: hasFailed ? problem : nil)
        return user(object.patchbayUser, customer: customer, payment: id, at: at)
            + [.payment(PaymentStatement(id: id, customer: customer, news: .state(state), statedAt: at))]
    }
    private static let paymentStages = [
        "requires_payment_method": 0, "requires_confirmation": 1, "requires_action": 2, "processing": 3,
        "requires_capture": 5, "canceled": 6, "succeeded": 7,
    ]

    private func refund(_ charge: Members, at: Timestamp) throws(Unreadable) -> [BillingFact] {
        try charge.check("charge")
        let customer = try charge.reference("customer")
        guard let id = try charge.reference("payment_intent", "id") else { throw Unreadable("The charge has no id.") }
        guard let refunded = try charge.money("amount_refunded") else {
            throw Unreadable("The charge has no amount_refunded.")
        }
        return user(charge.patchbayUser, customer: customer, payment: id, at: at)
            + [.payment(PaymentStatement(id: id, customer: customer, news: .refunded(refunded), statedAt: at))]
    }

    /// A dispute names no customer: whose it is, is known by the payment.
    private func dispute(_ object: Members, at: Timestamp) throws(Unreadable) -> BillingFact {
        try object.check("dispute")
        let status = try object.required("status")
        guard let payment = try object.reference("payment_intent", "charge") else {
            throw Unreadable("The dispute names no payment.")
        }
        return .payment(
            PaymentStatement(
                id: payment, customer: nil,
                news: .dispute(DisputeState(status: status, stage: Self.disputeStages[status] ?? 5)),
                statedAt: at))
    }
    private static let disputeStages = [
        "warning_needs_response": 0, "warning_under_review": 1, "needs_response": 2, "under_review": 3,
        "appeal_needs_response": 6, "appeal_under_review": 7, "warning_closed": 9, "prevented": 9, "won": 10,
        "lost": 10,
    ]

    private func checkout(_ session: Members, at: Timestamp) throws(Unreadable) -> [BillingFact] {
        try session.check("checkout.session")
        let customer = try session.reference("customer")
        let payment = try session.reference("payment_intent")
        let reference = session.json["client_reference_id"]?.text
        var facts = user(session.patchbayUser ?? reference, customer: customer, payment: payment, at: at)
        if let payment {
            facts.append(.payment(PaymentStatement(id: payment, customer: customer, news: .mentioned, statedAt: at)))
        }
        return facts
    }

    // MARK: Users

    private func user(_ user: String?, customer: String?, payment: String? = nil, at: Timestamp) -> [BillingFact] {
        guard let user, customer != nil || payment != nil else { return [] }
        return [
            .user(UserReference(user: user, customer: customer, payment: customer == nil ? payment : nil, statedAt: at))
        ]
    }
}
