public import Kit

/// Webhooks: a form with `bt_payload`, base64 of XML with line ends in it, and `bt_signature`, pairs of a public key
/// and an HMAC-SHA1 of that text. The key is the SHA-1 digest of the private key.
/// Source: developer.paypal.com/braintree/docs/guides/webhooks/parse, and what its official libraries do.
extension Braintree: OperatorConfigured {
    public var webhooks: WebhookScheme { Self.scheme }

    private static let scheme = WebhookScheme(
        .proof(WebhookProof("HMAC-SHA1", headers: [], prove: prove, sign: sign)),
        secrets: .named("the public key"),
        tolerance: nil,
        // Every hour for a day.
        repeatsFor: .days(1),
        handshake: .signed(challenge),
        handled: .none,
        findable: findable,
        events: events(in:))

    /// Anyone may ask for the signature of a challenge, with the key of the deliveries: only what looks like one is
    /// signed, and a payload that looks like one proves nothing.
    private static let challenge = SignedChallenge(
        "bt_challenge", .sha1, .hex, keyed: .sha1, signs: isChallenge,
        answer: { signature, name in WebhookAnswer("text/plain; charset=utf-8", "\(name)|\(signature)".utf8) })

    private static func isChallenge(_ text: [UInt8]) -> Bool {
        (20...32).contains(text.count)
            && text.allSatisfy {
                (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
                    || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains($0)
            }
    }

    public static func routes(_ settings: OperatorSettings) throws(BadValue) -> [WebhookRoute] {
        let secrets = try settings.secrets("BRAINTREE_PRIVATE_KEY")
        guard !secrets.isEmpty, let names = settings.text("BRAINTREE_PUBLIC_KEY") else { return [] }
        let publicKeys = names.split(separator: ",").map { String($0.filter { !$0.isWhitespace }) }
        guard publicKeys.count == secrets.count else {
            throw BadValue(
                "BRAINTREE_PUBLIC_KEY",
                "holds \(publicKeys.count) keys, BRAINTREE_PRIVATE_KEY \(secrets.count): they stand in pairs, in "
                    + "one order."
            )
        }
        return [WebhookRoute(scheme, zip(secrets, publicKeys).map { $0.named($1) })]
    }

    public static let verifying: [String: Verify.Builder] = [
        "braintree": { secret throws(Verify.Unusable) in Verify.Setting(scheme, try keys(in: secret)) },
        "braintree-challenge": { secret throws(Verify.Unusable) in
            Verify.Setting(scheme, try keys(in: secret), isHandshake: true)
        },
    ]

    private static func keys(in secret: JSON) throws(Verify.Unusable) -> [WebhookSecret] {
        guard let pairs = secret["keys"]?.elements else { throw Verify.Unusable("secret.keys: a list is needed.") }
        var keys: [WebhookSecret] = []
        for pair in pairs {
            guard let name = pair["public_key"]?.text, let text = pair["private_key"]?.text else {
                throw Verify.Unusable("secret.keys: each needs public_key and private_key.")
            }
            keys.append(try Verify.key(name: name, secret: text))
        }
        return keys
    }

    private static func prove(_ delivery: Delivery, _ secrets: [WebhookSecret]) throws(Forged) -> Timestamp? {
        let (pairs, payload) = try parts(of: delivery)
        guard secrets.contains(where: \.proves) else { throw .noSecret }
        func isMade(over message: [UInt8]) -> Bool {
            var isMade = false
            for secret in secrets {
                let signature = pairs.first { $0.publicKey.elementsEqual((secret.name ?? "").utf8) }?.signature ?? []
                isMade = [secret].made(signature, over: [message], .sha1, .hex, keyed: .sha1) || isMade
            }
            return isMade
        }
        // Line ends at the end get lost on the way; Braintree's libraries forgive one.
        let isProven = isMade(over: payload) || isMade(over: payload + [UInt8(ascii: "\n")])
        guard isProven else { throw .wrongSignature }
        guard !isChallenge(payload) else { throw .challenge }
        return nil
    }

    private typealias Pair = (publicKey: ArraySlice<UInt8>, signature: ArraySlice<UInt8>)

    private static func parts(of delivery: Delivery) throws(Forged) -> (pairs: [Pair], payload: [UInt8]) {
        guard let form = FormFields(delivery.body) else {
            throw .malformedBody(problem: "has more than \(FormFields.most) fields")
        }
        let signature = try only("bt_signature", in: form)
        let payload = try only("bt_payload", in: form)
        guard payload.allSatisfy({ $0.isOfPayload }) else {
            throw .malformedBody(problem: "holds a bt_payload with characters that are neither base64 nor a line end")
        }
        guard signature.count <= HMACScheme.longestHeader else {
            throw .malformedBody(problem: "holds a bt_signature longer than \(HMACScheme.longestHeader) bytes")
        }
        let pairs = signature.split(separator: UInt8(ascii: "&")).compactMap { pair -> Pair? in
            pair.firstIndex(of: UInt8(ascii: "|")).map { (pair[..<$0], pair[($0 + 1)...]) }
        }
        return (pairs, payload)
    }

    private static func only(_ name: String, in form: FormFields) throws(Forged) -> [UInt8] {
        let values = form.values(of: name)
        guard values.count == 1, let value = values.first, !value.isEmpty else {
            throw .malformedBody(problem: "is no form with one \(name)")
        }
        return value
    }

    /// Wraps the XML as Braintree does, in lines of 60.
    private static func sign(_ draft: WebhookDraft, _ secrets: [WebhookSecret], _: Timestamp) -> WebhookDraft {
        var draft = draft
        var (payload, rest) = ([UInt8](), Base64.encode(draft.body)[...])
        while !rest.isEmpty {
            payload += rest.prefix(60) + [UInt8(ascii: "\n")]
            rest = rest.dropFirst(60)
        }
        let pairs = secrets.compactMap { secret in
            secret.mac(over: payload, .sha1, .hex, keyed: .sha1).map {
                "\(secret.name ?? "")|\(String(decoding: $0, as: UTF8.self))"
            }
        }
        draft.headers = [Field("Content-Type", "application/x-www-form-urlencoded")]
        draft.body = FormFields.encoded([
            Field("bt_signature", pairs.joined(separator: "&")),
            Field("bt_payload", String(decoding: payload, as: UTF8.self)),
        ])
        return draft
    }
}

extension UInt8 {
    fileprivate var isOfPayload: Bool {
        switch self {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "/"), UInt8(ascii: "="),
            UInt8(ascii: "\n"):
            true
        default: false
        }
    }
}
