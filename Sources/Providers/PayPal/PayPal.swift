public import Kit

/// PayPal: orders, captures, subscriptions.
public struct PayPal: Provider {
    public let about = About(
        id: "paypal", name: "PayPal", version: "v2", documentation: "https://developer.paypal.com/api/rest/webhooks/")

    public init() {}
}
