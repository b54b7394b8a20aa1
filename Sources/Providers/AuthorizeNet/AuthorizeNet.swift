public import Kit

/// Authorize.Net: payments and subscriptions.
public struct AuthorizeNet: Provider {
    public let about = About(
        id: "authorize-net", name: "Authorize.Net", version: "1.0",
        documentation: "https://developer.authorize.net/api/reference/features/webhooks.html")

    public init() {}
}
