import Kit

/// What is asked of invoices.
extension StripeCall {
    func draftInvoice(_ verb: String) throws(StripeError) -> JSON {
        let invoice = try object(.invoice)
        guard invoice.text("status") == "draft" else {
            throw StripeError(
                "This invoice is \(invoice.text("status") ?? ""): you can only \(verb) a draft.",
                code: "invoice_not_editable")
        }
        return invoice
    }

    func openInvoice(_ verb: String) throws(StripeError) -> JSON {
        let invoice = try object(.invoice)
        guard ["open", "uncollectible"].contains(invoice.text("status")) else {
            throw StripeError(
                "You can only \(verb) an open invoice; this one is \(invoice.text("status") ?? "").",
                code: "invoice_not_editable")
        }
        return invoice
    }

    func createInvoice() throws(StripeError) -> JSON {
        let customer = try books.find(.customer, params.text("customer"), param: "customer")
        try books.checkMetadata(params)
        var subscription: JSON?
        if let id = params.text("subscription") {
            subscription = try books.find(.subscription, id, param: "subscription")
        }
        let takes = params.text("pending_invoice_items_behavior") == "include" || subscription != nil
        let pending = takes ? books.pendingLines(of: customer.text("id") ?? "", subscription?.text("id")) : []
        var invoice = books.draft(
            for: customer, subscription: subscription, reason: "manual", lines: pending,
            currency: params.text("currency") ?? "usd", period: (books.now, books.now))
        books.putOn(invoice, pending)
        books.copy(
            "description metadata collection_method auto_advance default_payment_method footer", from: params,
            to: &invoice)
        if invoice.text("collection_method") == "send_invoice" {
            invoice.set("due_date", JSON(books.now + (params["days_until_due"]?.integer ?? 30) * 86_400))
        }
        books.save(invoice)
        return invoice
    }

    func payInvoice() throws(StripeError) -> JSON {
        var invoice = try object(.invoice)
        if invoice.text("status") == "draft" { invoice = books.finalize(invoice) }
        if invoice.text("status") == "paid" {
            throw StripeError("Invoice is already paid", code: "invoice_already_paid")
        }
        guard invoice.text("status") != "void" else { throw StripeError("This invoice is void and cannot be paid.") }
        if params.isOn("paid_out_of_band") { return books.settle(invoice, outOfBand: true) }
        let method = try books.method(params.text("payment_method"))
        let attempt = books.collect(invoice, with: method)
        guard let attempt else {
            var error = StripeError(
                "There is no `default_payment_method` set on this Customer or Invoice.", code: "resource_missing")
            error.commits = true
            throw error
        }
        if let decline = attempt.decline { throw decline }
        guard attempt.isPaid else {
            var error = StripeError.declined(
                Decline(
                    "invoice_payment_intent_requires_action", nil,
                    "This payment requires additional user action before it can be completed successfully."),
                more: [.init("payment_intent", attempt.intent.visible)])
            error.commits = true
            throw error
        }
        return try object(.invoice)
    }

    func createInvoiceItem() throws(StripeError) -> JSON {
        let customer = try books.find(.customer, params.text("customer"), param: "customer")
        try books.checkMetadata(params)
        var amount = params["amount"]?.integer
        let quantity = try quantity(of: params, "quantity")
        var price: JSON?
        if let id = params["pricing", "price"]?.text {
            price = try books.find(.price, id, param: "pricing[price]")
            amount = price.map { $0.int("unit_amount") * quantity }
        }
        guard let amount else { throw .missing("amount") }
        let line = Books.Line(
            amount: amount, description: params.text("description") ?? price.map(books.productName) ?? "Invoice item",
            start: books.now, end: books.now, quantity: quantity, price: price,
            subscription: params.text("subscription"))
        var item = books.keep(line, for: customer)
        if let currency = params.text("currency") { item.set("currency", .string(try books.currency(currency))) }
        books.copy("metadata", from: params, to: &item)
        books.save(item)
        guard let id = params.text("invoice") else { return item }
        let invoice = try books.find(.invoice, id, param: "invoice")
        guard invoice.text("status") == "draft" else {
            throw StripeError("This invoice is no longer editable", code: "invoice_not_editable", param: "invoice")
        }
        books.add([item], to: invoice)
        return try books.find(.invoiceItem, item.text("id"), param: "id")
    }

    /// What the next invoice would be; nothing is kept.
    func preview() throws(StripeError) -> JSON {
        var subscription: JSON?
        if let id = params.text("subscription") {
            subscription = try books.find(.subscription, id, param: "subscription")
        }
        let owner = params.text("customer") ?? subscription?.text("customer")
        guard let owner else { throw .missing("customer") }
        let customer = try books.find(.customer, owner, param: "customer")
        var lines: [Books.Line] = []
        if let subscription {
            lines = books.lines(of: subscription).map { line in
                var next = line
                next.start = line.end
                next.end = books.end(
                    of: line.price ?? .null, from: line.end, anchor: subscription.int("billing_cycle_anchor"))
                return next
            }
        }
        lines = books.pendingLines(of: owner, subscription?.text("id")) + lines
        guard !lines.isEmpty else {
            throw StripeError("No upcoming invoices for customer: \(owner)", code: "invoice_upcoming_none", status: 404)
        }
        let end = subscription?.data("items").first?.int("current_period_end") ?? books.now
        let invoice = books.draft(
            for: customer, subscription: subscription, reason: "upcoming", lines: lines,
            currency: subscription?.text("currency") ?? "usd", period: (books.now, end))
        books.world.rollBack()
        return invoice.with("id", .string("upcoming_\(invoice.text("id") ?? "")"))
    }
}

extension Books {
    /// Something that waits for the customer's next invoice.
    func keep(_ line: Line, for customer: JSON) -> JSON {
        make(
            .invoiceItem,
            [
                .init("amount", JSON(line.amount)), .init("net_amount", JSON(line.amount)),
                .init("currency", line.price?["currency"] ?? "usd"), .init("customer", customer["id"] ?? .null),
                .init("date", JSON(now)), .init("description", .string(line.description)),
                .init("period", ["end": JSON(line.end), "start": JSON(line.start)]),
                .init("proration", .bool(line.isProration)), .init("quantity", JSON(line.quantity)),
                .init("quantity_decimal", .string(String(line.quantity))),
                .init("discountable", .bool(!line.isProration)), .init("_subscription", JSON(line.subscription)),
                .init(
                    "pricing",
                    line.price.map { price in
                        [
                            "price_details": ["price": price["id"] ?? .null, "product": price["product"] ?? .null],
                            "type": "price_details", "unit_amount_decimal": price["unit_amount_decimal"] ?? .null,
                        ]
                    } ?? .null),
            ])
    }

    /// Puts items on a draft.
    func add(_ items: [JSON], to invoice: JSON) {
        let id = invoice.text("id") ?? ""
        let lines = items.map { item in
            Line(
                amount: item.int("amount"), description: item.text("description") ?? "", start: now, end: now,
                quantity: item.int("quantity"), invoiceItem: item.text("id"))
        }
        let added = list(of: lines, on: id, invoice.text("currency") ?? "usd")
        let data = invoice.data("lines") + (added["data"]?.elements ?? [])
        let total = Self.total(data.map { $0.int("amount") })
        change(invoice, telling: "invoice.updated") { invoice in
            invoice.set("lines", .stripeList(data, url: "/v1/invoices/\(id)/lines", counted: true))
            for name in ["subtotal", "total", "subtotal_excluding_tax", "total_excluding_tax"] {
                invoice.set(name, JSON(total))
            }
            for name in ["amount_due", "amount_remaining"] { invoice.set(name, JSON(max(0, total))) }
        }
        for item in items { save(item.with("invoice", .string(id))) }
    }
}
