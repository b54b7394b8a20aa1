public import Kit

/// Braintree: payments and subscriptions.
public struct Braintree: Provider {
    public let about = About(
        id: "braintree", name: "Braintree", version: "6",
        documentation: "https://developer.paypal.com/braintree/docs/guides/webhooks/overview")

    public init() {}
}
