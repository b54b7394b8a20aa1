import Kit

/// Means of payment: made from test cards, put on file, taken off.
extension Books {
    func makeMethod(
        _ card: TestCard, customer: String? = nil, _ members: [JSONMember] = []
    ) -> JSON {
        var details = StripeResource.paymentMethod.usual["card"] ?? .object([])
        details.set("brand", .string(card.brand))
        details.set("display_brand", .string(card.brand))
        details.set("last4", .string(card.last4))
        details.set("funding", .string(card.funding))
        details.set("networks", ["available": [.string(card.brand)], "preferred": .null])
        details.set("fingerprint", .string("fp" + card.brand.prefix(3) + card.last4))
        return make(
            .paymentMethod,
            [
                .init("card", details), .init("customer", JSON(customer)),
                .init("_behaviour", .string(card.behaviour.rawValue)),
            ] + members)
    }

    /// A method by its id, or a new one where the id stands for a test card.
    func method(_ id: String?, param: String = "payment_method") throws(StripeError) -> JSON? {
        guard let id else { return nil }
        if let card = TestCard.named(id), id.hasPrefix("pm_") { return makeMethod(card) }
        return try find(.paymentMethod, id, param: param)
    }

    /// From `payment_method_data`, or the parameters of a new method.
    func newMethod(_ params: JSON) throws(StripeError) -> JSON {
        guard params.text("type") == "card" else {
            throw StripeError("The sandbox knows payment methods of type card only.", param: "type")
        }
        let token = params["card", "token"]?.text ?? ""
        guard let card = TestCard.named(token) else { throw .noSuch("token", token, param: "card[token]") }
        var method = makeMethod(card)
        copy("billing_details metadata allow_redisplay", from: params, to: &method)
        save(method)
        return method
    }

    func behaviour(of method: JSON) -> TestCard.Behaviour {
        method.text("_behaviour").flatMap(TestCard.Behaviour.init) ?? .good
    }

    /// Puts a method on file. Most cards that decline are refused here already.
    @discardableResult
    func attach(_ method: JSON, to customer: String) throws(StripeError) -> JSON {
        if method.text("customer") == customer { return method }
        guard method.text("customer") == nil, !method.isOn("_used") else {
            throw StripeError(
                """
                The payment method you provided has already been attached to a customer, or was detached from one. It \
                may not be used again.
                """)
        }
        let behaviour = behaviour(of: method)
        if behaviour.isRefusedOnFile, let decline = behaviour.decline {
            var error = StripeError.declined(decline, more: [])
            error.commits = false
            throw error
        }
        return change(method, telling: "payment_method.attached") { $0.set("customer", .string(customer)) }
    }

    func detach(_ method: JSON) throws(StripeError) -> JSON {
        guard let owner = method.text("customer") else {
            throw StripeError(
                "The payment method you provided is not attached to a customer so detachment is impossible.")
        }
        let detached = method.with("customer", .null).with("_used", true)
        save(detached)
        tell("payment_method.detached", detached, before: ["customer": .string(owner)])
        let id = method["id"] ?? .null
        if let customer = find(.customer, owner), customer["invoice_settings", "default_payment_method"] == id {
            change(customer, telling: "customer.updated") {
                $0.set(["invoice_settings", "default_payment_method"], .null)
            }
        }
        return detached
    }

    /// What a subscription or an invoice of a customer is paid with.
    func usualMethod(of customer: String?, _ own: String?...) -> JSON? {
        for id in own { if let method = find(.paymentMethod, id) { return method } }
        let settings = find(.customer, customer)?["invoice_settings", "default_payment_method"]
        return find(.paymentMethod, settings?.text)
    }
}
