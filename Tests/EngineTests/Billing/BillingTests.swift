import Kit
import Stripe
import TestSupport
import Testing

@testable import Engine
@testable import Store

@Suite("Billing in the database, on both engines")
struct BillingTests {
    // MARK: Lives

    @Test(
        "the scenarios from Stripe's facts end as they should, with a key and without", arguments: TestEngine.all,
        [true, false])
    func scenarios(engine: TestEngine, hasKey: Bool) async throws {
        let scenarios = try #require(try Vectors.json("stripe/subscription-lifecycle.json")["scenarios"]?.elements)
        #expect(scenarios.count >= 14)
        try await TestDatabase.with(engine) { database in
            let tables: [SQL] = [
                "event_identities", "events", "users", "customers", "subscriptions", "payment_methods", "fetched",
            ]
            for scenario in scenarios {
                let bench = BillingBench(database, hasKey: hasKey)
                bench.wire.says("sub_1Life", String(decoding: scenario["api_subscription"]?.bytes ?? [], as: UTF8.self))

                for delivery in scenario["deliveries"]?.elements ?? [] {
                    let applied = try await bench.deliver(String(decoding: delivery.bytes, as: UTF8.self))
                    #expect(
                        applied.state == .applied
                            || applied.state == .waiting(CustomerName(provider: "stripe", customer: "cus_Life")))
                }

                let name = scenario["name"]?.text ?? ""
                let (user, row) = (try await bench.user(), try await bench.subscription("sub_1Life"))
                #expect(user?.summary.status == scenario["expect", "status"]?.text, "\(name)")
                if let paid = scenario["expect", "paid_until"]?.integer {
                    #expect(row?.paidUntil?.seconds == paid, "\(name)")
                }
                #expect(
                    (user?.summary.paymentMethod != nil) == scenario["expect", "method_on_file"]?.boolean, "\(name)")
                #expect(row?.isUnclear == false, "\(name)")
                try await database.write("clear") { session in
                    for table in tables { try session.run("DELETE FROM " + table) }
                }
            }
        }
    }

    @Test(
        "in any order, repeated, by four workers at once, every life ends as Stripe holds it", arguments: TestEngine.all
    )
    func anyOrder(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let bench = BillingBench(database)
            let seeds = engine == .sqlite ? 0..<140 : 0..<50
            try await withThrowingTaskGroup(of: Void.self) { group in
                for worker in 0..<4 {
                    group.addTask {
                        for seed in seeds where seed % 4 == worker { try await live(seed, on: bench) }
                    }
                }
                try await group.waitForAll()
            }

            for seed in seeds { try await check(seed, on: bench) }
            #expect(
                try await bench.count("SELECT count(*) FROM subscriptions WHERE unclear = 1 OR status_provisional = 1")
                    == 0)
        }
    }

    private static func model(_ seed: Int) -> StripeModel {
        let shapes: [StripeModel.Shape] = [.new, .old, .mixed]
        return Life.all[seed % Life.all.count].model(
            seed, user: "u_\(seed)", pace: seed / 7 % 2 == 0 ? 0 : 3600, shape: shapes[seed / 14 % 3])
    }

    private func live(_ seed: Int, on bench: BillingBench) async throws {
        let model = Self.model(seed)
        var random = SplitMix(seed: UInt64(seed))
        var order = model.events.indices.flatMap { Array(repeating: $0, count: Int.random(in: 1...2, using: &random)) }
        order.shuffle(using: &random)
        // Half of the events of a life run beside each other.
        let (first, second) = (order.prefix(order.count / 2), order.dropFirst(order.count / 2))
        var upTo = 0
        for index in first {
            upTo = max(upTo, index)
            tell(bench.wire, model.truths[upTo], model)
            _ = try await bench.deliver(model.events[index].body)
        }
        tell(bench.wire, model.truth, model)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for index in second { group.addTask { _ = try await bench.deliver(model.events[index].body) } }
            try await group.waitForAll()
        }
    }

    private func tell(_ wire: FakeStripe, _ truth: StripeModel.Truth, _ model: StripeModel) {
        for (id, subscription) in truth.subscriptions { wire.says(id, model.answer(subscription, id)) }
    }

    private func check(_ seed: Int, on bench: BillingBench) async throws {
        let (truth, user) = (Self.model(seed).truth, try await bench.user("u_\(seed)"))
        let best = truth.best
        #expect(user?.summary.status == best?.subscription.status, "seed \(seed)")
        #expect(user?.summary.plan == best?.subscription.price, "seed \(seed)")
        #expect(user?.summary.currentPeriodEnd?.seconds == best?.subscription.end, "seed \(seed)")
        #expect(user?.summary.cancelAtPeriodEnd == best?.subscription.cancels, "seed \(seed)")
        #expect(user?.summary.paymentMethod == truth.method, "seed \(seed)")
        for (id, until) in truth.paidUntil {
            #expect(try await bench.subscription(id)?.paidUntil?.seconds == until, "seed \(seed)")
        }
    }

    @Test("the same event again writes nothing and tells nothing", arguments: TestEngine.all)
    func idempotent(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let bench = BillingBench(database)
            let model = Life.all[0].model()
            var events: [ID<EventKind>] = []
            for event in model.events { events.append(try await bench.receive(event.body)) }
            for event in events { try await bench.run(event) }
            let (changes, user) = (try await bench.changes(), try await bench.user())

            for event in events.reversed() { #expect(try await bench.run(event).next == .done) }

            #expect(try await bench.changes() == changes)
            #expect(try await bench.user()?.version == user?.version)
            #expect(changes.allSatisfy { $0 == "user.subscription_updated" } && !changes.isEmpty)
            for event in events { #expect(try await bench.state(event) == "applied") }
        }
    }

    // MARK: Users

    @Test("events for nobody wait under one review and apply when the user appears", arguments: TestEngine.all)
    func waiting(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let bench = BillingBench(database)
            let model = Life.all[1].model(user: nil)
            var events: [ID<EventKind>] = []
            for event in model.events.reversed() {
                let id = try await bench.receive(event.body)
                events.append(id)
                #expect(try await bench.run(id).state == .waiting(CustomerName(provider: "stripe", customer: "cus_0")))
            }
            #expect(try await bench.count("SELECT count(*) FROM reviews WHERE kind = 'event_without_user'") == 1)
            #expect(try await bench.count("SELECT count FROM reviews") == 7)
            #expect(try await bench.changes() == ["review.opened"])
            #expect(bench.wire.requests == [])

            var edit = UserEdit(id: "u_7")
            edit.customers = [("stripe", .set("cus_0"))]
            let linked = try await bench.put(edit)

            #expect(linked.released == events && linked.more == [])
            #expect(try await bench.user("u_7")?.summary.status == "active")
            for event in events { #expect(try await bench.state(event) == "applied") }
            #expect(try await bench.count("SELECT count(*) FROM events WHERE user_id = 'u_7'") == 7)
            #expect(
                try await bench.count("SELECT count(*) FROM reviews WHERE state = 'decided' AND decision = 'link'") == 1
            )
        }
    }

    @Test("whoever comes first, the events or their user: none is left waiting", arguments: TestEngine.all)
    func race(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let bench = BillingBench(database, hasKey: false)
            for round in 0..<12 {
                let model = Life.all[1].model(round, user: nil)
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for event in model.events { group.addTask { _ = try await bench.deliver(event.body) } }
                    group.addTask {
                        var edit = UserEdit(id: "u_\(round)")
                        edit.customers = [("stripe", .set("cus_\(round)"))]
                        try await bench.put(edit)
                    }
                    try await group.waitForAll()
                }
                #expect(try await bench.user("u_\(round)")?.summary.status == "active")
            }
            #expect(try await bench.count("SELECT count(*) FROM events WHERE state <> 'applied'") == 0)
            #expect(try await bench.count("SELECT count(*) FROM reviews WHERE state <> 'decided'") == 0)
        }
    }

    @Test("more events than one transaction takes are set free in several")
    func manyWaiting() async throws {
        try await TestDatabase.with(.sqlite) { database in
            let bench = BillingBench(database)
            for number in 0..<205 {
                try await bench.deliver(
                    #"""
                    {"id":"evt_\#(number)","created":\#(number),"type":"payment_method.attached",\#
                    "data":{"object":{"object":"payment_method",
                     "id":"pm_\#(number)","customer":"cus_1","type":"card"}}}
                    """#)
            }
            var edit = UserEdit(id: "u_1")
            edit.customers = [("stripe", .set("cus_1"))]

            let linked = try await bench.put(edit)
            #expect(
                linked.released.count == 200 && linked.more == [CustomerName(provider: "stripe", customer: "cus_1")])
            let rest = try await database.set("more", in: .work) { session in
                try session.releaseMore(CustomerName(provider: "stripe", customer: "cus_1"), at: .testNow)
            }

            #expect(rest.released.count == 5 && rest.more == [])
        }
    }

    @Test("what is told of a user names the event that led to it", arguments: TestEngine.all)
    func cause(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let bench = BillingBench(database)
            let events = Life.all[0].model().events
            let first = try await bench.receive(events[0].body)
            try await bench.run(first)

            let told = try await database.read("told") { session in
                try session.rows("SELECT payload FROM changes WHERE type = 'user.subscription_updated' ORDER BY seq") {
                    try JSON.parse($0.blob())
                }
            }

            #expect(!told.isEmpty && told.allSatisfy { $0["event_id"]?.text == first.text })
        }
    }

    @Test("a reference in an event makes the user, and sets the others free", arguments: TestEngine.all)
    func reference(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let bench = BillingBench(database)
            let attached = try await bench.receive(Self.attached)
            #expect(
                try await bench.run(attached).state == .waiting(CustomerName(provider: "stripe", customer: "cus_1")))

            let applied = try await bench.deliver(
                #"""
                {"id":"evt_c","created":1795255300,"type":"checkout.session.completed",\#
                "data":{"object":{"object":"checkout.session",
                 "id":"cs_1","customer":"cus_1","client_reference_id":"u_9","payment_intent":null}}}
                """#)

            #expect(applied.userID == "u_9" && applied.linked.released == [attached])
            let user = try await bench.user("u_9")
            #expect(user?.summary.paymentMethod == "pm_1" && user?.summary.status == nil)
            #expect(try await bench.count("SELECT count(*) FROM users WHERE source = 'stripe'") == 1)
        }
    }

    private static let attached = #"""
        {"id":"evt_a","created":1795255200,"type":"payment_method.attached",\#
        "data":{"object":{"object":"payment_method","id":"pm_1",
         "customer":"cus_1","type":"card","card":{"brand":"visa","last4":"4242","exp_month":12,"exp_year":2030}}}}
        """#

    @Test(
        "what the application said outweighs events; moving a customer moves what is known of it",
        arguments: TestEngine.all)
    func moving(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let bench = BillingBench(database)
            var first = UserEdit(id: "u_1")
            first.customers = [("stripe", .set("cus_0"))]
            try await bench.put(first)
            for event in Life.all[1].model(user: "u_42").events { try await bench.deliver(event.body) }
            #expect(try await bench.user("u_1")?.summary.status == "active")
            #expect(try await bench.user("u_42") == nil)

            var second = UserEdit(id: "u_2")
            second.customers = [("stripe", .set("cus_0"))]
            try await bench.put(second)
            #expect(try await bench.user("u_1")?.summary == UserSummary())
            #expect(try await bench.user("u_2")?.summary.status == "active")

            second.customers = [("stripe", .clear)]
            try await bench.put(second)
            #expect(try await bench.user("u_2")?.summary == UserSummary())
        }
    }

    @Test("a user's version rises when something changes, and only then", arguments: TestEngine.all)
    func versions(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let bench = BillingBench(database)
            var edit = UserEdit(id: "u_1")
            edit.email = .set(Personal("a@example.com"))
            edit.metadata = .set(try UserMetadata(["plan": "gold"]))

            for _ in 0..<3 { try await bench.put(edit) }
            #expect(try await bench.user("u_1")?.version == 2)
            edit.email = .clear
            try await bench.put(edit)

            let user = try await bench.user("u_1")
            #expect(user?.version == 3 && user?.email == nil && user?.metadata == #"{"plan":"gold"}"#)
        }
    }

    @Test(
        "metadata has bounds",
        arguments: [
            (#"{"a":"b"}"#, true), ("{}", true), ("[]", false), (#"{"a":1}"#, false), (#"{"":"b"}"#, false),
            (#"{"a":"\#(String(repeating: "x", count: 501))"}"#, false),
            (#"{"\#(String(repeating: "x", count: 41))":""}"#, false),
        ])
    func metadata(text: String, passes: Bool) throws {
        let json = try JSON.parse(text)
        #expect(((try? UserMetadata(json)) != nil) == passes)
    }

    // MARK: The platform

    /// Two changes of one second with one missing between them.
    static let gap = (
        created:
            #"""
        {"id":"evt_1","created":1795255200,"type":"customer.subscription.created",\#
        "data":{"object":\#(subscription("active"))}}
        """#,
        later: #"""
        {"id":"evt_3","created":1795255200,"type":"customer.subscription.updated",\#
        "data":{"object":\#(subscription("unpaid")),
         "previous_attributes":{"status":"past_due"}}}
        """#,
        missing: #"""
        {"id":"evt_2","created":1795255200,"type":"customer.subscription.updated",\#
        "data":{"object":\#(subscription("past_due")),
         "previous_attributes":{"status":"active"}}}
        """#
    )
    private static func subscription(_ status: String) -> String {
        #"""
        {"object":"subscription","id":"sub_1","customer":"cus_1","status":"\#(status)",\#
        "metadata":{"patchbay_user":"u_42"}}
        """#
    }

    @Test("while the platform is away, the best guess is marked and the job tries again", arguments: TestEngine.all)
    func away(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let bench = BillingBench(database)
            bench.wire.becomes(.silent)
            #expect(try await bench.deliver(Self.gap.created).next == .done)
            let event = try await bench.receive(Self.gap.later)

            let applied = try await bench.run(event)
            guard case .retry(let failure) = applied.next else { return #expect(Bool(false), "\(applied.next)") }
            #expect(failure.kind == .unavailable(retryAfter: nil) && applied.state == .applied && applied.unclear == [])
            #expect(try await bench.subscription("sub_1")?.isUnclear == true)

            bench.wire.becomes(.answers)
            bench.wire.says("sub_1", Self.subscription("unpaid"))
            #expect(try await bench.run(event).next == .done)
            #expect(try await bench.subscription("sub_1")?.isUnclear == false)
            #expect(try await bench.user()?.summary.status == "unpaid")
            #expect(bench.wire.requests.last == "GET https://api.stripe.com/v1/subscriptions/sub_1")

            let asked = bench.wire.requests.count
            #expect(try await bench.run(event).next == .done)
            #expect(bench.wire.requests.count == asked)
        }
    }

    @Test(
        "without a key, or with one that is refused, the guess is marked, told, and mended by the missing event",
        arguments: [true, false])
    func noKey(hasKey: Bool) async throws {
        try await TestDatabase.with(.sqlite) { database in
            let bench = BillingBench(database, hasKey: hasKey)
            bench.wire.becomes(.status(401))
            try await bench.deliver(Self.gap.created)

            let applied = try await bench.deliver(Self.gap.later)
            #expect(applied.next == .done && applied.unclear == ["sub_1"])
            #expect(
                try await database.read("unclear") { try $0.unclearSubscriptions(at: "stripe", limit: 10).map(\.id) }
                    == ["sub_1"])

            #expect(try await bench.deliver(Self.gap.missing).unclear == [])
            #expect(try await bench.user()?.summary.status == "unpaid")
            #expect(try await bench.subscription("sub_1")?.isUnclear == false)
        }
    }

    @Test("an answer is kept beside its event, and replaying the log asks nobody", arguments: TestEngine.all)
    func replay(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let bench = BillingBench(database)
            bench.wire.says("sub_1", Self.subscription("unpaid"))
            var events: [ID<EventKind>] = []
            for body in [Self.gap.created, Self.gap.later, Self.gap.missing] {
                events.append(try await bench.receive(body))
                try await bench.run(events[events.count - 1])
            }
            let asked = bench.wire.requests.count
            let before = try await bench.subscription("sub_1")
            #expect(asked >= 1)

            try await database.write("clear") { try $0.run("DELETE FROM subscriptions") }
            for event in events { try await bench.run(event) }

            #expect(bench.wire.requests.count == asked)
            #expect(try await bench.subscription("sub_1") == before)
        }
    }

    @Test("a lone paid invoice asks; where nobody answers it makes the status provisionally active")
    func provisional() async throws {
        try await TestDatabase.with(.sqlite) { database in
            let bench = BillingBench(database, hasKey: false)
            let model = Life.all[1].model()

            let applied = try await bench.deliver(model.events[2].body)

            #expect(applied.next == .done && applied.unclear == [])
            let row = try await bench.subscription("sub_0")
            #expect(row?.status == "active" && row?.isProvisional == true && row?.state == nil)
            #expect(try await bench.user()?.summary.currentPeriodEnd == row?.paidUntil)
        }
    }

    // MARK: Payments and what cannot be read

    @Test("payments tell of their turns once, in whatever order", arguments: TestEngine.all)
    func payments(engine: TestEngine) async throws {
        func intent(_ id: String, _ type: String, _ status: String, _ created: Int, _ customer: String = "cus_1")
            -> String
        {
            #"""
            {"id":"\#(id)","created":\#(created),"type":"payment_intent.\#(type)",\#
            "data":{"object":{"object":"payment_intent","id":"pi_1",
             "status":"\#(status)","amount":1999,"amount_received":1999,"currency":"usd","customer":"\#(customer)",
             "metadata":{"patchbay_user":"u_1"},\#
            "last_payment_error":{"code":"card_declined","decline_code":"insufficient_funds"}}}}
            """#
        }
        let refund = #"""
            {"id":"evt_r","created":205,"type":"charge.refunded",\#
            "data":{"object":{"object":"charge","id":"ch_1","payment_intent":"pi_1",
             "amount_refunded":500,"currency":"usd","customer":"cus_1"}}}
            """#
        let dispute = #"""
            {"id":"evt_d","created":206,"type":"charge.dispute.created",\#
            "data":{"object":{"object":"dispute","id":"dp_1","charge":"ch_1",
             "payment_intent":"pi_1","status":"needs_response"}}}
            """#
        let deliveries = [
            dispute, intent("evt_4", "succeeded", "succeeded", 203),
            intent("evt_2", "payment_failed", "requires_payment_method", 201),
            intent("evt_1", "created", "requires_payment_method", 200), refund,
            intent("evt_4", "succeeded", "succeeded", 203), refund,
            intent("evt_5", "amount_capturable_updated", "requires_capture", 204), dispute,
        ]
        try await TestDatabase.with(engine) { database in
            let bench = BillingBench(database)

            for delivery in deliveries { #expect(try await bench.deliver(delivery).state == .applied) }

            let row = try await database.read("payment") { try $0.payment("pi_1", at: "stripe") }
            #expect(row?.status == "succeeded" && row?.amount == 1999 && row?.currency == "USD" && row?.refunded == 500)
            #expect(row?.dispute == DisputeState(status: "needs_response", stage: 2) && row?.userID == "u_1")
            #expect(try await bench.changes() == ["payment.disputed", "payment.succeeded", "payment.refunded"])
        }
    }

    @Test("what cannot be read waits for a person; a word that we do not know is kept", arguments: TestEngine.all)
    func strange(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let bench = BillingBench(database)
            let event = try await bench.receive(
                #"{"id":"evt_x","created":1,"type":"invoice.paid","data":{"object":[]}}"#)

            for _ in 0..<2 { #expect(try await bench.run(event).state == .unreadable("The event holds no object.")) }
            #expect(try await bench.state(event) == "waiting_review")
            #expect(
                try await bench.count("SELECT count(*) FROM reviews WHERE kind = 'unreadable_delivery' AND count = 1")
                    == 1)

            try await bench.deliver(
                #"""
                {"id":"evt_y","created":2,"type":"customer.subscription.created",\#
                "data":{"object":\#(Self.subscription("hibernating"))}}
                """#
            )
            #expect(try await bench.user()?.summary.status == "hibernating")
        }
    }
}
