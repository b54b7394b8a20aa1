import Kit

/// What people do in their app, told by the control interface.
enum TikTokAct: String, CaseIterable {
    /// Takes all consent back: `account`, `reason` 0 to 4.
    case disconnect
    /// Says things about an account: `account`, `private`, `banned`, `comment_disabled`, `duet_disabled`,
    /// `stitch_disabled`, `max_video_post_duration_sec`.
    case setAccount = "set_account"
    /// Posts a draft from the inbox: `publish_id`.
    case finishDraft = "finish_draft"
    /// A post that is being processed fails: `publish_id`, `fail_reason`.
    case fail
    /// Deletes a post that others can see: `publish_id`.
    case withdraw
}

extension SimulatedTikTok {
    func perform(_ act: String, _ said: JSON, in world: World) throws(BadControl) -> JSON {
        guard let act = TikTokAct(rawValue: act) else { throw BadControl("act: there is no such act.") }
        let books = TikTokBooks(world: world)
        switch act {
        case .disconnect:
            let account = try account(said, books)
            let ended = books.disconnect(account, reason: try said.whole("reason", 0...4) ?? 1)
            return ["account": .string(account.username), "ended": JSON(ended)]
        case .setAccount: return try set(try account(said, books), said, books)
        case .finishDraft:
            let post = try post(said, books)
            guard post.status == "SEND_TO_USER_INBOX" else {
                throw BadControl("publish_id: this post is \(post.status), and no draft in an inbox.")
            }
            books.complete(post)
        case .fail:
            let post = try post(said, books)
            guard let reason = said.text("fail_reason"), TikTokError.failReasons.contains(reason) else {
                throw BadControl("fail_reason: must be one of \(TikTokError.failReasons.joined(separator: ", ")).")
            }
            guard !post.isOver else { throw BadControl("publish_id: this post is \(post.status) already.") }
            books.fail(post, reason)
        case .withdraw:
            let post = try post(said, books)
            guard post.json.present("post_id") != nil else { throw BadControl("publish_id: nobody can see this post.") }
            books.withdraw(post)
        }
        return ["publish_id": said["publish_id"] ?? .null]
    }

    private func account(_ said: JSON, _ books: TikTokBooks) throws(BadControl) -> TikTokAccount {
        let text = said["account"]?.text ?? said["account"]?.numberText ?? ""
        guard let account = books.people.account(named: text) else {
            throw BadControl("account: must be a user name, an open id or a number from 0 to 999.")
        }
        return account
    }

    private func post(_ said: JSON, _ books: TikTokBooks) throws(BadControl) -> TikTokPost {
        guard let post = books.post(said.text("publish_id") ?? "") else {
            throw BadControl("publish_id: there is no such post.")
        }
        return post
    }

    private static let flags = ["private", "banned", "comment_disabled", "duet_disabled", "stitch_disabled"]

    private func set(_ account: TikTokAccount, _ said: JSON, _ books: TikTokBooks) throws(BadControl) -> JSON {
        var changes: [JSONMember] = []
        for name in Self.flags {
            guard let value = said.present(name) else { continue }
            guard value.boolean != nil else { throw BadControl("\(name): must be true or false.") }
            changes.append(JSONMember(name, value))
        }
        if let seconds = try said.whole("max_video_post_duration_sec", 1...3600) {
            changes.append(JSONMember("max_video_post_duration_sec", JSON(seconds)))
        }
        books.say(changes, of: account)
        return books.said(account).with("account", .string(account.username))
    }
}
