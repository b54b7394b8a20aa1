import Kit

/// The life of a post, by the sandbox's clock.
/// Source: developers.tiktok.com/doc/content-posting-api-reference-get-video-status.
extension TikTokBooks {
    private static let uploadKind = "tiktok.upload"
    private static let contentKind = "tiktok.content"

    func post(_ id: String) -> TikTokPost? { world.object(TikTokPost.kind, id).map(TikTokPost.init) }
    func save(_ post: TikTokPost) { world.put(TikTokPost.kind, post.id, post.json) }

    /// Lets an upload be found by its own id.
    func index(_ post: TikTokPost) {
        world.put(Self.uploadKind, post.json["upload_id"]?.numberText ?? "", .string(post.id))
    }
    func post(uploadID: String) -> TikTokPost? {
        world.object(Self.uploadKind, uploadID)?.text.flatMap { post($0) }
    }

    // MARK: Who may begin one

    private func posts(since seconds: Int64) -> [TikTokPost] {
        world.objects(of: TikTokPost.kind).map(TikTokPost.init).filter { $0.createdAt > world.now - seconds }
    }

    /// Whether a creator has posted as often as one may in 24 hours.
    func isPostedOut(_ account: TikTokAccount) -> Bool {
        guard settings.hasLimits else { return false }
        let own = posts(since: 86_400).count { $0.openID == account.openID && $0.isDirect && $0.status != "FAILED" }
        return own >= settings.dailyPosts
    }

    func pending(_ account: TikTokAccount) -> Int64 {
        Int64(posts(since: 86_400).count { $0.openID == account.openID && $0.isPending })
    }

    /// Whether another person would be one more than an app without audit may post for in 24 hours.
    func isCapReached(_ account: TikTokAccount) -> Bool {
        let people = Set(posts(since: 86_400).map(\.openID))
        return !people.contains(account.openID) && people.count >= 5
    }

    // MARK: What happens to it

    /// All its bytes are there.
    func received(_ post: TikTokPost, hash: String) {
        var post = post
        post.json.set("hash", .string(hash))
        post.json.remove("digest")
        save(post)
        count("upload.completed")
        later("process", post.id, settings.processing)
    }

    private func later(_ what: String, _ id: String, _ seconds: Int64) {
        if seconds == 0 { return due(what, id) }
        world.due("\(SimulatedTikTok.name) \(what) \(id)", at: world.now + seconds)
    }

    /// Something that was put off is due.
    func due(_ what: String, _ id: String) {
        guard let post = post(id), post.status != "FAILED" else { return }
        switch what {
        case "process": process(post)
        case "finish": if post.status == "SEND_TO_USER_INBOX" { complete(post) }
        case "public": makeAvailable(post)
        default: break
        }
    }

    private func process(_ post: TikTokPost) {
        guard !post.isOver else { return }
        if grant(id: post.json.text("grant") ?? "")?.isOn("is_revoked") == true { return fail(post, "auth_removed") }
        if let reason = settings.failReason { return fail(post, reason) }
        if post.isDirect { return complete(post) }
        var post = post
        post.status = "SEND_TO_USER_INBOX"
        save(post)
        tell("post.publish.inbox_delivered", of: post.openID, content(post))
        if let seconds = settings.inboxFinish { later("finish", post.id, seconds) }
    }

    func fail(_ post: TikTokPost, _ reason: String) {
        var post = post
        post.status = "FAILED"
        post.json.set("fail_reason", .string(reason))
        save(post)
        count("post.failed")
        tell(
            "post.publish.failed", of: post.openID,
            content(post, [JSONMember("reason", .string(reason))]))
    }

    /// It is posted; others see it once it has been looked at.
    func complete(_ post: TikTokPost) {
        var post = post
        post.status = "PUBLISH_COMPLETE"
        post.json.set("number", JSON(number(7_400_000_000_000_000_000)))
        post.json.set("completed_ms", JSON(nowMs))
        // A draft's privacy is its person's choice: public where the account is.
        if !post.isDirect, let account = people.account(openID: post.openID) {
            post.json.set("privacy", .string(privacyLevels(account).first ?? TikTokPost.selfOnly))
        }
        save(post)
        countContent(post)
        let isFirst = settings.isAvailableFirst && post.isPublic
        if isFirst { due("public", post.id) }
        tell("post.publish.complete", of: post.openID, content(post))
        if post.isPublic, !isFirst { later("public", post.id, settings.moderation) }
    }

    private func makeAvailable(_ post: TikTokPost) {
        guard post.status == "PUBLISH_COMPLETE", post.json.present("post_id") == nil else { return }
        let id = post.json.int("number")
        var post = post
        post.json.set("post_id", JSON(id))
        save(post)
        // Photos have no place among the videos.
        if !post.json.isOn("is_photos"), let account = people.account(openID: post.openID) {
            publish(
                TikTokVideo(
                    id: id, openID: post.openID, username: account.username,
                    createdMs: post.json.int("completed_ms"), title: post.json.text("title") ?? "", duration: 21,
                    seed: world.seed), listedAtMs: settings.listingDelay.map { nowMs + $0 * 1000 })
        }
        tell(
            "post.publish.publicly_available", of: post.openID,
            content(post, [JSONMember("post_id", .string(String(id)))]))
    }

    /// Its person has deleted it, or made it private.
    func withdraw(_ post: TikTokPost) {
        remove(String(post.json.int("post_id")))
        tell(
            "post.publish.no_longer_publicaly_available", of: post.openID,
            content(post, [JSONMember("post_id", .string(String(post.json.int("post_id"))))]))
    }

    private func content(_ post: TikTokPost, _ more: [JSONMember] = []) -> JSON {
        let base: JSON = ["publish_id": .string(post.id)]
        return base.with(more).with([JSONMember("publish_type", .string(post.type))])
    }

    // MARK: What took effect

    private func countContent(_ post: TikTokPost) {
        count("post.published")
        let key = post.openID + " " + (post.json.text("hash") ?? post.id)
        let times = (world.object(Self.contentKind, key)?.integer ?? 0) + 1
        world.put(Self.contentKind, key, JSON(times))
        if times > 1 { count("post.duplicate") }
    }

    /// How often the same content was posted for the same person, by the hash of the content.
    var postsByContent: JSON {
        var sums: [String: Int64] = [:]
        for id in world.ids(of: Self.contentKind) {
            let hash = id.split(separator: " ").last.map(String.init) ?? ""
            sums[hash, default: 0] += world.object(Self.contentKind, id)?.integer ?? 0
        }
        return .object(sums.sorted { $0.key < $1.key }.map { JSONMember($0.key, ["post.published": JSON($0.value)]) })
    }

    var postsByStatus: JSON {
        var counts: [String: Int] = [:]
        for post in world.objects(of: TikTokPost.kind) { counts[post.text("status") ?? "", default: 0] += 1 }
        return .object(counts.sorted { $0.key < $1.key }.map { JSONMember($0.key, JSON($0.value)) })
    }
}

extension TikTokCall {
    /// Whether a post may begin now, in the order in which TikTok says why not.
    func admit(isDirect: Bool, privacy: String?) throws(TikTokError) {
        let settings = books.settings
        if let code = settings.initError { throw TikTokError(code) }
        if books.said(account).isOn("banned") { throw TikTokError("spam_risk_user_banned_from_posting") }
        if !settings.isAudited {
            guard !books.isCapReached(account) else { throw TikTokError("reached_active_user_cap") }
            if isDirect, privacy != TikTokPost.selfOnly || !books.isPrivate(account) {
                throw TikTokError("unaudited_client_can_only_post_to_private_accounts")
            }
        }
        guard settings.hasLimits else { return }
        if isDirect, books.isPostedOut(account) { throw TikTokError("spam_risk_too_many_posts") }
        if !isDirect, books.pending(account) >= settings.pendingShares {
            throw TikTokError("spam_risk_too_many_pending_share")
        }
    }
}
