public import Kit

/// The event webhook: a JSON array of events, signed with ECDSA on P-256 over the time and the body.
/// Source: twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features.
extension SendGrid: OperatorConfigured {
    public var webhooks: WebhookScheme { Self.scheme }

    private enum Header {
        static let signature = "X-Twilio-Email-Event-Webhook-Signature"
        static let timestamp = "X-Twilio-Email-Event-Webhook-Timestamp"
    }

    static let scheme = WebhookScheme(
        .proof(
            WebhookProof(
                "ECDSA-P256-SHA256", headers: [Header.signature, Header.timestamp], prove: prove, sign: sign)),
        secrets: .publicKey,
        // SendGrid names no window and may send for a day without signing anew, so nothing that is signed is refused
        // for its time: what is older than that is flagged, and its identity is remembered.
        tolerance: .init(past: .hours(25), future: .days(36_500), late: .days(36_500)),
        repeatsFor: .days(400),
        bodyLimit: 4 << 20,
        handled: .none,
        findable: FindableValues(
            FindableValue("recipient", json: "email"), FindableValue("message", json: "smtp-id"),
            FindableValue("message at SendGrid") { event in
                (try? messageID.read(event))?.text(0).map(message(of:))  // No JSON: no message.
            }),
        events: events(in:))

    public static func routes(_ settings: OperatorSettings) throws(BadValue) -> [WebhookRoute] {
        let keys = try settings.secrets("SENDGRID_WEBHOOK_PUBLIC_KEY", written: .publicKey)
        return keys.isEmpty ? [] : [WebhookRoute(scheme, keys)]
    }

    public static let verifying: [String: Verify.Builder] = ["sendgrid": Verify.lists(["public_keys"], for: scheme)]

    private static func prove(_ delivery: Delivery, with keys: [WebhookSecret]) throws(Forged) -> Timestamp? {
        let (text, time) = try timestamp(of: delivery)
        let written = Array(try delivery.theOnly(Header.signature).utf8)
        guard let signature = Base64.decode(written) else {
            throw .malformed(header: Header.signature, problem: "is not base64")
        }
        // Nothing marks the border between time and body, so each must be recognizable: else digits could wander.
        guard delivery.body.first(where: { !$0.isBlankOfJSON }) == UInt8(ascii: "[") else {
            throw .malformedBody(problem: "does not begin with [, as the list of events does")
        }
        let publicKeys = keys.compactMap(\.publicKey)
        guard !publicKeys.isEmpty else { throw .noSecret }
        let message = Array(text.utf8) + delivery.body
        var isProven = false
        for key in publicKeys { isProven = key.made(signature, over: message, by: .ecdsaSHA256) || isProven }
        guard isProven else { throw .wrongSignature }
        return time
    }

    private static func timestamp(of delivery: Delivery) throws(Forged) -> (String, Timestamp) {
        let text = try delivery.theOnly(Header.timestamp)
        guard text.utf8.count == 10, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let seconds = Int64(text)
        else { throw .malformed(header: Header.timestamp, problem: "needs a time in seconds, in ten digits") }
        return (text, Timestamp(seconds: seconds))
    }

    private static func sign(_ draft: WebhookDraft, with keys: [WebhookSecret], at time: Timestamp) -> WebhookDraft {
        let text = "\(time.seconds)"
        guard let signature = keys.lazy.compactMap({ $0.signature(over: Array(text.utf8) + draft.body) }).first else {
            return draft
        }
        var signed = draft
        signed.headers += [
            Field(Header.signature, String(decoding: Base64.encode(signature), as: UTF8.self)),
            Field(Header.timestamp, text),
        ]
        return signed
    }
}

extension UInt8 {
    fileprivate var isBlankOfJSON: Bool { [0x20, 0x09, 0x0A, 0x0D].contains(self) }
}
