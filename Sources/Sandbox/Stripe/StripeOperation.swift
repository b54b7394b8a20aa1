import Kit

/// One call of Stripe's API, as a value: where it is, what it takes, what it does.
struct StripeOperation: Sendable {
    let method: String
    /// `{}` stands for an id.
    let template: [String]
    let parameters: StripeParameters
    let run: @Sendable (StripeCall) throws(StripeError) -> JSON

    init(
        _ method: String, _ path: String, _ parameters: String,
        _ run: @escaping @Sendable (StripeCall) throws(StripeError) -> JSON
    ) {
        self.method = method
        template = path.split(separator: "/").map(String.init)
        self.parameters = StripeParameters(parameters + " expand[]")
        self.run = run
    }

    var name: String { "\(method) /\(template.joined(separator: "/").replacing("{}", with: "{id}"))" }

    /// The ids in a path, where it is this operation's.
    func match(_ method: String, _ path: [String]) -> [String]? {
        guard method == self.method, path.count == template.count else { return nil }
        var ids: [String] = []
        for (part, wanted) in zip(path, template) {
            if wanted == "{}" { ids.append(part) } else if part != wanted { return nil }
        }
        return ids
    }

    // MARK: What many have

    static func retrieve(_ resource: StripeResource) -> StripeOperation {
        StripeOperation("GET", resource.path + "/{}", "") { call throws(StripeError) in try call.object(resource) }
    }

    /// - Parameter filters: parameters that must be what the object says.
    static func list(_ resource: StripeResource, _ filters: String = "") -> StripeOperation {
        let names = filters.split(separator: " ").map { String($0.prefix { $0 != ":" }) }
        return StripeOperation("GET", resource.path, StripeParameters.page + "created:range " + filters) {
            call throws(StripeError) in
            try call.page(of: resource) { object in names.allSatisfy { call.fits($0, object) } }
        }
    }

    /// Takes over what is said, and tells of it.
    static func update(_ resource: StripeResource, _ parameters: String, telling type: String?) -> StripeOperation {
        let read = StripeParameters(parameters)
        let names = read.all.map(\.name).joined(separator: " ")
        return StripeOperation("POST", resource.path + "/{}", parameters) { call throws(StripeError) in
            let object = try call.object(resource)
            try call.books.checkMetadata(call.params)
            return call.books.change(object, telling: type) { call.books.copy(names, from: call.params, to: &$0) }
        }
    }
}
