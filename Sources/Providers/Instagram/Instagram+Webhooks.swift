public import Kit

/// Webhooks: `X-Hub-Signature-256: sha256=<hex>`, over the body as it comes, with the app secret. A subscription begins
/// with a GET that names the operator's verify token.
/// Source: developers.facebook.com/docs/graph-api/webhooks/getting-started.
extension Instagram: OperatorConfigured {
    public var webhooks: WebhookScheme {
        var old = HMACScheme("X-Hub-Signature", .plain(prefix: "sha1="), .sha1, .hexAnyCase, over: [.body])
        old.triesEscapes = triesEscapes
        var scheme = HMACScheme(
            "X-Hub-Signature-256", .plain(prefix: "sha256="), .sha256, .hexAnyCase, over: [.body],
            otherwise: allowsSHA1 ? [old] : [])
        scheme.triesEscapes = triesEscapes
        return WebhookScheme(
            .hmac(scheme),
            secrets: .text,
            tolerance: nil,
            // Sent again with decreasing frequency for 36 hours.
            repeatsFor: .hours(36),
            // Up to a thousand changes a delivery.
            bodyLimit: 4 << 20,
            handshake: .echo(
                challenge: "hub.challenge", token: "hub.verify_token", mode: Field("hub.mode", "subscribe")),
            handled: .none,
            findable: FindableValues(
                FindableValue("comment or message", json: "value.id", "value.comment_id", "message.mid"),
                FindableValue("media", json: "value.media.id", "value.media_id"),
                FindableValue("person", json: "value.from.id", "sender.id"),
                FindableValue("user name", json: "value.from.username")),
            events: Self.events(in:))
    }

    public static func routes(_ settings: OperatorSettings) throws(BadValue) -> [WebhookRoute] {
        // Which app's secret signs depends on the login that connected the account: both are tried.
        let secrets = try settings.secrets("INSTAGRAM_APP_SECRET") + settings.secrets("META_APP_SECRET")
        let allowsSHA1 = try settings.word("META_WEBHOOK_SHA1", of: OnOff.self) == .on
        let triesEscapes = try settings.word("META_WEBHOOK_ESCAPES", of: OnOff.self) == .on
        let tokens = try tokens(settings.text("META_VERIFY_TOKEN"))
        let instagram = Instagram(allowsSHA1: allowsSHA1, triesEscapes: triesEscapes)
        return [WebhookRoute(instagram.webhooks, secrets + tokens)]
    }

    private enum OnOff: String, CaseIterable { case on, off }

    private static func tokens(_ text: String?) throws(BadValue) -> [WebhookSecret] {
        do throws(BadSecret) {
            var tokens: [WebhookSecret] = []
            for part in (text ?? "").split(separator: ",") where !part.allSatisfy(\.isWhitespace) {
                tokens.append(try WebhookSecret.token(String(part)))
            }
            return tokens
        } catch {
            throw BadValue("META_VERIFY_TOKEN", error.reason)
        }
    }

    public static let verifying: [String: Verify.Builder] = [
        "meta": { secret throws(Verify.Unusable) in
            let allowsSHA1 = secret["allow_sha1"]?.boolean ?? false
            return try Verify.lists(["app_secrets"], for: Instagram(allowsSHA1: allowsSHA1).webhooks, atLeast: 1)(
                secret)
        },
        "meta-handshake": { secret throws(Verify.Unusable) in
            let tokens = try Verify.secrets(in: secret, ["verify_tokens"]) { text throws(BadSecret) in
                [try WebhookSecret.token(text)]
            }
            return Verify.Setting(Instagram().webhooks, tokens, isHandshake: true)
        },
        "meta-signed-request": Verify.lists(["app_secrets"], for: deauthorization, atLeast: 1),
    ]
}
