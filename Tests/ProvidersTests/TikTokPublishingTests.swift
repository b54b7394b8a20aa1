import Kit
import Testing

@testable import TikTok

@Suite("TikTok publishing")
struct TikTokPublishingTests {
    static let film: MediaFacts = {
        var facts = MediaFacts(.mp4)
        (facts.width, facts.height, facts.duration) = (1080, 1920, .seconds(21))
        (facts.frameRate, facts.codec) = (30, "avc1")
        return facts
    }()
    static let object = ID<ObjectKind>(stored: "obj_01kb2c3d4e5f6g7h8j9k0m1n2p")

    static func post(
        _ options: JSON = ["privacy_level": "PUBLIC_TO_EVERYONE"], text: String? = "Rye is back #bread",
        title: String? = nil, size: Int64 = 50_000_123, facts: MediaFacts = film, urls: [String] = []
    ) -> Post {
        let media =
            urls.isEmpty
            ? [Post.Medium(.object(object), size: size, facts: facts)] : urls.map { Post.Medium(.url($0)) }
        return Post(title: title, text: text, media: media, options: options, account: "open-1")
    }

    // MARK: Chunks

    /// Source: developers.tiktok.com/doc/content-posting-api-media-transfer-guide: rounded down, the rest in the last.
    @Test(
        "a file is cut as TikTok counts",
        arguments: [
            (1, 1, 1, 1), (4_999_999, 4_999_999, 1, 4_999_999), (64_000_000, 64_000_000, 1, 64_000_000),
            (64_000_001, 10_000_000, 6, 14_000_001), (70_000_000, 10_000_000, 7, 10_000_000),
            (4_000_000_000, 10_000_000, 400, 10_000_000),
        ] as [(Int64, Int64, Int64, Int64)])
    func chunks(size: Int64, chunk: Int64, count: Int64, last: Int64) {
        let chunks = Chunks(size: size)

        #expect(chunks.chunk == chunk && chunks.count == count && chunks.count == size / chunks.chunk)
        var (offset, seen) = (Int64(0), Int64(0))
        var range = chunks.range(from: offset)
        while !range.isEmpty {
            seen += 1
            if chunks.isLast(offset) { #expect(range.upperBound - range.lowerBound == last) }
            offset = range.upperBound
            range = chunks.range(from: offset)
        }
        #expect(offset == size && seen == count)
    }

    @Test("how far an upload is can be read in either way that TikTok says it")
    func progress() {
        let chunks = Chunks(size: 65_000_123)

        for text in ["bytes 0-19999999/65000123", "bytes 0-20000000/65000123"] {
            #expect(chunks.progress(text) == 20_000_000)
        }
        #expect(chunks.progress("bytes */65000123") == 0)
        #expect(chunks.progress("bytes 0-65000122/65000123") == 65_000_123)
        for text in [nil, "", "bytes 0-1/2", "bytes 5-9/65000123", "bytes 0-x/65000123", "bytes 0-99999999/65000123"] {
            #expect(chunks.progress(text) == nil)
        }
        // Half a chunk is none.
        #expect(chunks.border(after: 25_000_000) == 20_000_000 && chunks.border(after: 65_000_122) == 50_000_000)
    }

    // MARK: Rules

    @Test("what TikTok would refuse is refused before anything is sent, with rule, value and what to do")
    func rules() {
        var long = Self.film
        (long.duration, long.width, long.frameRate, long.codec) = (.seconds(601), 300, 90, "mp4v")
        let problems = TikTok().problems(in: Self.post(size: 5_000_000_000, facts: long))

        #expect(
            problems.map(\.message) == [
                "5000000000 bytes; TikTok takes 4000000000. Make it smaller.",
                "601 s long; TikTok takes 600 s. Shorten it.",
                "300 pixels wide; TikTok takes 360 to 4096. Scale it.",
                "90 frames a second; TikTok takes 23 to 60. Convert it.",
                "The picture is coded as mp4v; TikTok takes H.264, H.265, VP8 and VP9. Convert it.",
            ])
        #expect(problems.allSatisfy { $0.field == "media[0]" })
    }

    @Test(
        "each of these is a fault of its own",
        arguments: [
            (post(.object([])), "options.privacy_level"),
            (post(text: String(repeating: "é", count: 2201)), "content.text"),
            (post(title: "A title"), "content.title"),
            (post(["mode": "inbox", "privacy_level": "SELF_ONLY"]), "options.privacy_level"),
            (post(["privacy_level": "SELF_ONLY", "brand_content": true]), "options.privacy_level"),
            (post(facts: MediaFacts(.other)), "media[0]"), (post(facts: MediaFacts(.png)), "media[0]"),
            (post(urls: ["http://example.com/a.mp4"]), "media[0]"),
            (post(urls: ["https://10.0.0.1/a.mp4"]), "media[0]"),
            (post(urls: (0..<36).map { "https://cdn.example.com/\($0).jpg" }), "media"),
            (Post(title: nil, text: nil, media: [], options: ["mode": "inbox"], account: "o"), "media"),
            (
                post(
                    ["privacy_level": "SELF_ONLY", "cover_index": 4],
                    urls: ["https://a.example/1", "https://a.example/2"]),
                "options.cover_index"
            ),
        ])
    func faults(post: Post, field: String) {
        #expect(TikTok().problems(in: post).map(\.field) == [field])
    }

    @Test("what is allowed has no fault")
    func allowed() {
        for post in [
            Self.post(), Self.post(["mode": "inbox"], text: nil), Self.post(text: String(repeating: "é", count: 2200)),
            Self.post(urls: ["https://cdn.example.com/a.mp4"]),
            Self.post(
                ["privacy_level": "SELF_ONLY"], title: "Rye", urls: ["https://a.example/1", "https://a.example/2"]),
        ] {
            #expect(TikTok().problems(in: post) == [])
        }
    }

    // MARK: The walk

    private func answer(_ json: String, _ status: Int = 200, _ headers: [Field] = []) -> Answer {
        Answer(status: status, headers: headers, body: Array(json.utf8))
    }
    private let creator = #"""
        {"data":{"creator_username":"rye","privacy_level_options":["PUBLIC_TO_EVERYONE","SELF_ONLY"],
         "comment_disabled":true,"duet_disabled":false,"stitch_disabled":false,"max_video_post_duration_sec":600},
         "error":{"code":"ok"}}
        """#
    private let begun = #"""
        {"data":{"publish_id":"v_pub_file~v2-1.7","upload_url":"https://open-upload.tiktokapis.com/video/?upload_id=1"},
         "error":{"code":"ok"}}
        """#
    private func status(_ status: String, _ more: String = "") -> String {
        #"{"data":{"status":"\#(status)"\#(more)},"error":{"code":"ok"}}"#
    }

    @Test("a large video: asked, begun, sent in chunks, looked at, published")
    func whole() throws {
        var walk = Walk(TikTok().publishing(Self.post(["privacy_level": "PUBLIC_TO_EVERYONE"], size: 65_000_123)))
        try walk.answers(answer(creator))
        let body = try JSON.parse(try walk.call().body)
        #expect(body["source_info", "total_chunk_count"] == 6 && body["source_info", "chunk_size"] == 10_000_000)
        // What the creator has off stays off; what nobody chose is off, too.
        #expect(body["post_info", "disable_comment"] == true && body["post_info", "disable_duet"] == true)
        try walk.answers(answer(begun))
        // Read back from what was saved: it asks how much is there.
        #expect(try walk.call().path.template == "/v2/post/publish/status/fetch/")
        walk.isSaving = false
        try walk.answers(answer(status("PROCESSING_UPLOAD", #","uploaded_bytes":0"#)))
        for chunk in 0..<5 {
            #expect(try walk.call().headers["Content-Range"]?.hasPrefix("bytes \(chunk * 10_000_000)-") == true)
            #expect(try walk.step().isMinor)
            try walk.answers(answer("", 206))
        }
        #expect(try walk.step().isFinal && walk.call().headers["Content-Range"] == "bytes 50000000-65000122/65000123")
        walk.isSaving = true
        try walk.answers(answer("", 201))
        try walk.answers(answer(status("PROCESSING_UPLOAD")))
        try walk.answers(answer(status("PUBLISH_COMPLETE", #","publicaly_available_post_id":[]"#)))
        #expect(walk.state.shown.state == .published)
        try walk.answers(answer(status("PUBLISH_COMPLETE", #","publicaly_available_post_id":[7400000000000000001]"#)))

        #expect(
            try walk.outcome() == Published(.published, remoteStatus: "PUBLISH_COMPLETE", postID: "7400000000000000001")
        )
    }

    @Test("bytes that TikTok has are not sent again, and a dead address begins anew")
    func resumed() throws {
        var walk = Walk(TikTok().publishing(Self.post(size: 65_000_123)))
        try walk.answers(answer(creator))
        try walk.answers(answer(begun))
        walk.isSaving = false
        try walk.answers(answer(status("PROCESSING_UPLOAD", #","uploaded_bytes":30000000"#)))
        #expect(try walk.call().headers["Content-Range"] == "bytes 30000000-39999999/65000123")
        try walk.isRefused(answer("", 416, [Field("Content-Range", "bytes 0-39999999/65000123")]))
        #expect(try walk.call().headers["Content-Range"] == "bytes 40000000-49999999/65000123")
        try walk.isRefused(answer("", 403))
        try walk.answers(answer(status("PROCESSING_UPLOAD", #","uploaded_bytes":40000000"#)))
        #expect(try walk.call().path.template == "/v2/post/publish/video/init/")
    }

    @Test("what was sent whole is never begun again")
    func complete() throws {
        var walk = Walk(TikTok().publishing(Self.post()))
        try walk.answers(answer(creator))
        try walk.answers(answer(begun))
        try walk.answers(answer(status("PUBLISH_COMPLETE", #","publicaly_available_post_id":[7]"#)))
        #expect(try walk.outcome()?.postID == "7")
    }

    @Test(
        "a privacy that the account does not offer, and a video longer than it may post, are refused"
    )
    func creatorsRules() throws {
        var walk = Walk(TikTok().publishing(Self.post(["privacy_level": "FOLLOWER_OF_CREATOR"])))
        try walk.answers(answer(creator))
        #expect(try walk.failure()?.message.contains("PUBLIC_TO_EVERYONE, SELF_ONLY") == true)
        #expect(try walk.failure()?.code == "privacy_level_option_mismatch")

        var long = Walk(TikTok().publishing(Self.post()))
        try long.answers(
            answer(creator.replacing("\"max_video_post_duration_sec\":600", with: "\"max_video_post_duration_sec\":20"))
        )
        #expect(try long.failure()?.message.contains("longer than the 20 s") == true)
    }

    @Test("a creator who has posted too often is asked about again an hour later")
    func full() throws {
        var walk = Walk(TikTok().publishing(Self.post()))
        try walk.isRefused(answer(#"{"data":{},"error":{"code":"spam_risk_too_many_posts"}}"#))
        guard case .wait(let until, _) = walk.state.next(at: walk.now) else {
            Issue.record("it does not wait")
            return
        }
        #expect(until == walk.now + .hours(1))
    }

    @Test("what TikTok fetches is begun once: its answer lost, nobody can tell")
    func pull() throws {
        var walk = Walk(TikTok().publishing(Self.post(urls: ["https://cdn.example.com/a.mp4"])))
        try walk.answers(answer(creator))
        let step = try walk.step()
        #expect(step.outgoing.repeating == .never && step.isFinal && step.isJournaled && step.ifUnclear == nil)
        #expect(try JSON.parse(step.outgoing.body)["source_info", "source"] == "PULL_FROM_URL")
    }

    private static func fetched(
        _ options: JSON, _ kind: MediaFacts.Kind, count: Int = 1,
        address: String? = "https://pb.example.com/v1/objects/x"
    ) -> Post {
        let medium = Post.Medium(
            .object(object), size: 1_000_000, facts: kind == .mp4 ? film : MediaFacts(kind), address: address)
        return Post(
            title: nil, text: "Rye", media: Array(repeating: medium, count: count), options: options, account: "open-1")
    }

    @Test("files of ours that TikTok fetches: by their addresses, not begun twice")
    func ownAddresses() throws {
        let pulled: JSON = ["privacy_level": "SELF_ONLY", "source": "PULL_FROM_URL"]
        let video = Self.fetched(pulled, .mp4)
        let photos = Self.fetched(["privacy_level": "SELF_ONLY"], .jpeg, count: 3)
        for post in [video, photos] {
            #expect(TikTok().problems(in: post) == [] && TikTok().fetching(post) == .hours(1))
            var walk = Walk(PostSteps(post))
            try walk.answers(answer(creator))
            let step = try walk.step()
            #expect(step.isFinal && step.outgoing.repeating == .never)
            let source = try JSON.parse(step.outgoing.body)["source_info"] ?? .null
            #expect(source["source"] == "PULL_FROM_URL")
            #expect(source["video_url"]?.text == (post == video ? "https://pb.example.com/v1/objects/x" : nil))
            #expect(source["photo_images"]?.elements?.count == (post == video ? nil : 3))
        }
        #expect(TikTok().fetching(Self.post()) == nil)
        // Sent from here unless it is asked for otherwise.
        #expect(TikTok().fetching(Self.fetched(["privacy_level": "SELF_ONLY"], .mp4)) == nil)
    }

    @Test(
        "what TikTok cannot fetch from here is refused before anything is sent",
        arguments: [
            (fetched(["privacy_level": "SELF_ONLY", "source": "PULL_FROM_URL"], .mp4, address: nil), "options.source"),
            (fetched(["privacy_level": "SELF_ONLY"], .jpeg, address: nil), "media[0]"),
            (fetched(["privacy_level": "SELF_ONLY"], .png), "media[0]"),
        ])
    func unreachable(post: Post, field: String) throws {
        #expect(TikTok().problems(in: post).map(\.field) == [field])
        guard post.media.first?.address == nil else { return }
        // Accepted before, and run when the settings are others.
        var walk = Walk(PostSteps(post))
        try walk.answers(answer(creator))
        #expect(try walk.failure()?.code == "no_own_address")
    }

    @Test("a post that TikTok fetches is given up once, and what TikTok says of that is kept")
    func givingUp() throws {
        let pulled = Self.post(urls: ["https://cdn.example.com/a.mp4"])
        #expect(PostSteps(pulled).givingUp == nil)
        var walk = Walk(PostSteps(pulled))
        try walk.answers(answer(creator))
        try walk.answers(answer(#"{"data":{"publish_id":"v_pub_url~1"},"error":{"code":"ok"}}"#))
        let call = try #require(walk.state.givingUp)
        #expect(call.outgoing.path.template == "/v2/post/publish/cancel/" && call.outgoing.repeating == .always)
        #expect(try JSON.parse(call.outgoing.body) == ["publish_id": "v_pub_url~1"])
        #expect(!call.isJournaled)

        let taken = try PostSteps(saved: try call.then(answer("{}"), .zero).saved, of: pulled)
        #expect(taken.givingUp == nil && taken.shown.reason == nil)
        let failed = #"{"data":{"status":"FAILED","fail_reason":"publish_cancelled"},"error":{"code":"ok"}}"#
        var end = Walk(taken)
        try end.answers(answer(failed))
        #expect(end.state.stage == .done(Published(.cancelled, remoteStatus: "FAILED")))
        let late = Failure(.refused, "x", code: "publish_not_cancellable")
        let refused = try #require(call.refused(late, nil, .zero))
        let again = try PostSteps(saved: refused.saved, of: pulled)
        #expect(again.givingUp == nil && again.shown.reason?.contains("too late") == true)
        // Bytes that are sent from here cannot be given up once they are all there.
        var sent = PostSteps(Self.post())
        (sent.stage, sent.publishID) = (.look("v_pub_file~1", since: .zero, due: nil), "v_pub_file~1")
        #expect(sent.givingUp == nil)
    }

    @Test("photos go with title, text and cover; into the inbox without privacy")
    func photos() throws {
        let urls = ["https://cdn.example.com/1.jpg", "https://cdn.example.com/2.jpg"]
        let walk = Walk(
            TikTok().publishing(
                Self.post(["mode": "inbox", "cover_index": 1], text: "Loaves", title: "Rye", urls: urls)))
        let call = try walk.call()
        let body = try JSON.parse(call.body)
        #expect(call.path.template == "/v2/post/publish/content/init/" && body["post_mode"] == "MEDIA_UPLOAD")
        #expect(body["post_info", "title"] == "Rye" && body["post_info", "description"] == "Loaves")
        #expect(body["post_info", "privacy_level"] == nil && body["source_info", "photo_cover_index"] == 1)
        #expect(call.spends.map(\.quota) == ["photo_posts", "pending_shares", "app_posts"])
    }

    @Test(
        "a call passed on for somebody spends what ours would",
        arguments: [
            (#"{"post_mode":"DIRECT_POST"}"#, ["photo_posts", "app_posts", "daily_posts"]),
            (#"{"post_mode":"MEDIA_UPLOAD"}"#, ["photo_posts", "app_posts", "pending_shares"]),
            (#"{"post_mode":1}"#, ["photo_posts", "app_posts", "daily_posts", "pending_shares"]),
            ("{", ["photo_posts", "app_posts", "daily_posts", "pending_shares"]),
        ])
    func passedOn(body: String, quotas: [String]) throws {
        let path = try #require(TikTok().paths.first { $0.template == "/v2/post/publish/content/init/" })
        #expect(path.spends(with: Array(body.utf8)).map(\.quota) == quotas)
        #expect(path.spends(with: nil).count == 4)
    }

    @Test("what TikTok counts for a person is counted by account, whoever is connected to it")
    func byAccount() {
        let byApp: Set<String> = ["user_info", "video_list", "video_query", "app_posts"]
        for quota in TikTok().quotas { #expect(quota.scope == (byApp.contains(quota.name) ? .app : .account)) }
    }

    @Test(
        "every reason and code has a sentence with what to do",
        arguments: [
            "internal", "video_pull_failed", "photo_pull_failed", "publish_cancelled", "auth_removed",
            "file_format_check_failed", "duration_check_failed", "frame_rate_check_failed", "picture_size_check_failed",
            "spam_risk_too_many_posts", "spam_risk_user_banned_from_posting", "spam_risk", "spam_risk_text",
        ])
    func reasons(reason: String) {
        let failure = TikTok.failure(forReason: reason)
        #expect(failure.code == reason && !failure.message.contains(reason) && failure.message.hasSuffix("."))
    }

    @Test(
        "what TikTok refuses with is a failure of its own kind",
        arguments: [
            (403, "spam_risk_too_many_pending_share", "throttled"), (403, "spam_risk_too_many_posts", "throttled"),
            (403, "reached_active_user_cap", "throttled"), (403, "spam_risk_user_banned_from_posting", "forbidden"),
            (403, "unaudited_client_can_only_post_to_private_accounts", "forbidden"),
            (403, "url_ownership_unverified", "refused"), (403, "privacy_level_option_mismatch", "refused"),
            (400, "invalid_file_upload", "refused"), (400, "invalid_publish_id", "refused"),
            (200, "spam_risk_too_many_posts", "throttled"), (429, "rate_limit_exceeded", "throttled"),
            (500, "internal_error", "unavailable"),
        ])
    func codes(status: Int, code: String, kind: String) {
        let failure = TikTok().failure(
            in: answer(#"{"data":{},"error":{"code":"\#(code)","message":"x"}}"#, status), at: .zero)
        #expect(failure?.kind.name == kind && failure?.code == code)
        #expect(failure?.effect == (code == "internal_error" ? .possible : Failure.Effect.none))
    }

    // MARK: News

    @Test(
        "webhooks tell of posts, their ids with all their digits",
        arguments: [
            ("post.publish.complete", "", PostNews.Kind.published(postID: nil)),
            (
                "post.publish.publicly_available", #","post_id":"7400000000000000001""#,
                .published(postID: "7400000000000000001")
            ),
            (
                "post.publish.publicly_available", #","post_id":7400000000000000001"#,
                .published(postID: "7400000000000000001")
            ),
            ("post.publish.inbox_delivered", "", .inInbox),
            ("post.publish.no_longer_publicaly_available", #","post_id":"7""#, .withdrawn),
            ("post.publish.no_longer_publicly_available", #","post_id":"7""#, .withdrawn),
        ])
    func news(type: String, more: String, kind: PostNews.Kind) throws {
        let content = JSON.string(#"{"publish_id":"v_pub_file~v2-1.7"\#(more)}"#)
        let body: JSON = ["event": .string(type), "content": content]
        let news = try TikTok().news(in: EventContent(type: type, occurredAt: nil, body: body.bytes))
        #expect(news?.remoteID == "v_pub_file~v2-1.7" && news?.kind == kind)
    }

    // MARK: Saved for ever

    /// What releases have saved, one a line. Lines are added, never changed.
    private static func golden() throws -> [JSON] {
        try Vectors.bytes("steps/tiktok-post.jsonl").split(separator: UInt8(ascii: "\n")).map {
            try JSON.parse(Array($0))
        }
    }

    @Test("everything that was ever saved is read, and means what it meant")
    func everySaved() throws {
        for line in try Self.golden() {
            let steps = try PostSteps(saved: line["saved"] ?? .null, of: Self.post())
            guard let means = line["means"]?.text else {
                Issue.record("a line without a meaning")
                continue
            }
            let found: String =
                switch steps.next(at: .zero) {
                case .call(let call): "\(call.outgoing.method.rawValue) \(call.outgoing.path.template)"
                case .wait: "wait"
                case .finish(let published): "finish \(published.state.rawValue) \(published.postID ?? "-")"
                case .fail(let failure): "fail \(failure.code ?? "-")"
                case .unclear: "unclear"
                }
            #expect(found == means, "\(line)")
        }
    }

    @Test("each stage is saved as the newest line of its name says")
    func saved() throws {
        let lines = try Self.golden()
        for line in lines where line["version"]?.integer == Int64(PostSteps.version) && line["again"] != nil {
            let saved = line["saved"] ?? .null
            #expect(try PostSteps(saved: saved, of: Self.post()).saved == line["again"])
        }
        #expect(try PostSteps(saved: ["stage": "begin", "from_a_later_program": 1], of: Self.post()).stage == .begin)
        #expect(throws: Unreadable.self) { try PostSteps(saved: ["stage": "dance"], of: Self.post()) }
    }
}

/// Walks steps with made-up answers; what is saved is read back between every two steps, so every walk is a crash test.
private struct Walk {
    private(set) var state: PostSteps
    var now = Timestamp(seconds: 1_795_860_000)
    var isSaving = true

    init(_ state: PostSteps) { self.state = state }

    func step() throws -> StepCall<PostSteps> {
        var state = state
        for _ in 0..<3 {
            switch state.next(at: now) {
            case .call(let call): return call
            case .wait(let until, let then):
                // Read back, it looks at once.
                guard until > now else { break }
                state = try PostSteps(saved: then.saved, of: then.post)
            default: break
            }
        }
        throw Unreadable("no call comes next")
    }
    func call() throws -> Outgoing { try step().outgoing }

    mutating func answers(_ answer: Answer) throws {
        try keep(step().then(answer, now))
    }
    mutating func isRefused(_ answer: Answer) throws {
        let failure = TikTok().failure(in: answer, at: now) ?? Failure(.refused, "-")
        guard let next = try step().refused(failure, answer, now) else { throw Unreadable("it ends there") }
        try keep(next)
    }
    private mutating func keep(_ next: PostSteps) throws {
        #expect(next.saved.bytes.count <= PostSteps.savedMax)
        state = isSaving ? try PostSteps(saved: next.saved, of: next.post) : next
    }

    func outcome() throws -> Published? {
        if case .finish(let published) = state.next(at: now) { published } else { nil }
    }
    func failure() throws -> Failure? { if case .fail(let failure) = state.next(at: now) { failure } else { nil } }
}
