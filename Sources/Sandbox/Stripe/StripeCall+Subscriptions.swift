import Kit

/// What is asked of subscriptions.
extension StripeCall {
    private static let firstPayment: Int64 = 23 * 3600

    func createSubscription() throws(StripeError) -> JSON {
        let customer = try books.find(.customer, params.text("customer"), param: "customer")
        try books.checkMetadata(params)
        let wanted = try wantedItems()
        let method = params.text("default_payment_method")
        if let method { _ = try books.find(.paymentMethod, method, param: "default_payment_method") }
        let now = books.now
        let trialEnd = try trialEnd()
        let id = books.world.id(StripeResource.subscription.prefix)
        let first = wanted.first?.price ?? .null
        let end = trialEnd ?? books.end(of: first, from: now, anchor: now)
        let items = wanted.map { books.item($0, of: id, start: now, end: end) }
        var subscription = books.make(
            .subscription, id: id,
            [
                .init("customer", customer["id"] ?? .null), .init("currency", first["currency"] ?? "usd"),
                .init("billing_cycle_anchor", JSON(trialEnd ?? now)), .init("start_date", JSON(now)),
                .init("status", trialEnd != nil ? "trialing" : "incomplete"),
                .init("trial_start", trialEnd != nil ? JSON(now) : .null), .init("trial_end", JSON(trialEnd)),
                .init("_last_period_start", JSON(now)),
            ])
        books.copy(
            "default_payment_method description metadata collection_method days_until_due cancel_at "
                + "cancel_at_period_end payment_settings trial_settings",
            from: params, to: &subscription)
        subscription = books.withItems(subscription, items)
        books.save(subscription)
        return try begin(subscription, customer)
    }

    private func begin(_ subscription: JSON, _ customer: JSON) throws(StripeError) -> JSON {
        let id = subscription.text("id") ?? ""
        let isTrial = subscription.text("status") == "trialing"
        let isSent = subscription.text("collection_method") == "send_invoice"
        let behavior = params.text("payment_behavior") ?? "allow_incomplete"
        let method = books.usualMethod(of: customer.text("id"), subscription.text("default_payment_method"))
        let lines = books.lines(of: subscription).map { line in
            var line = line
            if isTrial { (line.amount, line.description) = (0, "Trial period for \(line.description)") }
            return line
        }
        let isFree = Books.total(lines.map(\.amount)) == 0
        if !isTrial, !isSent, !isFree, method == nil, behavior != "default_incomplete" {
            throw StripeError(
                """
                This customer has no attached payment source or default payment method. Please consider adding a \
                default payment method. For more information, visit \
                https://stripe.com/docs/billing/subscriptions/payment-methods-setting#payment-method-priority.
                """, code: "resource_missing")
        }
        var begun = subscription
        if isSent || isFree && !isTrial { begun.set("status", "active") }
        let saves = subscription["payment_settings", "save_default_payment_method"]?.text == "on_subscription"
        let invoice = books.draft(
            for: customer, subscription: begun, reason: "subscription_create", lines: lines,
            currency: subscription.text("currency") ?? "usd", period: (books.now, books.now),
            [.init("_saves_method", saves ? "off_session" : .null), .init("due_date", dueDate(begun))])
        begun.set("latest_invoice", invoice["id"] ?? .null)
        books.save(begun)
        books.tell("customer.subscription.created", begun)
        plan(begun)
        let open = books.finalize(invoice)
        guard !isTrial, !isSent, !isFree else { return books.find(.subscription, id) ?? begun }
        if behavior != "default_incomplete" {
            let attempt = books.collect(open, with: method)
            if behavior == "error_if_incomplete", attempt?.isPaid != true {
                var error = attempt?.decline ?? .declined(.authentication, more: [])
                error.commits = false
                throw error
            }
        }
        let now = books.find(.subscription, id) ?? begun
        if now.text("status") == "incomplete" {
            books.world.due("\(books.platform.id) expire \(id)", at: books.now + Self.firstPayment)
        }
        return now
    }

    private func dueDate(_ subscription: JSON) -> JSON {
        guard subscription.text("collection_method") == "send_invoice" else { return .null }
        return JSON(books.now + (subscription["days_until_due"]?.integer ?? 30) * 86_400)
    }

    private func plan(_ subscription: JSON) {
        books.planRenewal(subscription)
        guard let end = subscription["trial_end"]?.integer, subscription.text("status") == "trialing" else { return }
        books.world.due(
            "\(books.platform.id) trial \(subscription.text("id") ?? "")", at: max(books.now, end - 3 * 86_400))
    }

    private func trialEnd() throws(StripeError) -> Int64? {
        if let days = params["trial_period_days"]?.integer {
            guard (1...730).contains(days) else {
                throw .validation(
                    "trial_period_days must be from 1 to 730.", "parameter_invalid_integer", "trial_period_days")
            }
            return books.now + days * 86_400
        }
        guard let end = params["trial_end"]?.integer else { return nil }
        guard end > books.now else {
            throw .validation("Invalid timestamp: must be an integer Unix timestamp in the future.", nil, "trial_end")
        }
        return end
    }

    private func wantedItems() throws(StripeError) -> [Books.WantedItem] {
        var wanted: [Books.WantedItem] = []
        for (index, item) in (params["items"]?.elements ?? []).enumerated() {
            wanted.append(try self.wanted(item, "items[\(index)]"))
        }
        guard let first = wanted.first else { throw .missing("items") }
        try checkCount(wanted.count)
        for one in wanted where one.price["currency"] != first.price["currency"] {
            throw StripeError("All prices of a subscription must have the same currency.", param: "items")
        }
        return wanted
    }

    private func checkCount(_ count: Int) throws(StripeError) {
        guard count <= 20 else { throw StripeError("A subscription has at most 20 items.", param: "items") }
    }

    private func wanted(_ item: JSON, _ path: String) throws(StripeError) -> Books.WantedItem {
        var price: JSON
        if let data = item.present("price_data") {
            price = try makePrice(data, of: data.text("product") ?? "")
        } else {
            guard let id = item.text("price") else { throw .missing("\(path)[price]") }
            price = try books.find(.price, id, param: "\(path)[price]")
        }
        guard price.text("type") == "recurring" else {
            throw StripeError(
                """
                The price specified is set to `type=one_time` but this field only accepts prices with `type=recurring`.
                """, param: "\(path)[price]")
        }
        guard price.isOn("active") else {
            throw StripeError(
                "The price specified is inactive. This field only accepts active prices.", param: "\(path)[price]")
        }
        let quantity = try quantity(of: item, "\(path)[quantity]")
        return Books.WantedItem(price: price, quantity: quantity, metadata: item.present("metadata") ?? .object([]))
    }

    func quantity(of item: JSON, _ path: String) throws(StripeError) -> Int64 {
        let quantity = item["quantity"]?.integer ?? 1
        guard (0...1_000_000).contains(quantity) else {
            throw .validation("Invalid non-negative integer", "parameter_invalid_integer", path)
        }
        return quantity
    }

    // MARK: Changes

    func updateSubscription() throws(StripeError) -> JSON {
        let subscription = try object(.subscription)
        try books.checkMetadata(params)
        let isEnded = ["canceled", "incomplete_expired"].contains(subscription.text("status"))
        let changes = (params.members ?? []).map(\.name)
        guard !isEnded || changes.allSatisfy({ ["metadata", "cancellation_details", "expand"].contains($0) }) else {
            throw StripeError("A canceled subscription can only update its cancellation_details and metadata.")
        }
        if let method = params.text("default_payment_method") {
            _ = try books.find(.paymentMethod, method, param: "default_payment_method")
        }
        var changed = subscription
        books.copy(
            "default_payment_method description metadata collection_method days_until_due cancel_at payment_settings "
                + "cancellation_details trial_settings pause_collection",
            from: params, to: &changed)
        if let cancels = params["cancel_at_period_end"]?.boolean {
            let end = subscription.data("items").map { $0.int("current_period_end") }.max()
            changed.set("cancel_at_period_end", .bool(cancels))
            changed.set("cancel_at", cancels ? JSON(end) : .null)
            changed.set("canceled_at", cancels ? JSON(books.now) : .null)
            changed.set(["cancellation_details", "reason"], cancels ? "cancellation_requested" : .null)
        }
        let lines = try changeItems(&changed)
        let endsTrial = params.text("trial_end") == "now" && subscription.text("status") == "trialing"
        if let end = params["trial_end"]?.integer { changed.set("trial_end", JSON(end)) }
        if endsTrial || params.text("billing_cycle_anchor") == "now" { restart(&changed, endsTrial) }
        let updated = books.change(subscription, telling: "customer.subscription.updated") { $0 = changed }
        if !isEnded { plan(updated) }
        return try billChange(
            updated, lines, restarts: endsTrial || params.text("billing_cycle_anchor") == "now")
    }

    /// The period begins now.
    private func restart(_ subscription: inout JSON, _ endsTrial: Bool) {
        let now = books.now
        let items = subscription.data("items").map { item in
            item.with("current_period_start", JSON(now)).with(
                "current_period_end", JSON(books.end(of: item["price"] ?? .null, from: now, anchor: now)))
        }
        subscription = books.withItems(subscription, items).with("billing_cycle_anchor", JSON(now))
        if endsTrial { subscription = subscription.with("status", "active").with("trial_end", JSON(now)) }
    }

    /// Items by their ids; one without an id is a further one. What is owed for the rest of the period.
    private func changeItems(_ subscription: inout JSON) throws(StripeError) -> [Books.Line] {
        guard let asked = params["items"]?.elements else { return [] }
        var items = subscription.data("items")
        var lines: [Books.Line] = []
        for (index, item) in asked.enumerated() {
            guard let id = item.text("id") else {
                let start = items.first?.int("current_period_start") ?? books.now
                let end = items.first?.int("current_period_end") ?? books.now
                let new = books.item(
                    try wanted(item, "items[\(index)]"), of: subscription.text("id") ?? "", start: start, end: end)
                lines += proration(nil, new, subscription)
                items.append(new)
                continue
            }
            guard let place = items.firstIndex(where: { $0.text("id") == id }) else {
                throw .noSuch("subscription item", id, param: "items[\(index)][id]")
            }
            let old = items[place]
            if item.isOn("deleted") {
                lines += proration(old, nil, subscription)
                items.remove(at: place)
                books.world.delete(StripeResource.subscriptionItem.kind, id)
                continue
            }
            let wanted = try wanted(
                item.with("price", item.present("price") ?? old["price", "id"] ?? .null).with(
                    "quantity", item.present("quantity") ?? old["quantity"] ?? 1), "items[\(index)]")
            items[place] = old.with("price", wanted.price).with("plan", books.plan(wanted.price)).with(
                "quantity", JSON(wanted.quantity))
            lines += proration(old, items[place], subscription)
        }
        guard !items.isEmpty else { throw StripeError("A subscription must have at least one item.", param: "items") }
        try checkCount(items.count)
        subscription = books.withItems(subscription, items)
        return lines
    }

    /// The unused rest of what was, and the rest of what is from now on.
    private func proration(_ old: JSON?, _ new: JSON?, _ subscription: JSON) -> [Books.Line] {
        guard params.text("proration_behavior") != "none", subscription.text("status") != "trialing",
            old?["price"] != new?["price"] || old?["quantity"] != new?["quantity"]
        else { return [] }
        func line(_ item: JSON, _ sign: Int64) -> Books.Line {
            let (start, end) = (item.int("current_period_start"), item.int("current_period_end"))
            let at = min(max(params["proration_date"]?.integer ?? books.now, start), end)
            let price = item["price"] ?? .object([])
            let whole = price.int("unit_amount") * item.int("quantity")
            let part = Double(whole) * Double(end - at) / Double(max(1, end - start))
            let text = sign < 0 ? "Unused time on" : "Remaining time on"
            return Books.Line(
                amount: sign * Int64(part.rounded()), description: "\(text) \(books.productName(price))", start: at,
                end: end, quantity: item.int("quantity"), price: price, subscription: subscription.text("id"),
                item: item.text("id"), isProration: true)
        }
        return (old.map { [line($0, -1)] } ?? []) + (new.map { [line($0, 1)] } ?? [])
    }

    /// Prorations wait for the next invoice, or are billed now.
    private func billChange(_ subscription: JSON, _ lines: [Books.Line], restarts: Bool) throws(StripeError) -> JSON {
        let isNow = params.text("proration_behavior") == "always_invoice"
        guard let customer = books.find(.customer, subscription.text("customer")) else { return subscription }
        if !isNow && !restarts {
            for line in lines { _ = books.keep(line, for: customer) }
            return subscription
        }
        let all = lines + (restarts ? books.lines(of: subscription) : [])
        guard !all.isEmpty else { return subscription }
        let invoice = books.draft(
            for: customer, subscription: subscription, reason: "subscription_update", lines: all,
            currency: subscription.text("currency") ?? "usd", period: (books.now, books.now))
        let billed = books.change(subscription, telling: "customer.subscription.updated") {
            $0.set("latest_invoice", invoice["id"] ?? .null)
        }
        books.collect(books.finalize(invoice))
        return books.find(.subscription, billed.text("id")) ?? billed
    }

    func cancelSubscription() throws(StripeError) -> JSON {
        let subscription = try object(.subscription)
        guard !["canceled", "incomplete_expired"].contains(subscription.text("status")) else {
            throw .noSuch("subscription", id, param: "id")
        }
        if params.isOn("invoice_now"), let customer = books.find(.customer, subscription.text("customer")) {
            let pending = books.pendingLines(of: customer.text("id") ?? "", id)
            if !pending.isEmpty {
                let invoice = books.draft(
                    for: customer, subscription: subscription, reason: "subscription_update", lines: pending,
                    currency: subscription.text("currency") ?? "usd", period: (books.now, books.now))
                books.putOn(invoice, pending)
                books.collect(books.finalize(invoice))
            }
        }
        var ending = books.find(.subscription, id) ?? subscription
        books.copy("cancellation_details", from: params, to: &ending)
        return books.end(ending, reason: "cancellation_requested")
    }
}
