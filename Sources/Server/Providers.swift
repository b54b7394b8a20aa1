import ActivityPub
import AuthorizeNet
import Braintree
import Certificates
import Engine
import Generic
import Instagram
public import Kit
import PayPal
import SendGrid
import StandardWebhooks
import Stripe
import TikTok
import TikTokShop
import Twilio
import X

/// Every platform of the product, one line each.
enum Providers {
    static let all: [any Provider] = [
        ActivityPub(),
        AuthorizeNet(),
        Braintree(),
        Generic(),
        Instagram(),
        PayPal(),
        SendGrid(),
        Stripe(),
        StandardWebhooks(),
        Svix(),
        TikTok(),
        TikTokShop(),
        Twilio(),
        X(),
    ]
    static var publishers: [any Publisher] { all.compactMap { $0 as? any Publisher } }
    static var billingSources: [any BillingSource] { all.compactMap { $0 as? any BillingSource } }
    static var callbackSources: [any SignedCallbackSource] { all.compactMap { $0 as? any SignedCallbackSource } }
    static var ageing: [any Ageing] { all.compactMap { $0 as? any Ageing } }
    static var limited: [any Limited] { all.compactMap { $0 as? any Limited } }
    static var eventListers: [any EventLister] { all.compactMap { $0 as? any EventLister } }
    /// What is synced of accounts.
    static let syncBook = SyncBook(all.compactMap { $0 as? any Syncing })
    /// At which webhooks can be ordered by API.
    static var subscriptionSources: [any SubscriptionSource] { all.compactMap { $0 as? any SubscriptionSource } }
    /// That are asked with a token of an app's own.
    static var appAsked: [any AppAsked] { all.compactMap { $0 as? any AppAsked } }
    /// At which each account's are.
    static var accountSubscriptionSources: [any AccountSubscriptionSource] {
        all.compactMap { $0 as? any AccountSubscriptionSource }
    }
    static var objectListers: [any ObjectLister] { all.compactMap { $0 as? any ObjectLister } }
    /// Where accounts can be connected; one of them is the operator's own, where it is described.
    static func connectable(_ settings: Settings) -> [any Connectable] {
        all.compactMap { $0 as? any Connectable } + (settings.generic.map { [$0] } ?? [])
    }
    static var webhookSources: [any WebhookSource] { all.compactMap { $0 as? any WebhookSource } }
    /// Those of which app credentials can be added while the server runs: a secret is all that they need.
    static var appSources: [any WebhookSource] { webhookSources.filter { !($0 is Generic) } }
    /// Those that the settings configure by what each platform declares.
    static var configured: [any OperatorConfigured] { all.compactMap { $0 as? any OperatorConfigured } }
}

/// Whose webhooks this program can sign as well as prove.
public enum Signing {
    /// How a platform's webhooks are signed; nil for a platform that sends none.
    public static func scheme(of provider: String) -> WebhookScheme? {
        Providers.webhookSources.first { $0.about.id == provider }?.webhooks
    }
    /// The ids of the platforms that send webhooks.
    public static var providers: [String] { Providers.webhookSources.map(\.about.id) }
    /// What a platform's events look like; empty where the platform's own folder has no samples.
    public static func samples(of provider: String) -> [WebhookSample] {
        Providers.all.first { $0.about.id == provider }.flatMap { $0 as? any SampleSource }?.samples ?? []
    }
    /// A platform that a tool plays with a key of its own; nil for one whose secret is all that it takes.
    public static func played(_ provider: String) -> (any PlayedSource)? {
        Providers.all.first { $0.about.id == provider } as? any PlayedSource
    }
    /// The platforms that have such samples.
    public static var sampled: [String] { Providers.all.filter { $0 is any SampleSource }.map(\.about.id) }
    /// The settings without which a platform's webhook address is off.
    public static func settings(of provider: String) -> [String] {
        let setUp = Providers.all.first { $0.about.id == provider }.flatMap { $0 as? any SelfExplaining }?.setUp
        let names = setUp?.settings.filter(\.isNeeded).map(\.name) ?? []
        return names.isEmpty ? (setUp?.settings.prefix(1).map(\.name) ?? []) : names
    }
}

/// Every scheme that `patchbay verify` knows, under its name there.
public enum Verifying {
    public static let all = Verify(platforms.reduce(into: [:]) { $0.merge($1) { $1 } })

    private static let platforms: [[String: Verify.Builder]] = [
        [
            "stripe": Verify.lists(["secrets"], for: Stripe().webhooks),
            "standard-webhooks": Verify.lists(["secrets", "public_keys"], for: StandardWebhooks().webhooks),
            "svix": Verify.lists(["secrets"], for: Svix().webhooks),
        ],
        AuthorizeNet.verifying, Braintree.verifying, Generic.verifying, Instagram.verifying, TikTok.verifying,
        TikTokShop.verifying, Twilio.verifying, X.verifying, ActivityPub.verifying, SendGrid.verifying,
        PayPal.verifying { roots throws(BadKey) in try CertificateChain(roots: roots) },
    ]
}
