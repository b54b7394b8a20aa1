import Kit

/// A calm life at "Rye, a bakery": people subscribe, renew, change, forget to renew their cards, leave.
struct StripeStory {
    let books: Books

    private var world: World { books.world }
    /// Members at one time; more do not fit into the shop.
    private static let membersMax = 300
    private static let ownKind = "stripe.story"

    func act() {
        let members = members
        let choice = world.choice(100)
        if members.count < 8 || choice < 22 && members.count < Self.membersMax { return signUp() }
        guard let member = pick(members) else { return signUp() }
        if member.text("status") == "past_due" { return choice < 70 ? recover(member) : leave(member) }
        switch choice {
        case ..<62: renew(member)
        case ..<74: failToPay(member)
        case ..<84: change(member)
        case ..<90: newCard(member)
        case ..<95: member.isOn("cancel_at_period_end") ? renew(member) : askToLeave(member)
        case ..<98: leave(member)
        default: refund(member)
        }
    }

    // MARK: Who and what

    private var members: [String] {
        world.ids(of: StripeResource.subscription.kind).prefix(Self.membersMax * 2).filter { id in
            let subscription = books.find(.subscription, id)
            return ["active", "past_due", "trialing"].contains(subscription?.text("status"))
                && subscription?["metadata", "story"] != nil
        }
    }

    private func pick(_ members: [String]) -> JSON? {
        books.find(.subscription, members.isEmpty ? nil : members[world.choice(members.count)])
    }

    private static let plans: [(name: String, amount: Int64, interval: String)] = [
        ("A loaf a week", 1_999, "month"), ("Two loaves a week", 3_599, "month"),
        ("Pastries on Saturday", 2_450, "month"), ("The whole shelf", 8_900, "month"),
        ("A loaf a week, by the year", 19_900, "year"),
    ]
    private static let firstNames = [
        "Mira", "Jonas", "Amina", "Teo", "Hana", "Luis", "Noor", "Elif", "Kofi", "Ines", "Ravi", "Sunniva", "Ji-woo",
        "Anselm", "Chiara", "Dmitri", "Fatou", "Greta", "Hugo", "Yuki", "Zoë", "Min-jun", "Petra", "Oskar",
    ]
    private static let lastNames = [
        "Okafor", "Lindqvist", "Haddad", "Moreau", "Kim", "Alvarez", "Petrov", "Yılmaz", "Mensah", "Duarte", "Iyer",
        "Berg", "Park", "Weber", "Rossi", "Novak", "Diallo", "Hansen", "Laurent", "Tanaka",
    ]

    private func price(_ index: Int) -> JSON {
        let plan = Self.plans[index % Self.plans.count]
        let id = "price_story_\(index % Self.plans.count + 1)"
        if let known = books.find(.price, id) { return known }
        let product = books.make(
            .product, id: "prod_story_\(index % Self.plans.count + 1)",
            [.init("name", .string(plan.name)), .init("updated", JSON(books.now))])
        return books.make(
            .price, id: id,
            [
                .init("product", product["id"] ?? .null), .init("unit_amount", JSON(plan.amount)),
                .init("unit_amount_decimal", .string(String(plan.amount))), .init("nickname", .string(plan.name)),
                .init("type", "recurring"),
                .init(
                    "recurring",
                    [
                        "interval": .string(plan.interval), "interval_count": 1, "meter": .null,
                        "trial_period_days": .null, "usage_type": "licensed",
                    ]),
            ])
    }

    private func nextNumber() -> Int64 {
        let number = (world.object(Self.ownKind, "count")?.int("n") ?? 0) + 1
        world.put(Self.ownKind, "count", ["n": JSON(number)])
        return number
    }

    // MARK: What happens

    private func signUp() {
        let first = Self.firstNames[world.choice(Self.firstNames.count)]
        let last = Self.lastNames[world.choice(Self.lastNames.count)]
        let user = "rye_\(nextNumber())"
        let customer = books.make(
            .customer,
            [
                .init("name", .string("\(first) \(last)")), .init("email", .string("\(user)@rye.example")),
                .init("metadata", ["patchbay_user": .string(user)]),
            ])
        books.tell("customer.created", customer)
        let price = price(world.choice(Self.plans.count))
        let mark: JSON = ["patchbay_user": .string(user), "story": "rye"]
        call(
            [
                "mode": "subscription", "customer": customer["id"] ?? .null, "success_url": "http://localhost/thanks",
                "line_items": [["price": price["id"] ?? .null, "quantity": 1]],
                "client_reference_id": .string(user), "metadata": mark, "subscription_data": ["metadata": mark],
            ]
        ) { call throws(StripeError) in
            let session = try call.createSession()
            guard let card = TestCard.named("pm_card_visa") else { return }
            _ = try books.complete(session, card: card, email: nil, name: "\(first) \(last)")
        }
    }

    /// A month has passed for this one member: the period ends now, and the next one is billed at once.
    private func renew(_ member: JSON) {
        let id = member.text("id") ?? ""
        let items = member.data("items").map { item in
            item.with("current_period_end", JSON(max(books.now, item.int("current_period_start") + 1)))
        }
        books.save(books.withItems(member, items))
        books.renew(id)
        guard let invoice = books.find(.subscription, id)?.text("latest_invoice") else { return }
        world.due("\(books.platform.id) finalize \(invoice)", at: nil)
        books.finalizeDue(invoice)
    }

    private func failToPay(_ member: JSON) {
        useCard("pm_card_chargeCustomerFail", for: member)
        if let now = books.find(.subscription, member.text("id")) { renew(now) }
    }

    private func recover(_ member: JSON) {
        useCard("pm_card_mastercard", for: member)
        guard let invoice = books.find(.invoice, member.text("latest_invoice")), invoice.text("status") == "open" else {
            return leave(member)
        }
        books.collect(invoice, with: books.find(.paymentMethod, methodID(of: member)))
    }

    private func newCard(_ member: JSON) {
        let old = books.find(.paymentMethod, methodID(of: member))
        useCard("pm_card_amex", for: member)
        attempt { () throws(StripeError) in if let old { _ = try books.detach(old) } }
    }

    private func methodID(of member: JSON) -> String? {
        books.find(.subscription, member.text("id"))?.text("default_payment_method")
    }

    private func useCard(_ name: String, for member: JSON) {
        guard let card = TestCard.named(name) else { return }
        let method = books.makeMethod(card)
        attempt { () throws(StripeError) in
            try books.attach(method, to: member.text("customer") ?? "")
            books.change(member, telling: "customer.subscription.updated") {
                $0.set("default_payment_method", method["id"] ?? .null)
            }
        }
    }

    private func change(_ member: JSON) {
        let price = price(world.choice(Self.plans.count - 1))
        let item = member.data("items").first
        call(
            [
                "items": [["id": item?["id"] ?? .null, "price": price["id"] ?? .null]],
                "proration_behavior": "always_invoice",
            ],
            on: member
        ) { call throws(StripeError) in _ = try call.updateSubscription() }
    }

    private func askToLeave(_ member: JSON) {
        call(["cancel_at_period_end": true], on: member) { call throws(StripeError) in
            _ = try call.updateSubscription()
        }
    }

    private func leave(_ member: JSON) { books.end(member, reason: "cancellation_requested") }

    private func refund(_ member: JSON) {
        let customer = member.text("customer")
        let charge = world.ids(of: StripeResource.charge.kind).prefix(200).lazy.compactMap { books.find(.charge, $0) }
            .first { $0.text("customer") == customer && $0.isOn("captured") && !$0.isOn("refunded") }
        guard let charge else { return renew(member) }
        attempt { () throws(StripeError) in
            _ = try books.refund(charge, amount: nil, ["reason": "requested_by_customer"])
        }
    }

    private func call(
        _ params: JSON, on member: JSON? = nil, _ work: (StripeCall) throws(StripeError) -> Void
    ) {
        let call = StripeCall(
            books: books, path: member?.text("id").map { [$0] } ?? [], params: params, version: StripeVersions.newest)
        attempt { () throws(StripeError) in try work(call) }
    }

    /// What is declined or refused in a story is a part of it.
    private func attempt(_ work: () throws(StripeError) -> Void) {
        do { try work() } catch { world.count("story.refused", of: books.platform.id) }
    }
}
