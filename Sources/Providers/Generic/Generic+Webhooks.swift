public import Kit

/// Webhooks as declared: one at `/webhooks/generic`, or any number by name at `/webhooks/generic/{name}`.
extension Generic: OperatorConfigured {
    public var webhooks: WebhookScheme {
        let declaration = declaration
        return WebhookScheme(
            .hmac(declaration.signature), secrets: .text, tolerance: declaration.tolerance,
            // Nobody says for how long; most give up within days.
            repeatsFor: .days(5),
            handled: .none,
            events: { delivery throws(Unreadable) in [Self.event(in: delivery, declaration)] })
    }

    static let setting = "GENERIC_WEBHOOKS"

    public static func routes(_ settings: OperatorSettings) throws(BadValue) -> [WebhookRoute] {
        guard let text = settings.text(setting) else { return [] }
        let json: JSON
        do { json = try JSON.parse(text) } catch { throw BadValue(setting, error.sentence) }
        guard let members = json.members else { throw BadValue(setting, "must be an object.") }
        if json["header"]?.text != nil { return [try route(json, name: nil)] }
        var (routes, names): ([WebhookRoute], Set<String>) = ([], [])
        for member in members {
            let shown = OutsideText.bounded(member.name, 64)
            guard isSlug(member.name) else {
                throw BadValue(setting, "\"\(shown)\" is no name: 1 to 32 small letters, digits, - and _.")
            }
            guard names.insert(member.name).inserted else { throw BadValue(setting, "\(shown) stands there twice.") }
            routes.append(try route(member.value, name: member.name))
        }
        return routes
    }

    private static func isSlug(_ text: String) -> Bool {
        (1...32).contains(text.utf8.count)
            && text.utf8.allSatisfy {
                (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2D || $0 == 0x5F
            }
    }

    private static func route(_ json: JSON, name: String?) throws(BadValue) -> WebhookRoute {
        let place = name.map { "\($0): " } ?? ""
        do throws(Declaration.Wrong) {
            let scheme = Generic(try Declaration(json)).webhooks
            guard let secrets = json["secrets"]?.elements, !secrets.isEmpty else {
                throw .init("secrets", "must be a list of at least one text.")
            }
            var keys: [WebhookSecret] = []
            for secret in secrets {
                guard let text = secret.text else { throw .init("secrets", "must be a list of texts.") }
                keys.append(try key(text))
            }
            return WebhookRoute(scheme, keys, name: name)
        } catch {
            throw BadValue(setting, place + error.reason)
        }
    }

    private static func key(_ text: String) throws(Declaration.Wrong) -> WebhookSecret {
        do { return try WebhookSecret(text, written: .text) } catch { throw .init("secrets", error.reason) }
    }

    public static let verifying: [String: Verify.Builder] = [
        "generic": { secret throws(Verify.Unusable) in
            try Verify.lists(["secrets"], for: declared(secret).webhooks, atLeast: 1)(secret)
        }
    ]

    private static func declared(_ json: JSON) throws(Verify.Unusable) -> Generic {
        do { return Generic(try Declaration(json)) } catch { throw Verify.Unusable("secret.\(error.reason)") }
    }

    /// One event a delivery, named by what the declaration names, else by the signed id, else by its bytes.
    private static func event(in delivery: Delivery, _ declaration: Declaration) -> Event {
        let scan = JSONScan([declaration.eventID ?? ["id"], declaration.eventType])
        let found = try? scan.read(delivery.body)  // No JSON is named by its bytes.
        let signed = declaration.signature.id(of: delivery).map { Array($0.utf8) }
        // A null or an empty text names nothing: many messages would be one.
        let value = found?[0].flatMap { $0.kind == .null || found?.text(0)?.isEmpty == true ? nil : $0 }
        let named = declaration.eventID == nil ? nil : value.map { Array(delivery.body[$0.range]) }
        let id = named ?? signed
        let shown = named == nil ? signed.map { String(decoding: $0, as: UTF8.self) } : found?.text(0)
        return Event(
            identity: EventIdentity(day: 0, ofParts: [id == nil ? [0] : [1], id ?? delivery.body]),
            providerEventID: shown.map { OutsideText.bounded($0) },
            type: OutsideText.bounded(found?.text(1).flatMap { $0.isEmpty ? nil : $0 } ?? "message"),
            body: delivery.body.indices)
    }
}

extension Generic: SampleSource {
    public var samples: [WebhookSample] {
        [
            WebhookSample("message") { with in
                .json(["id": .string(with.id("msg_")), "type": "message", "created": JSON(with.at.seconds)])
            }
        ]
    }
}
