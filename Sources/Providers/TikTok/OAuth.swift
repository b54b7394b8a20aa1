public import Kit

/// How a TikTok account is connected. Source: developers.tiktok.com/doc/login-kit-web,
/// …/oauth-user-access-token-management, …/login-kit-desktop, …/tiktok-api-scopes, read 2026-05.
extension TikTok: Connectable {
    public var oauth: OAuth2 {
        var oauth = OAuth2(
            // The slash at the end belongs to the address.
            authorize: .init("https://www.tiktok.com", "/v2/auth/authorize/"),
            token: .init(Self.api, "/v2/oauth/token/"),
            settings: .init(
                clientID: "TIKTOK_CLIENT_KEY", clientSecret: "TIKTOK_CLIENT_SECRET", address: "TIKTOK_BASE_URL"),
            permissions: Self.permissions)
        oauth.revoke = .init(Self.api, "/v2/oauth/revoke/")
        oauth.revoked = .accessToken
        oauth.profile = .init(
            .init(Self.api, "/v2/user/info/?fields=open_id,display_name"), id: ["data", "user", "open_id"],
            name: ["data", "user", "display_name"])
        oauth.accountMember = "open_id"
        oauth.clientIDName = "client_key"
        oauth.scopeSeparator = ","
        // Web apps prove nothing; desktop apps, whose redirect is this machine, send the hash in hex.
        oauth.pkce = .none
        oauth.pkceOnLoopback = .hex
        oauth.lifetime = .hours(24)
        // "May differ": what becomes of the old one is not said, so it is never used twice without need.
        oauth.rotation = .strict
        return oauth
    }

    static let api = "https://open.tiktokapis.com"

    static let permissions: [OAuth2.Permission] = [
        .init("user.info.basic", "Whose account it is: name and picture."),
        .init("user.info.profile", "Bio, link and user name."),
        .init("user.info.stats", "Followers, likes, number of videos."),
        .init("video.list", "The account's public videos and their counts."),
        .init("video.upload", "Put videos into the account's inbox as drafts."),
        .init("video.publish", "Publish videos and photos directly."),
    ]
}
