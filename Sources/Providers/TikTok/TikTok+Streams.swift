public import Kit

/// What is synced: who somebody is, and what they have posted.
/// Source: developers.tiktok.com/doc/tiktok-api-v2-get-user-info, …/tiktok-api-v2-video-list,
/// …/tiktok-api-v2-video-query, …/tiktok-api-v2-video-object, read 2026-05.
extension TikTok: Syncing {
    public var streams: [SyncStream] { [Self.profile, Self.videos] }

    // MARK: Profile

    private static let profile = SyncStream(
        "profile", "Whose account it is, and its counts.", scopes: ["user.info.basic"], in: accounts, reach: .whole,
        list: userInfo)

    private static let accounts = RecordTable(
        "tiktok_accounts", key: RecordColumn("open_id", .text),
        [
            RecordColumn("union_id", .text).indexed, RecordColumn("display_name", .text),
            RecordColumn("username", .text),
            // Links to pictures are signed, and dead after hours.
            RecordColumn("avatar_url", .text).passing, RecordColumn("avatar_url_100", .text).passing,
            RecordColumn("avatar_large_url", .text).passing, RecordColumn("bio_description", .text),
            RecordColumn("profile_deep_link", .text), RecordColumn("profile_web_link", .text),
            RecordColumn("is_verified", .boolean), RecordColumn("follower_count", .integer).counted,
            RecordColumn("following_count", .integer).counted, RecordColumn("likes_count", .integer).counted,
            RecordColumn("video_count", .integer).counted,
        ], history: "tiktok_account_metrics")

    /// One field outside of what was granted fails the whole call, so only those are asked for that are within.
    private static let fieldsByScope: [(scope: String, fields: [String])] = [
        (
            "user.info.basic",
            ["open_id", "union_id", "avatar_url", "avatar_url_100", "avatar_large_url", "display_name"]
        ),
        (
            "user.info.profile",
            ["bio_description", "profile_deep_link", "profile_web_link", "is_verified", "username"]
        ),
        ("user.info.stats", ["follower_count", "following_count", "likes_count", "video_count"]),
    ]

    private static func userInfo(_ question: StreamQuestion) -> Call<StreamPage> {
        let fields = fieldsByScope.filter { question.scopes.contains($0.scope) }.flatMap(\.fields)
        let outgoing = Outgoing(
            .get, path("/v2/user/info/", fields), spends: [Spending(1, of: "user_info")], repeating: .always)
        return Call(outgoing) { answer throws(Unreadable) in
            guard let user = try data(answer)["user"] else { throw Unreadable("data.user is missing.") }
            return StreamPage(rows: [try accounts.row(user)], next: .end)
        }
    }

    // MARK: Videos

    /// Events after which the list of videos is another.
    static let newVideos = ["post.publish.publicly_available", "post.publish.no_longer_publicaly_available"]

    private static let videos: SyncStream = {
        var stream = SyncStream(
            "videos", "The account's public videos and their counts.", scopes: ["video.list"], in: videoTable,
            reach: .newestFirst, list: videoList)
        stream.wokenBy = EventTypes(newVideos)
        stream.lookup = .init(idsMax: 20, refreshes: .days(30), call: videoQuery)
        stream.total = .init("video_count", of: "profile")
        return stream
    }()

    private static let videoTable = RecordTable(
        "tiktok_videos", key: RecordColumn("video_id", .text, from: ["id"]),
        [
            RecordColumn("create_time", .time(.seconds)).indexed, RecordColumn("title", .text),
            RecordColumn("video_description", .text), RecordColumn("duration", .integer),
            RecordColumn("height", .integer), RecordColumn("width", .integer),
            // Dead after six hours.
            RecordColumn("cover_image_url", .text).passing, RecordColumn("share_url", .text),
            RecordColumn("embed_html", .text), RecordColumn("embed_link", .text),
            RecordColumn("like_count", .integer).counted, RecordColumn("comment_count", .integer).counted,
            RecordColumn("share_count", .integer).counted, RecordColumn("view_count", .integer).counted,
        ], time: "create_time", history: "tiktok_video_metrics")

    private static let videoFields = ([videoTable.key] + videoTable.columns).flatMap(\.path)

    /// Newest first, 20 at most. The cursor is TikTok's own time in milliseconds; `create_time` has seconds only.
    private static func videoList(_ question: StreamQuestion) -> Call<StreamPage> {
        var body: [JSONMember] = [.init("max_count", 20)]
        if let cursor = question.cursor.flatMap({ Int64($0) }) { body.append(.init("cursor", JSON(cursor))) }
        let outgoing = Outgoing(
            .post, path("/v2/video/list/", videoFields), json: .object(body),
            spends: [Spending(1, of: "video_list")], repeating: .always)
        return Call(outgoing) { answer throws(Unreadable) in
            let data = try data(answer)
            let rows = try rows(data)
            guard let isMore = data["has_more"]?.boolean else { throw Unreadable("data.has_more is missing.") }
            guard isMore else { return StreamPage(rows: rows, next: .end) }
            // Digits as they stand: they go back as they came.
            let cursor = data["cursor"]?.numberText ?? data["cursor"]?.text
            return StreamPage(rows: rows, next: cursor.map { .page(OutsideText.bounded($0)) } ?? .lost)
        }
    }

    private static func videoQuery(_ ids: [String], _ question: StreamQuestion) -> Call<[StreamRow]> {
        let body: JSON = ["filters": ["video_ids": .array(ids.map(JSON.string))]]
        let outgoing = Outgoing(
            .post, path("/v2/video/query/", videoFields), json: body, spends: [Spending(1, of: "video_query")],
            repeating: .always)
        return Call(outgoing) { answer throws(Unreadable) in try rows(try data(answer)) }
    }

    /// Only a list that is there can be empty: what is not shown counts as deleted.
    private static func rows(_ data: JSON) throws(Unreadable) -> [StreamRow] {
        guard let videos = data["videos"]?.elements else { throw Unreadable("data.videos is missing.") }
        var rows: [StreamRow] = []
        for video in videos { rows.append(try videoTable.row(video)) }
        return rows
    }

    // MARK: Wire

    /// `fields` is part of the query, also of a POST.
    private static func path(_ path: String, _ fields: [String]) -> Path {
        Path(stringLiteral: "\(path)?fields=\(fields.joined(separator: ","))")
    }

    private static func data(_ answer: Answer) throws(Unreadable) -> JSON {
        let json: JSON
        do { json = try JSON.parse(answer.body) } catch { throw Unreadable(error.sentence) }
        guard let data = json["data"], data.members != nil else { throw Unreadable("data is missing.") }
        return data
    }
}
