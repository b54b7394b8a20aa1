import Kit

/// What moves money, and what tells of it.
extension StripeResource {
    static let paymentIntent = StripeResource(
        "payment_intent", "payment_intent", "pi_", "/v1/payment_intents",
        #"""
        {"amount":0,"amount_capturable":0,"amount_details":{"tip":{}},"amount_received":0,"application":null,
        "application_fee_amount":null,"automatic_payment_methods":null,"canceled_at":null,"cancellation_reason":null,
        "capture_method":"automatic_async","client_secret":null,"confirmation_method":"automatic","currency":"usd",
        "customer":null,"customer_account":null,"description":null,"excluded_payment_method_types":null,
        "last_payment_error":null,"latest_charge":null,"metadata":{},"next_action":null,"on_behalf_of":null,
        "payment_method":null,"payment_method_configuration_details":null,
        "payment_method_options":{"card":{"installments":null,"mandate_options":null,"network":null,
        "request_three_d_secure":"automatic"}},"payment_method_types":["card"],"processing":null,
        "receipt_email":null,"review":null,"setup_future_usage":null,"shipping":null,"source":null,
        "statement_descriptor":null,"statement_descriptor_suffix":null,"status":"requires_payment_method",
        "transfer_data":null,"transfer_group":null}
        """#)

    static let setupIntent = StripeResource(
        "setup_intent", "setup_intent", "seti_", "/v1/setup_intents",
        #"""
        {"application":null,"automatic_payment_methods":null,"cancellation_reason":null,"client_secret":null,
        "customer":null,"customer_account":null,"description":null,"excluded_payment_method_types":null,
        "flow_directions":null,"last_setup_error":null,"latest_attempt":null,"mandate":null,"metadata":{},
        "next_action":null,"on_behalf_of":null,"payment_method":null,"payment_method_configuration_details":null,
        "payment_method_options":{"card":{"mandate_options":null,"network":null,"request_three_d_secure":"automatic"}},
        "payment_method_types":["card"],"single_use_mandate":null,"status":"requires_payment_method",
        "usage":"off_session"}
        """#)

    static let charge = StripeResource(
        "charge", "charge", "ch_", "/v1/charges",
        #"""
        {"amount":0,"amount_captured":0,"amount_refunded":0,"application":null,"application_fee":null,
        "application_fee_amount":null,"balance_transaction":null,"billing_details":{"address":{"city":null,
        "country":null,"line1":null,"line2":null,"postal_code":null,"state":null},"email":null,"name":null,
        "phone":null,"tax_id":null},"calculated_statement_descriptor":"RYE BAKERY","captured":false,"currency":"usd",
        "customer":null,"description":null,"disputed":false,"failure_balance_transaction":null,"failure_code":null,
        "failure_message":null,"fraud_details":{},"metadata":{},"on_behalf_of":null,"outcome":{"advice_code":null,
        "network_advice_code":null,"network_decline_code":null,"network_status":"approved_by_network","reason":null,
        "risk_level":"normal","risk_score":12,"seller_message":"Payment complete.","type":"authorized"},
        "paid":false,"payment_intent":null,"payment_method":null,"payment_method_details":null,
        "receipt_email":null,"receipt_number":null,"receipt_url":null,"refunded":false,"review":null,"shipping":null,
        "source":null,"source_transfer":null,"statement_descriptor":null,"statement_descriptor_suffix":null,
        "status":"succeeded","transfer_data":null,"transfer_group":null}
        """#)

    static let refund = StripeResource(
        "refund", "refund", "re_", "/v1/refunds",
        #"""
        {"amount":0,"balance_transaction":null,"charge":null,"currency":"usd","customer":null,
        "destination_details":{"card":{"reference_status":"pending","reference_type":"acquirer_reference_number",
        "type":"refund"},"type":"card"},"metadata":{},"payment_intent":null,"payment_method":null,"reason":null,
        "receipt_number":null,"source_transfer_reversal":null,"status":"succeeded","transfer_reversal":null}
        """#)

    static let dispute = StripeResource(
        "dispute", "dispute", "du_", "/v1/disputes",
        #"""
        {"amount":0,"balance_transactions":[],"charge":null,"currency":"usd","enhanced_eligibility_types":[],
        "evidence":{"access_activity_log":null,"billing_address":null,"cancellation_policy":null,
        "cancellation_policy_disclosure":null,"cancellation_rebuttal":null,"customer_communication":null,
        "customer_email_address":null,"customer_name":null,"customer_purchase_ip":null,"customer_signature":null,
        "duplicate_charge_documentation":null,"duplicate_charge_explanation":null,"duplicate_charge_id":null,
        "enhanced_evidence":{},"product_description":null,"receipt":null,"refund_policy":null,
        "refund_policy_disclosure":null,"refund_refusal_explanation":null,"service_date":null,
        "service_documentation":null,"shipping_address":null,"shipping_carrier":null,"shipping_date":null,
        "shipping_documentation":null,"shipping_tracking_number":null,"uncategorized_file":null,
        "uncategorized_text":null},"evidence_details":{"due_by":null,"enhanced_eligibility":{},"has_evidence":false,
        "past_due":false,"submission_count":0},"is_charge_refundable":false,"metadata":{},"payment_intent":null,
        "payment_method_details":{"card":{"brand":"visa","case_type":"chargeback","network_reason_code":"10.4"},
        "type":"card"},"reason":"fraudulent","status":"needs_response"}
        """#)

    static let balanceTransaction = StripeResource(
        "balance_transaction", "balance transaction", "txn_", "/v1/balance_transactions",
        #"""
        {"amount":0,"available_on":0,"balance_type":"payments","currency":"usd","description":null,
        "exchange_rate":null,"fee":0,"fee_details":[],"net":0,"reporting_category":"charge","source":null,
        "status":"pending","type":"charge"}
        """#)

    static let checkoutSession = StripeResource(
        "checkout.session", "checkout.session", "cs_test_", "/v1/checkout/sessions",
        #"""
        {"adaptive_pricing":null,"after_expiration":null,"allow_promotion_codes":null,"amount_subtotal":null,
        "amount_total":null,"automatic_tax":{"enabled":false,"liability":null,"provider":null,"status":null},
        "billing_address_collection":null,"cancel_url":null,"client_reference_id":null,"client_secret":null,
        "collected_information":null,"consent":null,"consent_collection":null,"currency":null,
        "currency_conversion":null,"custom_fields":[],"custom_text":{"after_submit":null,"shipping_address":null,
        "submit":null,"terms_of_service_acceptance":null},"customer":null,"customer_account":null,
        "customer_creation":null,"customer_details":null,"customer_email":null,"discounts":[],"expires_at":0,
        "invoice":null,"invoice_creation":null,"locale":null,"metadata":{},"mode":"payment","origin_context":null,
        "payment_intent":null,"payment_link":null,"payment_method_collection":null,
        "payment_method_configuration_details":null,"payment_method_options":{},"payment_method_types":["card"],
        "payment_status":"unpaid","permissions":null,"phone_number_collection":{"enabled":false},
        "recovered_from":null,"saved_payment_method_options":null,"setup_intent":null,
        "shipping_address_collection":null,"shipping_cost":null,"shipping_options":[],"status":"open",
        "submit_type":null,"subscription":null,"success_url":null,"total_details":{"amount_discount":0,
        "amount_shipping":0,"amount_tax":0},"ui_mode":"hosted_page","url":null,"wallet_options":null}
        """#)

    static let event = StripeResource(
        "event", "event", "evt_", "/v1/events",
        #"""
        {"api_version":"2026-10-28.endive","data":{},"pending_webhooks":0,"request":null,"type":""}
        """#)

    static let webhookEndpoint = StripeResource(
        "webhook_endpoint", "webhook endpoint", "we_", "/v1/webhook_endpoints",
        #"""
        {"api_version":null,"application":null,"description":null,"enabled_events":[],"metadata":{},
        "status":"enabled","url":""}
        """#)

    /// The account behind the key.
    static let account = JSON(
        fixed: #"""
            {"id":"acct_1RyeBakery0001","object":"account","business_profile":{"mcc":"5462","name":"Rye, a bakery",
            "url":null},"business_type":"company","capabilities":{"card_payments":"active","transfers":"active"},
            "charges_enabled":true,"country":"US","created":1767225600,"default_currency":"usd",
            "details_submitted":true,"email":"hello@rye.example","metadata":{},"payouts_enabled":true,
            "settings":{"dashboard":{"display_name":"Rye, a bakery","timezone":"Etc/UTC"},
            "payments":{"statement_descriptor":"RYE BAKERY"}},"type":"standard"}
            """#)
}
