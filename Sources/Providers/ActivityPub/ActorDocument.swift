import Kit

/// From the documents that a key's name leads to, to the key: an actor that lists it, or a key whose owner does.
/// Source: swicg.github.io/activitypub-http-signature, "How to obtain a signature's public key".
enum ActorDocument {
    private static let types = ["application/activity+json", "application/ld+json"]
    private static let profile = "https://www.w3.org/ns/activitystreams"

    /// An actor has one key or two; more would be a way to make us look for long.
    private static let keysMax = 16

    static func step(_ need: KeyNeed, _ documents: [KeyDocument]) throws(BadKey) -> KeyStep {
        guard let document = documents.last else { return .fetch(url: need.url) }
        // Else a file that anyone may upload to a server's media would count as an actor.
        guard isActivityPub(document.contentType) else {
            throw BadKey("What stands at the key's address is no ActivityPub document.")
        }
        let json: JSON
        do { json = try JSON.parse(document.body) } catch { throw BadKey("The key's document is no JSON.") }
        guard let id = json["id"]?.text else { throw BadKey("The key's document has no id.") }
        guard isSameHost(id, need.url) else { throw BadKey("The key's document belongs to another server.") }
        if json["publicKeyPem"]?.text != nil {
            guard let owner = (json["owner"] ?? json["controller"]).flatMap({ Self.id($0) }) else {
                throw BadKey("The key has no owner.")
            }
            return try next(owner, need, documents)
        }
        // A document speaks for its own address only.
        let isAtHome = id.utf8.elementsEqual(document.url.utf8)
        guard isAtHome else { return try next(id, need, documents) }
        return .found(FoundKey(try key(named: need.name, of: json, id), owner: id))
    }

    private static func next(_ url: String, _ need: KeyNeed, _ documents: [KeyDocument]) throws(BadKey) -> KeyStep {
        guard isSameHost(url, need.url) else { throw BadKey("The key's owner is at another server.") }
        guard !documents.contains(where: { $0.url.utf8.elementsEqual(url.utf8) }) else {
            throw BadKey("The key's documents lead to each other.")
        }
        return .fetch(url: url)
    }

    private static func key(named name: String, of actor: JSON, _ id: String) throws(BadKey) -> PublicKey {
        let listed = actor["publicKey"].map { $0.elements ?? [$0] } ?? []
        for entry in listed.prefix(keysMax) {
            guard let entryID = entry["id"]?.text, entryID.utf8.elementsEqual(name.utf8) else { continue }
            guard let owner = (entry["owner"] ?? entry["controller"]).flatMap({ Self.id($0) }),
                owner.utf8.elementsEqual(id.utf8)
            else { throw BadKey("The key is not its actor's own.") }
            guard let pem = entry["publicKeyPem"]?.text else { throw BadKey("The key is not written as PEM.") }
            return try PublicKey(pem: pem)
        }
        throw BadKey("The actor lists no key of this name.")
    }

    /// A name, or an object that has one.
    private static func id(_ json: JSON) -> String? { json.text ?? json["id"]?.text }

    private static func isActivityPub(_ contentType: String) -> Bool {
        let type = String(contentType.prefix { $0 != ";" }).filter { $0 != " " }
        guard types.contains(type) else { return false }
        return type == types.first || contentType.contains(profile)
    }

    private static func isSameHost(_ left: String, _ right: String) -> Bool {
        func place(_ text: String) -> (OutsideURL.Host, Int)? {
            let address = String(decoding: Array(text.utf8.prefix { $0 != UInt8(ascii: "#") }), as: UTF8.self)
            return (try? OutsideURL(address)).map { ($0.host, $0.port) }
        }
        guard let left = place(left), let right = place(right) else { return false }
        return left == right
    }
}
