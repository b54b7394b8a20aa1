import Kit

/// A sample of every event that the product acts upon, from the very shapes that the simulation uses.
enum StripeSamples {
    /// What the sample's object is, and what is said over the usual.
    private struct Kind: Sendable {
        let type: String
        let resource: StripeResource
        let object: JSON
        var before: JSON?
    }

    static let all: [Sample] = kinds.map { kind in
        Sample(type: kind.type) { ingredients in event(kind, ingredients) }
    }

    private static func event(_ kind: Kind, _ with: Sample.Ingredients) -> JSON {
        let at = with.at.seconds
        var object = JSON.object([
            JSONMember("id", .string(with.id(kind.resource.prefix))),
            JSONMember("object", .string(kind.resource.object)), JSONMember("created", JSON(at)),
            JSONMember("livemode", false),
        ])
        object = object.with(kind.resource.usual.members ?? []).with(kind.object.members ?? [])
        object = filled(object, with)
        var data: JSON = ["object": object]
        if let before = kind.before { data.set("previous_attributes", filled(before, with)) }
        return [
            "id": .string(with.id("evt_")), "object": "event", "api_version": .string(StripeVersions.newest),
            "created": JSON(at), "data": data, "livemode": false, "pending_webhooks": 1,
            "request": ["id": .string(with.id("req_")), "idempotency_key": .null], "type": .string(kind.type),
        ]
    }

    /// `cus…` and its like become new ids, `+30d` a time, everywhere in a sample.
    private static func filled(_ value: JSON, _ with: Sample.Ingredients) -> JSON {
        switch value {
        case .array(let elements): return .array(elements.map { filled($0, with) })
        case .object(let members): return .object(members.map { JSONMember($0.name, filled($0.value, with)) })
        case .string(let text) where text.hasSuffix("_…"): return .string(with.id(String(text.dropLast())))
        case .string(let text) where text.hasPrefix("@"):
            return JSON(with.at.seconds + (Int64(text.dropFirst()) ?? 0) * 86_400)
        case .null, .bool, .number, .string: return value
        }
    }

    private static let card = StripeResource.paymentMethod.usual["card"] ?? .object([])
    private static let price: JSON = StripeResource.price.usual.with([
        .init("id", "price_…"), .init("object", "price"), .init("created", "@-90"), .init("livemode", false),
        .init("product", "prod_…"), .init("unit_amount", 1999), .init("unit_amount_decimal", "1999"),
        .init("type", "recurring"),
        .init(
            "recurring",
            [
                "interval": "month", "interval_count": 1, "meter": .null, "trial_period_days": .null,
                "usage_type": "licensed",
            ]),
    ])

    private static func subscription(_ status: JSON, _ more: [JSONMember] = []) -> JSON {
        let item: JSON = [
            "id": "si_…", "object": "subscription_item", "current_period_start": "@0", "current_period_end": "@30",
            "created": "@0", "discounts": [], "metadata": .object([]), "price": price, "quantity": 1,
            "subscription": "sub_…", "tax_rates": [],
        ]
        let list: JSON = [
            "object": "list", "data": [item], "has_more": false, "total_count": 1, "url": "/v1/subscription_items",
        ]
        return .object(
            [
                .init("customer", "cus_…"), .init("status", status), .init("items", list),
                .init("billing_cycle_anchor", "@0"), .init("start_date", "@0"), .init("latest_invoice", "in_…"),
                .init("default_payment_method", "pm_…"),
            ] + more)
    }

    private static func invoice(_ status: JSON, _ more: [JSONMember]) -> JSON {
        let line: JSON = [
            "id": "il_…", "object": "line_item", "amount": 1999, "currency": "usd",
            "description": "1 × A loaf a week (at 19.99 USD / month)", "discount_amounts": [], "discountable": true,
            "discounts": [], "livemode": false, "metadata": .object([]), "period": ["end": "@30", "start": "@0"],
            "quantity": 1, "subtotal": 1999,
        ]
        let list: JSON = [
            "object": "list", "data": [line], "has_more": false, "total_count": 1, "url": "/v1/invoices/lines",
        ]
        return .object(
            [
                .init("customer", "cus_…"), .init("status", status), .init("billing_reason", "subscription_cycle"),
                .init("lines", list), .init("subtotal", 1999), .init("total", 1999), .init("amount_due", 1999),
                .init("attempted", true), .init("attempt_count", 1), .init("period_start", "@-30"),
                .init("period_end", "@0"), .init("number", "RYE-0002"),
                .init(
                    "parent",
                    [
                        "quote_details": .null,
                        "subscription_details": ["metadata": .object([]), "subscription": "sub_…"],
                        "type": "subscription_details",
                    ]),
            ] + more)
    }

    private static func intent(_ status: JSON, _ more: [JSONMember] = []) -> JSON {
        .object(
            [
                .init("amount", 1999), .init("customer", "cus_…"), .init("client_secret", "pi_secret_…"),
                .init("payment_method", "pm_…"), .init("status", status),
            ] + more)
    }

    private static let charge: JSON = [
        "amount": 1999, "amount_captured": 1999, "captured": true, "paid": true, "customer": "cus_…",
        "payment_intent": "pi_…", "payment_method": "pm_…",
    ]

    private static func dispute(_ status: JSON) -> JSON {
        ["amount": 1999, "charge": "ch_…", "payment_intent": "pi_…", "status": status]
    }

    private static let failure: JSON = [
        "charge": "ch_…", "code": "card_declined", "decline_code": "insufficient_funds",
        "message": "Your card has insufficient funds.", "type": "card_error",
    ]

    private static let kinds: [Kind] =
        subscriptions + payments + [
            Kind(
                type: "checkout.session.completed", resource: .checkoutSession,
                object: [
                    "customer": "cus_…", "mode": "subscription", "subscription": "sub_…", "invoice": "in_…",
                    "amount_total": 1999, "amount_subtotal": 1999, "currency": "usd", "payment_status": "paid",
                    "status": "complete", "success_url": "https://example.com/thanks", "expires_at": "@1",
                ]),
            Kind(
                type: "charge.refunded", resource: .charge,
                object: charge.with("amount_refunded", 1999).with("refunded", true)),
            Kind(type: "charge.dispute.created", resource: .dispute, object: dispute("needs_response")),
            Kind(type: "charge.dispute.updated", resource: .dispute, object: dispute("under_review")),
            Kind(type: "charge.dispute.closed", resource: .dispute, object: dispute("won")),
            Kind(type: "charge.dispute.funds_withdrawn", resource: .dispute, object: dispute("needs_response")),
            Kind(type: "charge.dispute.funds_reinstated", resource: .dispute, object: dispute("won")),
        ]

    private static let subscriptions: [Kind] = [
        Kind(type: "customer.subscription.created", resource: .subscription, object: subscription("active")),
        Kind(
            type: "customer.subscription.updated", resource: .subscription, object: subscription("active"),
            before: ["status": "past_due"]),
        Kind(
            type: "customer.subscription.deleted", resource: .subscription,
            object: subscription(
                "canceled",
                [
                    .init("canceled_at", "@0"), .init("ended_at", "@0"),
                    .init(
                        "cancellation_details",
                        ["comment": .null, "feedback": .null, "reason": "cancellation_requested"]),
                ])),
        Kind(type: "customer.subscription.paused", resource: .subscription, object: subscription("paused")),
        Kind(type: "customer.subscription.resumed", resource: .subscription, object: subscription("active")),
        Kind(
            type: "customer.subscription.trial_will_end", resource: .subscription,
            object: subscription("trialing", [.init("trial_start", "@-11"), .init("trial_end", "@3")])),
        Kind(
            type: "invoice.paid", resource: .invoice,
            object: invoice(
                "paid",
                [
                    .init("amount_paid", 1999),
                    .init(
                        "status_transitions",
                        ["finalized_at": "@0", "marked_uncollectible_at": .null, "paid_at": "@0", "voided_at": .null]),
                ])),
        Kind(
            type: "invoice.payment_failed", resource: .invoice,
            object: invoice("open", [.init("amount_remaining", 1999), .init("next_payment_attempt", "@3")])),
        Kind(
            type: "payment_method.attached", resource: .paymentMethod, object: ["customer": "cus_…", "card": card]),
        Kind(
            type: "payment_method.detached", resource: .paymentMethod, object: ["customer": .null, "card": card],
            before: ["customer": "cus_…"]),
    ]

    private static let payments: [Kind] = [
        Kind(type: "payment_intent.created", resource: .paymentIntent, object: intent("requires_confirmation")),
        Kind(
            type: "payment_intent.succeeded", resource: .paymentIntent,
            object: intent("succeeded", [.init("amount_received", 1999), .init("latest_charge", "ch_…")])),
        Kind(
            type: "payment_intent.payment_failed", resource: .paymentIntent,
            object: intent(
                "requires_payment_method",
                [
                    .init("payment_method", .null), .init("last_payment_error", failure),
                    .init("latest_charge", "ch_…"),
                ])),
        Kind(type: "payment_intent.processing", resource: .paymentIntent, object: intent("processing")),
        Kind(
            type: "payment_intent.requires_action", resource: .paymentIntent,
            object: intent("requires_action", [.init("next_action", ["type": "use_stripe_sdk"])])),
        Kind(
            type: "payment_intent.amount_capturable_updated", resource: .paymentIntent,
            object: intent(
                "requires_capture", [.init("amount_capturable", 1999), .init("capture_method", "manual")])),
        Kind(
            type: "payment_intent.canceled", resource: .paymentIntent,
            object: intent("canceled", [.init("canceled_at", "@0"), .init("cancellation_reason", "abandoned")])),
    ]
}
