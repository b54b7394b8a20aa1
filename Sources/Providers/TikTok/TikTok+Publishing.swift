public import Kit

/// Publishing: videos and photos, directly or into the owner's inbox.
/// Source: developers.tiktok.com/doc/content-posting-api-reference-direct-post and the pages beside it, read 2026-05.
extension TikTok: Publisher {
    static let privacyLevels = ["PUBLIC_TO_EVERYONE", "MUTUAL_FOLLOW_FRIENDS", "FOLLOWER_OF_CREATOR", "SELF_ONLY"]

    public var postOptions: [PostOption] {
        // In the inbox the owner chooses these.
        let direct = PostOption.Given("mode", "inbox")
        return [
            PostOption(
                "mode", .words(["direct", "inbox"]), "Publish, or put a draft into the inbox; direct unless said.",
                title: "How", usual: "direct"),
            PostOption(
                "privacy_level", .words(Self.privacyLevels),
                "Who sees it. Must be chosen for direct posts, from what the account offers.",
                title: "Who may see it", unless: direct),
            PostOption(
                "allow_comments", .flag, "Off unless chosen, and where the account's owner has them off.",
                title: "Allow comments", unless: direct),
            PostOption("allow_duet", .flag, "Likewise; videos only.", title: "Allow duet", unless: direct),
            PostOption("allow_stitch", .flag, "Likewise; videos only.", title: "Allow stitch", unless: direct),
            PostOption("brand_organic", .flag, "Advertises the owner's own business.", title: "Your own brand"),
            PostOption("brand_content", .flag, "A paid partnership.", title: "Branded content"),
            PostOption("is_ai_generated", .flag, "Made by a machine; videos only.", title: "Made by AI"),
            PostOption(
                "source", .words(Self.sources),
                "Whether the file is sent to TikTok, or TikTok fetches it from this server; photos are fetched always.",
                title: "How the file gets there", usual: Self.sources.first),
            PostOption(
                "media_type", .words(["video", "photo"]), "What a single address leads to; video unless said.",
                title: "The address leads to", usual: "video"),
            PostOption(
                "cover_ms", .whole(0...600_000), "Which moment of a video is its cover, in milliseconds.",
                title: "Cover of a video", unless: direct),
            PostOption(
                "cover_index", .whole(0...34), "Which photo is the cover, from 0.", title: "Cover of photos"),
            PostOption("auto_add_music", .flag, "TikTok chooses music; photos only.", title: "Add music"),
        ]
    }

    public func limits(of post: Post) -> PostLimits {
        post.isPhotos
            ? PostLimits(
                .utf16, title: PostRules.photoTitleMax, text: PostRules.descriptionMax, media: PostRules.photosMax)
            : PostLimits(.utf16, title: nil, text: PostRules.captionMax, media: 1)
    }

    public var postNote: String? {
        "Until TikTok has audited your app, only private accounts can post with it, as SELF_ONLY, five a day. TikTok "
            + "does not say beforehand whether it has."
    }

    public func postQuotas(for options: JSON) -> [String] {
        [options["mode"]?.text == "inbox" ? "pending_shares" : "daily_posts"]
    }

    public func scopes(for options: JSON) -> [String] {
        [options["mode"]?.text == "inbox" ? "video.upload" : "video.publish"]
    }

    public func problems(in post: Post) -> [PostProblem] { PostRules(post: post).problems }

    public func publishing(_ post: Post) -> PostSteps { PostSteps(post) }

    static let sources = ["FILE_UPLOAD", "PULL_FROM_URL"]

    /// TikTok gives up what it has not fetched within an hour.
    public func fetching(_ post: Post) -> Duration? { post.object == nil ? .hours(1) : nil }

    public var ownAddressesSetting: String? { "TIKTOK_VERIFIED_URLS" }

    public var postTable: PostTable { PostTable("tiktok_posts", id: "publish_id", account: "open_id") }

    public var choices: Call<PostChoices>? {
        Call(PostCalls.creatorInfo) { answer throws(Unreadable) in try CreatorInfo(answer).choices }
    }

    public func news(in event: EventContent) throws(Unreadable) -> PostNews? {
        guard event.type.hasPrefix("post.publish.") else { return nil }
        let content: JSON
        do {
            // A text that holds JSON.
            content = try JSON.parse(try JSON.parse(event.body)["content"]?.text ?? "{}")
        } catch { throw Unreadable(error.sentence) }
        guard let id = content["publish_id"]?.text else { throw Unreadable("It names no publish_id.") }
        let word = String(event.type.dropFirst("post.publish.".count))
        // More digits than a double holds, as a text or a number.
        let post = content["post_id"].flatMap { $0.text ?? $0.numberText }.map { OutsideText.bounded($0, 64) }
        let kind: PostNews.Kind
        switch word {
        case "complete": kind = .published(postID: nil)
        case "publicly_available": kind = .published(postID: post)
        case "inbox_delivered": kind = .inInbox
        case "failed" where content["reason"]?.text == Self.cancelledReason: kind = .cancelled
        case "failed": kind = .failed(Self.failure(forReason: content["reason"]?.text ?? "unknown"))
        // TikTok's own spelling, and the right one.
        case "no_longer_publicaly_available", "no_longer_publicly_available": kind = .withdrawn
        default: return nil
        }
        return PostNews(OutsideText.bounded(id, 64), Self.status(of: word), kind)
    }

    private static func status(of word: String) -> String {
        switch word {
        case "complete", "publicly_available": "PUBLISH_COMPLETE"
        case "inbox_delivered": "SEND_TO_USER_INBOX"
        case "failed": "FAILED"
        default: "NO_LONGER_AVAILABLE"
        }
    }
}

/// What a creator may do now.
struct CreatorInfo: Equatable {
    let username: String?
    let privacyLevels: [String]
    /// `comments`, `duet`, `stitch`: those that are off.
    let off: [String]
    let longest: Duration?

    init(_ answer: Answer) throws(Unreadable) {
        let data: JSON
        do { data = try JSON.parse(answer.body)["data"] ?? .null } catch { throw Unreadable(error.sentence) }
        guard let levels = data["privacy_level_options"]?.elements else {
            throw Unreadable("It names no privacy_level_options.")
        }
        privacyLevels = levels.compactMap(\.text).prefix(20).map { OutsideText.bounded($0, 64) }
        username = data["creator_username"]?.text.map { OutsideText.bounded($0, 128) }
        off = [("comment_disabled", "comments"), ("duet_disabled", "duet"), ("stitch_disabled", "stitch")]
            .filter { data[$0.0]?.boolean == true }.map(\.1)
        longest = data["max_video_post_duration_sec"]?.integer.map { .seconds($0) }
    }

    var choices: PostChoices {
        PostChoices(
            account: username, words: ["privacy_level": privacyLevels],
            settled: Dictionary(uniqueKeysWithValues: off.map { ("allow_" + $0, false) }), longest: longest)
    }
}
