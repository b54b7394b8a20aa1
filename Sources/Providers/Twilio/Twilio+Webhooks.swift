public import Kit

/// Webhooks: `X-Twilio-Signature`, base64 of the HMAC-SHA1 of the public address and the form's sorted parameters, with
/// the primary auth token; or with a shared key that `X-Twilio-Webhooks-Signature-Settings` names.
/// Source: twilio.com/docs/usage/webhooks/webhooks-security, twilio.com/docs/usage/webhooks/webhook-shared-keys.
extension Twilio: OperatorConfigured {
    public var webhooks: WebhookScheme { Self.scheme }

    private static let scheme = {
        var scheme = posted
        // The console lets each address be called by GET: the parameters stand in the query then.
        scheme.comesByGET = true
        return scheme
    }()

    private static let posted = WebhookScheme(
        .proof(WebhookProof("HMAC-SHA1", headers: [signatureHeader], prove: prove, sign: sign)),
        secrets: .text,
        tolerance: nil,
        repeatsFor: .days(1),
        // No reply to an inbound message, no instruction to a call.
        answers: WebhookAnswers(kept: WebhookAnswer("text/xml", "<Response/>".utf8)),
        handled: .none,
        findable: FindableValues(
            FindableValue("message or call", form: "MessageSid", "SmsSid", "CallSid"),
            FindableValue("recipient", form: "To"), FindableValue("sender", form: "From")),
        events: events(in:))

    static let signatureHeader = "X-Twilio-Signature"
    static let settingsHeader = "X-Twilio-Webhooks-Signature-Settings"
    static let sharedKeys = WebhookSecret.Writing.named("the key's id, webhooks_sharedkey_…")

    public static func routes(_ settings: OperatorSettings) throws(BadValue) -> [WebhookRoute] {
        let secrets =
            try settings.secrets("TWILIO_AUTH_TOKEN") + settings.secrets("TWILIO_SHARED_KEYS", written: sharedKeys)
        return secrets.isEmpty ? [] : [WebhookRoute(scheme, secrets)]
    }

    public static let verifying: [String: Verify.Builder] = [
        "twilio": Verify.lists(["auth_tokens"], for: scheme, atLeast: 1),
        "twilio-shared-key": { secret throws(Verify.Unusable) in
            var secrets = try Verify.lists(["auth_tokens"], for: scheme, atLeast: 1)(secret).secrets
            for member in secret["shared_keys"]?.members ?? [] {
                guard let text = member.value.text else {
                    throw Verify.Unusable("secret.shared_keys: must hold a text for each key id.")
                }
                secrets.append(try Verify.key(name: member.name, secret: text))
            }
            return Verify.Setting(scheme, secrets)
        },
    ]

    private static func prove(_ delivery: Delivery, _ secrets: [WebhookSecret]) throws(Forged) -> Timestamp? {
        let signature = Array(try delivery.theOnly(signatureHeader).utf8)
        guard let url = delivery.url else {
            throw .malformed(header: signatureHeader, problem: "covers this server's address, which is not known")
        }
        let (keys, hash) = try keys(of: delivery, among: secrets)
        let covered = try SignedText.parameters(of: delivery, at: url)
        let messages = SignedText.addresses(of: url).map { Array($0.utf8) + covered }
        guard keys.made(signature, over: messages, hash, .base64) else { throw .wrongSignature }
        return nil
    }

    /// The keys that count, and how: the auth tokens, or the one shared key that the request names and nothing else.
    private static func keys(
        of delivery: Delivery, among secrets: [WebhookSecret]
    ) throws(Forged) -> ([WebhookSecret], HMACScheme.Hash) {
        guard delivery.headers[settingsHeader] != nil else {
            let tokens = secrets.filter { $0.name == nil }
            guard !tokens.isEmpty else { throw .noSecret }
            return (tokens, .sha1)
        }
        var (name, algorithm): (String?, String?)
        for member in try delivery.theOnly(settingsHeader, atMost: 1024).split(separator: ",") {
            let parts = member.split(separator: "=", maxSplits: 1).map { $0.filter { $0 != " " } }
            if parts.first == "key" { name = parts.last }
            if parts.first == "algorithm" { algorithm = parts.last }
        }
        let hashes: [String: HMACScheme.Hash] = ["HMAC_SHA1": .sha1, "HMAC_SHA256": .sha256]
        guard let algorithm, let hash = hashes[algorithm] else {
            throw .malformed(header: settingsHeader, problem: "names neither HMAC_SHA1 nor HMAC_SHA256")
        }
        let keys = secrets.filter { $0.name != nil && $0.name == name }
        guard !keys.isEmpty else {
            throw .malformed(header: settingsHeader, problem: "names a key that is not set in TWILIO_SHARED_KEYS")
        }
        return (keys, hash)
    }

    /// As Twilio signs: a form by its parameters, any other body by its hash in the address.
    private static func sign(_ draft: WebhookDraft, _ secrets: [WebhookSecret], _: Timestamp) -> WebhookDraft {
        var draft = draft
        if !SignedText.isForm(draft.headers["Content-Type"]) {
            draft.url +=
                (draft.url.contains("?") ? "&" : "?") + SignedText.hashParameter + "=" + SignedText.hash(draft.body)
        }
        let delivery = Delivery(
            method: "POST", target: "", url: draft.url, headers: draft.headers, body: draft.body, receivedAt: .zero)
        guard let covered = try? SignedText.parameters(of: delivery, at: draft.url),  // Nothing to sign: no signature.
            let key = secrets.first
        else { return draft }
        let hash: HMACScheme.Hash = key.name == nil ? .sha1 : .sha256
        if let name = key.name {
            draft.headers.append(Field(settingsHeader, "key=\(name),algorithm=HMAC_SHA256"))
        }
        let mac = key.mac(over: Array(draft.url.utf8) + covered, hash, .base64) ?? []
        draft.headers.append(Field(signatureHeader, String(decoding: mac, as: UTF8.self)))
        return draft
    }
}
