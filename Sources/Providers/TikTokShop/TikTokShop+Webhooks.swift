public import Kit

/// Webhooks: `Authorization: <hex>`, over the app key and the body, with the app secret. The only time that is signed
/// is the body's `timestamp`.
/// Source: partner.tiktokshop.com/docv2/page/tts-webhooks-overview.
extension TikTokShop: OperatorConfigured {
    /// How deliveries are signed. One is chosen by the settings; what comes in another way is refused, whatever it is.
    public enum Variant: String, Sendable, CaseIterable {
        /// As TikTok Shop signs.
        case shop
        /// As developers.tiktok.com signs: `TikTok-Signature: t=…,s=…`.
        case open
        /// By a relay in front: `X-TikTok-Signature` over `X-TikTok-Timestamp` and the body.
        case timestamped

        var scheme: HMACScheme {
            switch self {
            case .shop: HMACScheme("Authorization", .plain(prefix: ""), .sha256, .hexAnyCase, over: [.keyName, .body])
            case .open:
                HMACScheme(
                    "TikTok-Signature", .pairs(timestamp: "t", signature: "s", blanks: true), .sha256, .hex,
                    over: [.timestamp, .text("."), .body])
            case .timestamped:
                HMACScheme(
                    [.init(signature: "X-TikTok-Signature", timestamp: "X-TikTok-Timestamp")], .plain(prefix: ""),
                    .sha256, .hexAnyCase, over: [.timestamp, .body])
            }
        }

        var tolerance: WebhookScheme.Tolerance? {
            switch self {
            // Its last repetition comes after fifteen and a half hours.
            case .shop: .init(late: .hours(24))
            case .open: .init(late: .hours(72))
            case .timestamped: .init()
            }
        }
    }

    public var webhooks: WebhookScheme {
        var scheme = WebhookScheme(
            .hmac(variant.scheme),
            secrets: .named("the app key"),
            tolerance: variant.tolerance,
            // Sent again after 2 minutes, 30 minutes, 3 hours and 12 hours, then never.
            repeatsFor: .days(1),
            handled: .none,
            findable: FindableValues(
                FindableValue("order", json: "data.order_id", "data.reverse_order_id"),
                FindableValue("package or product", json: "data.package_id", "data.product_id"),
                FindableValue("shop", json: "shop_id")),
            events: Self.events(in:))
        if variant == .shop { scheme.timeInBody = { Self.time(in: $0) } }
        scheme.alternatives = Variant.allCases.filter { $0 != variant }.map {
            .init("\(Self.setting)=\($0.rawValue)", $0.scheme)
        }
        return scheme
    }

    static let setting = "TIKTOK_SHOP_WEBHOOK_SCHEME"

    public static func routes(_ settings: OperatorSettings) throws(BadValue) -> [WebhookRoute] {
        let variant = try settings.word(setting, of: Variant.self) ?? .shop
        let secrets = try settings.secrets("TIKTOK_SHOP_APP_SECRET")
        // What TikTok Shop signs begins with the app's key.
        let key = settings.text("TIKTOK_SHOP_APP_KEY")
        let isWhole = variant != .shop || key != nil
        return [WebhookRoute(TikTokShop(variant).webhooks, isWhole ? secrets.map { $0.named(key ?? "") } : [])]
    }

    public static let verifying: [String: Verify.Builder] = [
        "tiktok-shop": { secret throws(Verify.Unusable) in
            let word = secret["variant"]?.text ?? Variant.shop.rawValue
            guard let variant = Variant(rawValue: word) else {
                throw Verify.Unusable(
                    "secret.variant: must be one of \(Variant.allCases.map(\.rawValue).joined(separator: ", ")).")
            }
            let key = secret["app_key"]?.text ?? ""
            guard variant != .shop || !key.isEmpty else {
                throw Verify.Unusable("secret.app_key: a text is needed.")
            }
            let secrets = try Verify.secrets(in: secret, ["app_secrets"]) { text throws(BadSecret) in
                [try WebhookSecret(name: key, secret: text, atLeast: 1)]
            }
            return Verify.Setting(TikTokShop(variant).webhooks, secrets)
        }
    ]
}
