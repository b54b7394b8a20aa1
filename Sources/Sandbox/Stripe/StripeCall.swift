import Kit

/// One request to Stripe's API, read: what it asks of which object.
struct StripeCall {
    let books: Books
    /// The variable parts of the path, in order.
    let path: [String]
    let params: JSON
    /// Of the answer's shape.
    let version: String

    var id: String { path.first ?? "" }
    func object(_ resource: StripeResource) throws(StripeError) -> JSON { try books.find(resource, id, param: "id") }

    // MARK: Lists

    /// A page of a kind, newest first, of what passes.
    func page(
        of resource: StripeResource, at url: String? = nil, where passes: (JSON) -> Bool = { _ in true }
    ) throws(StripeError) -> JSON {
        let created = params["created"]
        let all = books.world.objects(of: resource.kind).filter {
            !$0.isOn("deleted") && Self.isWithin($0.int("created"), created) && passes($0)
        }
        return try page(all, url ?? resource.path, resource.name)
    }

    /// A page of a list that is there.
    func page(_ all: [JSON], _ url: String, _ name: String) throws(StripeError) -> JSON {
        let limit = params["limit"]?.integer ?? 10
        guard (1...100).contains(limit) else {
            throw .validation("This value must be between 1 and 100.", "parameter_invalid_integer", "limit")
        }
        let count = Int(limit)
        func place(_ param: String) throws(StripeError) -> Int? {
            guard let id = params.text(param) else { return nil }
            guard let place = all.firstIndex(where: { $0.text("id") == id }) else {
                throw .noSuch(name, id, param: param)
            }
            return place
        }
        if let before = try place("ending_before") {
            let data = all[..<before].suffix(count)
            return .stripeList(data.map(\.self), url: url, hasMore: before > count)
        }
        let start = try place("starting_after").map { $0 + 1 } ?? 0
        let data = all[start...].prefix(count)
        return .stripeList(data.map(\.self), url: url, hasMore: all.count > start + count)
    }

    private static func isWithin(_ time: Int64, _ range: JSON?) -> Bool {
        guard let range, !range.isNull else { return true }
        if let exact = range.integer { return time == exact }
        return range["gt"]?.integer.map { time > $0 } ?? true && range["gte"]?.integer.map { time >= $0 } ?? true
            && range["lt"]?.integer.map { time < $0 } ?? true && range["lte"]?.integer.map { time <= $0 } ?? true
    }

    /// Whether a filter's parameter is not given, or is what the object says.
    func fits(_ name: String, _ object: JSON) -> Bool {
        guard let wanted = params.present(name) else { return true }
        return object[name] == wanted || object[name, "id"] == wanted
    }

    // MARK: What answers are made into

    /// Puts objects in the place of their ids, where the request asks for it.
    func expanded(_ answer: JSON) throws(StripeError) -> JSON {
        var answer = answer
        for path in params["expand"]?.elements ?? [] {
            guard let text = path.text, !text.isEmpty else { continue }
            let names = text.split(separator: ".").map(String.init)
            guard names.count <= 4 else {
                throw StripeError("You cannot expand more than 4 levels of a property. Property: \(text)")
            }
            answer = try expand(answer, names[...], text)
        }
        return answer
    }

    private func expand(_ value: JSON, _ names: ArraySlice<String>, _ whole: String) throws(StripeError) -> JSON {
        guard let name = names.first else { return value }
        if let elements = value.elements {
            var expanded: [JSON] = []
            for element in elements { expanded.append(try expand(element, names, whole)) }
            return .array(expanded)
        }
        guard let member = value[name] ?? included(name, of: value) else {
            throw StripeError("This property cannot be expanded (\(whole)).")
        }
        if member.isNull { return value }
        var inner = member
        if let id = member.text {
            guard let object = books.any(id) else { throw StripeError("This property cannot be expanded (\(whole)).") }
            inner = object
        }
        return value.with(name, try expand(inner, names.dropFirst(), whole))
    }

    /// Members that stand in an object only where they are asked for.
    private func included(_ name: String, of object: JSON) -> JSON? {
        let id = object.text("id") ?? ""
        let world = books.world
        switch (object["object"]?.text ?? "", name) {
        case ("invoice", "payments"):
            return .stripeList(books.payments(of: id), url: "/v1/invoice_payments?invoice=\(id)")
        case ("invoice", "confirmation_secret"):
            let intent = books.find(.paymentIntent, books.find(.invoice, id)?.text("_intent"))
            return intent.map { ["client_secret": $0["client_secret"] ?? .null, "type": "payment_intent"] } ?? .null
        case ("customer", "subscriptions"):
            let own = world.objects(of: StripeResource.subscription.kind).filter {
                $0.text("customer") == id && $0.text("status") != "canceled"
            }
            return .stripeList(own, url: "/v1/customers/\(id)/subscriptions")
        case ("customer", "sources"): return .stripeList([], url: "/v1/customers/\(id)/sources")
        case ("charge", "refunds"):
            let own = world.objects(of: StripeResource.refund.kind).filter { $0.text("charge") == id }
            return .stripeList(own, url: "/v1/charges/\(id)/refunds")
        case ("checkout.session", "line_items"):
            return books.find(.checkoutSession, id)?["_line_items"]
        default: return nil
        }
    }

    /// The shape of the version that was asked for.
    func shaped(_ answer: JSON) -> JSON { StripeVersions.shaped(answer, version, books) }
}

/// What moved in 2025-03-31.basil. Source: docs/providers/stripe.md, "Objects".
enum StripeVersions {
    static let newest = "2026-10-28.endive"
    private static let moved = "2025-03-31"

    /// `YYYY-MM-DD`, and a train's name behind it or not.
    static func isKnown(_ version: String) -> Bool {
        let date = Array(version.prefix(10))
        return date.count == 10 && date[4] == "-" && date[7] == "-" && date.filter(\.isNumber).count == 8
            && (version.count == 10 || version.dropFirst(10).first == ".") && String(date) <= newest.prefix(10)
    }

    static func shaped(_ value: JSON, _ version: String, _ books: Books) -> JSON {
        guard version.prefix(10) < moved else { return value }
        switch value {
        case .array(let elements): return .array(elements.map { shaped($0, version, books) })
        case .object(let members):
            var old = JSON.object(members.map { JSONMember($0.name, shaped($0.value, version, books)) })
            switch value["object"]?.text {
            case "subscription": moveSubscription(&old)
            case "invoice": moveInvoice(&old, books)
            default: break
            }
            return old
        case .null, .bool, .number, .string: return value
        }
    }

    private static func moveSubscription(_ subscription: inout JSON) {
        let items = subscription.data("items")
        guard let first = items.first else { return }
        subscription.set("current_period_start", first["current_period_start"] ?? .null)
        subscription.set("current_period_end", first["current_period_end"] ?? .null)
        subscription.set("plan", items.count == 1 ? first["plan"] ?? .null : .null)
        subscription.set("quantity", items.count == 1 ? first["quantity"] ?? .null : .null)
        subscription.set(
            ["items", "data"],
            .array(
                items.map { item in
                    var item = item
                    item.remove("current_period_start")
                    item.remove("current_period_end")
                    return item
                }))
    }

    private static func moveInvoice(_ invoice: inout JSON, _ books: Books) {
        let details = invoice["parent", "subscription_details"]
        let intent = books.find(.paymentIntent, books.find(.invoice, invoice.text("id"))?.text("_intent"))
        invoice.set("subscription", details?["subscription"] ?? .null)
        if let details, !details.isNull {
            invoice.set("subscription_details", ["metadata": details["metadata"] ?? .null])
        }
        invoice.set("payment_intent", intent?["id"] ?? .null)
        invoice.set("charge", intent?["latest_charge"] ?? .null)
        invoice.set("paid", .bool(invoice.text("status") == "paid"))
        invoice.remove("parent")
    }
}
