import Kit

/// Who somebody is and what they have posted.
/// Source: developers.tiktok.com/doc/tiktok-api-v2-get-user-info, -video-list, -video-query.
extension TikTokCall {
    private static let userFields: [(name: String, scope: String)] = [
        ("open_id", "user.info.basic"), ("union_id", "user.info.basic"), ("avatar_url", "user.info.basic"),
        ("avatar_url_100", "user.info.basic"), ("avatar_large_url", "user.info.basic"),
        ("display_name", "user.info.basic"), ("bio_description", "user.info.profile"),
        ("profile_deep_link", "user.info.profile"), ("profile_web_link", "user.info.profile"),
        ("is_verified", "user.info.profile"), ("username", "user.info.profile"),
        ("follower_count", "user.info.stats"), ("following_count", "user.info.stats"),
        ("likes_count", "user.info.stats"), ("video_count", "user.info.stats"),
    ]

    func userInfo() throws(TikTokError) -> JSON {
        let fields = try fields(known: Self.userFields.map(\.name))
        for field in fields {
            let scope = Self.userFields.first { $0.name == field }?.scope ?? ""
            guard scopes.contains(scope) else {
                throw TikTokError("scope_permission_missed", "The field \(field) needs the scope \(scope).")
            }
        }
        let all = everything
        return ["user": .object(fields.compactMap { field in all.first { $0.name == field } })]
    }

    private var everything: [JSONMember] {
        let avatar = platform.link("avatar", account.openID, lasts: SimulatedTikTok.avatarLife, in: books.world)
        let hours = (books.nowMs - books.own.int("born_ms")) / 3_600_000
        return [
            JSONMember("open_id", .string(account.openID)), JSONMember("union_id", .string(account.unionID)),
            JSONMember("avatar_url", .string(avatar)), JSONMember("avatar_url_100", .string(avatar + "&size=100")),
            JSONMember("avatar_large_url", .string(avatar + "&size=1080")),
            JSONMember("display_name", .string(account.name)),
            JSONMember("bio_description", .string("Bread, mostly. \(account.name).")),
            JSONMember("profile_deep_link", .string("https://vm.tiktok.com/\(account.openID.prefix(8))")),
            JSONMember("profile_web_link", .string("https://www.tiktok.com/@\(account.username)")),
            JSONMember("is_verified", .bool(account.isVerified)), JSONMember("username", .string(account.username)),
        ] + account.stats(hours, videos: books.videoCount(of: account))
    }

    // MARK: Videos

    static let pageMax: Int64 = 20

    func videoList() throws(TikTokError) -> JSON {
        let fields = try fields(known: TikTokVideo.names)
        let limit = try whole("max_count", in: body) ?? 10
        guard (1...Self.pageMax).contains(limit) else { throw .params("max_count must be from 1 to 20.") }
        let cursor = try whole("cursor", in: body) ?? 0
        guard cursor >= 0 else { throw .params("cursor must be a time in milliseconds.") }
        let before = cursor == 0 ? books.nowMs + 1 : cursor
        let (page, more) = books.videos(of: account, before: before, atMost: Int(limit))
        return [
            "videos": .array(page.map { shown($0, fields) }), "cursor": JSON(page.last?.createdMs ?? cursor),
            "has_more": .bool(more),
        ]
    }

    func videoQuery() throws(TikTokError) -> JSON {
        let fields = try fields(known: TikTokVideo.names)
        let ids = body["filters", "video_ids"]?.elements ?? []
        guard !ids.isEmpty, ids.count <= Int(Self.pageMax) else {
            throw .params("filters.video_ids must name 1 to 20 videos.")
        }
        guard ids.allSatisfy({ $0.text != nil }) else { throw .params("filters.video_ids must be texts.") }
        // Those of other people, and those that are not public, are left out without a word.
        let found = ids.compactMap { $0.text.flatMap { books.video($0, of: account) } }
        return ["videos": .array(found.map { shown($0, fields) })]
    }

    private func shown(_ video: TikTokVideo, _ fields: [String]) -> JSON {
        let all = video.fields(at: books.world.moment) {
            platform.link("cover", $0, lasts: SimulatedTikTok.coverLife, in: books.world)
        }
        return .object(fields.compactMap { field in all.first { $0.name == field } })
    }
}
