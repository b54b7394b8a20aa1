public import Kit

/// As the steps are saved. Names and words are for ever; a member may be missing.
extension PostSteps {
    private enum Name {
        static let (stage, off, beginnings, publishID) = ("stage", "off", "beginnings", "publish_id")
        static let (status, fullSince, since, due) = ("status", "full_since", "since", "due")
        static let (url, offset, turns, isOver) = ("upload_url", "offset", "turns", "over")
        static let (state, postID, reason, givenUp) = ("state", "post_id", "reason", "given_up")
    }

    public var saved: JSON {
        var members: [JSONMember] = []
        func add(_ name: String, _ value: JSON) { if !value.isNull { members.append(.init(name, value)) } }
        func add(upload: Upload) {
            add(Name.url, .string(upload.url.reveal { String(decoding: $0, as: UTF8.self) }))
            add(Name.offset, JSON(upload.offset))
            if upload.turns > 0 { add(Name.turns, JSON(upload.turns)) }
            if upload.isOver { add(Name.isOver, true) }
        }
        switch stage {
        case .options(let notBefore):
            add(Name.stage, "options")
            add(Name.due, JSON(notBefore))
        case .begin: add(Name.stage, "begin")
        case .upload(let upload):
            add(Name.stage, "upload")
            add(upload: upload)
        case .locate(let upload):
            add(Name.stage, "locate")
            add(upload: upload)
        // Without `due`: whoever reads it looks at once.
        case .look(_, let since, _):
            add(Name.stage, "look")
            add(Name.since, JSON(since))
        case .published(_, let since, _):
            add(Name.stage, "published")
            add(Name.since, JSON(since))
        case .done(let published):
            add(Name.stage, "done")
            add(Name.state, .string(published.state.rawValue))
            add(Name.postID, JSON(published.postID))
        case .failed(let reason):
            add(Name.stage, "failed")
            add(Name.reason, .string(reason))
        }
        if !off.isEmpty { add(Name.off, .array(off.map(JSON.string))) }
        if beginnings > 0 { add(Name.beginnings, JSON(beginnings)) }
        add(Name.publishID, JSON(publishID))
        add(Name.status, JSON(status))
        add(Name.fullSince, JSON(fullSince))
        add(Name.givenUp, JSON(givenUp))
        return .object(members)
    }

    public init(saved: JSON, of post: Post) throws(Unreadable) {
        self.init(post)
        off = (saved[Name.off]?.elements ?? []).compactMap(\.text)
        beginnings = saved[Name.beginnings]?.integer ?? 0
        publishID = saved[Name.publishID]?.text
        status = saved[Name.status]?.text
        fullSince = Self.time(saved[Name.fullSince])
        givenUp = saved[Name.givenUp]?.text
        stage = try Self.stage(saved, publishID)
    }

    private static func time(_ json: JSON?) -> Timestamp? { json?.text.flatMap(Timestamp.init(rfc3339:)) }

    private static func stage(_ saved: JSON, _ publishID: String?) throws(Unreadable) -> Stage {
        let since = time(saved[Name.since])
        switch (saved[Name.stage]?.text, publishID) {
        case ("options", _): return .options(notBefore: time(saved[Name.due]))
        case ("begin", _): return .begin
        case ("upload", let id?), ("locate", let id?):
            guard let url = saved[Name.url]?.text else { throw Unreadable("An upload without its address.") }
            var upload = Upload(publishID: id, url: Secret(url), offset: saved[Name.offset]?.integer ?? 0)
            upload.turns = saved[Name.turns]?.integer ?? 0
            upload.isOver = saved[Name.isOver]?.boolean ?? false
            // Whoever saved it may have sent more since: the platform knows.
            return .locate(upload)
        case ("look", let id?): return .look(id, since: since ?? .zero, due: nil)
        case ("published", let id?): return .published(id, since: since ?? .zero, due: nil)
        case ("done", _):
            let state = Published.State(rawValue: saved[Name.state]?.text ?? "") ?? .published
            return .done(
                Published(state, remoteStatus: saved[Name.status]?.text, postID: saved[Name.postID]?.text))
        case ("failed", _): return .failed(reason: saved[Name.reason]?.text ?? "unknown")
        default: throw Unreadable("An unknown stage of a post.")
        }
    }

    public var shown: PostStage {
        var shown = PostStage(progress)
        shown.remoteID = publishID
        shown.remoteStatus = status
        if let givenUp, givenUp != Self.taken { shown.reason = TikTok.notGivenUp(givenUp) }
        switch stage {
        case .options: shown.next = "TikTok is asked what this account may post."
        case .begin: shown.next = "The post is announced to TikTok."
        case .upload(let upload), .locate(let upload):
            shown.next = "The file is sent."
            shown.sent = upload.offset
        case .look:
            shown.next = givenUp == Self.taken ? "TikTok gives it up." : "TikTok is asked how it goes."
            shown.sent = post.object?.size
        case .published:
            shown.next = "TikTok looks at it before others see it."
            shown.sent = post.object?.size
        case .done(let published):
            shown.postID = published.postID
            shown.sent = post.object?.size
        case .failed: break
        }
        return shown
    }
}
