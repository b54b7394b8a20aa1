import Kit

/// Checkout, events, webhook endpoints, the account.
extension StripeOperation {
    static let all: [StripeOperation] =
        customers + paymentMethods + products + subscriptions + invoices + paymentIntents + setupIntents + money
        + checkout + telling

    private static let priceData =
        "price_data{currency* product product_data{name* description images[] metadata:map} unit_amount:int "
        + "recurring{interval* interval_count:int}}"

    static let checkout: [StripeOperation] = [
        StripeOperation(
            "POST", "/v1/checkout/sessions",
            "mode<payment|setup|subscription> success_url cancel_url customer customer_email customer_creation "
                + "client_reference_id metadata:map "
                + "line_items[]{price quantity:int \(priceData)} currency expires_at:int payment_method_types[] "
                + "allow_promotion_codes:flag ui_mode return_url locale subscription_data{metadata:map description "
                + "trial_period_days:int} payment_intent_data{metadata:map description "
                + "capture_method<automatic|automatic_async|manual> "
                + "setup_future_usage<off_session|on_session>} setup_intent_data{metadata:map description}"
        ) { call throws(StripeError) in try call.createSession() },
        .retrieve(.checkoutSession), .list(.checkoutSession, "customer payment_intent subscription status"),
        StripeOperation("POST", "/v1/checkout/sessions/{}/expire", "") { call throws(StripeError) in
            let session = try call.object(.checkoutSession)
            guard session.text("status") == "open" else {
                throw StripeError(
                    "Only Checkout Sessions with a status in [\"open\"] can be expired. This one has a status "
                        + "of `\(session.text("status") ?? "")`.")
            }
            return call.books.expireSession(session)
        },
        StripeOperation("GET", "/v1/checkout/sessions/{}/line_items", StripeParameters.page) {
            call throws(StripeError) in
            let session = try call.object(.checkoutSession)
            return try call.page(
                session.data("_line_items"), "/v1/checkout/sessions/\(call.id)/line_items", "line item")
        },
    ]

    static let telling: [StripeOperation] = [
        StripeOperation("GET", "/v1/events/{}", "") { call throws(StripeError) in
            call.books.withPending(try call.object(.event))
        },
        StripeOperation(
            "GET", "/v1/events", StripeParameters.page + "type types[] created:range delivery_success:flag"
        ) { call throws(StripeError) in
            let types = (call.params["types"]?.elements ?? []).compactMap(\.text)
            let list = try call.page(of: .event) { event in
                let type = event.text("type") ?? ""
                let isDelivered = call.books.withPending(event).int("pending_webhooks") == 0
                return (call.params.text("type").map { type.isLike($0) } ?? true)
                    && (types.isEmpty || types.contains(type))
                    && (call.params["delivery_success"]?.boolean.map { $0 == isDelivered } ?? true)
            }
            return list.with("data", .array((list["data"]?.elements ?? []).map(call.books.withPending)))
        },
        StripeOperation(
            "POST", "/v1/webhook_endpoints",
            "url* enabled_events[]* api_version description metadata:map connect:flag"
        ) { call throws(StripeError) in
            let url = call.params.text("url") ?? ""
            guard (try? OutsideURL(url)) != nil else {
                throw .validation(
                    "Invalid URL: An explicit scheme (such as https) must be provided.", "url_invalid", "url")
            }
            if let version = call.params.text("api_version"), !StripeVersions.isKnown(version) {
                throw StripeError(
                    "Invalid Stripe API version: \(OutsideText.bounded(version, 40))", param: "api_version")
            }
            let secret = "whsec_" + call.books.world.id("", length: 32)
            var endpoint = call.books.make(.webhookEndpoint, [.init("_secret", .string(secret))])
            call.books.copy("url enabled_events api_version description metadata", from: call.params, to: &endpoint)
            call.books.save(endpoint)
            // Shown once.
            return endpoint.with("secret", .string(secret))
        },
        .retrieve(.webhookEndpoint), .list(.webhookEndpoint),
        StripeOperation(
            "POST", "/v1/webhook_endpoints/{}", "url enabled_events[] description metadata:map disabled:flag"
        ) { call throws(StripeError) in
            call.books.change(try call.object(.webhookEndpoint)) { endpoint in
                call.books.copy("url enabled_events description metadata", from: call.params, to: &endpoint)
                if let disabled = call.params["disabled"]?.boolean {
                    endpoint.set("status", disabled ? "disabled" : "enabled")
                }
            }
        },
        StripeOperation("DELETE", "/v1/webhook_endpoints/{}", "") { call throws(StripeError) in
            _ = try call.object(.webhookEndpoint)
            call.books.world.delete(StripeResource.webhookEndpoint.kind, call.id)
            return ["id": .string(call.id), "object": "webhook_endpoint", "deleted": true]
        },
        StripeOperation("GET", "/v1/account", "") { _ throws(StripeError) in StripeResource.account },
        StripeOperation("GET", "/v1/accounts/{}", "") { call throws(StripeError) in
            guard call.id == StripeResource.account.text("id") else { throw .noSuch("account", call.id, param: "id") }
            return StripeResource.account
        },
    ]
}

extension Books {
    /// An event, with the number of endpoints that have not acknowledged it.
    func withPending(_ event: JSON) -> JSON {
        let id = event.text("id") ?? ""
        let pending = world.ids(of: StripeResource.webhookEndpoint.kind).filter {
            world.object(Letter.kind, "\(id)|\($0)") != nil
        }
        return event.with("pending_webhooks", JSON(pending.count))
    }
}
