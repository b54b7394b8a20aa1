/// What Stripe does, as its documents tell it, without a line of the product: subscriptions that change, the events
/// that tell of it, and the truth at every moment. Source: docs/providers/stripe.md, sections 4 and 7.
struct StripeModel {
    enum Shape: Sendable { case old, new, mixed }

    /// JSON, as far as it takes.
    indirect enum Value: Equatable, Sendable {
        case null, flag(Bool), number(Int64), text(String), list([Value]), object([Pair])
        struct Pair: Equatable, Sendable { let name: String, value: Value }

        var json: String {
            switch self {
            case .null: "null"
            case .flag(let flag): flag ? "true" : "false"
            case .number(let number): String(number)
            case .text(let text): "\"" + text + "\""
            case .list(let list): "[" + list.map(\.json).joined(separator: ",") + "]"
            case .object(let pairs): "{" + pairs.map { "\"\($0.name)\":\($0.value.json)" }.joined(separator: ",") + "}"
            }
        }
        static func of(_ text: String?) -> Value { text.map(Value.text) ?? .null }
        static func of(_ number: Int64?) -> Value { number.map(Value.number) ?? .null }
    }

    struct Subscription: Equatable, Sendable {
        var status: String
        var price = "price_1"
        var start: Int64
        var end: Int64
        var cancels = false
        var canceledAt: Int64?
        var endedAt: Int64?
        var method: String?
        var invoice: String?
    }

    struct Event: Sendable {
        let id: String
        let type: String
        let created: Int64
        let body: String
    }

    /// What is true after an event.
    struct Truth: Equatable, Sendable {
        var subscriptions: [String: Subscription] = [:]
        var paidUntil: [String: Int64] = [:]
        var methods: [String: Int64] = [:]
    }

    let customer: String
    let user: String?
    /// Seconds between two events; 0 puts a whole life into one.
    let pace: Int64
    let shape: Shape
    private(set) var clock: Int64 = 1_795_255_200
    private(set) var events: [Event] = []
    private(set) var truth = Truth()
    /// After each event.
    private(set) var truths: [Truth] = []

    init(customer: String, user: String?, pace: Int64, shape: Shape) {
        self.customer = customer
        self.user = user
        self.pace = pace
        self.shape = shape
    }

    static let month: Int64 = 2_592_000

    // MARK: What happens

    mutating func subscribe(_ id: String, _ status: String, price: String = "price_1") {
        let new = Subscription(status: status, price: price, start: clock, end: clock + Self.month)
        truth.subscriptions[id] = new
        tell("customer.subscription.created", object(new, id))
    }

    mutating func change(_ id: String, _ change: (inout Subscription) -> Void) {
        guard let old = truth.subscriptions[id] else { return }
        var new = old
        change(&new)
        truth.subscriptions[id] = new
        tell("customer.subscription.updated", object(new, id), before: difference(object(old, id), object(new, id)))
    }

    mutating func end(_ id: String) {
        guard var subscription = truth.subscriptions[id] else { return }
        subscription.status = "canceled"
        subscription.cancels = false
        subscription.canceledAt = clock
        subscription.endedAt = clock
        truth.subscriptions[id] = subscription
        tell("customer.subscription.deleted", object(subscription, id))
    }

    mutating func pay(_ id: String, until end: Int64, reason: String = "subscription_cycle") {
        truth.paidUntil[id] = max(truth.paidUntil[id] ?? 0, end)
        tell("invoice.paid", invoice(id, end, reason, next: nil))
    }

    mutating func fail(_ id: String, reason: String = "subscription_cycle") {
        let end = truth.subscriptions[id]?.end ?? 0
        tell("invoice.payment_failed", invoice(id, end + Self.month, reason, next: clock + 86_400))
    }

    mutating func attach(_ id: String) {
        truth.methods[id] = clock
        tell("payment_method.attached", method(id, customer: .text(customer)))
    }

    mutating func detach(_ id: String) {
        truth.methods[id] = nil
        tell(
            "payment_method.detached", method(id, customer: .null),
            before: [.init(name: "customer", value: .text(customer))])
    }

    private mutating func tell(_ type: String, _ object: [Value.Pair], before: [Value.Pair]? = nil) {
        let id = "evt_\(customer)_\(events.count)"
        var data: [Value.Pair] = [.init(name: "object", value: .object(object))]
        if let before { data.append(.init(name: "previous_attributes", value: .object(before))) }
        let body = Value.object([
            .init(name: "id", value: .text(id)), .init(name: "object", value: .text("event")),
            .init(name: "api_version", value: .text(isOld ? "2024-06-20" : "2026-10-28.endive")),
            .init(name: "created", value: .number(clock)), .init(name: "livemode", value: .flag(false)),
            .init(name: "type", value: .text(type)), .init(name: "data", value: .object(data)),
        ])
        events.append(Event(id: id, type: type, created: clock, body: body.json))
        truths.append(truth)
        clock += pace
    }

    // MARK: What it looks like

    /// Which shape the next event has.
    private var isOld: Bool {
        switch shape {
        case .old: true
        case .new: false
        case .mixed: events.count % 2 == 1
        }
    }
    private var metadata: Value { .object(user.map { [.init(name: "patchbay_user", value: .text($0))] } ?? []) }

    func answer(_ subscription: Subscription, _ id: String) -> String { Value.object(object(subscription, id)).json }

    private func object(_ it: Subscription, _ id: String) -> [Value.Pair] {
        let period: [Value.Pair] = [
            .init(name: "current_period_start", value: .number(it.start)),
            .init(name: "current_period_end", value: .number(it.end)),
        ]
        let item: [Value.Pair] = [
            .init(name: "id", value: .text("si_" + id)), .init(name: "object", value: .text("subscription_item")),
            .init(
                name: "price",
                value: .object([
                    .init(name: "id", value: .text(it.price)), .init(name: "object", value: .text("price")),
                ])),
            .init(name: "quantity", value: .number(1)),
        ]
        return [
            .init(name: "id", value: .text(id)), .init(name: "object", value: .text("subscription")),
            .init(name: "cancel_at_period_end", value: .flag(it.cancels)),
            .init(name: "canceled_at", value: .of(it.canceledAt)),
            .init(name: "customer", value: .text(customer)),
            .init(name: "default_payment_method", value: .of(it.method)),
            .init(name: "ended_at", value: .of(it.endedAt)),
            .init(
                name: "items",
                value: .object([
                    .init(name: "object", value: .text("list")),
                    .init(name: "data", value: .list([.object(item + (isOld ? [] : period))])),
                ])),
            .init(name: "latest_invoice", value: .of(it.invoice)), .init(name: "metadata", value: metadata),
            .init(name: "status", value: .text(it.status)),
        ] + (isOld ? period : [])
    }

    /// The members that differ, as they were; of a list within an object, the whole list.
    private func difference(_ old: [Value.Pair], _ new: [Value.Pair]) -> [Value.Pair] {
        old.filter { pair in new.first { $0.name == pair.name }?.value != pair.value }.map { pair in
            guard pair.name == "items", case .object(let list) = pair.value else { return pair }
            return .init(name: "items", value: .object(list.filter { $0.name == "data" }))
        }
    }

    private func invoice(_ id: String, _ end: Int64, _ reason: String, next: Int64?) -> [Value.Pair] {
        let line = Value.object([
            .init(name: "object", value: .text("line_item")),
            .init(
                name: "period",
                value: .object([.init(name: "start", value: .number(0)), .init(name: "end", value: .number(end))])),
        ])
        let details: [Value.Pair] = [.init(name: "metadata", value: metadata)]
        let place: [Value.Pair] =
            isOld
            ? [
                .init(name: "subscription", value: .text(id)),
                .init(name: "subscription_details", value: .object(details)),
                .init(name: "payment_intent", value: .null),
            ]
            : [
                .init(
                    name: "parent",
                    value: .object([
                        .init(name: "type", value: .text("subscription_details")),
                        .init(
                            name: "subscription_details",
                            value: .object(details + [.init(name: "subscription", value: .text(id))])),
                    ]))
            ]
        return [
            .init(name: "id", value: .text("in_\(events.count)")), .init(name: "object", value: .text("invoice")),
            .init(name: "billing_reason", value: .text(reason)), .init(name: "customer", value: .text(customer)),
            .init(name: "lines", value: .object([.init(name: "data", value: .list([line]))])),
            .init(name: "next_payment_attempt", value: .of(next)),
        ] + place
    }

    private func method(_ id: String, customer: Value) -> [Value.Pair] {
        [
            .init(name: "id", value: .text(id)), .init(name: "object", value: .text("payment_method")),
            .init(name: "customer", value: customer), .init(name: "type", value: .text("card")),
            .init(
                name: "card",
                value: .object([
                    .init(name: "brand", value: .text("visa")), .init(name: "last4", value: .text("4242")),
                    .init(name: "exp_month", value: .number(2)), .init(name: "exp_year", value: .number(2030)),
                ])),
        ]
    }
}

// MARK: Lives

/// Seven events each, and what is true in the end.
struct Life: Sendable, CustomStringConvertible {
    let name: String
    let live: @Sendable (inout StripeModel, _ id: String) -> Void
    var description: String { name }

    func model(_ number: Int = 0, user: String? = "u_42", pace: Int64 = 3600, shape: StripeModel.Shape = .new)
        -> StripeModel
    {
        var model = StripeModel(customer: "cus_\(number)", user: user, pace: pace, shape: shape)
        live(&model, "sub_\(number)")
        return model
    }

    static let all = [
        Life(name: "a trial that is paid, asked to end, and ends") { model, id in
            model.subscribe(id, "trialing")
            model.attach("pm_" + id)
            model.pay(id, until: model.clock + StripeModel.month, reason: "subscription_create")
            let clock = model.clock
            model.change(id) { ($0.status, $0.start, $0.end) = ("active", clock, clock + 2 * StripeModel.month) }
            model.pay(id, until: clock + 2 * StripeModel.month)
            model.change(id) { $0.cancels = true }
            model.end(id)
        },
        Life(name: "a renewal that fails and is recovered") { model, id in
            model.subscribe(id, "incomplete")
            model.attach("pm_" + id)
            model.pay(id, until: model.clock + StripeModel.month, reason: "subscription_create")
            model.change(id) { $0.status = "active" }
            model.fail(id)
            model.change(id) { $0.status = "past_due" }
            model.change(id) { $0.status = "active" }
        },
        Life(name: "a plan that changes and a card that goes") { model, id in
            model.subscribe(id, "active")
            model.attach("pm_" + id)
            model.change(id) { ($0.price, $0.invoice, $0.method) = ("price_2", "in_2", "pm_" + id) }
            model.change(id) { $0.status = "paused" }
            model.detach("pm_" + id)
            model.change(id) { ($0.status, $0.method) = ("active", nil) }
            model.change(id) { ($0.price, $0.invoice) = ("price_1", "in_3") }
        },
        Life(name: "unpaid, then paid after all") { model, id in
            model.subscribe(id, "active")
            model.fail(id)
            model.change(id) { $0.status = "past_due" }
            model.fail(id)
            model.change(id) { $0.status = "unpaid" }
            model.pay(id, until: model.clock + 2 * StripeModel.month)
            let clock = model.clock
            model.change(id) { ($0.status, $0.end) = ("active", clock + 2 * StripeModel.month) }
        },
        Life(name: "someone who cannot decide: in circles, twice") { model, id in
            model.subscribe(id, "active")
            model.attach("pm_" + id)
            for cancels in [true, false, true, false, true] { model.change(id) { $0.cancels = cancels } }
        },
        Life(name: "a first payment that never comes") { model, id in
            model.subscribe(id, "incomplete")
            model.attach("pm_" + id)
            model.fail(id, reason: "subscription_create")
            model.change(id) { $0.method = "pm_" + id }
            model.fail(id, reason: "subscription_create")
            model.change(id) { $0.status = "incomplete_expired" }
            model.detach("pm_" + id)
        },
        Life(name: "an old subscription that ends and a new one that begins") { model, id in
            model.subscribe(id, "active", price: "price_9")
            model.change(id) { $0.cancels = true }
            model.end(id)
            model.subscribe(id + "b", "incomplete")
            model.pay(id + "b", until: model.clock + StripeModel.month, reason: "subscription_create")
            model.change(id + "b") { $0.status = "active" }
            model.attach("pm_" + id)
        },
    ]
}

extension StripeModel.Truth {
    /// Whose words count for the user, worked out anew: the best standing, then the latest end.
    var best: (id: String, subscription: StripeModel.Subscription)? {
        let order = [
            "active", "trialing", "past_due", "unpaid", "paused", "incomplete", "canceled", "incomplete_expired",
        ]
        let rank = { (status: String) in min(order.firstIndex(of: status) ?? 5, 6) }
        return subscriptions.map { (id: $0.key, subscription: $0.value) }.min { left, right in
            let (a, b) = (left.subscription, right.subscription)
            return rank(a.status) != rank(b.status) ? rank(a.status) < rank(b.status) : a.end > b.end
        }
    }
    var method: String? {
        if let method = best?.subscription.method, methods[method] != nil { return method }
        return methods.min { $0.value < $1.value }?.key
    }
}
