public import Kit

/// What the posting endpoints refuse with, and why a post fails later.
/// Source: developers.tiktok.com/doc/content-posting-api-reference-direct-post, …-query-creator-info,
/// …-get-video-status, read 2026-05.
extension TikTok {
    /// The day's windows, which nothing says the end of, are closed until their own length is over.
    private static let full = Failure.Kind.throttled(retryAfter: nil)

    static let ofPosts: [String: Known] = [
        "spam_risk_too_many_pending_share": Known(
            full,
            "Five drafts wait in the account's inbox. There is room when its owner finishes some, or a day later.",
            quota: "pending_shares"),
        "spam_risk_too_many_posts": Known(
            full, "The account has posted as often as TikTok allows in a day, over all apps. It goes on by itself.",
            quota: "daily_posts"),
        "spam_risk_user_banned_from_posting": Known(
            .forbidden, "TikTok does not let this account post. Its owner must ask TikTok.", by: .yourUser),
        "reached_active_user_cap": Known(
            full,
            "This TikTok app has posted for as many people today as it may. Connecting again does not "
                + "help; the audit does.",
            by: .operator, quota: "app_posts"),
        "unaudited_client_can_only_post_to_private_accounts": Known(
            .forbidden,
            "TikTok has not audited this app yet: it may post to private accounts only, as SELF_ONLY. Pass the audit, "
                + "or let the account's owner make it private and choose SELF_ONLY.", by: .operator),
        "url_ownership_unverified": Known(
            .refused,
            "The media's address is on no domain that is verified for this TikTok app. Verify it there, or "
                + "upload the file here.", by: .operator),
        "privacy_level_option_mismatch": Known(
            .refused, "The account no longer offers this privacy level. Choose another.", by: .you),
        "invalid_file_upload": Known(.refused, "TikTok does not take this file.", by: .you),
        "invalid_publish_id": Known(.refused, "TikTok does not know this post any more.", by: .provider),
        "token_not_authorized_for_specified_publish_id": Known(
            .refused, "The post belongs to another account.", by: .operator),
        "publish_not_cancellable": Known(.refused, "TikTok cannot take it back any more.", by: .provider),
        "app_version_check_failed": Known(
            .refused, "The account owner's TikTok app is too old for photos in the inbox. It must be updated.",
            by: .yourUser),
    ]

    /// Why a post that had begun has failed.
    static func failure(forReason reason: String) -> Failure {
        let reason = OutsideText.bounded(reason, 100)
        let (message, who) = reasons[reason] ?? ("TikTok did not publish it: \(reason).", .provider)
        return Failure(.refused, message, code: reason, who: who)
    }

    /// TikTok's own trouble, or a file that could not be fetched just then: worth one more try.
    static let passingReasons: Set<String> = ["internal", "video_pull_failed", "photo_pull_failed"]

    static let cancelledReason = "publish_cancelled"

    /// Why a post goes on that was to be given up.
    static func notGivenUp(_ code: String) -> String {
        code == "publish_not_cancellable"
            ? "It came too late to be cancelled: TikTok has the file, and no longer gives the post up."
            : "It was to be cancelled, and TikTok did not do it."
    }

    private static let reasons: [String: (String, Failure.Actor)] = [
        "internal": ("TikTok had a problem of its own and did not publish it. Publish it again.", .provider),
        "video_pull_failed": ("TikTok could not fetch the video. Its address must answer until that is done.", .you),
        "photo_pull_failed": ("TikTok could not fetch a photo. Its address must answer until that is done.", .you),
        "publish_cancelled": ("It was cancelled at TikTok.", .you),
        "auth_removed": ("Access to the account was taken back. Connect it again.", .yourUser),
        "file_format_check_failed": ("TikTok does not take this format: MP4, MOV or WebM; JPEG or WebP.", .you),
        "duration_check_failed": ("The video is longer or shorter than this account may post.", .you),
        "frame_rate_check_failed": ("The video has not 23 to 60 frames a second. Convert it.", .you),
        "picture_size_check_failed": ("The picture is too large or too small: 360 to 4096 pixels a side.", .you),
        "spam_risk_too_many_posts": (
            "The account has posted as often as TikTok allows in a day. Publish it again tomorrow.", .yourUser
        ),
        "spam_risk_user_banned_from_posting": ("TikTok does not let this account post.", .yourUser),
        "spam_risk": ("TikTok takes it for spam and did not publish it.", .yourUser),
        "spam_risk_text": ("TikTok takes the text for spam and did not publish it. Change it.", .you),
    ]
}

/// Source: developers.tiktok.com/doc/content-sharing-guidelines, "Unaudited clients", read 2026-05.
extension TikTok: AppJudging {
    public var peopleBeforeAudit: Int? { 5 }

    public var appSigns: [AppSign] {
        ["unaudited_client_can_only_post_to_private_accounts", "reached_active_user_cap", "url_ownership_unverified"]
            .compactMap { code in Self.ofPosts[code].map { AppSign(code, $0.sentence) } }
    }
}
