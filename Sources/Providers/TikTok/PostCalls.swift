import Kit

/// The calls of the posting endpoints. Source: developers.tiktok.com/doc/content-posting-api-reference-direct-post,
/// …-upload-video, …-photo-post, …-query-creator-info, …-get-video-status, …-media-transfer-guide.
enum PostCalls {
    /// Of addresses that TikTok names for uploads.
    static let uploadDomains = ["tiktokapis.com", "tiktok.com"]

    private static func spend(_ quotas: String...) -> [Spending] { quotas.map { Spending(1, of: $0) } }

    static var creatorInfo: Outgoing {
        Outgoing(
            .post, "/v2/post/publish/creator_info/query/", json: .object([]),
            spends: spend("creator_info", "app_posts"),
            repeating: .always)
    }

    static func status(_ publishID: String) -> Outgoing {
        Outgoing(
            .post, "/v2/post/publish/status/fetch/", json: ["publish_id": .string(publishID)],
            spends: spend("post_status"), repeating: .always)
    }

    /// Gives up what TikTok fetches by itself, as long as it is fetched.
    static func cancel(_ publishID: String) -> Outgoing {
        Outgoing(.post, "/v2/post/publish/cancel/", json: ["publish_id": .string(publishID)], repeating: .always)
    }

    /// Begins a post. An upload that gets no bytes is never posted, so its beginning may be repeated; TikTok fetches
    /// by itself what lies elsewhere, so that one may not.
    static func begin(_ post: Post, off: [String]) -> Outgoing {
        if post.isPhotos {
            return Outgoing(
                .post, "/v2/post/publish/content/init/", json: photos(post, off: off),
                spends: spend("photo_posts", post.isDirect ? "daily_posts" : "pending_shares", "app_posts"),
                repeating: .never)
        }
        let repeating: Repetition = post.object == nil ? .never : .always
        guard post.isDirect else {
            return Outgoing(
                .post, "/v2/post/publish/inbox/video/init/", json: ["source_info": source(post)],
                spends: spend("inbox_uploads", "pending_shares", "app_posts"), repeating: repeating)
        }
        return Outgoing(
            .post, "/v2/post/publish/video/init/",
            json: ["post_info": video(post, off: off), "source_info": source(post)],
            spends: spend("direct_posts", "daily_posts", "app_posts"), repeating: repeating)
    }

    private static func source(_ post: Post) -> JSON {
        guard let object = post.object else {
            return ["source": "PULL_FROM_URL", "video_url": JSON(post.urls.first)]
        }
        let chunks = Chunks(size: object.size)
        return [
            "source": "FILE_UPLOAD", "video_size": JSON(chunks.size), "chunk_size": JSON(chunks.chunk),
            "total_chunk_count": JSON(chunks.count),
        ]
    }

    /// What the creator has off stays off, whatever was chosen.
    private static func isOff(_ post: Post, _ name: String, _ off: [String]) -> JSON {
        .bool(off.contains(name) || !post.flag("allow_" + name))
    }

    private static func video(_ post: Post, off: [String]) -> JSON {
        var members: [JSONMember] = [
            .init("title", .string(post.text ?? "")), .init("privacy_level", JSON(post.privacy)),
            .init("disable_duet", isOff(post, "duet", off)), .init("disable_comment", isOff(post, "comments", off)),
            .init("disable_stitch", isOff(post, "stitch", off)),
            .init("brand_content_toggle", .bool(post.flag("brand_content"))),
            .init("brand_organic_toggle", .bool(post.flag("brand_organic"))),
            .init("is_aigc", .bool(post.flag("is_ai_generated"))),
        ]
        if let cover = post.options["cover_ms"]?.integer {
            members.append(.init("video_cover_timestamp_ms", JSON(cover)))
        }
        return .object(members)
    }

    private static func photos(_ post: Post, off: [String]) -> JSON {
        var info: [JSONMember] = [
            .init("title", .string(post.title ?? "")), .init("description", .string(post.text ?? "")),
        ]
        if post.isDirect {
            info += [
                .init("privacy_level", JSON(post.privacy)), .init("disable_comment", isOff(post, "comments", off)),
                .init("auto_add_music", .bool(post.flag("auto_add_music"))),
                .init("brand_content_toggle", .bool(post.flag("brand_content"))),
                .init("brand_organic_toggle", .bool(post.flag("brand_organic"))),
            ]
        }
        return [
            "media_type": "PHOTO", "post_mode": post.isDirect ? "DIRECT_POST" : "MEDIA_UPLOAD",
            "post_info": .object(info),
            "source_info": [
                "source": "PULL_FROM_URL", "photo_images": .array(post.urls.map(JSON.string)),
                "photo_cover_index": JSON(post.options["cover_index"]?.integer ?? 0),
            ],
        ]
    }

    /// One chunk. TikTok refuses what is out of order, so it may be sent again.
    static func chunk(
        _ range: Range<Int64>, of object: (id: ID<ObjectKind>, size: Int64, facts: MediaFacts), to url: Secret
    ) -> Outgoing {
        let count = range.upperBound - range.lowerBound
        var call = Outgoing(
            .put, "/video/",
            headers: [
                Field("Content-Type", object.facts.kind.contentType),
                Field("Content-Range", "bytes \(range.lowerBound)-\(range.upperBound - 1)/\(object.size)"),
            ],
            // 64 KiB a second at least.
            within: .seconds(30 + count / 65_536), repeating: .always)
        call.host = .given(url, within: uploadDomains)
        call.part = ObjectPart(object.id, range)
        return call
    }
}
