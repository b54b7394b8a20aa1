import Kit
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
