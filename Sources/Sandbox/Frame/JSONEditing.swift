public import Kit

/// Simulated objects are JSON from end to end: read by name, changed by name, written as they are.
extension JSON {
    /// The integer of a member, 0 where there is none.
    func int(_ path: String) -> Int64 { self[path]?.integer ?? 0 }
    /// The text of a member that is there and not empty.
    func text(_ name: String) -> String? { self[name]?.text.flatMap { $0.isEmpty ? nil : $0 } }
    /// Whether a member is `true`.
    func isOn(_ name: String) -> Bool { self[name]?.boolean ?? false }
    /// What a member holds; nil where it is missing or null.
    func present(_ name: String) -> JSON? { self[name].flatMap { $0.isNull ? nil : $0 } }
    /// Whether something is said about a member, be it null.
    func names(_ name: String) -> Bool { self[name] != nil }

    /// Puts a value in a member's place, or at the end.
    mutating func set(_ name: String, _ value: JSON) {
        guard case .object(var members) = self else {
            self = .object([JSONMember(name, value)])
            return
        }
        if let index = members.lastIndex(where: { $0.name == name }) {
            members[index] = JSONMember(name, value)
        } else {
            members.append(JSONMember(name, value))
        }
        self = .object(members)
    }

    /// The same for what lies deeper; missing objects are made.
    mutating func set(_ path: [String], _ value: JSON) {
        guard let first = path.first else { return self = value }
        guard path.count > 1 else { return set(first, value) }
        var inner = present(first) ?? .object([])
        inner.set(Array(path.dropFirst()), value)
        set(first, inner)
    }

    /// With a value put in by its path, as a person writes it: a number, `true`, `null`, an object, a text else.
    public func changed(at path: [String], to text: String) -> JSON {
        var copy = self
        copy.set(path, JSON(said: text))
        return copy
    }

    mutating func remove(_ name: String) {
        guard case .object(let members) = self else { return }
        self = .object(members.filter { $0.name != name })
    }

    func with(_ name: String, _ value: JSON) -> JSON {
        var copy = self
        copy.set(name, value)
        return copy
    }

    /// These members over one's own; objects are not joined.
    func with(_ members: [JSONMember]) -> JSON {
        var copy = self
        for member in members { copy.set(member.name, member.value) }
        return copy
    }

    /// Without the members that only the simulation knows; their names begin with `_`.
    var visible: JSON {
        switch self {
        case .object(let members):
            .object(members.compactMap { $0.name.hasPrefix("_") ? nil : JSONMember($0.name, $0.value.visible) })
        case .array(let elements): .array(elements.map(\.visible))
        case .null, .bool, .number, .string: self
        }
    }

    /// The old values of what `new` has otherwise; nil where nothing differs. Objects are compared member by member.
    func difference(to new: JSON) -> JSON? {
        guard let members, new.members != nil else { return self == new ? nil : self }
        var changed: [JSONMember] = []
        for member in members where member.name.hasPrefix("_") == false {
            let now = new[member.name] ?? .null
            if member.value.members != nil, now.members != nil {
                if let inner = member.value.difference(to: now) { changed.append(JSONMember(member.name, inner)) }
            } else if member.value != now {
                changed.append(JSONMember(member.name, member.value))
            }
        }
        return changed.isEmpty ? nil : .object(changed)
    }

    /// A document that the program itself brings: the type lets nothing from outside in. Null where it is written
    /// wrongly, which a test looks for.
    init(fixed text: StaticString) { self = (try? JSON.parse("\(text)")) ?? .null }  // Ours: `TablesTests` reads each.

    /// A text as a value: a number, `true`, `null`, an object where it is one, a text else.
    init(said text: String) { self = (try? JSON.parse(text)) ?? .string(text) }  // No JSON is a plain text.
}
