public import Kit
public import Store

/// Publications: content sent to connected accounts, each with its own course. Keeps what is wanted; the job of each
/// target does the rest (`PublicationWorker`).
public struct Publishing: Sendable {
    /// Accounts that one publication may go to.
    public static let targetsMax = 50

    private let publishers: [String: any Publisher]
    let vault: Vault
    private let ids: Identifiers
    /// Where platforms fetch objects; nil where they cannot reach this server.
    let addresses: ObjectAddresses?

    public init(
        publishers: [any Publisher], vault: Vault, ids: Identifiers, addresses: ObjectAddresses? = nil
    ) {
        self.addresses = addresses
        self.publishers = Dictionary(uniqueKeysWithValues: publishers.map { ($0.about.id, $0) })
        self.vault = vault
        self.ids = ids
    }

    public func publisher(_ provider: String) -> (any Publisher)? { publishers[provider] }

    /// Where content shall go.
    public struct Wish: Sendable {
        public let connection: ConnectionRow
        public let options: JSON
        public let post: Post

        public init(connection: ConnectionRow, options: JSON, post: Post) {
            self.connection = connection
            self.options = options
            self.post = post
        }
    }

    /// A publication with all that is kept of it in one commit.
    public struct Accepted: Sendable {
        public let publication: PublicationRow
        let targets: [(target: NewTarget, state: SavedState, job: NewJob)]
        let news: PublicationNews

        /// Writes it down. It begins by itself.
        public func keep(in session: Session, at now: Timestamp) throws {
            try session.add(publication)
            for (number, entry) in targets.enumerated() {
                try session.add(entry.target, at: now)
                try session.addWork(entry.target.id.text, entry.state, at: now)
                try session.enqueue([entry.job])
                guard entry.target.state == .scheduled, let row = try session.target(entry.target.id) else { continue }
                try news.tell(row, number: number, in: session, at: now)
            }
        }
    }

    /// Makes a publication ready to be kept.
    public func accept(
        _ wishes: [Wish], content: JSON, media: JSON, publishAt: Timestamp?, by actor: String, at now: Timestamp
    ) throws -> Accepted {
        let id = ids.make(PublicationKind.self)
        let publication = PublicationRow(
            id: id, content: content, media: media, publishAt: publishAt, createdBy: actor, version: 1, createdAt: now,
            updatedAt: now)
        let targets = try wishes.map { wish in
            let target = NewTarget(
                id: ids.make(), publication: id, connection: wish.connection, options: wish.options,
                state: publishAt == nil ? .waiting : .scheduled,
                nextAction: Self.beginning(publishAt), nextAt: publishAt ?? now,
                source: source(of: wish.post, at: wish.connection.provider), size: wish.post.size)
            let state = try start(wish.post, of: target.id, at: wish.connection.provider)
            return (target, state, job(target, due: publishAt ?? now, at: now))
        }
        return Accepted(publication: publication, targets: targets, news: PublicationNews(ids, most: targets.count))
    }

    public static func beginning(_ publishAt: Timestamp?) -> String {
        publishAt == nil ? "It begins in a moment." : "It begins at its time."
    }

    /// The first state of a post's steps, as it is kept.
    public func start(_ post: Post, of target: ID<TargetKind>, at provider: String) throws -> SavedState {
        guard let publisher = publishers[provider] else { throw StoreError.statement("no publisher \(provider)") }
        return try Self.start(publisher, post, target, vault)
    }
    private static func start<P: Publisher>(
        _ publisher: P, _ post: Post, _ target: ID<TargetKind>, _ vault: Vault
    ) throws -> SavedState {
        try StepVault.seal(publisher.publishing(post), of: target.text, vault: vault)
    }

    public static func key(of target: ID<TargetKind>) -> String { "target/\(target)" }

    private func job(_ target: NewTarget, due: Timestamp, at now: Timestamp) -> NewJob {
        Self.job(
            ids.make(), target.id, target.publication, target.connection.id, due: due, at: now)
    }

    static func job(
        _ id: ID<JobKind>, _ target: ID<TargetKind>, _ publication: ID<PublicationKind>,
        _ connection: ID<ConnectionKind>, due: Timestamp, at now: Timestamp
    ) -> NewJob {
        NewJob(
            id: id, kind: PublicationWorker.kind, lane: Lane(connection.text, .publishing), dueAt: due, createdAt: now,
            input: Array(target.text.utf8), subject: publication.text, uniqueKey: key(of: target))
    }

    // MARK: What people decide

    /// Cancels those targets of which nothing irreversible has left. The rest the platform is asked to give up, where
    /// it can be. Answers how many of each, and how many it was too late for.
    public static func cancel(
        _ targets: [TargetRow], _ news: PublicationNews, in session: Session, at now: Timestamp
    ) throws -> (cancelled: Int, asked: Int, late: Int) {
        var (cancelled, asked, late) = (0, 0, 0)
        for (number, target) in targets.enumerated() {
            guard let held = try session.holdTarget(target.id), held.state.isLive else { continue }
            guard try session.cancelWork(held.id.text) else {
                if try wantGivenUp(held, in: session, at: now) { asked += 1 } else { late += 1 }
                continue
            }
            cancelled += 1
            var note = TargetNote(.cancelled)
            note.reason = "Cancelled before it was published."
            try session.note(note, of: held.id, at: now)
            try session.settleLateReview(of: held.id, by: "cancel", at: now)
            _ = try session.reschedule(key(of: held.id), to: now, at: now)
            if let fresh = try session.target(held.id) {
                try news.tell(fresh, number: number, in: session, at: now)
            }
        }
        return (cancelled, asked, late)
    }

    /// What the platform works on already is given up there, where that can be asked: its job does it at once.
    private static func wantGivenUp(_ held: TargetRow, in session: Session, at now: Timestamp) throws -> Bool {
        guard try session.wantGivenUp(held.id.text, at: now) else { return false }
        var note = TargetNote(held.state)
        (note.nextAction, note.nextAt) = ("The platform is asked to give it up.", now)
        try session.note(note, of: held.id, at: now)
        _ = try session.reschedule(key(of: held.id), to: now, at: now)
        return true
    }

    /// What a decision about a late target does: it begins now, or never.
    public func late(
        _ target: ID<TargetKind>, sends: Bool, at now: Timestamp
    ) -> @Sendable (Session) throws -> Void {
        let news = PublicationNews(ids)
        return { session in
            guard let held = try session.holdTarget(target), held.state == .scheduled else { return }
            guard sends else {
                _ = try Self.cancel([held], news, in: session, at: now)
                return try session.touch(held.publication, at: now)
            }
            var note = TargetNote(.waiting)
            (note.nextAction, note.nextAt) = ("It begins in a moment, as somebody decided.", now)
            try session.note(note, of: held.id, at: now)
            _ = try session.reschedule(Self.key(of: held.id), to: now, at: now)
            try session.touch(held.publication, at: now)
        }
    }

    /// What `send_again` does to a target whose outcome nobody knows: its steps begin anew.
    public func again(
        _ target: TargetRow, _ post: Post, _ work: WorkRow, at now: Timestamp
    ) throws -> @Sendable (Session) throws -> Void {
        guard let publisher = publishers[target.provider] else {
            throw StoreError.statement("no publisher \(target.provider)")
        }
        let state = try Self.again(publisher, post, work, vault)
        let (job, news) = (
            Self.job(ids.make(), target.id, target.publication, target.connection, due: now, at: now),
            PublicationNews(ids)
        )
        return { session in
            guard let held = try session.holdTarget(target.id), held.state == .unknown,
                try session.restart(held.id.text, state, at: now)
            else { return }
            var note = TargetNote(.waiting)
            (note.nextAction, note.nextAt) = ("It is sent again, as somebody decided.", now)
            try session.reopen(held.id, at: now)
            try session.note(note, of: held.id, at: now)
            try session.enqueue([job])
            if let fresh = try session.target(held.id) { try news.tell(fresh, in: session, at: now) }
        }
    }

    private static func again<P: Publisher>(
        _ publisher: P, _ post: Post, _ work: WorkRow, _ vault: Vault
    ) throws -> SavedState {
        let sealed = Sealed(bytes: work.sealed, keyID: work.keyID)
        let json = try vault.open(sealed, in: StepVault.place(of: work.id)).reveal { try JSON.parse($0) }
        let state = try P.Publishing(saved: json, of: post)
        return try StepVault.seal(state.again, of: work.id, vault: vault)
    }

    /// What `it_is_there` does: it counts as published.
    public func found(
        _ target: ID<TargetKind>, postID: String?, at now: Timestamp
    ) -> @Sendable (Session) throws -> Void {
        let news = PublicationNews(ids)
        return { session in
            guard let held = try session.holdTarget(target), held.state == .unknown else { return }
            var note = TargetNote(.published)
            (note.reason, note.postID) = ("Somebody has found it there.", postID)
            try session.note(note, of: held.id, at: now)
            try session.endWork(held.id.text)
            if let fresh = try session.target(held.id) { try news.tell(fresh, in: session, at: now) }
        }
    }
}

extension Post {
    /// In bytes, as far as they lie here.
    public var size: Int64 { media.reduce(0) { $0 + ($1.size ?? 0) } }
}

extension Session {
    /// A publication's content for one of its targets, with what is known of its objects.
    public func post(of publication: PublicationRow, for target: TargetRow) throws -> Post {
        try post(
            content: publication.content, media: publication.media, options: target.options, account: target.account)
    }

    /// The same from its parts; an object that is gone has no size.
    public func post(content: JSON, media: JSON, options: JSON, account: String) throws -> Post {
        let media = try (media.elements ?? []).map { medium -> Post.Medium in
            if let url = medium["url"]?.text { return Post.Medium(.url(url)) }
            let id = ID<ObjectKind>(stored: medium["object_id"]?.text ?? "")
            let row = try object(id)
            return Post.Medium(.object(id), size: row?.size, facts: row?.facts)
        }
        return Post(
            title: content["title"]?.text, text: content["text"]?.text, media: media, options: options,
            account: account)
    }
}

extension Publishing {
    /// What the owner of an account may choose now, as the platform says; nil where it says nothing.
    ///
    /// - Throws: `CallProblem` where there is no answer that helps.
    public func choices(of connection: ConnectionRow, by caller: ConnectionCaller) async throws -> PostChoices? {
        guard let call = publishers[connection.provider]?.choices else { return nil }
        let errand = ConnectionCaller.Errand(
            connection: connection.id.text, account: connection.openID, userID: connection.userID,
            app: connection.app.text, provider: connection.provider, purpose: "posting",
            claimant: Claimant("posting \(connection.id)", .person), subject: connection.id.text)
        return try await caller.ask(call, on: errand).output
    }
}
