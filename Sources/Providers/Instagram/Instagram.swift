public import Kit

/// Instagram: professional accounts, through Meta's Graph API.
public struct Instagram: Provider {
    public let about = About(
        id: "instagram", name: "Instagram", version: "v25.0",
        documentation: "https://developers.facebook.com/docs/instagram-platform/webhooks")
    /// Whether `X-Hub-Signature`, with SHA-1, proves a delivery that has no other signature.
    let allowsSHA1: Bool
    let triesEscapes: Bool

    public init(allowsSHA1: Bool = false, triesEscapes: Bool = false) {
        self.allowsSHA1 = allowsSHA1
        self.triesEscapes = triesEscapes
    }
}
