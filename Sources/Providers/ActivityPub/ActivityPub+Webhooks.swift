public import Kit

/// The inbox: an activity, signed by its actor's key, which stands where the signature says.
/// Source: docs.joinmastodon.org/spec/security, swicg.github.io/activitypub-http-signature.
extension ActivityPub: OperatorConfigured {
    public var webhooks: WebhookScheme { Self.scheme(Self.rules) }

    /// Mastodon's rules, and stricter where nobody loses: a request covers its method, its address and its body.
    static let rules = rules(draft: true, rfc9421: true)

    static func rules(draft: Bool, rfc9421: Bool) -> HTTPSignatureRules {
        HTTPSignatureRules(
            draft: draft ? .init(always: ["(request-target)", "host"], withBody: ["digest"]) : nil,
            rfc9421: rfc9421 ? .init(always: ["@method", "@target-uri"], withBody: ["content-digest"]) : nil,
            algorithms: [
                "rsa-sha256": .fixed(.rsaSHA256), "rsa-v1_5-sha256": .fixed(.rsaSHA256), "hs2019": .byKey,
                "ed25519": .fixed(.ed25519), "ecdsa-p256-sha256": .fixed(.ecdsaSHA256Raw),
            ],
            byKey: [.rsa: .rsaSHA256, .ed25519: .ed25519, .p256: .ecdsaSHA256Raw],
            window: .init(skew: .hours(1), usual: .minutes(5), most: .hours(12)))
    }

    static func scheme(_ rules: HTTPSignatureRules) -> WebhookScheme {
        WebhookScheme(
            .remote(
                RemoteProof(
                    "HTTP Signatures", headers: ["Signature", "Signature-Input"],
                    fetching: KeyFetching(
                        accepts: "application/activity+json", documentMax: 1 << 20, documentsMax: 3, redirectsMax: 3,
                        life: .hours(24), refusalLife: .minutes(10)),
                    need: { delivery, servers throws(Forged) in try need(delivery, servers, rules) },
                    read: { need, documents, _ throws(BadKey) in try ActorDocument.step(need, documents) },
                    prove: { delivery, _, found throws(Forged) in try prove(delivery, found, rules) })),
            secrets: .identifier,
            // The rules' own window is narrower for most; this is its outer edge.
            tolerance: .init(past: rules.window.most + rules.window.skew, future: rules.window.skew),
            repeatsFor: .days(7),
            handled: .none,
            findable: FindableValues(
                FindableValue("activity", json: "id"), FindableValue("actor", json: "actor", "actor.id"),
                FindableValue("object", json: "object", "object.id")),
            events: events(in:))
    }

    public static func routes(_ settings: OperatorSettings) throws(BadValue) -> [WebhookRoute] {
        let servers = try settings.secrets("ACTIVITYPUB_SERVERS", written: .identifier)
        return servers.isEmpty ? [] : [WebhookRoute(scheme(rules), servers)]
    }

    // MARK: Proof

    /// What can be said before the key is there: what is covered, when, and whether its server is one to listen to.
    private static func need(
        _ delivery: Delivery, _ servers: [WebhookSecret], _ rules: HTTPSignatureRules
    ) throws(Forged) -> KeyNeed {
        let signature = try HTTPSignature(of: delivery, by: rules)
        try signature.proveBody(delivery)
        let address = String(decoding: Array(signature.keyID.utf8.prefix { $0 != UInt8(ascii: "#") }), as: UTF8.self)
        let url: OutsideURL
        do { url = try OutsideURL(address) } catch {
            throw .untrustedKey("The key's name is no address. \(error.reason)")
        }
        guard Servers(servers).take(url.host) else {
            throw .untrustedKey("The key's server is not one that ACTIVITYPUB_SERVERS takes.")
        }
        return KeyNeed(name: signature.keyID, url: address, claimed: try signature.signedTime(delivery, by: rules))
    }

    private static func prove(
        _ delivery: Delivery, _ found: FoundKey, _ rules: HTTPSignatureRules
    ) throws(Forged) -> SignedTime? {
        let time = try HTTPSignature(of: delivery, by: rules).prove(delivery, with: found.key, by: rules)
        // Whoever signs speaks for himself alone.
        if let owner = found.owner {
            guard let actor = Activity.actor(in: delivery.body) else {
                throw .malformedBody(problem: "names no actor")
            }
            guard actor.utf8.elementsEqual(owner.utf8) else {
                throw .untrustedKey("The activity is said to be of another actor than the one who signed it.")
            }
        }
        return time
    }

    // MARK: Events

    private static func events(in delivery: Delivery) throws(Unreadable) -> [Event] {
        let found: JSONScan.Found
        do { found = try scan.read(delivery.body) } catch { throw Unreadable(error.sentence) }
        guard let type = found.text(1), !type.isEmpty else { throw Unreadable("The activity has no type.") }
        guard let actor = Activity.actor(in: delivery.body) else { throw Unreadable("The activity names no actor.") }
        // An id is its actor's word: another one's activity must not be kept out by taking its name first.
        let id = found.content(0).flatMap { $0.isEmpty ? nil : Array($0) }
        let name = id ?? delivery.body
        return [
            Event(
                identity: EventIdentity(day: 0, ofParts: [Array(actor.utf8), name]),
                providerEventID: found.text(0).map { OutsideText.bounded($0) }, type: OutsideText.bounded(type),
                account: OutsideText.bounded(actor), subject: OutsideText.bounded(actor),
                occurredAt: found.text(2).flatMap(Timestamp.init(rfc3339:)), body: delivery.body.indices)
        ]
    }

    private static let scan = JSONScan([["id"], ["type"], ["published"]])
}

/// What an activity says of itself.
enum Activity {
    private static let scan = JSONScan([["actor"], ["actor", "id"]])

    /// Whose it is: an id, or an object that has one.
    static func actor(in body: [UInt8]) -> String? {
        guard let found = try? scan.read(body) else { return nil }  // What is no JSON names nobody.
        return found.text(0) ?? found.text(1)
    }
}

/// Which servers' activities are taken, as `ACTIVITYPUB_SERVERS` says: hosts, or `*` for all; `!host` for none of its
/// own. A host stands for the names below it too.
struct Servers {
    private let takesAll: Bool
    private let taken: [String]
    private let left: [String]

    init(_ names: [WebhookSecret]) {
        let names = names.compactMap(\.identifier).map { String(decoding: $0, as: UTF8.self).lowercased() }
        takesAll = names.contains("*")
        left = names.filter { $0.hasPrefix("!") }.map { String($0.dropFirst()) }
        taken = names.filter { !$0.hasPrefix("!") && $0 != "*" }
    }

    func take(_ host: OutsideURL.Host) -> Bool {
        let name =
            switch host {
            case .name(let name): name
            case .address(let address): address.description
            }
        func names(_ other: String) -> Bool { name == other || name.hasSuffix("." + other) }
        return !left.contains(where: names) && (takesAll || taken.contains(where: names))
    }
}
