import Kit

/// Subscriptions on a movable clock: begun, renewed, in arrears, ended.
extension Books {
    /// An item that is asked for, with its price.
    struct WantedItem {
        let price: JSON
        let quantity: Int64
        var metadata: JSON = .object([])
    }

    func end(of period: JSON, from start: Int64, anchor: Int64) -> Int64 {
        let recurring = period["recurring"] ?? .object([])
        let count = max(1, recurring.int("interval_count"))
        switch recurring.text("interval") {
        case "day": return start + count * 86_400
        case "week": return start + count * 7 * 86_400
        case "year": return CivilDate.adding(months: 12 * count, to: start, anchorDay: CivilDate.day(of: anchor))
        default: return CivilDate.adding(months: count, to: start, anchorDay: CivilDate.day(of: anchor))
        }
    }

    func item(_ wanted: WantedItem, of subscription: String, start: Int64, end: Int64) -> JSON {
        make(
            .subscriptionItem,
            [
                .init("current_period_start", JSON(start)), .init("current_period_end", JSON(end)),
                .init("price", wanted.price), .init("plan", plan(wanted.price)),
                .init("quantity", JSON(wanted.quantity)), .init("subscription", .string(subscription)),
                .init("metadata", wanted.metadata),
            ])
    }

    /// The older twin of a price.
    func plan(_ price: JSON) -> JSON {
        let recurring = price["recurring"] ?? .object([])
        return [
            "id": price["id"] ?? .null, "object": "plan", "active": price["active"] ?? true,
            "amount": price["unit_amount"] ?? .null, "amount_decimal": price["unit_amount_decimal"] ?? .null,
            "billing_scheme": "per_unit", "created": price["created"] ?? 0, "currency": price["currency"] ?? .null,
            "interval": recurring["interval"] ?? "month", "interval_count": recurring["interval_count"] ?? 1,
            "livemode": false, "metadata": price["metadata"] ?? .object([]), "meter": .null,
            "nickname": price["nickname"] ?? .null, "product": price["product"] ?? .null, "tiers_mode": .null,
            "transform_usage": .null, "trial_period_days": .null, "usage_type": "licensed",
        ]
    }

    func withItems(_ subscription: JSON, _ items: [JSON]) -> JSON {
        for item in items { save(item) }
        let id = subscription.text("id") ?? ""
        return subscription.with(
            "items",
            .stripeList(items.map(\.visible), url: "/v1/subscription_items?subscription=\(id)", counted: true))
    }

    /// The period that is paid for next.
    func lines(of subscription: JSON) -> [Line] {
        subscription.data("items").map { item in
            let price = item["price"] ?? .object([])
            let quantity = item.int("quantity")
            return Line(
                amount: price.int("unit_amount") * quantity,
                description: "\(quantity) × \(productName(price)) (at \(amount(price)) / \(interval(price)))",
                start: item.int("current_period_start"), end: item.int("current_period_end"), quantity: quantity,
                price: price, subscription: subscription.text("id"), item: item.text("id"))
        }
    }

    func productName(_ price: JSON) -> String {
        find(.product, price.text("product"))?.text("name") ?? "Subscription"
    }
    private func interval(_ price: JSON) -> String { price["recurring", "interval"]?.text ?? "month" }
    private func amount(_ price: JSON) -> String { Self.money(price.int("unit_amount"), price.text("currency")) }

    /// `19.99 USD`.
    static func money(_ minor: Int64, _ currency: String?) -> String {
        let cents = abs(minor % 100)
        return "\(minor / 100).\(cents < 10 ? "0" : "")\(cents) \((currency ?? "usd").uppercased())"
    }

    /// Takes what waits for the customer's next invoice.
    func pendingLines(of customer: String, _ subscription: String?) -> [Line] {
        world.objects(of: StripeResource.invoiceItem.kind).reversed().filter { item in
            item.text("customer") == customer && item.text("invoice") == nil
                && (item.text("_subscription") == nil || item.text("_subscription") == subscription)
        }.map { item in
            Line(
                amount: item.int("amount"), description: item.text("description") ?? "Invoice item",
                start: item["period"]?.int("start") ?? now, end: item["period"]?.int("end") ?? now,
                quantity: item.int("quantity"), price: find(.price, item["pricing", "price_details", "price"]?.text),
                subscription: item.text("_subscription"), invoiceItem: item.text("id"),
                isProration: item.isOn("proration"))
        }
    }

    func putOn(_ invoice: JSON, _ lines: [Line]) {
        for line in lines {
            guard let item = find(.invoiceItem, line.invoiceItem) else { continue }
            save(item.with("invoice", invoice["id"] ?? .null))
        }
    }

    // MARK: What invoices do to them

    func invoicePaid(_ invoice: JSON, of subscription: JSON) {
        let id = subscription.text("id") ?? ""
        world.due("\(platform.id) expire \(id)", at: nil)
        guard ["incomplete", "past_due", "unpaid"].contains(subscription.text("status")) else { return }
        change(subscription, telling: "customer.subscription.updated") { subscription in
            subscription.set("status", "active")
            let saves = subscription["payment_settings", "save_default_payment_method"]?.text == "on_subscription"
            if saves, let intent = find(.paymentIntent, invoice.text("_intent")) {
                subscription.set("default_payment_method", intent["payment_method"] ?? .null)
            }
        }
    }

    func invoiceFailed(_ invoice: JSON, of subscription: JSON, isLast: Bool) {
        if isLast {
            end(subscription, reason: "payment_failed")
        } else if ["active", "trialing"].contains(subscription.text("status")) {
            change(subscription, telling: "customer.subscription.updated") { $0.set("status", "past_due") }
        }
    }

    @discardableResult
    func end(_ subscription: JSON, reason: String, status: String = "canceled") -> JSON {
        let id = subscription.text("id") ?? ""
        for what in ["renew", "expire", "trial"] { world.due("\(platform.id) \(what) \(id)", at: nil) }
        let ended = change(subscription) { subscription in
            subscription.set("status", .string(status))
            subscription.set("ended_at", JSON(now))
            if subscription["canceled_at"]?.isNull ?? true { subscription.set("canceled_at", JSON(now)) }
            subscription.set(["cancellation_details", "reason"], .string(reason))
        }
        if status == "incomplete_expired" {
            tell("customer.subscription.updated", ended, before: subscription.difference(to: ended))
        } else {
            tell("customer.subscription.deleted", ended)
        }
        return ended
    }

    // MARK: What the clock does to them

    /// A period is over: the next one begins and is billed, or the subscription ends.
    func renew(_ id: String) {
        guard let subscription = find(.subscription, id),
            ["trialing", "active", "past_due", "unpaid"].contains(subscription.text("status"))
        else { return }
        let cancelAt = subscription["cancel_at"]?.integer
        if subscription.isOn("cancel_at_period_end") || cancelAt.map({ $0 <= now }) == true {
            end(subscription, reason: "cancellation_requested")
            return
        }
        let renewed = change(subscription, telling: "customer.subscription.updated") { subscription in
            let items = subscription.data("items").map { item -> JSON in
                let start = item.int("current_period_end")
                return item.with("current_period_start", JSON(start)).with(
                    "current_period_end",
                    JSON(end(of: item["price"] ?? .null, from: start, anchor: subscription.int("billing_cycle_anchor")))
                )
            }
            if subscription.text("status") == "trialing" { subscription.set("status", "active") }
            subscription = withItems(subscription, items)
        }
        planRenewal(renewed)
        bill(renewed)
    }

    func planRenewal(_ subscription: JSON) {
        let end = subscription.data("items").map { $0.int("current_period_end") }.min() ?? now
        let cancelAt = subscription["cancel_at"]?.integer
        world.due("\(platform.id) renew \(subscription.text("id") ?? "")", at: min(end, cancelAt ?? end))
    }

    /// A draft that is finalized and collected an hour later.
    private func bill(_ subscription: JSON) {
        guard let customer = find(.customer, subscription.text("customer")) else { return }
        let pending = pendingLines(of: customer.text("id") ?? "", subscription.text("id"))
        let items = subscription.data("items")
        let (start, end) = (items.first?.int("current_period_start") ?? now, now)
        let invoice = draft(
            for: customer, subscription: subscription, reason: "subscription_cycle",
            lines: pending + lines(of: subscription), currency: subscription.text("currency") ?? "usd",
            period: (min(subscription.int("_last_period_start"), start), end),
            [.init("automatically_finalizes_at", JSON(now + 3600))])
        putOn(invoice, pending)
        change(find(.subscription, subscription.text("id")) ?? subscription) {
            $0.set("latest_invoice", invoice["id"] ?? .null)
            $0.set("_last_period_start", JSON(start))
        }
        switch subscription["pause_collection", "behavior"]?.text {
        case "void": _ = void(finalize(invoice))
        case "keep_as_draft": save(invoice.with("auto_advance", false))
        case "mark_uncollectible": _ = markUncollectible(finalize(invoice))
        default: world.due("\(platform.id) finalize \(invoice.text("id") ?? "")", at: now + 3600)
        }
    }

    func markUncollectible(_ invoice: JSON) -> JSON {
        change(invoice, telling: "invoice.marked_uncollectible") { invoice in
            invoice.set("status", "uncollectible")
            invoice.set(["status_transitions", "marked_uncollectible_at"], JSON(now))
        }
    }

    func finalizeDue(_ id: String) {
        guard let invoice = find(.invoice, id), invoice.text("status") == "draft" else { return }
        let open = finalize(invoice)
        if open.text("collection_method") == "charge_automatically" { collect(open) }
    }

    func retry(_ id: String) {
        guard let invoice = find(.invoice, id), invoice.text("status") == "open" else { return }
        collect(invoice)
    }

    /// Nobody paid the first invoice within 23 hours.
    func expire(_ id: String) {
        guard let subscription = find(.subscription, id), subscription.text("status") == "incomplete" else { return }
        end(subscription, reason: "payment_failed", status: "incomplete_expired")
        if let invoice = find(.invoice, subscription.text("latest_invoice")), invoice.text("status") == "open" {
            _ = void(invoice)
        }
    }

    func trialEndsSoon(_ id: String) {
        guard let subscription = find(.subscription, id), subscription.text("status") == "trialing" else { return }
        tell("customer.subscription.trial_will_end", subscription)
    }
}
