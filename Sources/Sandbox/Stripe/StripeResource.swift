import Kit

/// A kind of object at Stripe, as a value: its name, its ids, and how one looks before anything is said about it.
/// Source of the shapes: Stripe's own fixtures, version 2026-10-28.endive.
struct StripeResource: Sendable {
    /// The value of its `object` member.
    let object: String
    /// How messages name it.
    let name: String
    /// Ids begin with it.
    let prefix: String
    /// Where its list is.
    let path: String
    /// Members and their usual values, in order; `id`, `object`, `created` and `livemode` come on their own.
    let usual: JSON
    /// Member of the object that lists it belongs to, and of what, for `customer` in lists and expansions.
    var kind: String { "stripe." + object }

    init(_ object: String, _ name: String, _ prefix: String, _ path: String, _ usual: StaticString) {
        self.object = object
        self.name = name
        self.prefix = prefix
        self.path = path
        self.usual = JSON(fixed: usual)
    }

    static let all: [StripeResource] = [
        customer, paymentMethod, product, price, subscription, subscriptionItem, invoice, invoiceItem, invoicePayment,
        paymentIntent, setupIntent, charge, refund, dispute, balanceTransaction, checkoutSession, event,
        webhookEndpoint,
    ]

    /// The kind that an id is of.
    static func of(id: String) -> StripeResource? {
        guard let end = id.firstIndex(of: "_") else { return nil }
        let prefix = id[...end]
        return all.first { $0.prefix == prefix || $0.prefix.hasPrefix(prefix) && id.hasPrefix($0.prefix) }
    }
    static func of(object: String?) -> StripeResource? { all.first { $0.object == object } }
}

extension StripeResource {
    static let customer = StripeResource(
        "customer", "customer", "cus_", "/v1/customers",
        #"""
        {"address":null,"balance":0,"currency":null,"customer_account":null,"default_source":null,"delinquent":false,
        "description":null,"discount":null,"email":null,"invoice_prefix":null,
        "invoice_settings":{"custom_fields":null,"default_payment_method":null,"footer":null,"rendering_options":null},
        "metadata":{},"name":null,"next_invoice_sequence":1,"phone":null,"preferred_locales":[],"shipping":null,
        "tax_exempt":"none","test_clock":null}
        """#)

    static let paymentMethod = StripeResource(
        "payment_method", "PaymentMethod", "pm_", "/v1/payment_methods",
        #"""
        {"allow_redisplay":"unspecified","billing_details":{"address":{"city":null,"country":null,"line1":null,
        "line2":null,"postal_code":null,"state":null},"email":null,"name":null,"phone":null,"tax_id":null},
        "card":{"brand":"visa","checks":{"address_line1_check":null,"address_postal_code_check":null,
        "cvc_check":"pass"},"country":"US","display_brand":"visa","exp_month":8,"exp_year":2030,
        "fingerprint":"AOB934RVNwzk6xtn","funding":"credit","generated_from":null,"last4":"4242",
        "networks":{"available":["visa"],"preferred":null},"regulated_status":"unregulated",
        "three_d_secure_usage":{"supported":true},"wallet":null},"customer":null,"customer_account":null,
        "metadata":{},"type":"card"}
        """#)

    static let product = StripeResource(
        "product", "product", "prod_", "/v1/products",
        #"""
        {"active":true,"default_price":null,"description":null,"images":[],"marketing_features":[],"metadata":{},
        "name":"","package_dimensions":null,"shippable":null,"statement_descriptor":null,"tax_code":null,
        "type":"service","unit_label":null,"updated":0,"url":null}
        """#)

    static let price = StripeResource(
        "price", "price", "price_", "/v1/prices",
        #"""
        {"active":true,"billing_scheme":"per_unit","currency":"usd","custom_unit_amount":null,"lookup_key":null,
        "metadata":{},"nickname":null,"product":null,"recurring":null,"tax_behavior":"unspecified","tiers_mode":null,
        "transform_quantity":null,"type":"one_time","unit_amount":null,"unit_amount_decimal":null}
        """#)

    static let subscription = StripeResource(
        "subscription", "subscription", "sub_", "/v1/subscriptions",
        #"""
        {"application":null,"application_fee_percent":null,"automatic_tax":{"disabled_reason":null,"enabled":false,
        "liability":null},"billing_cycle_anchor":0,"billing_cycle_anchor_config":null,"billing_mode":
        {"flexible":{"proration_discounts":"included"},"type":"flexible"},"billing_schedules":[],
        "billing_thresholds":null,"cancel_at":null,"cancel_at_period_end":false,
        "canceled_at":null,"cancellation_details":{"comment":null,"feedback":null,"reason":null},
        "collection_method":"charge_automatically","currency":"usd","customer":null,"customer_account":null,
        "days_until_due":null,"default_payment_method":null,"default_source":null,"default_tax_rates":[],
        "description":null,"discounts":[],"ended_at":null,"invoice_settings":{"account_tax_ids":null,
        "issuer":{"type":"self"}},"items":{"object":"list","data":[],"has_more":false,"total_count":0,"url":""},
        "latest_invoice":null,"metadata":{},"next_pending_invoice_item_invoice":null,"on_behalf_of":null,
        "pause_collection":null,"payment_settings":{"payment_method_options":null,"payment_method_types":null,
        "save_default_payment_method":"off"},"pending_invoice_item_interval":null,"pending_setup_intent":null,
        "pending_update":null,"schedule":null,"start_date":0,"status":"incomplete","test_clock":null,
        "transfer_data":null,"trial_end":null,
        "trial_settings":{"end_behavior":{"missing_payment_method":"create_invoice"}},"trial_start":null}
        """#)

    static let subscriptionItem = StripeResource(
        "subscription_item", "subscription item", "si_", "/v1/subscription_items",
        #"""
        {"billing_thresholds":null,"current_period_end":0,"current_period_start":0,"discounts":[],"metadata":{},
        "plan":null,"price":null,"quantity":1,"subscription":null,"tax_rates":[]}
        """#)

    static let invoice = StripeResource(
        "invoice", "invoice", "in_", "/v1/invoices",
        #"""
        {"account_country":"US","account_name":"Rye, a bakery","account_tax_ids":null,"amount_due":0,
        "amount_overpaid":0,"amount_paid":0,"amount_remaining":0,"amount_shipping":0,"application":null,
        "attempt_count":0,"attempted":false,"auto_advance":false,"automatic_tax":{"disabled_reason":null,
        "enabled":false,"liability":null,"provider":null,"status":null},"automatically_finalizes_at":null,
        "billing_reason":"manual","collection_method":"charge_automatically","currency":"usd","custom_fields":null,
        "customer":null,"customer_account":null,"customer_address":null,"customer_email":null,"customer_name":null,
        "customer_phone":null,"customer_shipping":null,"customer_tax_exempt":"none","customer_tax_ids":[],
        "default_payment_method":null,"default_source":null,"default_tax_rates":[],"description":null,"discounts":[],
        "due_date":null,"effective_at":null,"ending_balance":null,"footer":null,"from_invoice":null,
        "hosted_invoice_url":null,"invoice_pdf":null,"issuer":{"type":"self"},"last_finalization_error":null,
        "latest_revision":null,"lines":{"object":"list","data":[],"has_more":false,"total_count":0,"url":""},
        "metadata":{},"next_payment_attempt":null,"number":null,"on_behalf_of":null,"parent":null,
        "payment_settings":{"default_mandate":null,"payment_method_options":null,"payment_method_types":null},
        "period_end":0,"period_start":0,"post_payment_credit_notes_amount":0,"pre_payment_credit_notes_amount":0,
        "receipt_number":null,"rendering":null,"shipping_cost":null,"shipping_details":null,"starting_balance":0,
        "statement_descriptor":null,"status":"draft","status_transitions":{"finalized_at":null,
        "marked_uncollectible_at":null,"paid_at":null,"voided_at":null},"subtotal":0,"subtotal_excluding_tax":0,
        "test_clock":null,"total":0,"total_discount_amounts":[],"total_excluding_tax":0,
        "total_pretax_credit_amounts":[],"total_taxes":[],"webhooks_delivered_at":null}
        """#)

    static let invoiceItem = StripeResource(
        "invoiceitem", "invoice item", "ii_", "/v1/invoiceitems",
        #"""
        {"amount":0,"currency":"usd","customer":null,"customer_account":null,"date":0,"description":null,
        "discountable":true,"discounts":[],"invoice":null,"metadata":{},"net_amount":0,"parent":null,
        "period":{"end":0,"start":0},"pricing":null,"proration":false,"quantity":1,"quantity_decimal":"1",
        "tax_rates":[],"test_clock":null}
        """#)

    static let invoicePayment = StripeResource(
        "invoice_payment", "invoice payment", "inpay_", "/v1/invoice_payments",
        #"""
        {"amount_paid":null,"amount_requested":0,"currency":"usd","invoice":null,"is_default":true,
        "payment":{"payment_intent":null,"type":"payment_intent"},"status":"open",
        "status_transitions":{"canceled_at":null,"paid_at":null}}
        """#)
}
