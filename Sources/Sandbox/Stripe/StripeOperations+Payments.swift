import Kit

/// Payment and setup intents, charges, refunds, disputes, the balance.
extension StripeOperation {
    private static let method = """
        payment_method payment_method_data{type* card{token} billing_details:any metadata:map}
        """
    private static let confirmation = """
        \(method) off_session:flag return_url error_on_requires_action:flag payment_method_options:any \
        receipt_email setup_future_usage<off_session|on_session> mandate_data:any use_stripe_sdk:flag
        """
    private static let described =
        "description metadata:map receipt_email statement_descriptor statement_descriptor_suffix shipping:any"
    private static let kinds = """
        payment_method_types[] allowed_payment_method_types[] excluded_payment_method_types[] \
        automatic_payment_methods{enabled:flag allow_redirects<always|never>}
        """

    static let paymentIntents: [StripeOperation] = [
        StripeOperation(
            "POST", "/v1/payment_intents",
            """
            amount:int* currency* customer confirm:flag capture_method<automatic|automatic_async|manual> \
            confirmation_method<automatic|manual> setup_future_usage<off_session|on_session> \
            off_session:flag error_on_requires_action:flag return_url payment_method_options:any mandate_data:any \
            transfer_group use_stripe_sdk:flag \(method) \(described) \(kinds)
            """
        ) { call throws(StripeError) in try call.createIntent() },
        .retrieve(.paymentIntent), .list(.paymentIntent, "customer"),
        StripeOperation(
            "POST", "/v1/payment_intents/{}",
            "amount:int currency customer setup_future_usage<off_session|on_session> "
                + "payment_method_options:any transfer_group \(method) "
                + "\(described) \(kinds)"
        ) { call throws(StripeError) in try call.updateIntent() },
        StripeOperation(
            "POST", "/v1/payment_intents/{}/confirm",
            confirmation + " capture_method<automatic|automatic_async|manual> shipping:any"
        ) { call throws(StripeError) in try call.confirm(try call.object(.paymentIntent)) },
        StripeOperation(
            "POST", "/v1/payment_intents/{}/capture",
            "amount_to_capture:int final_capture:flag metadata:map statement_descriptor statement_descriptor_suffix"
        ) { call throws(StripeError) in try call.capture() },
        StripeOperation(
            "POST", "/v1/payment_intents/{}/cancel",
            "cancellation_reason<duplicate|fraudulent|requested_by_customer|abandoned>"
        ) { call throws(StripeError) in
            let intent = try call.object(.paymentIntent)
            guard !["succeeded", "canceled", "processing"].contains(intent.text("status")) else {
                throw call.unexpected(intent, "cancel")
            }
            return call.books.cancel(intent, reason: call.params.text("cancellation_reason"))
        },
    ]

    static let setupIntents: [StripeOperation] = [
        StripeOperation(
            "POST", "/v1/setup_intents",
            "customer usage<off_session|on_session> confirm:flag description metadata:map "
                + "return_url single_use:any mandate_data:any "
                + "payment_method_options:any use_stripe_sdk:flag \(method) \(kinds)"
        ) { call throws(StripeError) in try call.createSetup() },
        .retrieve(.setupIntent), .list(.setupIntent, "customer payment_method"),
        .update(.setupIntent, "description metadata:map payment_method", telling: nil),
        StripeOperation(
            "POST", "/v1/setup_intents/{}/confirm",
            "return_url mandate_data:any payment_method_options:any use_stripe_sdk:flag \(method)"
        ) { call throws(StripeError) in try call.confirmSetup(try call.object(.setupIntent)) },
        StripeOperation(
            "POST", "/v1/setup_intents/{}/cancel",
            "cancellation_reason<abandoned|duplicate|requested_by_customer>"
        ) { call throws(StripeError) in
            let intent = try call.object(.setupIntent)
            guard !["succeeded", "canceled"].contains(intent.text("status")) else {
                throw StripeError(
                    "You cannot cancel this SetupIntent because it has a status of \(intent.text("status") ?? "").",
                    code: "setup_intent_unexpected_state")
            }
            return call.books.change(intent, telling: "setup_intent.canceled") { intent in
                intent.set("status", "canceled")
                intent.set("cancellation_reason", JSON(call.params.text("cancellation_reason")))
            }
        },
    ]

    static let money: [StripeOperation] = [
        .retrieve(.charge), .list(.charge, "customer payment_intent"),
        .update(
            .charge, "description metadata:map receipt_email fraud_details:any shipping:any",
            telling: "charge.updated"),
        StripeOperation(
            "POST", "/v1/refunds",
            "payment_intent charge amount:int reason<duplicate|fraudulent|requested_by_customer> metadata:map "
                + "reverse_transfer:flag"
        ) { call throws(StripeError) in
            try call.books.checkMetadata(call.params)
            return try call.books.refund(
                try call.refundedCharge(), amount: call.params["amount"]?.integer, call.params)
        },
        .retrieve(.refund), .list(.refund, "charge payment_intent"),
        .update(.refund, "metadata:map", telling: "refund.updated"),
        StripeOperation("POST", "/v1/refunds/{}/cancel", "") { call throws(StripeError) in
            let refund = try call.object(.refund)
            guard refund.text("status") == "pending" else {
                throw StripeError("Only a pending refund can be canceled; this one is \(refund.text("status") ?? "").")
            }
            call.books.refundEnded(call.id, "canceled")
            return try call.object(.refund)
        },
        .retrieve(.dispute), .list(.dispute, "charge payment_intent"),
        StripeOperation("POST", "/v1/disputes/{}", "evidence:any metadata:map submit:flag") {
            call throws(StripeError) in
            try call.books.answerDispute(try call.object(.dispute), call.params)
        },
        StripeOperation("POST", "/v1/disputes/{}/close", "") { call throws(StripeError) in
            call.books.close(try call.object(.dispute), "won", isWon: false)
        },
        .retrieve(.balanceTransaction), .list(.balanceTransaction, "source type currency payout"),
        StripeOperation("GET", "/v1/balance", "") { call throws(StripeError) in
            let all = call.books.world.objects(of: StripeResource.balanceTransaction.kind)
            let net = all.reduce(0) { $0 + $1.int("net") }
            return [
                "object": "balance", "available": [["amount": 0, "currency": "usd", "source_types": ["card": 0]]],
                "livemode": false,
                "pending": [["amount": JSON(net), "currency": "usd", "source_types": ["card": JSON(net)]]],
            ]
        },
    ]
}

extension StripeCall {
    fileprivate func refundedCharge() throws(StripeError) -> JSON {
        if let id = params.text("charge") { return try books.find(.charge, id, param: "charge") }
        guard let id = params.text("payment_intent") else {
            throw .validation(
                "One of the following params should be provided for this request: payment_intent or charge.",
                "parameter_missing", nil)
        }
        let intent = try books.find(.paymentIntent, id, param: "payment_intent")
        guard let charge = books.find(.charge, intent.text("latest_charge")), charge.text("status") == "succeeded"
        else {
            throw StripeError(
                "This PaymentIntent (\(id)) does not have a successful charge to refund.",
                code: "payment_intent_unexpected_state", param: "payment_intent")
        }
        return charge
    }
}
