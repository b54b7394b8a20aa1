import Kit

/// Invoices: drafted, finalized, paid or not, tried again.
extension Books {
    /// A line before it is on an invoice.
    struct Line {
        var amount: Int64
        var description: String
        var start: Int64
        var end: Int64
        var quantity: Int64 = 1
        var price: JSON?
        /// What it is of: an item of a subscription, or an invoice item.
        var subscription: String?
        var item: String?
        var invoiceItem: String?
        var isProration = false
    }

    /// No amount of Stripe's has more digits. Sums end here, so that what is reckoned with them never overflows.
    private static let amountMax: Int64 = 999_999_999_999

    /// The sum of amounts, each within ten thousand times the bound.
    static func total(_ amounts: [Int64]) -> Int64 {
        amounts.reduce(0) { min(max($0 + $1, -amountMax), amountMax) }
    }

    func draft(
        for customer: JSON, subscription: JSON?, reason: String, lines: [Line], currency: String,
        period: (start: Int64, end: Int64), _ more: [JSONMember] = []
    ) -> JSON {
        let id = world.id(StripeResource.invoice.prefix)
        let total = Self.total(lines.map(\.amount))
        let due = max(0, total)
        var parent: JSON = .null
        if let subscription {
            parent = [
                "quote_details": .null,
                "subscription_details": [
                    "metadata": subscription["metadata"] ?? .object([]), "subscription": subscription["id"] ?? .null,
                ], "type": "subscription_details",
            ]
        }
        let members: [JSONMember] = [
            .init("customer", customer["id"] ?? .null), .init("customer_email", customer["email"] ?? .null),
            .init("customer_name", customer["name"] ?? .null), .init("customer_phone", customer["phone"] ?? .null),
            .init("customer_address", customer["address"] ?? .null), .init("billing_reason", .string(reason)),
            .init("currency", .string(currency)), .init("parent", parent),
            .init("lines", list(of: lines, on: id, currency)), .init("period_start", JSON(period.start)),
            .init("period_end", JSON(period.end)), .init("subtotal", JSON(total)), .init("total", JSON(total)),
            .init("subtotal_excluding_tax", JSON(total)), .init("total_excluding_tax", JSON(total)),
            .init("amount_due", JSON(due)), .init("amount_remaining", JSON(due)),
            .init("collection_method", subscription?["collection_method"] ?? "charge_automatically"),
            .init("auto_advance", .bool(subscription != nil)),
            .init("default_payment_method", subscription?["default_payment_method"] ?? .null),
        ]
        let invoice = make(.invoice, id: id, members + more)
        tell("invoice.created", invoice)
        return invoice
    }

    func list(of lines: [Line], on invoice: String, _ currency: String) -> JSON {
        let data = lines.map { line -> JSON in
            let details: JSON =
                line.invoiceItem != nil
                ? [
                    "invoice_item": JSON(line.invoiceItem), "proration": .bool(line.isProration),
                    "proration_details": .null, "subscription": JSON(line.subscription),
                ]
                : [
                    "invoice_item": .null, "proration": .bool(line.isProration), "proration_details": .null,
                    "subscription": JSON(line.subscription), "subscription_item": JSON(line.item),
                ]
            let kind = line.invoiceItem != nil ? "invoice_item_details" : "subscription_item_details"
            return [
                "id": .string(world.id("il_")), "object": "line_item", "amount": JSON(line.amount),
                "currency": .string(currency), "description": .string(line.description), "discount_amounts": [],
                "discountable": .bool(!line.isProration), "discounts": [], "invoice": .string(invoice),
                "livemode": false, "metadata": .object([]),
                "parent": .object([.init("type", .string(kind)), .init(kind, details)]),
                "period": ["end": JSON(line.end), "start": JSON(line.start)], "pretax_credit_amounts": [],
                "pricing": pricing(line), "quantity": JSON(line.quantity), "subtotal": JSON(line.amount), "taxes": [],
            ]
        }
        return .stripeList(data, url: "/v1/invoices/\(invoice)/lines", counted: true)
    }

    private func pricing(_ line: Line) -> JSON {
        guard let price = line.price else { return .null }
        return [
            "price_details": ["price": price["id"] ?? .null, "product": price["product"] ?? .null],
            "type": "price_details", "unit_amount_decimal": price["unit_amount_decimal"] ?? .null,
        ]
    }

    /// Makes a draft binding: a number, a page, and a payment intent where there is something to pay.
    @discardableResult
    func finalize(_ invoice: JSON) -> JSON {
        let id = invoice.text("id") ?? ""
        var sequence: Int64 = 1
        var prefix = "RYE"
        if let customer = find(.customer, invoice.text("customer")) {
            sequence = customer.int("next_invoice_sequence")
            prefix = customer.text("invoice_prefix") ?? prefix
            save(customer.with("next_invoice_sequence", JSON(sequence + 1)))
        }
        let digits = String(sequence)
        let number = "\(prefix)-\(String(repeating: "0", count: max(0, 4 - digits.count)))\(digits)"
        var open = invoice
        open.set("number", .string(number))
        open.set("status", "open")
        open.set("effective_at", JSON(now))
        open.set("automatically_finalizes_at", .null)
        open.set(["status_transitions", "finalized_at"], JSON(now))
        open.set("hosted_invoice_url", .string("\(platform.baseMark)/i/\(id)"))
        open.set("invoice_pdf", .string("\(platform.baseMark)/i/\(id)/pdf"))
        if open.int("amount_due") > 0 { open.set("_intent", intent(for: open)["id"] ?? .null) }
        save(open)
        tell("invoice.finalized", open)
        return open.int("amount_due") > 0 ? open : settle(open)
    }

    private func intent(for invoice: JSON) -> JSON {
        let id = world.id(StripeResource.paymentIntent.prefix)
        let secret = "\(id)_secret_\(world.id("", length: 25))"
        let number = invoice.text("number") ?? ""
        let intent = make(
            .paymentIntent, id: id,
            [
                .init("amount", invoice["amount_due"] ?? 0), .init("currency", invoice["currency"] ?? .null),
                .init("customer", invoice["customer"] ?? .null), .init("client_secret", .string(secret)),
                .init(
                    "description",
                    .string(invoice["parent"]?.isNull ?? true ? "Invoice \(number)" : "Subscription update")),
                .init("_invoice", invoice["id"] ?? .null),
                .init("setup_future_usage", invoice["_saves_method"] ?? .null),
            ])
        tell("payment_intent.created", intent)
        _ = make(
            .invoicePayment,
            [
                .init("amount_requested", invoice["amount_due"] ?? 0), .init("currency", invoice["currency"] ?? .null),
                .init("invoice", invoice["id"] ?? .null),
                .init("payment", ["payment_intent": .string(id), "type": "payment_intent"]),
            ])
        return intent
    }

    /// Tries to collect a finalized invoice with what is on file.
    @discardableResult
    func collect(_ invoice: JSON, with method: JSON? = nil, isOffSession: Bool = true) -> Attempt? {
        guard invoice.text("status") == "open" || invoice.text("status") == "uncollectible",
            let intent = find(.paymentIntent, invoice.text("_intent"))
        else { return nil }
        let usual = usualMethod(
            of: invoice.text("customer"), invoice.text("default_payment_method"),
            find(.subscription, invoice["parent", "subscription_details", "subscription"]?.text)?
                .text("default_payment_method"))
        guard let method = method ?? usual else {
            failed(invoice, nil)
            return nil
        }
        let attempt = attempt(intent, with: method, Confirmation(isOffSession: false))
        if !attempt.isPaid { failed(find(.invoice, invoice.text("id")) ?? invoice, attempt) }
        return attempt
    }

    /// Paid, by whatever means.
    @discardableResult
    func settle(_ invoice: JSON, outOfBand: Bool = false) -> JSON {
        guard invoice.text("status") != "paid" else { return invoice }
        let id = invoice.text("id") ?? ""
        world.due("\(platform.id) retry \(id)", at: nil)
        var paid = invoice
        paid.set("status", "paid")
        paid.set("amount_paid", invoice["amount_due"] ?? 0)
        paid.set("amount_remaining", 0)
        paid.set("attempted", true)
        if invoice.int("amount_due") > 0 { paid.set("attempt_count", JSON(invoice.int("attempt_count") + 1)) }
        paid.set("next_payment_attempt", .null)
        paid.set("auto_advance", false)
        paid.set(["status_transitions", "paid_at"], JSON(now))
        save(paid)
        for payment in payments(of: id) where payment.text("status") == "open" && !outOfBand {
            change(payment, telling: "invoice_payment.paid") { payment in
                payment.set("status", "paid")
                payment.set("amount_paid", payment["amount_requested"] ?? 0)
                payment.set(["status_transitions", "paid_at"], JSON(now))
            }
        }
        tell("invoice.paid", paid)
        if !outOfBand { tell("invoice.payment_succeeded", paid) }
        if let subscription = find(.subscription, paid["parent", "subscription_details", "subscription"]?.text) {
            invoicePaid(paid, of: subscription)
        }
        return paid
    }

    /// In days after a failed attempt, at most three further ones: 3, then 5, then 7 days.
    private static let retries: [Int64] = [3, 5, 7]

    private func failed(_ invoice: JSON, _ attempt: Attempt?) {
        let id = invoice.text("id") ?? ""
        let count = invoice.int("attempt_count") + 1
        let isFirst = invoice.text("billing_reason") == "subscription_create"
        let pause = isFirst || count > Self.retries.count ? nil : Self.retries[Int(count - 1)] * 86_400
        let open = change(invoice) { invoice in
            invoice.set("attempted", true)
            invoice.set("attempt_count", JSON(count))
            invoice.set("next_payment_attempt", JSON(pause.map { now + $0 }))
        }
        world.due("\(platform.id) retry \(id)", at: pause.map { now + $0 })
        tell("invoice.payment_failed", open)
        if attempt?.intent.text("status") == "requires_action" { tell("invoice.payment_action_required", open) }
        if let subscription = find(.subscription, open["parent", "subscription_details", "subscription"]?.text) {
            invoiceFailed(open, of: subscription, isLast: pause == nil && !isFirst)
        }
    }

    func void(_ invoice: JSON) -> JSON {
        world.due("\(platform.id) retry \(invoice.text("id") ?? "")", at: nil)
        if let intent = find(.paymentIntent, invoice.text("_intent")), intent.text("status") != "succeeded" {
            cancel(intent, reason: "void_invoice")
        }
        return change(invoice, telling: "invoice.voided") { invoice in
            invoice.set("status", "void")
            invoice.set("auto_advance", false)
            invoice.set("next_payment_attempt", .null)
            invoice.set(["status_transitions", "voided_at"], JSON(now))
        }
    }

    @discardableResult
    func cancel(_ intent: JSON, reason: String?) -> JSON {
        if intent.text("status") == "requires_capture", let charge = find(.charge, intent.text("latest_charge")) {
            change(charge, telling: "charge.refunded") { charge in
                charge.set("refunded", true)
                charge.set("amount_refunded", charge["amount"] ?? 0)
            }
        }
        return change(intent, telling: "payment_intent.canceled") { intent in
            intent.set("status", "canceled")
            intent.set("canceled_at", JSON(now))
            intent.set("cancellation_reason", JSON(reason))
            intent.set("amount_capturable", 0)
            intent.set("next_action", .null)
        }
    }

    func payments(of invoice: String) -> [JSON] {
        world.objects(of: StripeResource.invoicePayment.kind).filter { $0.text("invoice") == invoice }
    }
}
