import Kit

/// Beginning a post, and how it goes.
/// Source: developers.tiktok.com/doc/content-posting-api-reference-direct-post, -upload-video, -photo-post,
/// -query-creator-info, -get-video-status.
extension TikTokCall {
    func creatorInfo() throws(TikTokError) -> JSON {
        // With status 200 on purpose.
        if let code = books.settings.creatorError ?? (books.isPostedOut(account) ? "spam_risk_too_many_posts" : nil) {
            throw TikTokError(code, status: 200)
        }
        let said = books.said(account)
        return [
            "creator_avatar_url": .string(
                platform.link("avatar", account.openID, lasts: SimulatedTikTok.avatarLife, in: books.world)),
            "creator_username": .string(account.username), "creator_nickname": .string(account.name),
            "privacy_level_options": .array(books.privacyLevels(account).map { .string($0) }),
            "comment_disabled": said["comment_disabled"] ?? false, "duet_disabled": said["duet_disabled"] ?? false,
            "stitch_disabled": said["stitch_disabled"] ?? false,
            "max_video_post_duration_sec": said["max_video_post_duration_sec"] ?? 600,
        ]
    }

    // MARK: Inits

    private static let titleMax = 2200
    private static let photoTitleMax = 90
    private static let descriptionMax = 4000
    private static let photosMax = 35

    func beginVideo(isDirect: Bool) throws(TikTokError) -> JSON {
        let source = body["source_info"] ?? .object([])
        let isPull: Bool
        switch source.text("source") {
        case "FILE_UPLOAD": isPull = false
        case "PULL_FROM_URL": isPull = true
        default: throw .params("source_info.source must be FILE_UPLOAD or PULL_FROM_URL.")
        }
        // An inbox upload has no say in title and privacy; its person has.
        let info = isDirect ? try info(titleMax: Self.titleMax) : .object([])
        let name = "v_\(isDirect ? "pub" : "inbox")_\(isPull ? "url" : "file")~v2\(isDirect ? "-1" : "")."
        try admit(isDirect: isDirect, privacy: info.text("privacy_level"))
        if isPull {
            let url = source.text("video_url") ?? ""
            let address = try platform.pulled(url, books)
            let post = make(name, info, isDirect: isDirect, [JSONMember("is_pull", true)])
            books.world.fetch(
                Errand(
                    platform: platform.id, id: post.id, addresses: [address], bytesMax: TikTokChunks.sizeMax))
            books.count(isDirect ? "init.video.pull" : "init.inbox.pull")
            return ["publish_id": .string(post.id)]
        }
        let plan = try plan(source)
        let post = make(
            name, info, isDirect: isDirect,
            [
                JSONMember("size", JSON(plan.size)), JSONMember("chunk", JSON(plan.chunk)),
                JSONMember("chunks", JSON(plan.count)), JSONMember("uploaded", 0),
                JSONMember("upload_id", JSON(books.number(7_500_000_000_000_000_000))),
                JSONMember("upload_token", .string(books.world.id("", length: 32))),
                JSONMember("digest", ContentDigest().json),
            ])
        books.index(post)
        books.count(isDirect ? "init.video" : "init.inbox")
        return ["publish_id": .string(post.id), "upload_url": .string(platform.uploadURL(post))]
    }

    private func plan(_ source: JSON) throws(TikTokError) -> TikTokChunks {
        guard let size = try whole("video_size", in: source), let chunk = try whole("chunk_size", in: source),
            let count = try whole("total_chunk_count", in: source)
        else { throw .params("source_info needs video_size, chunk_size and total_chunk_count.") }
        let plan = TikTokChunks(size: size, chunk: chunk, count: count)
        try plan.check()
        return plan
    }

    func beginPhotos() throws(TikTokError) -> JSON {
        guard body.text("media_type") == "PHOTO" else { throw .params("media_type must be PHOTO.") }
        let isDirect: Bool
        switch body.text("post_mode") {
        case "DIRECT_POST": isDirect = true
        case "MEDIA_UPLOAD": isDirect = false
        default: throw .params("post_mode must be DIRECT_POST or MEDIA_UPLOAD.")
        }
        guard scopes.contains(isDirect ? "video.publish" : "video.upload") else {
            throw TikTokError("scope_not_authorized")
        }
        let source = body["source_info"] ?? .object([])
        guard source.text("source") == "PULL_FROM_URL" else {
            throw .params("source_info.source must be PULL_FROM_URL: photos are pulled only.")
        }
        let urls = (source["photo_images"]?.elements ?? []).map { $0.text ?? "" }
        guard (1...Self.photosMax).contains(urls.count) else { throw .params("photo_images must name 1 to 35 photos.") }
        let cover = try whole("photo_cover_index", in: source) ?? 0
        guard urls.indices.contains(Int(clamping: cover)) else { throw .params("photo_cover_index names no photo.") }
        let info = try photoInfo(isDirect: isDirect)
        try admit(isDirect: isDirect, privacy: info.text("privacy_level"))
        var addresses: [String] = []
        for url in urls { addresses.append(try platform.pulled(url, books)) }
        let post = make(
            "p_\(isDirect ? "pub" : "inbox")_url~v2.", info, isDirect: isDirect,
            [JSONMember("is_pull", true), JSONMember("is_photos", true)])
        books.world.fetch(
            Errand(platform: platform.id, id: post.id, addresses: addresses, bytesMax: SimulatedTikTok.photoMax))
        books.count(isDirect ? "init.photos" : "init.inbox_photos")
        return ["publish_id": .string(post.id)]
    }

    private func photoInfo(isDirect: Bool) throws(TikTokError) -> JSON {
        let said = body["post_info"] ?? .object([])
        guard (said.text("description") ?? "").utf16.count <= Self.descriptionMax else {
            throw .params("post_info.description is longer than \(Self.descriptionMax) UTF-16 units.")
        }
        if isDirect { return try info(titleMax: Self.photoTitleMax) }
        guard (said.text("title") ?? "").utf16.count <= Self.photoTitleMax else {
            throw .params("post_info.title is longer than \(Self.photoTitleMax) UTF-16 units.")
        }
        return said
    }

    /// What a direct post says about itself.
    private func info(titleMax: Int) throws(TikTokError) -> JSON {
        guard let info = body["post_info"], info.members != nil else { throw .params("post_info is missing.") }
        guard (info.text("title") ?? "").utf16.count <= titleMax else {
            throw .params("post_info.title is longer than \(titleMax) UTF-16 units.")
        }
        guard let level = info.text("privacy_level") else { throw .params("post_info.privacy_level is missing.") }
        guard info["brand_content_toggle"]?.boolean != nil else {
            throw .params("post_info.brand_content_toggle is missing.")
        }
        guard books.privacyLevels(account).contains(level) else { throw TikTokError("privacy_level_option_mismatch") }
        return info
    }

    private func make(_ name: String, _ info: JSON, isDirect: Bool, _ more: [JSONMember]) -> TikTokPost {
        let id = name + String(books.number(7_600_000_000_000_000_000))
        let json: JSON = [
            "id": .string(id), "open_id": .string(account.openID), "grant": grant["id"] ?? .null,
            "is_direct": .bool(isDirect), "title": info["title"] ?? "", "privacy": info["privacy_level"] ?? .null,
            "created": JSON(books.world.now),
        ]
        var post = TikTokPost(json.with(more))
        post.status = post.isPull ? "PROCESSING_DOWNLOAD" : "PROCESSING_UPLOAD"
        books.save(post)
        return post
    }

    // MARK: What becomes of it

    func status() throws(TikTokError) -> JSON {
        let post = try named()
        var data: JSON = ["status": .string(post.status)]
        if let reason = post.json.present("fail_reason") { data.set("fail_reason", reason) }
        data.set("publicaly_available_post_id", .array(post.json.present("post_id").map { [$0] } ?? []))
        data.set(post.isPull ? "downloaded_bytes" : "uploaded_bytes", JSON(post.uploaded))
        return data
    }

    func cancel() throws(TikTokError) -> JSON {
        let post = try named()
        // What has been fetched whole is on its way to be posted.
        guard post.status == "PROCESSING_DOWNLOAD", post.json.present("hash") == nil else {
            throw TikTokError("publish_not_cancellable")
        }
        books.count("post.cancelled")
        books.world.delete(Errand.kind, platform.id + " " + post.id)
        books.fail(post, "publish_cancelled")
        return .object([])
    }

    private func named() throws(TikTokError) -> TikTokPost {
        guard let id = body.text("publish_id"), let post = books.post(id) else {
            throw TikTokError("invalid_publish_id")
        }
        guard post.openID == account.openID else {
            throw TikTokError("token_not_authorized_for_specified_publish_id")
        }
        return post
    }
}
