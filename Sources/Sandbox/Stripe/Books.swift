import Kit

/// Stripe's books during one turn: finds, makes and changes objects, and tells of what happened.
struct Books {
    let world: World
    let platform: SimulatedStripe
    /// Why things happen now: a request, or the clock.
    var cause = Cause()

    struct Cause: Sendable {
        /// Empty where the clock did it.
        var request = ""
        var idempotencyKey: String?
    }

    var now: Int64 { world.now }

    // MARK: Objects

    func find(_ resource: StripeResource, _ id: String?) -> JSON? { id.flatMap { world.object(resource.kind, $0) } }

    /// - Throws: `resource_missing`, with the name under which the id came.
    func find(_ resource: StripeResource, _ id: String?, param: String) throws(StripeError) -> JSON {
        guard let object = find(resource, id), !object.isOn("deleted") else {
            throw .noSuch(resource.name, id ?? "", param: param)
        }
        return object
    }

    /// Any object by its id.
    func any(_ id: String) -> JSON? { StripeResource.of(id: id).flatMap { find($0, id) } }

    /// A new object: what is usual, and over it what is said. Nothing is told yet.
    func make(_ resource: StripeResource, id: String? = nil, _ members: [JSONMember]) -> JSON {
        let id = id ?? world.id(resource.prefix)
        var object = JSON.object([
            JSONMember("id", .string(id)), JSONMember("object", .string(resource.object)),
            JSONMember("created", JSON(now)), JSONMember("livemode", false),
        ])
        object = object.with(resource.usual.members ?? []).with(members)
        save(object)
        return object
    }

    func save(_ object: JSON) {
        guard let resource = StripeResource.of(object: object["object"]?.text), let id = object.text("id") else {
            return
        }
        world.put(resource.kind, id, object)
    }

    /// Changes an object and tells of it, with what it was before, where it has changed at all.
    @discardableResult
    func change(_ object: JSON, telling type: String? = nil, _ edit: (inout JSON) -> Void) -> JSON {
        var changed = object
        edit(&changed)
        guard changed != object else { return object }
        save(changed)
        if let type { tell(type, changed, before: type.hasSuffix("updated") ? object.difference(to: changed) : nil) }
        return changed
    }

    // MARK: Events

    /// Something happened: an event, and a webhook to every endpoint that wants its type.
    func tell(_ type: String, _ object: JSON, before: JSON? = nil) {
        var data: [JSONMember] = [JSONMember("object", object.visible)]
        if let before { data.append(JSONMember("previous_attributes", before.visible)) }
        let request: JSON = [
            "id": cause.request.isEmpty ? .null : .string(cause.request), "idempotency_key": JSON(cause.idempotencyKey),
        ]
        let event = make(
            .event, [.init("data", .object(data)), .init("request", request), .init("type", .string(type))])
        world.count(type, of: platform.id)
        world.told += 1
        let id = event.text("id") ?? ""
        let owner = object["customer"]?.text ?? object["customer", "id"]?.text ?? object.text("id") ?? id
        world.mail(id, type: type, lane: owner, from: platform)
    }

    // MARK: Reading parameters into objects

    /// Takes over the members that are named; null unsets, metadata is merged, objects are merged member by member.
    func copy(_ names: String, from params: JSON, to object: inout JSON) {
        for name in names.split(separator: " ").map(String.init) {
            guard let value = params[name] else { continue }
            if name == "metadata" {
                object.set("metadata", Self.merged(object["metadata"], value))
            } else if let members = value.members, let old = object.present(name), old.members != nil {
                object.set(name, old.with(members))
            } else {
                object.set(name, value)
            }
        }
    }

    /// An empty value takes its key away, an empty whole takes all.
    private static func merged(_ old: JSON?, _ new: JSON) -> JSON {
        guard let members = new.members else { return .object([]) }
        var metadata = old ?? .object([])
        for member in members {
            if member.value.text?.isEmpty ?? true {
                metadata.remove(member.name)
            } else {
                metadata.set(member.name, member.value)
            }
        }
        return metadata
    }

    func checkMetadata(_ params: JSON) throws(StripeError) {
        let members = params["metadata"]?.members ?? []
        guard members.count <= 50 else {
            throw .validation("Metadata can have up to 50 keys.", "parameter_invalid", "metadata")
        }
        for member in members {
            guard member.name.count <= 40 else {
                throw .validation(
                    "Metadata keys can have up to 40 characters.", "parameter_invalid", "metadata[\(member.name)]")
            }
            guard (member.value.text?.count ?? 0) <= 500 else {
                throw .validation(
                    "Metadata values can have up to 500 characters, but you passed in a value that is "
                        + "\(member.value.text?.count ?? 0) characters. Invalid value: "
                        + OutsideText.bounded(member.value.text ?? "", 40),
                    "parameter_invalid", "metadata[\(member.name)]")
            }
        }
    }
}

extension JSON {
    /// A list as Stripe writes it.
    static func stripeList(_ data: [JSON], url: String, hasMore: Bool = false, counted: Bool = false) -> JSON {
        var list: JSON = ["object": "list", "data": .array(data), "has_more": .bool(hasMore)]
        if counted { list.set("total_count", JSON(data.count)) }
        return list.with("url", .string(url))
    }
    /// The elements of a list object in a member.
    func data(_ name: String) -> [JSON] { self[name, "data"]?.elements ?? [] }
}
