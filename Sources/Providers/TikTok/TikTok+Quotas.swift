public import Kit

/// What TikTok counts. Source: https://developers.tiktok.com/doc/tiktok-api-v2-rate-limit and the pages of the posting
/// endpoints, read 2026-05. It sends no headers about limits, so only our own count can keep them.
extension TikTok: Limited, PathKnowing {
    public var quotas: [Quota] {
        let minute = Quota.Window.rolling(.minutes(1))
        return [
            // The page does not say whether these are counted by user: by app is right either way.
            Quota("user_info", 600, per: minute, of: "requests for user info", for: .app),
            Quota("video_list", 600, per: minute, of: "requests for video lists", for: .app),
            Quota("video_query", 600, per: minute, of: "requests for videos", for: .app),
            // By token, creator or user: by account is right for all, whoever is connected to it, however often.
            Quota("direct_posts", 6, per: minute, of: "uploads", for: .account),
            Quota("inbox_uploads", 6, per: minute, of: "uploads to the inbox", for: .account),
            Quota("photo_posts", 6, per: minute, of: "photo posts", for: .account),
            Quota("creator_info", 20, per: minute, of: "requests for creator info", for: .account),
            Quota("post_status", 30, per: minute, of: "requests for a post's status", for: .account),
            // Over all apps, so that only a refusal shows what others have used; about 15, says TikTok.
            Quota("daily_posts", 15, per: .rolling(.days(1)), of: "posts", for: .account),
            Quota("pending_shares", 5, per: .rolling(.days(1)), of: "drafts that wait in the inbox", for: .account),
            // How many people one app may post for in a day its audit says, and no answer (`reached_active_user_cap`).
            Quota(
                untold: "app_posts", per: .rolling(.days(1)), of: "posts of this app", for: .app,
                advice: "It goes on a day later. For more people, have the app audited, or ask TikTok for more."),
        ]
    }

    public var paths: [KnownPath] {
        func path(_ template: String, _ quotas: String...) -> KnownPath {
            KnownPath(template, spends: quotas.map { Spending(1, of: $0) })
        }
        return [
            path("/v2/user/info/", "user_info"), path("/v2/video/list/", "video_list"),
            path("/v2/video/query/", "video_query"),
            path("/v2/post/publish/video/init/", "direct_posts", "daily_posts", "app_posts"),
            path("/v2/post/publish/inbox/video/init/", "inbox_uploads", "pending_shares", "app_posts"),
            KnownPath(
                "/v2/post/publish/content/init/",
                spends: [Spending(1, of: "photo_posts"), Spending(1, of: "app_posts")],
                byBody: .init(
                    "post_mode",
                    [
                        "DIRECT_POST": [Spending(1, of: "daily_posts")],
                        "MEDIA_UPLOAD": [Spending(1, of: "pending_shares")],
                    ])),
            path("/v2/post/publish/creator_info/query/", "creator_info", "app_posts"),
            path("/v2/post/publish/status/fetch/", "post_status"), path("/v2/post/publish/cancel/"),
        ]
    }
}

extension TikTok: SecretNaming {
    /// Whoever has the address of an upload may put a file there.
    public var secretFields: [String] { ["upload_url"] }
}
