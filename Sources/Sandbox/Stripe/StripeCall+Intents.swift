import Kit

/// What is asked of payment and setup intents.
extension StripeCall {
    private static let amountMax: Int64 = 99_999_999

    private func checkAmount(_ amount: Int64) throws(StripeError) {
        guard amount >= 1 else {
            throw .validation("This value must be greater than or equal to 1.", "parameter_invalid_integer", "amount")
        }
        guard amount <= Self.amountMax else {
            throw StripeError("Amount must be no more than $999,999.99", code: "amount_too_large", param: "amount")
        }
        let currency = params.text("currency")?.lowercased() ?? "usd"
        guard amount >= 50 || !["usd", "eur", "gbp"].contains(currency) else {
            throw StripeError(
                "Amount must be at least $0.50 \(currency)", code: "amount_too_small", param: "amount")
        }
    }

    /// The method that a call names, or brings.
    private func givenMethod() throws(StripeError) -> JSON? {
        if let data = params.present("payment_method_data") { return try books.newMethod(data) }
        return try books.method(params.text("payment_method"))
    }

    private func checkOwner(of method: JSON, _ customer: String?) throws(StripeError) {
        guard let owner = method.text("customer") else {
            guard method.isOn("_used") else { return }
            throw StripeError(
                "The provided PaymentMethod was previously used or detached and may not be used again.",
                param: "payment_method")
        }
        guard owner == customer else {
            throw StripeError(
                customer == nil
                    ? "The payment method you provided belongs to a customer. Name it with `customer`."
                    : "The payment method you provided belongs to another customer.", param: "payment_method")
        }
    }

    private var methodTypes: JSON {
        let said = params.present("allowed_payment_method_types") ?? params.present("payment_method_types")
        return said ?? ["card"]
    }

    func createIntent() throws(StripeError) -> JSON {
        let amount = params.int("amount")
        try checkAmount(amount)
        let currency = try books.currency(params.text("currency"))
        try books.checkMetadata(params)
        if let customer = params.text("customer") { _ = try books.find(.customer, customer, param: "customer") }
        let method = try givenMethod()
        if let method { try checkOwner(of: method, params.text("customer")) }
        let id = books.world.id(StripeResource.paymentIntent.prefix)
        let isAutomatic =
            params["automatic_payment_methods", "enabled"]?.boolean
            ?? (params["payment_method_types"] == nil && params["allowed_payment_method_types"] == nil)
        var intent = books.make(
            .paymentIntent, id: id,
            [
                .init("amount", JSON(amount)), .init("currency", .string(currency)),
                .init("client_secret", .string("\(id)_secret_\(books.world.id("", length: 25))")),
                .init("payment_method", method?["id"] ?? .null), .init("payment_method_types", methodTypes),
                .init("status", method == nil ? "requires_payment_method" : "requires_confirmation"),
                .init(
                    "automatic_payment_methods",
                    isAutomatic
                        ? [
                            "allow_redirects": params["automatic_payment_methods", "allow_redirects"] ?? "always",
                            "enabled": true,
                        ] : .null),
            ])
        books.copy(
            "customer capture_method confirmation_method setup_future_usage description metadata receipt_email "
                + "statement_descriptor statement_descriptor_suffix shipping transfer_group",
            from: params, to: &intent)
        books.save(intent)
        books.tell("payment_intent.created", intent)
        return params.isOn("confirm") ? try confirm(intent, method) : intent
    }

    func updateIntent() throws(StripeError) -> JSON {
        let intent = try object(.paymentIntent)
        guard
            ["requires_payment_method", "requires_confirmation", "requires_action"].contains(intent.text("status"))
                || params.members?.allSatisfy({ ["metadata", "description", "expand"].contains($0.name) }) == true
        else { throw unexpected(intent, "update") }
        if let amount = params["amount"]?.integer { try checkAmount(amount) }
        try books.checkMetadata(params)
        let method = try givenMethod()
        return books.change(intent) { intent in
            books.copy(
                "amount currency customer setup_future_usage description metadata receipt_email statement_descriptor "
                    + "statement_descriptor_suffix shipping transfer_group",
                from: params, to: &intent)
            guard let method else { return }
            intent.set("payment_method", method["id"] ?? .null)
            if intent.text("status") == "requires_payment_method" { intent.set("status", "requires_confirmation") }
        }
    }

    func confirm(_ intent: JSON, _ given: JSON? = nil) throws(StripeError) -> JSON {
        guard ["requires_payment_method", "requires_confirmation", "requires_action"].contains(intent.text("status"))
        else { throw unexpected(intent, "confirm") }
        let named = given == nil ? try givenMethod() : given
        guard let method = named ?? books.find(.paymentMethod, intent.text("payment_method")) else {
            var error = unexpected(intent, "confirm")
            error.message = """
                You cannot confirm this PaymentIntent because it's missing a payment method. Update the PaymentIntent \
                with a payment method and then confirm it again.
                """
            throw error
        }
        try checkOwner(of: method, intent.text("customer"))
        var asked = intent
        books.copy("capture_method receipt_email setup_future_usage shipping", from: params, to: &asked)
        let attempt = books.attempt(
            asked, with: method,
            .init(
                isOffSession: params.isOn("off_session"), refusesAction: params.isOn("error_on_requires_action"),
                returnURL: params.text("return_url")))
        if let decline = attempt.decline {
            invoiceFollows(attempt)
            throw decline
        }
        return attempt.intent
    }

    /// The first invoice of a subscription has been tried once more.
    private func invoiceFollows(_ attempt: Books.Attempt) {
        guard let invoice = books.find(.invoice, attempt.intent.text("_invoice")) else { return }
        let tried = books.change(invoice) { invoice in
            invoice.set("attempted", true)
            invoice.set("attempt_count", JSON(invoice.int("attempt_count") + 1))
        }
        books.tell("invoice.payment_failed", tried)
    }

    func capture() throws(StripeError) -> JSON {
        let intent = try object(.paymentIntent)
        guard intent.text("status") == "requires_capture" else { throw unexpected(intent, "capture") }
        let capturable = intent.int("amount_capturable")
        let amount = params["amount_to_capture"]?.integer ?? capturable
        guard amount > 0, amount <= capturable else {
            throw StripeError(
                "The amount_to_capture (\(amount)) must be between 1 and the amount_capturable (\(capturable)).",
                code: "amount_too_large", param: "amount_to_capture")
        }
        if let charge = books.find(.charge, intent.text("latest_charge")) {
            let captured = charge.with("captured", true).with("amount_captured", JSON(amount))
            books.tell("charge.captured", books.book(captured))
        }
        let done = books.change(intent, telling: "payment_intent.succeeded") { intent in
            intent.set("status", "succeeded")
            intent.set("amount_received", JSON(amount))
            intent.set("amount_capturable", 0)
            books.copy("metadata statement_descriptor statement_descriptor_suffix", from: params, to: &intent)
        }
        if let invoice = books.find(.invoice, done.text("_invoice")) { books.settle(invoice) }
        return done
    }

    func unexpected(_ intent: JSON, _ verb: String) -> StripeError {
        let status = intent.text("status") ?? ""
        let reason =
            status == "succeeded"
            ? "it has already succeeded after being previously confirmed." : "it has a status of \(status)."
        var error = StripeError(
            "You cannot \(verb) this PaymentIntent because \(reason)", code: "payment_intent_unexpected_state")
        error.more = [.init("payment_intent", intent.visible)]
        return error
    }

    // MARK: Setup

    func createSetup() throws(StripeError) -> JSON {
        if let customer = params.text("customer") { _ = try books.find(.customer, customer, param: "customer") }
        let method = try givenMethod()
        let id = books.world.id(StripeResource.setupIntent.prefix)
        var intent = books.make(
            .setupIntent, id: id,
            [
                .init("client_secret", .string("\(id)_secret_\(books.world.id("", length: 25))")),
                .init("payment_method", method?["id"] ?? .null), .init("payment_method_types", methodTypes),
                .init("status", method == nil ? "requires_payment_method" : "requires_confirmation"),
            ])
        books.copy("customer usage description metadata", from: params, to: &intent)
        books.save(intent)
        books.tell("setup_intent.created", intent)
        return params.isOn("confirm") ? try confirmSetup(intent, method) : intent
    }

    func confirmSetup(_ intent: JSON, _ given: JSON? = nil) throws(StripeError) -> JSON {
        guard ["requires_payment_method", "requires_confirmation", "requires_action"].contains(intent.text("status"))
        else {
            throw StripeError(
                "You cannot confirm this SetupIntent because it has a status of \(intent.text("status") ?? "").",
                code: "setup_intent_unexpected_state")
        }
        let named = given == nil ? try givenMethod() : given
        guard let method = named ?? books.find(.paymentMethod, intent.text("payment_method")) else {
            throw StripeError(
                "You cannot confirm this SetupIntent because it's missing a payment method.",
                code: "setup_intent_unexpected_state")
        }
        let (done, problem) = books.setUp(intent, method, isAuthenticated: false, returnURL: params.text("return_url"))
        if let problem { throw problem }
        return done
    }
}

extension Books {
    /// Prepares a method for later payments.
    func setUp(
        _ intent: JSON, _ method: JSON, isAuthenticated: Bool, returnURL: String? = nil
    ) -> (intent: JSON, problem: StripeError?) {
        let behaviour = behaviour(of: method)
        if behaviour.isRefusedOnFile, let decline = behaviour.decline { return setupFailed(intent, method, decline) }
        let wantsPerson = behaviour == .authenticates || behaviour == .authenticatesUntilSetUp
        if wantsPerson, !isAuthenticated {
            let waiting = change(intent, telling: "setup_intent.requires_action") { intent in
                intent.set("payment_method", method["id"] ?? .null)
                intent.set("status", "requires_action")
                intent.set("next_action", nextAction(intent, "setup_intents", returnURL))
            }
            return (waiting, nil)
        }
        save(method.with("_set_up", true))
        if let customer = intent.text("customer"), method.text("customer") == nil {
            change(method.with("_set_up", true), telling: "payment_method.attached") {
                $0.set("customer", .string(customer))
            }
        }
        let done = change(intent, telling: "setup_intent.succeeded") { intent in
            intent.set("payment_method", method["id"] ?? .null)
            intent.set("status", "succeeded")
            intent.set("next_action", .null)
            intent.set("last_setup_error", .null)
        }
        return (done, nil)
    }

    func setupFailed(_ intent: JSON, _ method: JSON, _ decline: Decline) -> (intent: JSON, problem: StripeError?) {
        var error = StripeError.declined(decline, more: [.init("payment_method", method.visible)])
        let refused = change(intent, telling: "setup_intent.setup_failed") { intent in
            intent.set("payment_method", .null)
            intent.set("status", "requires_payment_method")
            intent.set("next_action", .null)
            intent.set("last_setup_error", error.json(request: ""))
        }
        error.more.append(.init("setup_intent", refused.visible))
        return (refused, error)
    }
}
