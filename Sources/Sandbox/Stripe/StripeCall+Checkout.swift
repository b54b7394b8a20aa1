import Kit

/// Checkout sessions: a page that a person pays on, and what comes of it.
extension StripeCall {
    func createSession() throws(StripeError) -> JSON {
        try books.checkMetadata(params)
        let mode = params.text("mode") ?? "payment"
        guard ["payment", "setup", "subscription"].contains(mode) else {
            throw .validation("Invalid mode: must be one of payment, setup, or subscription", nil, "mode")
        }
        if let customer = params.text("customer") { _ = try books.find(.customer, customer, param: "customer") }
        let lines = try sessionLines(mode)
        let total = Books.total(lines.map { $0.int("amount_total") })
        let id = books.world.id(StripeResource.checkoutSession.prefix, length: 58)
        let expires = params["expires_at"]?.integer ?? books.now + 86_400
        var session = books.make(
            .checkoutSession, id: id,
            [
                .init("mode", .string(mode)), .init("expires_at", JSON(expires)),
                .init("amount_subtotal", mode == "setup" ? .null : JSON(total)),
                .init("amount_total", mode == "setup" ? .null : JSON(total)),
                .init("currency", lines.first?["currency"] ?? JSON(params.text("currency"))),
                .init("payment_status", mode == "setup" ? "no_payment_required" : "unpaid"),
                .init("url", .string("\(books.platform.baseMark)/c/pay/\(id)")),
                .init(
                    "_line_items",
                    .stripeList(lines, url: "/v1/checkout/sessions/\(id)/line_items")),
                .init("_data", params),
            ])
        books.copy(
            "success_url cancel_url customer customer_email customer_creation client_reference_id metadata locale",
            from: params, to: &session)
        books.save(session)
        books.world.due("\(books.platform.id) session \(id)", at: expires)
        return session
    }

    private func sessionLines(_ mode: String) throws(StripeError) -> [JSON] {
        var lines: [JSON] = []
        guard (params["line_items"]?.elements?.count ?? 0) <= 100 else {
            throw .validation("A Checkout Session has at most 100 line items.", nil, "line_items")
        }
        for (index, item) in (params["line_items"]?.elements ?? []).enumerated() {
            let price = try price(of: item, "line_items[\(index)]")
            let quantity = try quantity(of: item, "line_items[\(index)][quantity]")
            let amount = price.int("unit_amount") * quantity
            lines.append([
                "id": .string(books.world.id("li_")), "object": "item", "amount_discount": 0,
                "amount_subtotal": JSON(amount), "amount_tax": 0, "amount_total": JSON(amount),
                "currency": price["currency"] ?? "usd", "description": .string(books.productName(price)),
                "metadata": .object([]), "price": price, "quantity": JSON(quantity),
            ])
            if mode == "payment", price.text("type") == "recurring" {
                throw StripeError(
                    "You specified `payment` mode but passed a recurring price. Either switch to `subscription` mode "
                        + "or use only one-time prices.", param: "line_items[\(index)][price]")
            }
        }
        if mode == "subscription", !lines.contains(where: { $0["price", "type"]?.text == "recurring" }) {
            throw StripeError(
                "You must provide at least one recurring price in `subscription` mode when using prices.",
                param: "line_items")
        }
        if mode == "payment", lines.isEmpty { throw .missing("line_items") }
        return lines
    }

    private func price(of item: JSON, _ path: String) throws(StripeError) -> JSON {
        guard let data = item.present("price_data") else {
            guard let id = item.text("price") else { throw .missing("\(path)[price]") }
            return try books.find(.price, id, param: "\(path)[price]")
        }
        var product = data.text("product")
        if let given = data.present("product_data") {
            var made = books.make(.product, [.init("updated", JSON(books.now))])
            books.copy("name description images metadata", from: given, to: &made)
            books.save(made)
            product = made.text("id")
        }
        guard let product else { throw .missing("\(path)[price_data][product_data]") }
        return try makePrice(data, of: product)
    }
}

extension Books {
    func expireSession(_ session: JSON) -> JSON {
        world.due("\(platform.id) session \(session.text("id") ?? "")", at: nil)
        return change(session, telling: "checkout.session.expired") { session in
            session.set("status", "expired")
            session.set("url", .null)
        }
    }

    /// The person has filled in the page. The finished session, or why the card was not taken.
    func complete(
        _ session: JSON, card: TestCard, email: String?, name: String?
    ) throws(StripeError) -> JSON {
        guard session.text("status") == "open" else { throw StripeError("This page is no longer open.") }
        let email = session.text("customer_email") ?? email
        let customer = buyer(of: session, email, name)
        let method = makeMethod(card)
        var done = session
        if let customer { done.set("customer", customer["id"] ?? .null) }
        let data = session["_data"] ?? .object([])
        switch session.text("mode") {
        case "subscription":
            guard let customer else { throw StripeError("A subscription needs a customer.") }
            let attached = try attach(method, to: customer.text("id") ?? "", quietly: true)
            let subscription = try subscribe(customer, session, method, data["subscription_data"])
            tell("payment_method.attached", attached)
            done.set("subscription", subscription["id"] ?? .null)
            done.set("invoice", subscription["latest_invoice"] ?? .null)
            done.set("payment_status", subscription.text("status") == "trialing" ? "no_payment_required" : "paid")
        case "setup":
            let id = world.id(StripeResource.setupIntent.prefix)
            var intent = make(.setupIntent, id: id, [.init("customer", customer?["id"] ?? .null)])
            copy("metadata description", from: data["setup_intent_data"] ?? .object([]), to: &intent)
            let (set, problem) = setUp(intent, method, isAuthenticated: true)
            if let problem { throw problem }
            done.set("setup_intent", set["id"] ?? .null)
        default:
            let intent = try pay(session, customer, method, data["payment_intent_data"])
            done.set("payment_intent", intent["id"] ?? .null)
            done.set("payment_status", intent.text("status") == "succeeded" ? "paid" : "unpaid")
        }
        world.due("\(platform.id) session \(session.text("id") ?? "")", at: nil)
        return change(session, telling: "checkout.session.completed") { changed in
            changed = done
            changed.set("status", "complete")
            changed.set("url", .null)
            changed.set(
                "customer_details",
                [
                    "address": .null, "business_name": .null, "email": JSON(email ?? customer?.text("email")),
                    "individual_name": .null, "name": JSON(name), "phone": .null, "tax_exempt": "none", "tax_ids": [],
                ])
        }
    }

    private func buyer(of session: JSON, _ email: String?, _ name: String?) -> JSON? {
        if let known = find(.customer, session.text("customer")) { return known }
        guard session.text("mode") != "payment" || session.text("customer_creation") == "always" else { return nil }
        let customer = make(.customer, [.init("email", JSON(email)), .init("name", JSON(name))])
        tell("customer.created", customer)
        return customer
    }

    private func subscribe(
        _ customer: JSON, _ session: JSON, _ method: JSON, _ data: JSON?
    ) throws(StripeError) -> JSON {
        let items = session.data("_line_items").map { line -> JSON in
            ["price": line["price", "id"] ?? .null, "quantity": line["quantity"] ?? 1]
        }
        var params: JSON = [
            "customer": customer["id"] ?? .null, "items": .array(items),
            "default_payment_method": method["id"] ?? .null, "payment_behavior": "error_if_incomplete",
        ]
        for name in ["metadata", "description", "trial_period_days"] {
            if let value = data?[name] { params.set(name, value) }
        }
        return try StripeCall(books: self, path: [], params: params, version: StripeVersions.newest)
            .createSubscription()
    }

    private func pay(
        _ session: JSON, _ customer: JSON?, _ method: JSON, _ data: JSON?
    ) throws(StripeError) -> JSON {
        let id = world.id(StripeResource.paymentIntent.prefix)
        var intent = make(
            .paymentIntent, id: id,
            [
                .init("amount", session["amount_total"] ?? 0), .init("currency", session["currency"] ?? "usd"),
                .init("customer", customer?["id"] ?? .null),
                .init("client_secret", .string("\(id)_secret_\(world.id("", length: 25))")),
            ])
        copy("metadata description capture_method setup_future_usage", from: data ?? .object([]), to: &intent)
        save(intent)
        tell("payment_intent.created", intent)
        let attempt = attempt(intent, with: method, Confirmation(isAuthenticated: true))
        if let decline = attempt.decline { throw decline }
        return attempt.intent
    }
}
