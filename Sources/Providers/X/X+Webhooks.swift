public import Kit

/// Webhooks: `x-twitter-webhooks-signature: sha256=<base64>`, over the body, with the consumer secret of the app. The
/// same secret answers the challenge-response check (CRC).
/// Source: docs.x.com/x-api/webhooks/quickstart.
extension X: OperatorConfigured {
    public var webhooks: WebhookScheme { Self.scheme }

    private static let scheme = WebhookScheme(
        .hmac(HMACScheme("x-twitter-webhooks-signature", .plain(prefix: "sha256="), .sha256, .base64, over: [.body])),
        secrets: .text,
        tolerance: nil,
        // X replays what it sent on request, of the last 24 hours.
        repeatsFor: .days(2),
        handshake: .signed(crc),
        handled: .none,
        findable: FindableValues(
            FindableValue("post", json: "id_str", "payload.id", "status.id"),
            FindableValue(
                "person", json: "user.id_str", "payload.author_id", "source.id", "message_create.sender_id"),
            FindableValue("user name", json: "user.screen_name", "source.screen_name")),
        events: events(in:))

    /// The CRC signs what it is asked with the key that signs deliveries: whoever asks for the signature of a body
    /// would get it. So a token that could be an object is not signed, and a body that could be a token proves nothing.
    private static let crc = SignedChallenge(
        "crc_token", .sha256, .base64,
        signs: { token in (1...256).contains(token.count) && token.allSatisfy { $0 > 0x20 && $0 != UInt8(ascii: "{") }
        },
        answer: { signature, _ in
            WebhookAnswer("application/json", #"{"response_token":"sha256=\#(signature)"}"#.utf8)
        })

    public static func routes(_ settings: OperatorSettings) throws(BadValue) -> [WebhookRoute] {
        let secrets = try settings.secrets("X_CONSUMER_SECRET")
        return secrets.isEmpty ? [] : [WebhookRoute(scheme, secrets)]
    }

    public static let verifying: [String: Verify.Builder] = [
        "x": Verify.lists(["consumer_secrets"], for: scheme, atLeast: 1),
        "x-crc": Verify.lists(["consumer_secrets"], for: scheme, atLeast: 1, isHandshake: true),
    ]
}
