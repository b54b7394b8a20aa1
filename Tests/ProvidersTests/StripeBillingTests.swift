import Kit
import Stripe
import Testing

@Suite("What Stripe's events say")
struct StripeBillingTests {
    private static let at = Timestamp(seconds: 1_795_255_200)

    private func facts(_ type: String, _ object: String, before: String? = nil) throws -> [BillingFact] {
        let previous = before.map { #","previous_attributes":"# + $0 } ?? ""
        let body = #"{"id":"evt_1","type":"\#(type)","data":{"object":\#(object)\#(previous)}}"#
        return try Stripe().billing(in: EventContent(type: type, occurredAt: Self.at, body: Array(body.utf8)))
    }
    private func statement(_ facts: [BillingFact]) -> SubscriptionStatement? {
        for case .subscription(let statement) in facts { return statement }
        return nil
    }

    // MARK: Shapes

    @Test(
        "the period's end is found where it stands: on the items or, before basil, on the subscription",
        arguments: [
            #"""
            {"id":"sub_1","status":"active",\#
            "items":{"data":[{"current_period_end":5,"price":{"id":"p"}},{"current_period_end":7}]}}
            """#,
            #"{"id":"sub_1","status":"active","current_period_end":7,"items":{"data":[{"price":"p"}]}}"#,
            #"{"id":"sub_1","status":"active","current_period_end":7,"plan":{"id":"p"}}"#,
        ])
    func periodEnd(object: String) throws {
        let state = try #require(try statement(facts("customer.subscription.created", object))).object.state
        #expect(state == SubscriptionState(status: "active", plan: "p", currentPeriodEnd: Timestamp(seconds: 7)))
    }

    @Test("old and new shapes of one state are equal to the chain")
    func shapes() throws {
        let old = try statement(
            facts(
                "customer.subscription.updated",
                #"""
                {"id":"sub_1","current_period_end":7,"current_period_start":1,\#
                "items":{"data":[{"id":"si"}]},"status":"active"}
                """#, before: #"{"current_period_end":5,"current_period_start":0}"#))
        let new = try statement(
            facts(
                "customer.subscription.updated",
                #"""
                {"id":"sub_1",\#
                "items":{"data":[{"id":"si","current_period_end":7,"current_period_start":1}]},"status":"active"}
                """#, before: #"{"items":{"data":[{"id":"si","current_period_end":5,"current_period_start":0}]}}"#))

        for name in ["items", "current_period_end", "status"] {
            #expect(old?.object.content[name] == new?.object.content[name])
        }
        guard case .changed(let before) = old?.kind, case .changed(let after) = new?.kind else {
            return #expect(Bool(false))
        }
        #expect(before["current_period_end"] == 5 && after["current_period_end"] == 5)
    }

    @Test(
        "the invoice's subscription, user and payment are found in both places",
        arguments: [
            #"""
            {"object":"invoice","customer":"cus_1",\#
            "parent":{"subscription_details":{"subscription":"sub_1","metadata":{"patchbay_user":"u"}}},
             "payments":{"data":[{"payment":{"type":"payment_intent","payment_intent":"pi_1"}}]},
             "lines":{"data":[{"period":{"end":9}},{"period":{"end":3}}]},"period_end":2}
            """#,
            #"""
            {"object":"invoice","customer":{"id":"cus_1"},"subscription":{"id":"sub_1"},\#
            "subscription_details":{"metadata":{"patchbay_user":"u"}},
             "payment_intent":"pi_1","lines":{"data":[{"period":{"end":9}}]},"period_end":2}
            """#,
        ])
    func invoice(object: String) throws {
        #expect(
            try facts("invoice.paid", object) == [
                .user(UserReference(user: "u", customer: "cus_1", statedAt: Self.at)),
                .payment(PaymentStatement(id: "pi_1", customer: "cus_1", news: .mentioned, statedAt: Self.at)),
                .invoice(
                    InvoiceStatement(
                        subscription: "sub_1", customer: "cus_1", outcome: .paid(until: Timestamp(seconds: 9)),
                        isFirst: false,
                        statedAt: Self.at)),
            ])
    }

    @Test("an invoice without a subscription says nothing of one")
    func loneInvoice() throws {
        #expect(try facts("invoice.payment_failed", #"{"customer":"cus_1","lines":{"data":[]}}"#) == [])
    }

    @Test(
        "ended is final, whatever word it carries; asked to end is not",
        arguments: [
            ("customer.subscription.deleted", "active", true, "canceled"),
            ("customer.subscription.updated", "canceled", true, "canceled"),
            ("customer.subscription.updated", "incomplete_expired", true, "incomplete_expired"),
            ("customer.subscription.updated", "active", false, "active"),
            ("customer.subscription.paused", "paused", false, "paused"),
        ])
    func final(type: String, status: String, isFinal: Bool, word: String) throws {
        let object = try statement(facts(type, #"{"id":"sub_1","status":"\#(status)"}"#))?.object
        #expect(object?.isFinal == isFinal && object?.state.status == word)
    }

    @Test("a detached card names its customer in what it was")
    func detached() throws {
        let facts = try facts(
            "payment_method.detached",
            #"""
            {"object":"payment_method","id":"pm_1","customer":null,"type":"card",\#
            "card":{"brand":"visa","last4":"4242","exp_month":2,"exp_year":2030}}
            """#, before: #"{"customer":"cus_1"}"#)
        #expect(
            facts == [
                .paymentMethod(
                    PaymentMethodStatement(
                        id: "pm_1", customer: "cus_1", isAttached: false, type: "card", brand: "visa", last4: "4242",
                        expires: "2030-02",
                        statedAt: Self.at))
            ])
    }

    @Test(
        "whose it is: metadata before the client reference; without a customer the payment's",
        arguments: [
            (
                #"{"customer":"cus_1","client_reference_id":"a","metadata":{"patchbay_user":"b"}}"#,
                UserReference(user: "b", customer: "cus_1", statedAt: at)
            ),
            (
                #"{"customer":"cus_1","client_reference_id":"a","metadata":{}}"#,
                UserReference(user: "a", customer: "cus_1", statedAt: at)
            ),
            (
                #"{"customer":null,"client_reference_id":"a","payment_intent":"pi_1"}"#,
                UserReference(user: "a", customer: nil, payment: "pi_1", statedAt: at)
            ),
        ])
    func checkout(object: String, reference: UserReference) throws {
        #expect(try facts("checkout.session.completed", object).first == .user(reference))
    }

    @Test("money keeps its unit; a dispute without a payment intent belongs to the charge")
    func money() throws {
        #expect(
            try facts(
                "charge.refunded",
                #"{"id":"ch_1","payment_intent":{"id":"pi_1"},"amount_refunded":500,"currency":"jpy"}"#) == [
                    .payment(
                        PaymentStatement(
                            id: "pi_1", customer: nil, news: .refunded(Money(minor: 500, currency: "JPY")),
                            statedAt: Self.at))
                ])
        #expect(
            try facts("charge.dispute.closed", #"{"id":"dp_1","charge":"ch_1","status":"lost"}"#) == [
                .payment(
                    PaymentStatement(
                        id: "ch_1", customer: nil, news: .dispute(DisputeState(status: "lost", stage: 10)),
                        statedAt: Self.at))
            ])
    }

    @Test(
        "Stripe's own sample objects are read",
        arguments: [
            ("customer.subscription.updated", "subscription"), ("invoice.paid", "invoice"),
            ("payment_intent.succeeded", "payment_intent"),
            ("payment_method.attached", "payment_method"), ("charge.refunded", "charge"),
            ("charge.dispute.created", "dispute"),
            ("checkout.session.completed", "checkout.session"),
        ])
    func samples(type: String, object: String) throws {
        let shapes = try JSON.parse(Vectors.bytes("stripe/object-shapes.json"))
        let sample = try #require(shapes["objects", object])
        _ = try facts(type, String(decoding: sample.bytes, as: UTF8.self))
    }

    // MARK: What cannot be read

    @Test(
        "what is not as documented is unreadable, with a sentence, and nothing is guessed",
        arguments: [
            ("invoice.paid", "[]", "The event holds no object."),
            ("invoice.paid", #"{"object":"charge"}"#, "The event should hold a invoice and does not."),
            (
                "invoice.paid", #"{"subscription":"sub_1","lines":{"data":[{"period":{"end":1.5}}]}}"#,
                "end of period should be an integer."
            ),
            ("customer.subscription.updated", #"{"id":"sub_1"}"#, "status of the event's object should be a text."),
            (
                "customer.subscription.updated", #"{"id":"sub_1","status":7}"#,
                "status of the event's object should be a text."
            ),
            (
                "customer.subscription.updated", #"{"status":"active","id":""}"#,
                "id of the event's object should be a text."
            ),
            ("charge.refunded", #"{"id":"ch_1"}"#, "The charge has no amount_refunded."),
            ("charge.dispute.created", #"{"status":"lost"}"#, "The dispute names no payment."),
            (
                "payment_method.attached", #"{"id":"pm_1","type":"card","card":7}"#,
                "card of the event's object should be an object."
            ),
        ])
    func unreadable(type: String, object: String, reason: String) {
        #expect(throws: Unreadable(reason)) { try facts(type, object) }
    }

    @Test("wild numbers, odd words and doubled members do not trap")
    func wild() throws {
        let state = try statement(
            facts(
                "customer.subscription.updated",
                #"""
                {"id":"sub_1","status":"\u0000\ud800","status":"hibernating",\#
                "current_period_end":9223372036854775807,"items":{"data":[]}}
                """#))?.object.state
        #expect(state?.status == "hibernating" && state?.currentPeriodEnd == Timestamp(microseconds: .max))
        #expect(throws: Unreadable.self) {
            try Stripe().billing(
                in: EventContent(type: "invoice.paid", occurredAt: nil, body: Array(#"{"data":{"object":{}}}"#.utf8)))
        }
        for length in 0..<40 {
            let cut = Array(#"{"data":{"object":{"id":"sub_1","status":"active"}}}"#.utf8.prefix(length))
            #expect(throws: Unreadable.self) {
                try Stripe().billing(
                    in: EventContent(type: "customer.subscription.updated", occurredAt: Self.at, body: cut))
            }
        }
    }

    // MARK: Asking

    @Test("asks for one subscription, by its id alone")
    func call() throws {
        let call = Stripe().subscription("sub/../1?x", in: "acct_1")
        #expect(call.outgoing.path.description == "/v1/subscriptions/sub%2f%2e%2e%2f1%3fx")
        #expect(
            call.outgoing.headers == [Field("Stripe-Version", "2026-10-28.endive"), Field("Stripe-Account", "acct_1")])
        #expect(
            try call.read(Answer(status: 200, headers: [], body: Array(#"{"id":"sub_1","status":"active"}"#.utf8))).id
                == "sub_1")
        #expect(throws: Unreadable.self) { try call.read(Answer(status: 200, headers: [], body: Array("<html>".utf8))) }
    }

    @Test(
        "what Stripe answers decides what is done",
        arguments: [
            (200, "{}", nil), (429, "{}", Failure.Kind.throttled(retryAfter: .seconds(3))), (401, "{}", .unauthorized),
            (403, "{}", .forbidden),
            (404, #"{"error":{"code":"resource_missing"}}"#, .notFound),
            (400, #"{"error":{"type":"invalid_request_error"}}"#, .refused),
            (400, #"{"error":{"code":"rate_limit"}}"#, .throttled(retryAfter: .seconds(3))),
            (500, "<html>", .unavailable(retryAfter: .seconds(3))),
            (409, "{}", .unavailable(retryAfter: .seconds(3))), (302, "", .refused),
            (402, #"{"error":"invalid_grant"}"#, .refused),
        ])
    func failures(status: Int, body: String, kind: Failure.Kind?) {
        let answer = Answer(status: status, headers: [Field("retry-after", "2.5")], body: Array(body.utf8))
        #expect(Stripe().failure(in: answer, at: Self.at)?.kind == kind)
    }

    @Test(
        "Retry-After is seconds or a date, rounded up; what is past, absurd or unreadable is absent",
        arguments: [
            ("5", 5), ("0.2", 1), ("5.0", 5), ("Sat, 21 Nov 2026 10:00:20 GMT", 20),
            ("Sat, 21 Nov 2026 09:59:20 GMT", nil), ("0", nil), ("-1", nil),
            ("", nil), ("soon", nil), ("99999999999999999999", nil), ("86401", nil), ("1.x", nil), ("1.2.3", nil),
        ])
    func retryAfter(text: String, seconds: Int64?) {
        let answer = Answer(status: 503, headers: [Field("Retry-After", text)], body: [])
        #expect(answer.retryAfter(at: Self.at) == seconds.map { .seconds($0) })
    }
}
