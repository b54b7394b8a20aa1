import Kit

/// Payment intents: from a wish to money, or back to where they began.
extension Books {
    /// How an attempt ended.
    struct Attempt {
        let intent: JSON
        /// Why it was declined.
        let decline: StripeError?
        var isPaid: Bool { ["succeeded", "requires_capture"].contains(intent.text("status")) }
    }

    /// How a payment is confirmed.
    struct Confirmation {
        var isOffSession = false
        /// The person has proven who they are.
        var isAuthenticated = false
        /// A payment that needs the person is a decline.
        var refusesAction = false
        var returnURL: String?
    }

    /// Tries a payment with a method, and tells of what became of it.
    func attempt(_ intent: JSON, with method: JSON, _ how: Confirmation) -> Attempt {
        let behaviour = behaviour(of: method)
        if let decline = behaviour.decline { return declined(intent, method, decline) }
        let wantsPerson =
            behaviour == .authenticates || behaviour == .authenticatesUntilSetUp && !method.isOn("_set_up")
        guard wantsPerson, !how.isAuthenticated else { return paid(intent, method, behaviour) }
        if how.isOffSession { return declined(intent, method, .authentication) }
        if how.refusesAction { return declined(intent, method, .authentication) }
        let waiting = change(intent, telling: "payment_intent.requires_action") { intent in
            intent.set("payment_method", method["id"] ?? .null)
            intent.set("status", "requires_action")
            intent.set("last_payment_error", .null)
            intent.set("next_action", nextAction(intent, "payment_intents", how.returnURL))
        }
        return Attempt(intent: waiting, decline: nil)
    }

    /// Where the person proves who they are: a page of the sandbox.
    func nextAction(_ intent: JSON, _ kind: String, _ returnURL: String?) -> JSON {
        let page = "\(platform.baseMark)/test/authenticate/\(intent.text("id") ?? "")"
        return returnURL == nil
            ? [
                "type": "use_stripe_sdk",
                "use_stripe_sdk": ["type": "three_d_secure_redirect", "stripe_js": .string(page)],
            ]
            : ["type": "redirect_to_url", "redirect_to_url": ["return_url": JSON(returnURL), "url": .string(page)]]
    }

    private func paid(_ intent: JSON, _ method: JSON, _ behaviour: TestCard.Behaviour) -> Attempt {
        let isManual = intent.text("capture_method") == "manual"
        let charge = charge(intent, method, isCaptured: !isManual, decline: nil)
        tell("charge.succeeded", charge)
        let type = isManual ? "payment_intent.amount_capturable_updated" : "payment_intent.succeeded"
        let paid = change(intent, telling: type) { intent in
            intent.set("payment_method", method["id"] ?? .null)
            intent.set("latest_charge", charge["id"] ?? .null)
            intent.set("next_action", .null)
            intent.set("last_payment_error", .null)
            intent.set("status", isManual ? "requires_capture" : "succeeded")
            intent.set(isManual ? "amount_capturable" : "amount_received", intent["amount"] ?? 0)
        }
        if let customer = intent.text("customer"), intent.text("setup_future_usage") != nil,
            method.text("customer") == nil, !method.isOn("_used")
        {
            change(method, telling: "payment_method.attached") {
                $0.set("customer", .string(customer))
                $0.set("_set_up", true)
            }
        }
        if behaviour == .disputed || behaviour == .inquiry { dispute(charge, isInquiry: behaviour == .inquiry) }
        if let invoice = find(.invoice, paid.text("_invoice")), !isManual { settle(invoice) }
        return Attempt(intent: paid, decline: nil)
    }

    func declined(_ intent: JSON, _ method: JSON, _ decline: Decline) -> Attempt {
        let charge = charge(intent, method, isCaptured: false, decline: decline)
        tell("charge.failed", charge)
        var error = StripeError.declined(decline, more: [])
        error.more = [
            .init("charge", charge["id"] ?? .null), .init("payment_method", method.visible),
        ]
        let refused = change(intent, telling: "payment_intent.payment_failed") { intent in
            intent.set("latest_charge", charge["id"] ?? .null)
            intent.set("payment_method", .null)
            intent.set("next_action", .null)
            intent.set("status", "requires_payment_method")
            intent.set("last_payment_error", error.json(request: ""))
        }
        error.more.append(.init("payment_intent", refused.visible))
        return Attempt(intent: refused, decline: error)
    }

    private func charge(_ intent: JSON, _ method: JSON, isCaptured: Bool, decline: Decline?) -> JSON {
        let amount = intent["amount"] ?? 0
        var members: [JSONMember] = [
            .init("amount", amount), .init("amount_captured", isCaptured ? amount : 0),
            .init("captured", .bool(isCaptured)),
            .init("billing_details", method["billing_details"] ?? .null),
            .init("currency", intent["currency"] ?? .null),
            .init("customer", intent["customer"] ?? .null), .init("description", intent["description"] ?? .null),
            .init("metadata", intent["metadata"] ?? .object([])), .init("paid", .bool(decline == nil)),
            .init("payment_intent", intent["id"] ?? .null), .init("payment_method", method["id"] ?? .null),
            .init("receipt_email", intent["receipt_email"] ?? .null),
            .init("payment_method_details", ["card": chargeCard(method), "type": "card"]),
            .init("_behaviour", method["_behaviour"] ?? .null), .init("_key", JSON(cause.idempotencyKey)),
        ]
        if let decline {
            members += [
                .init("status", "failed"), .init("failure_code", .string(decline.code)),
                .init("failure_message", .string(decline.message)),
                .init(
                    "outcome",
                    [
                        "advice_code": .null, "network_advice_code": .null, "network_decline_code": .null,
                        "network_status": "declined_by_network", "reason": JSON(decline.declineCode),
                        "risk_level": "normal", "risk_score": 12,
                        "seller_message": "The bank did not return any further details with this decline.",
                        "type": "issuer_declined",
                    ]),
            ]
        }
        let charge = make(.charge, members)
        guard decline == nil, isCaptured else { return charge }
        return book(charge)
    }

    private func chargeCard(_ method: JSON) -> JSON {
        let card = method["card"] ?? .object([])
        var details: JSON = ["amount_authorized": .null, "authorization_code": .null]
        for name in ["brand", "checks", "country", "exp_month", "exp_year", "fingerprint", "funding", "last4"] {
            details.set(name, card[name] ?? .null)
        }
        details.set("network", card["brand"] ?? .null)
        details.set("three_d_secure", .null)
        details.set("wallet", .null)
        return details
    }

    /// Puts a captured charge into the balance.
    func book(_ charge: JSON) -> JSON {
        let amount = charge.int("amount_captured")
        let fee = amount * 29 / 1000 + 30
        let entry = balance(amount, fee: fee, charge, "charge")
        let booked = charge.with("balance_transaction", entry["id"] ?? .null)
        save(booked)
        return booked
    }

    @discardableResult
    func balance(_ amount: Int64, fee: Int64 = 0, _ source: JSON, _ type: String) -> JSON {
        make(
            .balanceTransaction,
            [
                .init("amount", JSON(amount)), .init("available_on", JSON(now + 2 * 86_400)),
                .init("currency", source["currency"] ?? .null), .init("fee", JSON(fee)),
                .init("net", JSON(amount - fee)), .init("reporting_category", .string(type)),
                .init("source", source["id"] ?? .null), .init("type", .string(type)),
                .init(
                    "fee_details",
                    fee == 0
                        ? []
                        : [
                            [
                                "amount": JSON(fee), "application": .null, "currency": source["currency"] ?? .null,
                                "description": "Stripe processing fees", "type": "stripe_fee",
                            ]
                        ]),
            ])
    }

    /// The person has proven who they are, or could not.
    func authenticate(_ intent: JSON, succeeds: Bool) -> Attempt? {
        guard intent.text("status") == "requires_action",
            let method = find(.paymentMethod, intent.text("payment_method"))
        else { return nil }
        return succeeds
            ? attempt(intent, with: method, Confirmation(isAuthenticated: true))
            : declined(intent, method, .authenticationFailed)
    }
}
