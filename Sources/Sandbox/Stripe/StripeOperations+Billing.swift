import Kit

/// Subscriptions and invoices.
extension StripeOperation {
    private static let settings = """
        default_payment_method description metadata:map collection_method<charge_automatically|send_invoice> \
        days_until_due:int cancel_at:time cancel_at_period_end:flag \
        payment_behavior<allow_incomplete|default_incomplete|error_if_incomplete|pending_if_incomplete> \
        proration_behavior<always_invoice|create_prorations|none> off_session:flag trial_end:time \
        payment_settings{save_default_payment_method<off|on_subscription> payment_method_types[] \
        payment_method_options:any} \
        trial_settings:any billing_mode:any
        """
    static let subscriptions: [StripeOperation] = [
        StripeOperation(
            "POST", "/v1/subscriptions",
            "customer* items[]{price quantity:int metadata:map price_data{currency* product* unit_amount:int "
                + "recurring{interval* interval_count:int}}}* trial_period_days:int currency "
                + "billing_cycle_anchor:time \(settings)"
        ) { call throws(StripeError) in try call.createSubscription() },
        .retrieve(.subscription),
        StripeOperation(
            "GET", "/v1/subscriptions", StripeParameters.page + "customer price status collection_method created:range"
        ) { call throws(StripeError) in
            let status = call.params.text("status")
            return try call.page(of: .subscription) { subscription in
                let isEnded = ["canceled", "incomplete_expired"].contains(subscription.text("status"))
                let fitsStatus =
                    status == "all" || status == subscription.text("status") || status == "ended" && isEnded
                    || status == nil && subscription.text("status") != "canceled"
                let price = call.params.text("price")
                return fitsStatus && call.fits("customer", subscription) && call.fits("collection_method", subscription)
                    && (price == nil || subscription.data("items").contains { $0["price", "id"]?.text == price })
            }
        },
        StripeOperation(
            "POST", "/v1/subscriptions/{}",
            "items[]{id price quantity:int metadata:map deleted:flag clear_usage:flag} proration_date:int "
                + "billing_cycle_anchor "
                + "pause_collection{behavior<keep_as_draft|mark_uncollectible|void>* resumes_at:time} "
                + "cancellation_details{comment feedback} \(settings)"
        ) { call throws(StripeError) in try call.updateSubscription() },
        StripeOperation(
            "DELETE", "/v1/subscriptions/{}",
            "invoice_now:flag prorate:flag cancellation_details{comment feedback}"
        ) { call throws(StripeError) in try call.cancelSubscription() },
        StripeOperation(
            "GET", "/v1/subscription_items", StripeParameters.page + "subscription*"
        ) { call throws(StripeError) in
            let subscription = try call.books.find(
                .subscription, call.params.text("subscription"), param: "subscription")
            return try call.page(subscription.data("items"), "/v1/subscription_items", "subscription item")
        },
        .retrieve(.subscriptionItem),
    ]

    static let invoices: [StripeOperation] = [
        StripeOperation(
            "POST", "/v1/invoices",
            "customer* subscription description metadata:map "
                + "collection_method<charge_automatically|send_invoice> days_until_due:int "
                + "auto_advance:flag "
                + "currency pending_invoice_items_behavior<exclude|include> default_payment_method footer"
        ) { call throws(StripeError) in try call.createInvoice() },
        .retrieve(.invoice),
        StripeOperation(
            "GET", "/v1/invoices",
            StripeParameters.page + "customer subscription status collection_method created:range"
        ) { call throws(StripeError) in
            let subscription = call.params.text("subscription")
            return try call.page(of: .invoice) { invoice in
                call.fits("customer", invoice) && call.fits("status", invoice)
                    && call.fits("collection_method", invoice)
                    && (subscription == nil
                        || invoice["parent", "subscription_details", "subscription"]?.text == subscription)
            }
        },
        .update(
            .invoice, "description metadata:map auto_advance:flag default_payment_method footer days_until_due:int",
            telling: "invoice.updated"),
        StripeOperation("DELETE", "/v1/invoices/{}", "") { call throws(StripeError) in
            let invoice = try call.draftInvoice("delete")
            call.books.world.delete(StripeResource.invoice.kind, call.id)
            call.books.tell("invoice.deleted", invoice)
            return ["id": .string(call.id), "object": "invoice", "deleted": true]
        },
        StripeOperation("POST", "/v1/invoices/{}/finalize", "auto_advance:flag") { call throws(StripeError) in
            call.books.world.due("\(call.books.platform.id) finalize \(call.id)", at: nil)
            return call.books.finalize(try call.draftInvoice("finalize"))
        },
        StripeOperation(
            "POST", "/v1/invoices/{}/pay", "payment_method paid_out_of_band:flag off_session:flag forgive:flag"
        ) { call throws(StripeError) in try call.payInvoice() },
        StripeOperation("POST", "/v1/invoices/{}/void", "") { call throws(StripeError) in
            call.books.void(try call.openInvoice("void"))
        },
        StripeOperation("POST", "/v1/invoices/{}/mark_uncollectible", "") { call throws(StripeError) in
            call.books.markUncollectible(try call.openInvoice("mark as uncollectible"))
        },
        StripeOperation("POST", "/v1/invoices/{}/send", "") { call throws(StripeError) in
            let invoice = try call.object(.invoice)
            let open = invoice.text("status") == "draft" ? call.books.finalize(invoice) : invoice
            call.books.tell("invoice.sent", open)
            return open
        },
        StripeOperation("GET", "/v1/invoices/{}/lines", StripeParameters.page) { call throws(StripeError) in
            let invoice = try call.object(.invoice)
            return try call.page(invoice.data("lines"), "/v1/invoices/\(call.id)/lines", "line item")
        },
        StripeOperation(
            "POST", "/v1/invoices/create_preview",
            "customer subscription subscription_details{items[]{id price quantity:int deleted:flag} proration_behavior "
                + "proration_date:int cancel_at_period_end:flag}"
        ) { call throws(StripeError) in try call.preview() },
        StripeOperation(
            "GET", "/v1/invoice_payments", StripeParameters.page + "invoice status created:range"
        ) { call throws(StripeError) in
            try call.page(of: .invoicePayment) { call.fits("invoice", $0) && call.fits("status", $0) }
        },
        .retrieve(.invoicePayment),
        StripeOperation(
            "POST", "/v1/invoiceitems",
            "customer* amount:int currency description metadata:map invoice subscription quantity:int pricing{price}"
        ) { call throws(StripeError) in try call.createInvoiceItem() },
        .retrieve(.invoiceItem), .list(.invoiceItem, "customer invoice"),
        StripeOperation("DELETE", "/v1/invoiceitems/{}", "") { call throws(StripeError) in
            let item = try call.object(.invoiceItem)
            guard item.text("invoice") == nil else {
                throw StripeError("Can't delete an invoice item that is attached to an invoice.")
            }
            call.books.world.delete(StripeResource.invoiceItem.kind, call.id)
            return ["id": .string(call.id), "object": "invoiceitem", "deleted": true]
        },
    ]
}
