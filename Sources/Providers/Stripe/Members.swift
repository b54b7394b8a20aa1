import Kit

/// Reads the members of an object. What is absent is nil; what has another type than documented is unreadable: a
/// person sees it, nothing is guessed.
struct Members {
    let json: JSON
    private let name: String

    init(_ json: JSON, _ name: String) {
        self.json = json
        self.name = name
    }

    /// That the object is what its `object` member should say.
    func check(_ kind: String) throws(Unreadable) {
        guard let said = json["object"] else { return }
        guard said == .string(kind) else { throw Unreadable("The event should hold a \(kind) and does not.") }
    }

    /// The first of these that is there.
    func text(_ members: String...) throws(Unreadable) -> String? {
        guard let member = members.first(where: { present($0) != nil }), let value = present(member) else { return nil }
        guard let text = value.text else { throw unexpected(member, "a text") }
        return OutsideText.bounded(text)
    }
    func required(_ member: String) throws(Unreadable) -> String {
        guard let text = try text(member), !text.isEmpty else { throw unexpected(member, "a text") }
        return text
    }
    func integer(_ member: String) throws(Unreadable) -> Int64? {
        guard let value = present(member) else { return nil }
        guard let integer = value.integer else { throw unexpected(member, "an integer") }
        return integer
    }
    func flag(_ member: String) throws(Unreadable) -> Bool? {
        guard let value = present(member) else { return nil }
        guard let flag = value.boolean else { throw unexpected(member, "true or false") }
        return flag
    }
    func time(_ member: String) throws(Unreadable) -> Timestamp? { try integer(member).map(Timestamp.init(seconds:)) }

    /// An amount in the object's own currency.
    func money(_ member: String) throws(Unreadable) -> Money? {
        guard let minor = try integer(member), let currency = try text("currency") else { return nil }
        return Money(minor: minor, currency: currency.uppercased())
    }

    /// The id of another object, which may stand there whole; the first of these that is there.
    func reference(_ members: String...) throws(Unreadable) -> String? {
        guard let member = members.first(where: { present($0) != nil }), let value = present(member) else { return nil }
        guard let id = value.text ?? value["id"]?.text, !id.isEmpty else { throw unexpected(member, "an id") }
        return OutsideText.bounded(id)
    }

    func member(_ member: String) throws(Unreadable) -> Members? {
        guard let value = present(member) else { return nil }
        guard value.members != nil else { throw unexpected(member, "an object") }
        return Members(value, member)
    }
    func list(_ member: String) throws(Unreadable) -> [Members] {
        guard let value = present(member) else { return [] }
        guard let elements = value.elements else { throw unexpected(member, "a list") }
        return elements.map { Members($0, member) }
    }

    /// The application's own id of its user, which it left in the metadata.
    var patchbayUser: String? { json["metadata", "patchbay_user"]?.text }

    private func present(_ member: String) -> JSON? { json[member].flatMap { $0.isNull ? nil : $0 } }
    private func unexpected(_ member: String, _ what: String) -> Unreadable {
        Unreadable("\(member) of \(name) should be \(what).")
    }
}
