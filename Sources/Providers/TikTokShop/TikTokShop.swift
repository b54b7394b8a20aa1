public import Kit

/// TikTok Shop: orders, products, fulfilment.
public struct TikTokShop: Provider {
    public let about = About(
        id: "tiktok-shop", name: "TikTok Shop", version: "202309",
        documentation: "https://partner.tiktokshop.com/docv2/page/tts-webhooks-overview")
    let variant: Variant

    /// - Parameter variant: how the deliveries that come here are signed.
    public init(_ variant: Variant = .shop) { self.variant = variant }
}
