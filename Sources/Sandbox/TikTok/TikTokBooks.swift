import Kit

/// One turn's view of the simulated TikTok: what is kept, what is computed, what is set.
struct TikTokBooks {
    let world: World

    var settings: TikTokSettings { TikTokSettings(world: world) }
    var people: TikTokPeople { TikTokPeople(seed: world.seed, born: own.int("born_ms")) }

    /// The app's keys and when the world began.
    var own: JSON { world.object(Self.ownKind, "own") ?? .object([]) }
    static let ownKind = "tiktok.own"

    var nowMs: Int64 { world.moment.microseconds / 1000 }

    func count(_ name: String) { world.count(name, of: SimulatedTikTok.name) }

    /// Digits that begin with these, 19 in all: numbers that no double holds.
    func number(_ first: Int64) -> Int64 { first + Int64(world.choice(90_000_000_000_000_000)) }

    // MARK: What people have said about themselves

    private static let accountKind = "tiktok.account"

    /// Whether a person's account is private.
    func isPrivate(_ account: TikTokAccount) -> Bool {
        said(account)["private"]?.boolean ?? account.isPrivateAtFirst
    }
    func said(_ account: TikTokAccount) -> JSON { world.object(Self.accountKind, account.openID) ?? .object([]) }
    func say(_ changes: [JSONMember], of account: TikTokAccount) {
        world.put(Self.accountKind, account.openID, said(account).with(changes))
    }

    /// What a person may choose from.
    func privacyLevels(_ account: TikTokAccount) -> [String] {
        [
            isPrivate(account) ? "FOLLOWER_OF_CREATOR" : TikTokPost.everyone, "MUTUAL_FOLLOW_FRIENDS",
            TikTokPost.selfOnly,
        ]
    }

    // MARK: Videos

    private static let videoKind = "tiktok.video"
    private static let goneKind = "tiktok.gone"

    /// Published through the API; listed from a moment on, or never.
    func publish(_ video: TikTokVideo, listedAtMs: Int64?) {
        world.put(Self.videoKind, String(video.id), video.json.with("listed_at_ms", JSON(listedAtMs)))
    }

    func remove(_ id: String) { world.put(Self.goneKind, id, true) }

    /// One that is public and belongs to this account.
    func video(_ id: String, of account: TikTokAccount) -> TikTokVideo? {
        guard world.object(Self.goneKind, id) == nil else { return nil }
        if let kept = world.object(Self.videoKind, id) {
            return isListed(kept) && kept.text("open_id") == account.openID
                ? TikTokVideo(kept, seed: world.seed) : nil
        }
        guard let video = Int64(id).flatMap({ people.video(id: $0) }), video.openID == account.openID else {
            return nil
        }
        return video
    }

    /// Those before a moment, newest first, and whether there are more.
    func videos(of account: TikTokAccount, before ms: Int64, atMost limit: Int) -> (page: [TikTokVideo], more: Bool) {
        let published = world.objects(of: Self.videoKind).filter { kept in
            kept.text("open_id") == account.openID && isListed(kept) && kept.int("created_ms") < ms
        }.map { TikTokVideo($0, seed: world.seed) }
        let gone = world.count(of: Self.goneKind)
        let computed = people.videos(of: account, before: ms, atMost: limit + 1 + gone)
        let all = (published + computed).filter { world.object(Self.goneKind, String($0.id)) == nil }
            .sorted { ($0.createdMs, $0.id) > ($1.createdMs, $1.id) }
        return (Array(all.prefix(limit)), all.count > limit)
    }

    func videoCount(of account: TikTokAccount) -> Int {
        people.videoCount(of: account)
            + world.objects(of: Self.videoKind).count { $0.text("open_id") == account.openID && isListed($0) }
    }

    private func isListed(_ kept: JSON) -> Bool {
        kept.present("listed_at_ms").flatMap(\.integer).map { $0 <= nowMs } ?? false
    }
}
