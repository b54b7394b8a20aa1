import Kit
import Testing

@testable import Sandbox

@Suite("Simulated Stripe on a movable clock")
struct StripeClockTests {
    @Test("a month later the next period is billed, an hour after it began")
    func renewal() async throws {
        let rig = try Rig()
        let member = try await rig.member()
        #expect(member["status"] == "active")
        let clock = Clock(keeper: rig.keeper, platforms: [rig.stripe])

        _ = clock.advance(32 * 86_400)

        let id = member["id"]?.text ?? ""
        let invoices = try await rig.get("/v1/invoices", "subscription=\(id)")["data"]?.elements ?? []
        let start = member.data("items").first?.int("current_period_end")
        #expect(invoices.map { $0["billing_reason"]?.text } == ["subscription_cycle", "subscription_create"])
        #expect(invoices.first?["status_transitions", "finalized_at"]?.integer == start.map { $0 + 3600 })
        #expect(invoices.first?["status"] == "paid")
        #expect(try await rig.get("/v1/subscriptions/\(id)")["status"] == "active")
    }

    @Test("a card that fails is tried four times in all, then the subscription ends")
    func dunning() async throws {
        let rig = try Rig()
        let member = try await rig.member()
        let customer = member["customer"]?.text ?? ""
        let bad = try await rig.post("/v1/payment_methods/pm_card_chargeCustomerFail/attach", "customer=\(customer)")
        let id = member["id"]?.text ?? ""
        _ = try await rig.post("/v1/subscriptions/\(id)", "default_payment_method=\(bad["id"]?.text ?? "")")
        let clock = Clock(keeper: rig.keeper, platforms: [rig.stripe])

        _ = clock.advance(32 * 86_400)
        #expect(try await rig.get("/v1/subscriptions/\(id)")["status"] == "past_due")
        _ = clock.advance(16 * 86_400)

        let ended = try await rig.get("/v1/subscriptions/\(id)")
        #expect(ended["status"] == "canceled")
        #expect(ended["cancellation_details", "reason"] == "payment_failed")
        #expect(rig.told().filter { $0 == "invoice.payment_failed" }.count == 4)
    }

    @Test("samples of every type that the product acts upon are read by it without complaint")
    func samples() throws {
        let samples = SimulatedStripe().samples
        #expect(samples.count > 20)
        for sample in samples {
            let event = try sample.event(seed: 1, at: Timestamp(seconds: 1_795_255_200))
            let delivery = Delivery(method: "POST", target: "/", headers: [], body: event.bytes, receivedAt: .zero)
            let events = try SimulatedStripe().webhooks.events(delivery)
            #expect(events.map(\.type) == [sample.type])
            #expect(SimulatedStripe().webhooks.handles(sample.type))
        }
    }

    @Test("sums that nobody pays end at the largest amount there is, and end nothing else")
    func largeSums() async throws {
        let rig = try Rig()
        let member = try await rig.member()
        let customer = member["customer"]?.text ?? ""
        let price =
            try await rig.post(
                "/v1/prices", "currency=usd&unit_amount=9999999999&product_data[name]=Loaf")["id"]?.text ?? ""
        for _ in 0..<40 {
            let item = try await rig.post(
                "/v1/invoiceitems", "customer=\(customer)&quantity=1000000&pricing[price]=\(price)")
            #expect(item.int("amount") == 9_999_999_999_000_000)
        }
        _ = Clock(keeper: rig.keeper, platforms: [rig.stripe]).advance(32 * 86_400)

        let latest = try await rig.get("/v1/invoices", "customer=\(customer)&limit=1")["data"]?.elements?.first ?? .null
        #expect(latest.int("total") == 999_999_999_999)
        #expect(try await rig.get("/v1/balance")["pending"]?.elements?.first?.int("amount") ?? 0 > 0)
    }

    @Test("a subscription has at most 20 items, however they come")
    func items() async throws {
        let rig = try Rig()
        let member = try await rig.member()
        let price = member.data("items").first?["price", "id"]?.text ?? ""
        let more = (0..<20).map { "items[\($0)][price]=\(price)" }.joined(separator: "&")
        let answer = try await rig.send("POST", "/v1/subscriptions/\(member.text("id") ?? "")", more)
        #expect(answer?.status == 400)
        #expect(answer?.json["error", "message"] == "A subscription has at most 20 items.")
    }
}
