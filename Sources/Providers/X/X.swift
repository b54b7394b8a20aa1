public import Kit

/// X, formerly Twitter.
public struct X: Provider {
    public let about = About(
        id: "x", name: "X", version: "2", documentation: "https://docs.x.com/x-api/webhooks/introduction")

    public init() {}
}
