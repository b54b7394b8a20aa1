/// Every setting, by name.
extension Setting {
    public static let table: [Group] = [instance, listening, secrets, behaviour, retention] + platforms + [demo]

    private static let instance = Group(
        title: "The instance",
        settings: [
            Setting(
                "PATCHBAY_MODE", "live or test. One instance is one of them, with its own database, keys and hosts.",
                usual: "live", example: "test"),
            Setting(
                "PATCHBAY_DATABASE_URL",
                "Where everything is kept: sqlite:FILE or postgresql://user:password@host/database.",
                usual: "sqlite:patchbay.sqlite", example: "postgresql://patchbay:secret@db.internal/patchbay",
                isSecret: true),
            Setting(
                "PATCHBAY_REDIS_URL", "Redis for quotas of many nodes, which share them through the database today.",
                example: "redis://redis.internal:6379/0", isSecret: true, standing: .checked),
            Setting(
                "PATCHBAY_MIGRATE", "on: serve brings the schema up to date. off: it refuses to start until you do.",
                usual: "on", example: "off"),
            Setting(
                "PATCHBAY_LOG", "text or json, and the least level: debug, info, notice, warning, error.",
                usual: "text,info", example: "json,notice"),
        ])

    private static let listening = Group(
        title: "Listening",
        settings: [
            Setting(
                "PATCHBAY_LISTEN", "Address and port. Beyond loopback it needs TLS or a trusted proxy in front.",
                usual: "127.0.0.1:8484", example: "127.0.0.1:8484"),
            Setting(
                "PATCHBAY_PUBLIC_URL",
                "The address under which platforms and people reach this server. https, but for loopback.",
                example: "https://patchbay.example.com"),
            Setting(
                "PATCHBAY_TLS_CERT", "File of the certificate chain, PEM. Read again while running when it changes.",
                example: "/etc/patchbay/tls.crt"),
            Setting(
                "PATCHBAY_TLS_KEY", "File of the certificate's private key, PEM.", example: "/etc/patchbay/tls.key"),
            Setting(
                "PATCHBAY_TRUSTED_PROXIES",
                "Ranges of proxies whose X-Forwarded-For and X-Forwarded-Proto are believed.",
                example: "10.0.0.0/8,fd00::/8"),
            Setting(
                "PATCHBAY_RATE_LIMIT_KEY", "Requests a minute that one API key may send.", usual: "60000",
                example: "6000"),
            Setting(
                "PATCHBAY_RATE_LIMIT_ADDRESS", "Requests a minute to the API that one address may send.",
                usual: "120000",
                example: "6000"),
        ])

    private static let secrets = Group(
        title: "Secrets at rest",
        settings: [
            Setting(
                "PATCHBAY_ENCRYPTION_KEYS",
                "id:base64 of 32 bytes, newest first, commas between. Make one with: patchbay vault key",
                example: "k1:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=", isSecret: true),
            Setting(
                "PATCHBAY_SEAL_BODIES",
                "on: what platforms send is sealed in the database, under a key a month. Needs the keys above.",
                usual: "off", example: "on"),
        ])

    private static let behaviour = Group(
        title: "Behaviour",
        settings: [
            Setting(
                "PATCHBAY_ALLOW_PRIVATE_ADDRESSES",
                "Ranges that addresses from users may reach although they are private, e.g. while developing.",
                example: "127.0.0.0/8"),
            Setting(
                "PATCHBAY_CERTIFICATE_ROOTS",
                "Certificates in PEM at which chains may end, instead of the system's. In a test instance only.",
                example: "-----BEGIN CERTIFICATE-----…"),
            Setting(
                "PATCHBAY_WEBHOOK_ALIASES", "Other names in /webhooks/{provider}: alias=provider, commas between.",
                example: "twitter=x,tiktok=tiktok-shop"),
            Setting(
                "PATCHBAY_RETURN_ORIGINS", "Origins to which people may be sent back after connecting an account.",
                example: "https://app.example.com"),
            Setting(
                "PATCHBAY_RECORD_CHANGES",
                "Streams of which every new, changed and deleted row is told (record.changed), commas between.",
                example: "tiktok.videos"),
            Setting(
                "PATCHBAY_PUBLISH_LATE_MAX",
                "A planned publication that could not begin within so long of its time is asked about, not sent.",
                usual: "1h", example: "6h"),
            Setting(
                "PATCHBAY_APPLICATION_NAME",
                "What people know your application as: shown where they connect an account.", usual: "your application",
                example: "Rye and Salt"),
            Setting(
                "DISK_STORAGE_PATH",
                "The folder for objects, shared by all nodes. Unless set: beside the database's file, where it is one.",
                example: "/var/lib/patchbay/objects"),
            Setting(
                "PATCHBAY_SANDBOX_URL",
                "The control address of a sandbox, for the dashboard's page Sandbox. In a test instance only.",
                example: "http://127.0.0.1:4001"),
        ])

    /// Of the demo's own server.
    private static let demo = Group(
        title: "The demo",
        settings: [
            Setting(
                "PATCHBAY_DEMO_CONTROL", "Where the demo that started this server answers.",
                example: "http://127.0.0.1:4002", standing: .handed),
            Setting(
                "PATCHBAY_DEMO_TOKEN", "What the demo asks for.", example: "…", isSecret: true, standing: .handed),
        ])

    private static let retention = Group(
        title: "How long things are kept (30d, 36h; never for ever)",
        settings: Retention.Kind.allCases.map { kind in
            Setting(kind.settingName, kind.what, usual: "\(kind.usualDays)d", example: "\(kind.usualDays)d")
        })
}

extension Setting {
    /// Platforms, under the names that their users already have.
    private static let platforms: [Group] =
        [stripe, standardWebhooks, tiktok, generic] + receivers
        + unbuilt.map { title, names in Group(title: "\(title) (not built yet)", settings: names.map(Self.known)) }

    private static let stripe = Group(
        title: "Stripe",
        settings: [
            Setting(
                "STRIPE_SECRET_KEY", "Asks Stripe what an event leaves open. sk_test_… in a test instance.",
                example: "sk_test_51AbCdEf", isSecret: true),
            Setting(
                "STRIPE_PUBLISHABLE_KEY", "For pages of ours that use Stripe.js.", example: "pk_test_51AbCdEf",
                standing: .checked),
            Setting(
                "STRIPE_WEBHOOK_SECRET", "Proves Stripe's webhooks; while one is rotated, several with commas between.",
                example: "whsec_5WbX5kEWLlfzsGNjH64I8lOOqUB6e8FH", isSecret: true),
            Setting(
                "STRIPE_BASE_URL", "Stripe's API, or a sandbox of it.", usual: "https://api.stripe.com",
                example: "http://127.0.0.1:12111"),
        ])

    private static let standardWebhooks = Group(
        title: "Senders of Standard Webhooks",
        settings: [
            Setting(
                "STANDARD_WEBHOOKS_SECRET", "whsec_… or whpk_…; several with commas between.",
                example: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", isSecret: true)
        ])

    private static let tiktok = Group(
        title: "TikTok",
        settings: [
            Setting("TIKTOK_CLIENT_KEY", "The app's client key.", example: "awdemo1234567890"),
            Setting(
                "TIKTOK_BASE_URL", "TikTok's hosts, or a sandbox of them.", usual: "https://open.tiktokapis.com",
                example: "http://127.0.0.1:4003"),
        ])

    private static let generic = Group(
        title: "A platform of your own: any OAuth 2 server",
        settings: [
            Setting("OAUTH_NAME", "What people know it as.", usual: "OAuth 2", example: "Acme"),
            Setting("OAUTH_CLIENT_ID", "Who we are there.", example: "patchbay"),
            Setting("OAUTH_CLIENT_SECRET", "Proves it.", example: "…", isSecret: true),
            Setting(
                "OAUTH_AUTHORIZE_URL", "Where people consent. With OAUTH_TOKEN_URL it turns the platform on.",
                example: "https://id.example.com/authorize"),
            Setting("OAUTH_TOKEN_URL", "Where tokens are given.", example: "https://id.example.com/token"),
            Setting("OAUTH_REVOKE_URL", "Where they are taken back.", example: "https://id.example.com/revoke"),
            Setting(
                "OAUTH_PROFILE_URL", "Says whose account it is: JSON with OAUTH_ACCOUNT_MEMBER.",
                example: "https://id.example.com/userinfo"),
            Setting(
                "OAUTH_ACCOUNT_MEMBER",
                "The member that names the account, in the profile, or in the token's answer where there is none.",
                usual: "sub", example: "sub"),
            Setting(
                "OAUTH_ISSUER", "What iss must be where it comes (RFC 9207).", example: "https://id.example.com"),
            Setting("OAUTH_SCOPES", "What is asked for where nobody says, blanks between.", example: "openid email"),
        ])

    private static func known(_ name: String) -> Setting {
        Setting(
            name, name.hasSuffix("_BASE_URL") ? "Another host for this platform's API." : "Known, not used yet.",
            example: name.hasSuffix("_URL") ? "https://api.example.com" : "…",
            isSecret: ["SECRET", "KEY", "TOKEN", "PASSWORD", "ACCOUNT"].contains { name.contains($0) }, standing: .known
        )
    }

    private static let unbuilt: [(String, [String])] = [
        (
            "Braintree's API",
            ["BRAINTREE_MERCHANT_ID", "BRAINTREE_ENVIRONMENT", "BRAINTREE_BASE_URL"]
        ),
        (
            "Authorize.Net's API",
            ["AUTHNET_API_LOGIN_ID", "AUTHNET_TRANSACTION_KEY", "AUTHNET_ENVIRONMENT", "AUTHNET_BASE_URL"]
        ),
        ("Google", ["GOOGLE_CLIENT_ID", "GOOGLE_CLIENT_SECRET", "GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_BASE_URL"]),
        (
            "TikTok's other products",
            [
                "TIKTOK_BUSINESS_APP_ID", "TIKTOK_BUSINESS_SECRET", "TIKTOK_BUSINESS_BASE_URL",
                "TIKTOK_SHOP_SERVICE_ID", "TIKTOK_SHOP_BASE_URL",
            ]
        ),
        (
            "Meta's and Instagram's APIs",
            ["META_APP_ID", "META_BASE_URL", "INSTAGRAM_APP_ID", "INSTAGRAM_BASE_URL"]
        ),
        ("X's API", ["X_CLIENT_ID", "X_CLIENT_SECRET", "X_BASE_URL"]),
        ("Reddit", ["REDDIT_CLIENT_ID", "REDDIT_CLIENT_SECRET", "REDDIT_BASE_URL"]),
        (
            "Bluesky",
            [
                "BLUESKY_PDS_URL", "BLUESKY_HANDLE", "BLUESKY_APP_PASSWORD", "BLUESKY_SYNC_ENABLED",
                "BLUESKY_SYNC_INTERVAL",
                "BLUESKY_BASE_URL",
            ]
        ),
        (
            "Storage",
            [
                "STORAGE_BACKEND", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "S3_BUCKET",
                "S3_BASE_URL",
                "SPACES_ENDPOINT", "SPACES_ACCESS_KEY", "SPACES_SECRET_KEY", "SPACES_BUCKET", "SPACES_BASE_URL",
                "IPFS_BASE_URL",
            ]
        ),
        ("SendGrid's API", ["SENDGRID_API_KEY", "SENDGRID_FROM_EMAIL", "SENDGRID_BASE_URL"]),
        ("Twilio's API", ["TWILIO_ACCOUNT_SID", "TWILIO_PHONE_NUMBER", "TWILIO_BASE_URL"]),
        ("Firebase messages", ["FCM_SERVICE_ACCOUNT", "FCM_SERVER_KEY", "FCM_BASE_URL"]),
        (
            "Where an address lies",
            [
                "MAXMIND_DB", "MAXMIND_ACCOUNT_ID", "MAXMIND_LICENSE_KEY", "MAXMIND_BASE_URL", "IP2LOCATION_DB",
                "IP2LOCATION_API_KEY", "IP2LOCATION_BASE_URL",
            ]
        ),
        (
            "Maps",
            [
                "MAPBOX_TOKEN", "MAPBOX_BASE_URL", "GOOGLE_MAPS_API_KEY", "GOOGLE_MAPS_BASE_URL", "NOMINATIM_URL",
                "NOMINATIM_BASE_URL",
            ]
        ),
        ("Moderation", ["OPENAI_API_KEY", "OPENAI_BASE_URL", "REKOGNITION_BASE_URL", "GOOGLE_VISION_BASE_URL"]),
        ("Firestore", ["FIRESTORE_PROJECT", "FIRESTORE_EMULATOR_HOST", "FIRESTORE_BASE_URL"]),
        ("Matrix and ActivityPub", ["MATRIX_BASE_URL", "ACTIVITYPUB_BASE_URL"]),
    ]
}
