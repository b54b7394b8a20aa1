public import Kit
import StandardWebhooks
import Stripe

/// Every platform of the product, one line each.
enum Providers {
    static let all: [any Provider] = [
        Stripe(),
        StandardWebhooks(),
        Svix(),
    ]
    static var billingSources: [any BillingSource] { all.compactMap { $0 as? any BillingSource } }
    static var webhookSources: [any WebhookSource] { all.compactMap { $0 as? any WebhookSource } }
}

/// Every scheme that `patchbay verify` knows, under its name there.
public enum Verifying {
    public static let all = Verify([
        "stripe": Verify.lists(["secrets"], for: Stripe().webhooks),
        "standard-webhooks": Verify.lists(["secrets", "public_keys"], for: StandardWebhooks().webhooks),
        "svix": Verify.lists(["secrets"], for: Svix().webhooks),
    ])
}
