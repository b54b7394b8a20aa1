import Generic
public import Kit
import StandardWebhooks
import Stripe
import TikTok

/// Every platform of the product, one line each.
enum Providers {
    static let all: [any Provider] = [
        Stripe(),
        StandardWebhooks(),
        Svix(),
        TikTok(),
    ]
    static var billingSources: [any BillingSource] { all.compactMap { $0 as? any BillingSource } }
    static var limited: [any Limited] { all.compactMap { $0 as? any Limited } }
    /// Where accounts can be connected; one of them is the operator's own, where it is described.
    static func connectable(_ settings: Settings) -> [any Connectable] {
        all.compactMap { $0 as? any Connectable } + (settings.generic.map { [$0] } ?? [])
    }
    static var webhookSources: [any WebhookSource] { all.compactMap { $0 as? any WebhookSource } }
}

/// Whose webhooks this program can sign as well as prove.
public enum Signing {
    /// How a platform's webhooks are signed; nil for a platform that sends none.
    public static func scheme(of provider: String) -> WebhookScheme? {
        Providers.webhookSources.first { $0.about.id == provider }?.webhooks
    }
    /// The ids of the platforms that send webhooks.
    public static var providers: [String] { Providers.webhookSources.map(\.about.id) }
}

/// Every scheme that `patchbay verify` knows, under its name there.
public enum Verifying {
    public static let all = Verify([
        "stripe": Verify.lists(["secrets"], for: Stripe().webhooks),
        "standard-webhooks": Verify.lists(["secrets", "public_keys"], for: StandardWebhooks().webhooks),
        "svix": Verify.lists(["secrets"], for: Svix().webhooks),
    ])
}
