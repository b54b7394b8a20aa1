/// What the platforms whose webhooks are received read, one group each.
extension Setting {
    static let receivers: [Group] = [
        Group(
            title: "Other servers' activities, at /webhooks/activitypub; PATCHBAY_PUBLIC_URL is signed with them",
            settings: [
                Setting(
                    "ACTIVITYPUB_SERVERS", "Whose: * for all, or hosts with commas between; !host leaves one out.",
                    example: "*,!spam.example")
            ]),
        Group(
            title: "Authorize.Net's webhooks",
            settings: [
                secret(
                    "AUTHNET_SIGNATURE_KEY", "The Signature Key as it is shown, 128 characters.",
                    "0F1E2D3C4B5A69788796A5B4C3D2E1F0")
            ]),
        Group(
            title: "Braintree's webhooks",
            settings: [
                Setting(
                    "BRAINTREE_PUBLIC_KEY", "Names the key in each signature; several with commas between.",
                    example: "2v7k9q3w5x8z1b4n"),
                secret(
                    "BRAINTREE_PRIVATE_KEY", "Proves the notifications; as many as public keys, in the same order.",
                    "0123456789abcdef0123456789abcdef"),
            ]),
        Group(
            title: "Meta's webhooks, at /webhooks/instagram",
            settings: [
                secret(
                    "META_APP_SECRET", "The Meta app's secret; several with commas between.",
                    "0123456789abcdef0123456789abcdef"),
                secret(
                    "INSTAGRAM_APP_SECRET", "The Instagram app's secret. Where both are set, both are tried.",
                    "0123456789abcdef0123456789abcdef"),
                secret(
                    "META_VERIFY_TOKEN", "What you typed in the App Dashboard beside the callback URL.",
                    "any-text-of-yours"),
                Setting(
                    "META_WEBHOOK_SHA1", "on: X-Hub-Signature, SHA-1, counts where no other signature is there.",
                    usual: "off", example: "on"),
                Setting(
                    "META_WEBHOOK_ESCAPES",
                    "on: a body in which a proxy wrote escapes as letters is proven as it was before.",
                    usual: "off", example: "on"),
            ]),
        Group(
            title: "PayPal's webhooks",
            settings: [
                Setting(
                    "PAYPAL_WEBHOOK_ID", "The webhook's id, which is signed; several with commas between.",
                    example: "1JE4291016473214C"),
                Setting(
                    "PAYPAL_MODE", "live or sandbox: whose certificates count. Sandbox in a test instance if not set.",
                    example: "live"),
                Setting(
                    "PAYPAL_BASE_URL", "Another address of the API, and of certificates: a simulation's.",
                    example: "http://127.0.0.1:12112"),
                Setting(
                    "PAYPAL_VERIFICATION",
                    "certificate proves deliveries here; api asks PayPal about each, as the app below.",
                    usual: "certificate", example: "api"),
                Setting("PAYPAL_CLIENT_ID", "The app that asks, with PAYPAL_MODE=live.", example: "AZDxjDScFp…"),
                secret("PAYPAL_CLIENT_SECRET", "Its secret.", "EGnHDxD_qRPd…"),
                Setting(
                    "PAYPAL_SANDBOX_CLIENT_ID", "The app that asks, with PAYPAL_MODE=sandbox.", example: "AZDxjDScFp…"),
                secret("PAYPAL_SANDBOX_CLIENT_SECRET", "Its secret.", "EGnHDxD_qRPd…"),
            ]),
        Group(
            title: "SendGrid's event webhook",
            settings: [
                Setting(
                    "SENDGRID_WEBHOOK_PUBLIC_KEY", "The verification key; several with commas between.",
                    example: "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE…")
            ]),
        Group(
            title: "TikTok's webhooks",
            settings: [
                secret(
                    "TIKTOK_CLIENT_SECRET", "The app's client secret; several with commas between.",
                    "0123456789abcdef0123456789abcdef"),
                secret(
                    "TIKTOK_WEBHOOK_SECRET", "Instead of it, where another secret signs the webhooks.",
                    "0123456789abcdef0123456789abcdef"),
            ]),
        Group(
            title: "TikTok Shop's webhooks",
            settings: [
                Setting(
                    "TIKTOK_SHOP_APP_KEY", "The app's key: what is signed begins with it.", example: "6a1b2c3d4e5f6"),
                secret(
                    "TIKTOK_SHOP_APP_SECRET", "The app's secret; several with commas between.",
                    "0123456789abcdef0123456789abcdef01234567"),
                Setting(
                    "TIKTOK_SHOP_WEBHOOK_SCHEME", "shop; open or timestamped only where a relay in front signs so.",
                    usual: "shop", example: "shop"),
            ]),
        Group(
            title: "Twilio's webhooks; PATCHBAY_PUBLIC_URL is signed with them",
            settings: [
                secret(
                    "TWILIO_AUTH_TOKEN", "The primary auth token; several with commas between.",
                    "0123456789abcdef0123456789abcdef"),
                secret(
                    "TWILIO_SHARED_KEYS", "Keys of webhooks signed with shared keys: id:secret, commas between.",
                    "webhooks_sharedkey_01abc:0123456789abcdef0123456789abcdef"),
            ]),
        Group(
            title: "X's webhooks",
            settings: [
                secret(
                    "X_CONSUMER_SECRET", "The app's API Key Secret, not the OAuth 2.0 client secret.",
                    "0123456789abcdef0123456789abcdef")
            ]),
        Group(
            title: "Senders that you declare yourself, at /webhooks/generic/{name}",
            settings: [
                secret(
                    "GENERIC_WEBHOOKS", "How each signs, as JSON by name; see /docs/providers/generic.",
                    #"{"acme":{"secrets":["0123456789abcdef"],"header":"X-Acme-Signature"}}"#)
            ]),
    ]

    private static func secret(_ name: String, _ what: String, _ example: String) -> Setting {
        Setting(name, what, example: example, isSecret: true)
    }
}
