public import Kit

/// TikTok: accounts, videos, publishing.
public struct TikTok: Provider {
    public let about = About(
        id: "tiktok", name: "TikTok", version: "v2", documentation: "https://developers.tiktok.com/doc/overview")

    public init() {}
}
