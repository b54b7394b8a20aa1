public import Kit

/// A post, from what the creator may do to what became of it.
///
/// - direct: ask what the creator may do · begin · chunks · look until it is over
/// - inbox: begin · chunks · look until it is in the inbox
/// - what lies elsewhere is fetched by TikTok: no chunks
public struct PostSteps: PublishingSteps, Equatable {
    public static let kind = "tiktok.post"
    public static let version = 1

    enum Stage: Equatable {
        /// Asks what the creator may do; not before a moment.
        case options(notBefore: Timestamp?)
        case begin
        case upload(Upload)
        /// Finds out how much of an upload is there.
        case locate(Upload)
        /// Looks how it goes. `since` is when that began; the next look is due at `due`, at once where nothing is said.
        case look(String, since: Timestamp, due: Timestamp?)
        /// It is published; its id is not there yet.
        case published(String, since: Timestamp, due: Timestamp?)
        case done(Published)
        case failed(reason: String)
    }

    struct Upload: Equatable {
        let publishID: String
        let url: Secret
        var offset: Int64
        /// The address is no longer taken: if TikTok still waits for bytes, it begins anew.
        var isOver = false
        /// Times that the two sides did not agree how far it is.
        var turns: Int64 = 0
    }

    /// After so many beginnings it is given up.
    private static let beginningsMax: Int64 = 3
    private static let turnsMax: Int64 = 20
    /// Uploads, fetching and processing are over long before.
    private static let longest = Duration.hours(24)
    /// A creator who has posted too often is asked about again for so long.
    private static let patience = Duration.hours(48)
    private static let optionsEvery = Duration.hours(1)

    let post: Post
    var stage: Stage
    /// What the creator has off.
    var off: [String] = []
    var beginnings: Int64 = 0
    /// What TikTok calls the post, of the latest beginning.
    var publishID: String?
    var status: String?
    /// When the creator was first found to have posted too often.
    var fullSince: Timestamp?
    /// What TikTok said when it was asked to give the post up: `taken`, or the code of its refusal.
    var givenUp: String?

    init(_ post: Post) {
        self.post = post
        stage = post.isDirect ? .options(notBefore: nil) : .begin
    }

    public var again: PostSteps {
        var copy = PostSteps(post)
        copy.off = off
        return copy
    }

    // MARK: What comes next

    public func next(at now: Timestamp) -> Next<PostSteps> {
        switch stage {
        case .options(let notBefore):
            if let notBefore, notBefore > now { return .wait(until: notBefore, then: self) }
            return askOptions()
        case .begin: return begin()
        case .upload(let upload): return send(upload)
        case .locate(let upload):
            return .call(
                StepCall(PostCalls.status(upload.publishID)) { answer, at throws(Unreadable) in
                    try located(upload, try PostStatus(answer), at: at)
                })
        case .look(let id, let since, let due), .published(let id, let since, let due):
            if let due, due > now { return .wait(until: due, then: self) }
            return .call(
                StepCall(PostCalls.status(id)) { answer, at throws(Unreadable) in
                    judged(try PostStatus(answer), since: since, at: at)
                })
        case .done(let published): return .finish(published)
        case .failed(let reason) where reason == Self.endless:
            return .unclear(
                Unclear(
                    "TikTok has not finished this post within a day. Is it on the account's profile?",
                    [.init("publish_id", JSON(publishID)), .init("status", JSON(status))]))
        case .failed(let reason): return .fail(Self.failure(reason, post))
        }
    }

    /// Not TikTok's word: nothing came of it for a day.
    private static let endless = "patchbay_endless"

    public var isAnew: Bool {
        switch stage {
        case .options, .begin: true
        case .upload, .locate, .look, .published, .done, .failed: false
        }
    }

    /// Once more from the beginning: what there was at TikTok is known to have come to nothing.
    private var anew: PostSteps {
        var copy = at(.begin)
        (copy.publishID, copy.status) = (nil, nil)
        return copy
    }

    private func at(_ stage: Stage) -> PostSteps {
        var copy = self
        copy.stage = stage
        return copy
    }

    // MARK: Before it begins

    private func askOptions() -> Next<PostSteps> {
        .call(
            StepCall(
                PostCalls.creatorInfo,
                refused: { failure, _, now in
                    guard failure.code == "spam_risk_too_many_posts" else { return nil }
                    var copy = self
                    let since = fullSince ?? now
                    copy.fullSince = since
                    guard now < since + Self.patience else { return nil }
                    return copy.at(.options(notBefore: now + Self.optionsEvery))
                }
            ) { answer, _ throws(Unreadable) in
                let info = try CreatorInfo(answer)
                var copy = at(.begin)
                copy.off = info.off
                if let level = post.privacy, !info.privacyLevels.contains(level) {
                    return copy.at(.failed(reason: "privacy:" + info.privacyLevels.joined(separator: ",")))
                }
                if let longest = info.longest, let duration = post.object?.facts.duration, duration > longest {
                    return copy.at(.failed(reason: "duration:\(longest.components.seconds)"))
                }
                return copy
            })
    }

    private func begin() -> Next<PostSteps> {
        guard post.object != nil || post.urls.count == post.media.count else { return .fail(Self.unreachable) }
        let outgoing = PostCalls.begin(post, off: off)
        return .call(
            StepCall(outgoing, isFinal: post.object == nil) { answer, now throws(Unreadable) in
                let data = try PostStatus.data(answer)
                guard let id = data["publish_id"]?.text, !id.isEmpty, id.utf8.count <= 128 else {
                    throw Unreadable("It names no publish_id.")
                }
                var copy = self
                copy.beginnings += 1
                copy.publishID = id
                copy.status = nil
                guard post.object != nil else { return copy.at(.look(id, since: now, due: now + Self.firstLook)) }
                guard let url = data["upload_url"]?.text, url.utf8.count <= 2048 else {
                    throw Unreadable("It names no upload_url.")
                }
                return copy.at(.upload(Upload(publishID: id, url: Secret(url), offset: 0)))
            })
    }

    // MARK: Giving up

    static let taken = "taken"

    public var givingUp: StepCall<PostSteps>? {
        guard case .look(let id, let since, _) = stage, post.object == nil, givenUp == nil else { return nil }
        // Looked at at once: the status says what came of it.
        @Sendable func answered(_ word: String) -> PostSteps {
            var copy = at(.look(id, since: since, due: nil))
            copy.givenUp = word
            return copy
        }
        return StepCall(
            PostCalls.cancel(id), refused: { failure, _, _ in answered(failure.code ?? "refused") }
        ) { _, _ in answered(Self.taken) }
    }

    // MARK: Chunks

    private func send(_ upload: Upload) -> Next<PostSteps> {
        guard let object = post.object else { return .fail(Self.gone) }
        let chunks = Chunks(size: object.size)
        let range = chunks.range(from: upload.offset)
        guard !range.isEmpty else {
            // All is there: so it was found.
            return .call(
                StepCall(PostCalls.status(upload.publishID)) { answer, at throws(Unreadable) in
                    judged(try PostStatus(answer), since: at, at: at)
                })
        }
        return .call(
            StepCall(
                PostCalls.chunk(range, of: object, to: upload.url), isFinal: chunks.isLast(upload.offset),
                isMinor: true,
                refused: { failure, answer, _ in refusedChunk(failure, answer, upload, chunks) }
            ) { answer, now throws(Unreadable) in
                if answer.status == 201 {
                    return at(.look(upload.publishID, since: now, due: now + Self.firstLook))
                }
                var further = upload
                further.offset = range.upperBound
                return at(.upload(further))
            })
    }

    /// Where the platform says how far it is, it is believed; what it no longer knows is looked up.
    private func refusedChunk(
        _ failure: Failure, _ answer: Answer?, _ upload: Upload, _ chunks: Chunks
    ) -> PostSteps? {
        var further = upload
        further.turns += 1
        guard further.turns <= Self.turnsMax else { return nil }
        switch answer?.status {
        case 416:
            guard let offset = chunks.progress(answer?.headers["Content-Range"]) else { return at(.locate(further)) }
            further.offset = offset
            return at(.upload(further))
        case 403, 404:
            further.isOver = true
            return at(.locate(further))
        default: return nil
        }
    }

    private func located(_ upload: Upload, _ found: PostStatus, at now: Timestamp) throws(Unreadable) -> PostSteps {
        guard found.status == "PROCESSING_UPLOAD", let object = post.object else {
            return judged(found, since: now, at: now)
        }
        let offset = Chunks(size: object.size).border(after: found.bytes ?? 0)
        guard offset < object.size else { return judged(found, since: now, at: now) }
        guard upload.isOver else {
            var further = upload
            further.offset = offset
            return at(.upload(further))
        }
        // Bytes are missing, and its address is dead: this one is never posted.
        guard beginnings < Self.beginningsMax else { return at(.failed(reason: "upload_expired")) }
        return anew
    }

    // MARK: How it goes

    private static let firstLook = Duration.seconds(2)

    /// Often at first, then less: by how long it has been going, so that nothing has to be saved.
    static func pause(after elapsed: Duration) -> Duration {
        switch elapsed {
        case ..<Duration.minutes(1): .seconds(5)
        case ..<Duration.minutes(10): .seconds(15)
        case ..<Duration.hours(1): .minutes(1)
        default: .minutes(5)
        }
    }

    private func judged(_ found: PostStatus, since: Timestamp, at now: Timestamp) -> PostSteps {
        var copy = self
        copy.status = found.status
        let id = publishID ?? ""
        switch found.status {
        case "SEND_TO_USER_INBOX":
            return copy.at(.done(Published(.inInbox, remoteStatus: found.status)))
        case "PUBLISH_COMPLETE":
            let isSeen = found.postID != nil || !post.isDirect || post.privacy == "SELF_ONLY"
            if case .published(_, let first, _) = stage, now >= first + Self.longest, !isSeen {
                return copy.at(.done(Published(.published, remoteStatus: found.status)))
            }
            if isSeen {
                return copy.at(.done(Published(.published, remoteStatus: found.status, postID: found.postID)))
            }
            var first = now
            if case .published(_, let moment, _) = stage { first = moment }
            // It is looked at before others see it.
            return copy.at(.published(id, since: first, due: now + max(.seconds(30), Self.pause(after: now - first))))
        case "FAILED":
            let reason = found.reason ?? "unknown"
            if reason == TikTok.cancelledReason {
                return copy.at(.done(Published(.cancelled, remoteStatus: found.status)))
            }
            if TikTok.passingReasons.contains(reason), beginnings < 2 { return anew }
            return copy.at(.failed(reason: reason))
        default:
            guard now < since + Self.longest else { return copy.at(.failed(reason: Self.endless)) }
            return copy.at(.look(id, since: since, due: now + Self.pause(after: now - since)))
        }
    }

    private static let gone = Failure(
        .refused, "The video's bytes are no longer there. Give the file again.", code: "object_gone", who: .you)

    /// What was so when the publication was accepted no longer is.
    private static let unreachable = Failure(
        .refused,
        "TikTok can no longer fetch the file from this server. Look at TIKTOK_VERIFIED_URLS and PATCHBAY_PUBLIC_URL, "
            + "and publish it again.", code: "no_own_address", who: .operator)

    private static func failure(_ reason: String, _ post: Post) -> Failure {
        let parts = reason.split(separator: ":", maxSplits: 1).map(String.init)
        switch parts.first {
        case "privacy":
            let offered = parts.count > 1 ? parts[1].replacing(",", with: ", ") : "none"
            return Failure(
                .refused,
                "\(post.privacy ?? "") is not what the account offers now: \(offered). Choose one of these.",
                code: "privacy_level_option_mismatch", who: .you)
        case "duration":
            return Failure(
                .refused,
                "The video is longer than the \(parts.count > 1 ? parts[1] : "?") s that this account may post. "
                    + "Shorten it.", code: "duration_check_failed", who: .you)
        case "upload_expired":
            return Failure(
                .refused, "The upload did not end within TikTok's hour, three times. Publish it again.",
                code: reason, who: .operator)
        default: return TikTok.failure(forReason: reason)
        }
    }

    // MARK: As people see it

    var progress: PostStage.State {
        switch stage {
        case .options, .begin: .waiting
        case .upload, .locate: .uploading
        case .look, .failed: .processing
        case .published: .published
        case .done(let published): published.state == .published ? .published : .processing
        }
    }
}

/// An answer of `status/fetch`.
struct PostStatus: Equatable {
    let status: String
    let reason: String?
    /// More digits than a double holds.
    let postID: String?
    /// That TikTok has.
    let bytes: Int64?

    /// What an answer is about.
    static func data(_ answer: Answer) throws(Unreadable) -> JSON {
        do { return try JSON.parse(answer.body)["data"] ?? .null } catch { throw Unreadable(error.sentence) }
    }

    init(_ answer: Answer) throws(Unreadable) {
        let data = try Self.data(answer)
        guard let status = data["status"]?.text else { throw Unreadable("It names no status.") }
        self.status = OutsideText.bounded(status, 64)
        reason = data["fail_reason"]?.text.flatMap { $0.isEmpty ? nil : OutsideText.bounded($0, 100) }
        // TikTok's own spelling, and the right one.
        let ids = (data["publicaly_available_post_id"] ?? data["publicly_available_post_id"])?.elements ?? []
        postID = ids.first.flatMap { $0.numberText ?? $0.text }.map { OutsideText.bounded($0, 64) }
        bytes = (data["uploaded_bytes"] ?? data["downloaded_bytes"])?.integer
    }
}
