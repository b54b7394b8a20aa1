public import Kit

/// Stripe: payments and subscriptions.
public struct Stripe: Provider {
    public let about = About(
        id: "stripe", name: "Stripe", version: "2026-10-28.endive", documentation: "https://docs.stripe.com")

    public init() {}
}
