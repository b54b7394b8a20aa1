import Kit

/// Customers, their means of payment, and what is sold to them.
extension StripeOperation {
    private static let address = "address{city country line1 line2 postal_code state}"
    private static let billing = "billing_details{\(address) email name phone tax_id}"
    private static let customerFields = """
        email name phone description metadata:map \(address) shipping{\(address) name phone} \
        tax_exempt<exempt|none|reverse> balance:int \
        invoice_prefix next_invoice_sequence:int preferred_locales[] test_clock \
        invoice_settings{default_payment_method footer custom_fields[]:any}
        """
    private static let copied =
        "email name phone description metadata address shipping tax_exempt balance invoice_prefix "
        + "next_invoice_sequence preferred_locales invoice_settings"

    static let customers: [StripeOperation] = [
        StripeOperation("POST", "/v1/customers", customerFields + " payment_method") { call throws(StripeError) in
            let books = call.books
            try books.checkMetadata(call.params)
            var customer = books.make(
                .customer, [.init("invoice_prefix", .string(books.world.id("", length: 8).uppercased()))])
            books.copy(copied, from: call.params, to: &customer)
            books.save(customer)
            books.tell("customer.created", customer)
            let id = customer.text("id") ?? ""
            if let method = try books.method(call.params.text("payment_method")) { try books.attach(method, to: id) }
            try call.checkDefaultMethod(of: id)
            return customer
        },
        StripeOperation("GET", "/v1/customers/{}", "") { call throws(StripeError) in
            guard let customer = call.books.find(.customer, call.id) else {
                throw .noSuch("customer", call.id, param: "id")
            }
            // One who was deleted is still known, as that.
            return customer.isOn("deleted") ? deleted(customer) : customer
        },
        StripeOperation("POST", "/v1/customers/{}", customerFields) { call throws(StripeError) in
            let customer = try call.object(.customer)
            try call.books.checkMetadata(call.params)
            try call.checkDefaultMethod(of: call.id)
            return call.books.change(customer, telling: "customer.updated") {
                call.books.copy(copied, from: call.params, to: &$0)
            }
        },
        StripeOperation("DELETE", "/v1/customers/{}", "") { call throws(StripeError) in
            let customer = try call.object(.customer)
            let all = call.books.world.objects(of: StripeResource.subscription.kind)
            for subscription in all
            where subscription.text("customer") == call.id
                && !["canceled", "incomplete_expired"].contains(subscription.text("status"))
            {
                call.books.end(subscription, reason: "cancellation_requested")
            }
            call.books.save(customer.with("deleted", true))
            call.books.tell("customer.deleted", customer)
            return deleted(customer)
        },
        .list(.customer, "email"),
        StripeOperation("GET", "/v1/customers/{}/payment_methods", StripeParameters.page + "type") {
            call throws(StripeError) in
            _ = try call.object(.customer)
            return try call.page(of: .paymentMethod, at: "/v1/customers/\(call.id)/payment_methods") {
                $0.text("customer") == call.id && call.fits("type", $0)
            }
        },
        StripeOperation("GET", "/v1/customers/{}/payment_methods/{}", "") { call throws(StripeError) in
            let method = try call.books.find(.paymentMethod, call.path.last, param: "payment_method")
            guard method.text("customer") == call.id else {
                throw .noSuch("PaymentMethod", call.path.last ?? "", param: "payment_method")
            }
            return method
        },
    ]

    private static func deleted(_ object: JSON) -> JSON {
        ["id": object["id"] ?? .null, "object": object["object"] ?? .null, "deleted": true]
    }

    static let paymentMethods: [StripeOperation] = [
        StripeOperation("POST", "/v1/payment_methods", "type* card{token} \(billing) metadata:map allow_redisplay") {
            call throws(StripeError) in try call.books.newMethod(call.params)
        },
        StripeOperation("GET", "/v1/payment_methods/{}", "") { call throws(StripeError) in
            try call.books.find(.paymentMethod, call.id, param: "id")
        },
        .update(
            .paymentMethod, "metadata:map \(billing) allow_redisplay card{exp_month:int exp_year:int}",
            telling: "payment_method.updated"),
        .list(.paymentMethod, "customer type"),
        StripeOperation("POST", "/v1/payment_methods/{}/attach", "customer*") { call throws(StripeError) in
            guard let method = try call.books.method(call.id, param: "id") else {
                throw .noSuch("PaymentMethod", call.id, param: "id")
            }
            let customer = try call.books.find(.customer, call.params.text("customer"), param: "customer")
            return try call.books.attach(method, to: customer.text("id") ?? "")
        },
        StripeOperation("POST", "/v1/payment_methods/{}/detach", "") { call throws(StripeError) in
            try call.books.detach(try call.object(.paymentMethod))
        },
    ]

    static let products: [StripeOperation] = [
        StripeOperation(
            "POST", "/v1/products",
            "name* id active:flag description metadata:map images[] statement_descriptor unit_label url shippable:flag "
                + "default_price_data{currency* unit_amount:int recurring{interval* interval_count:int}}"
        ) { call throws(StripeError) in
            if let id = call.params.text("id"),
                !id.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || "_-.".contains($0)) })
            {
                throw .validation("An id holds letters, digits, _, - and full stops only.", "parameter_invalid", "id")
            }
            if let id = call.params.text("id"), call.books.find(.product, id) != nil {
                throw StripeError("Product already exists.", code: "resource_already_exists", param: "id")
            }
            var product = call.books.make(
                .product, id: call.params.text("id"), [.init("updated", JSON(call.books.now))])
            call.books.copy(
                "name active description metadata images statement_descriptor unit_label url shippable",
                from: call.params, to: &product)
            call.books.save(product)
            if let data = call.params.present("default_price_data") {
                let price = try call.makePrice(data, of: product.text("id") ?? "")
                product.set("default_price", price["id"] ?? .null)
                call.books.save(product)
            }
            call.books.tell("product.created", product)
            return product
        },
        .retrieve(.product), .list(.product, "active:flag"),
        .update(
            .product,
            "name active:flag description metadata:map images[] statement_descriptor unit_label url shippable:flag "
                + "default_price",
            telling: "product.updated"),
        StripeOperation("DELETE", "/v1/products/{}", "") { call throws(StripeError) in
            let product = try call.object(.product)
            let prices = call.books.world.objects(of: StripeResource.price.kind)
            guard !prices.contains(where: { $0.text("product") == call.id }) else {
                throw StripeError(
                    "This product cannot be deleted because it has one or more user-created prices.")
            }
            call.books.save(product.with("deleted", true))
            call.books.tell("product.deleted", product)
            return deleted(product)
        },
        StripeOperation(
            "POST", "/v1/prices",
            "currency* unit_amount:int unit_amount_decimal product product_data{name* metadata:map} nickname "
                + "recurring{interval* interval_count:int usage_type} active:flag lookup_key metadata:map tax_behavior "
                + "billing_scheme<per_unit>"
        ) { call throws(StripeError) in
            var product = call.params.text("product")
            if let data = call.params.present("product_data") {
                var made = call.books.make(.product, [.init("updated", JSON(call.books.now))])
                call.books.copy("name metadata", from: data, to: &made)
                call.books.save(made)
                call.books.tell("product.created", made)
                product = made.text("id")
            }
            guard let product else { throw .missing("product") }
            let price = try call.makePrice(call.params, of: product)
            call.books.tell("price.created", price)
            return price
        },
        .retrieve(.price), .list(.price, "active:flag product type currency"),
        .update(
            .price, "active:flag nickname metadata:map lookup_key tax_behavior", telling: "price.updated"),
    ]
}

extension StripeCall {
    /// A customer's usual method must be the customer's.
    fileprivate func checkDefaultMethod(of customer: String) throws(StripeError) {
        guard let id = params["invoice_settings", "default_payment_method"]?.text else { return }
        let method = try books.find(
            .paymentMethod, id, param: "invoice_settings[default_payment_method]")
        guard method.text("customer") == customer else {
            throw StripeError(
                "The customer does not have a payment method with the ID \(id). The payment method must be attached to "
                    + "the customer.",
                code: "resource_missing", param: "invoice_settings[default_payment_method]")
        }
    }

    private static let unitAmountMax: Int64 = 9_999_999_999
    /// Three years of each.
    private static let intervals: [String: Int64] = ["day": 1095, "week": 156, "month": 36, "year": 3]

    func makePrice(_ data: JSON, of product: String) throws(StripeError) -> JSON {
        _ = try books.find(.product, product, param: "product")
        let currency = try books.currency(data.text("currency"))
        guard let amount = data["unit_amount"]?.integer ?? data.text("unit_amount_decimal").flatMap({ Int64($0) })
        else {
            throw .missing("unit_amount")
        }
        guard (0...Self.unitAmountMax).contains(amount) else {
            throw .validation(
                "This value must be from 0 to \(Self.unitAmountMax).", "parameter_invalid_integer", "unit_amount")
        }
        var members: [JSONMember] = [
            .init("currency", .string(currency)), .init("product", .string(product)),
            .init("unit_amount", JSON(amount)), .init("unit_amount_decimal", .string(String(amount))),
        ]
        if let recurring = data.present("recurring") {
            let interval = recurring.text("interval") ?? ""
            guard let most = Self.intervals[interval] else {
                throw .validation(
                    "Invalid recurring[interval]: must be one of day, month, week, or year", nil, "recurring[interval]")
            }
            guard (1...most).contains(recurring["interval_count"]?.integer ?? 1) else {
                throw .validation(
                    "recurring[interval_count] must be from 1 to \(most) for \(interval).", "parameter_invalid_integer",
                    "recurring[interval_count]")
            }
            members += [
                .init("type", "recurring"),
                .init(
                    "recurring",
                    [
                        "interval": .string(interval), "interval_count": recurring.present("interval_count") ?? 1,
                        "meter": .null, "trial_period_days": .null, "usage_type": "licensed",
                    ]),
            ]
        }
        var price = books.make(.price, members)
        books.copy("nickname active lookup_key metadata tax_behavior", from: data, to: &price)
        books.save(price)
        return price
    }
}

extension Books {
    func currency(_ text: String?) throws(StripeError) -> String {
        guard let text, text.count == 3, text.allSatisfy({ $0.isASCII && $0.isLetter }) else {
            throw .validation(
                "Invalid currency: \(OutsideText.bounded(text ?? "", 20)).", "parameter_invalid", "currency")
        }
        return text.lowercased()
    }
}
