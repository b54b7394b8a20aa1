public import Kit
public import Store

/// Moves targets by what platforms tell of posts by themselves; hands on what speaks of none.
public struct PostNewsHandler: EventHandler {
    private let source: any Publisher
    private let next: (any EventHandler)?
    private let ids: Identifiers

    /// - Parameter next: acts on the platform's other events.
    public init(_ source: any Publisher, next: (any EventHandler)?, ids: Identifiers) {
        self.source = source
        self.next = next
        self.ids = ids
    }

    public func plan(_ event: StoredEvent) async throws -> any EventPlan {
        let content = EventContent(type: event.type, occurredAt: event.occurredAt, body: event.body ?? [])
        do {
            guard let news = try source.news(in: content) else {
                return try await next?.plan(event) ?? Planned(event: event, news: nil, told: PublicationNews(ids))
            }
            return Planned(event: event, news: news, told: PublicationNews(ids))
        } catch let unreadable as Unreadable {
            return Unread(event: event, reason: unreadable.reason)
        }
    }

    private struct Unread: EventPlan {
        let event: StoredEvent
        let reason: String

        func apply(_ session: Session, at now: Timestamp) throws -> EventEffect {
            try session.setState("failed", of: event.id, reason: "Its content cannot be read: \(reason)", at: now)
            return EventEffect(.done)
        }
    }

    private struct Planned: EventPlan {
        let event: StoredEvent
        let news: PostNews?
        let told: PublicationNews

        func apply(_ session: Session, at now: Timestamp) throws -> EventEffect {
            guard let news, let account = event.account,
                let target = try session.target(remote: news.remoteID, at: event.provider, account: account)
            else {
                try session.setState("ignored", of: event.id, reason: "It speaks of no post of ours.", at: now)
                return EventEffect(.done)
            }
            try move(target, news, in: session, at: now)
            try session.setState(
                "applied", of: event.id, userID: target.userID, connection: target.connection, at: now)
            var effect = EventEffect(.done, userID: target.userID)
            effect.connection = target.connection
            return effect
        }

        /// Events come late and out of order: what is over stays so, but a draft may yet be published, and what was
        /// published gets its id, or goes. That it is there counts for more than that nobody knew, or that it failed.
        private func move(_ target: TargetRow, _ news: PostNews, in session: Session, at now: Timestamp) throws {
            switch (news.kind, target.state) {
            case (.published, .cancelled): return
            case (.published(let postID), .published):
                // Its id, where only that is new.
                guard let postID, target.postID == nil else { return }
                var note = TargetNote(.published)
                (note.postID, note.remoteStatus) = (postID, news.remoteStatus)
                try session.note(note, of: target.id, at: now)
                try tell(target, in: session, at: now)
                // Nothing is left to be asked for.
                try session.endWork(target.id.text)
                _ = try session.reschedule(Publishing.key(of: target.id), to: now, at: now)
            case (.published(let postID), _):
                var note = TargetNote(.published)
                (note.postID, note.remoteStatus) = (postID, news.remoteStatus)
                try finish(target, note, in: session, at: now)
            case (.inInbox, .uploading), (.inInbox, .processing), (.inInbox, .waiting), (.inInbox, .unknown),
                (.inInbox, .failed):
                try finish(
                    target, TargetNote(Published(.inInbox, remoteStatus: news.remoteStatus)), in: session, at: now)
            case (.failed(let failure), .unknown), (.failed(let failure), .inInbox):
                var note = TargetNote(failure)
                note.remoteStatus = news.remoteStatus
                try finish(target, note, in: session, at: now)
            case (.cancelled, let state) where state.isLive || state == .unknown || state == .inInbox:
                try finish(
                    target, TargetNote(Published(.cancelled, remoteStatus: news.remoteStatus)), in: session, at: now)
            case (.failed(let failure), let state) where state.isLive:
                // Whether it begins once more its job decides, which looks: a call may be on its way.
                var note = TargetNote(state)
                (note.remoteStatus, note.told, note.reason) = (news.remoteStatus, failure, target.reason)
                (note.nextAction, note.nextAt) = ("It is looked up in a moment.", now)
                try session.note(note, of: target.id, at: now)
                try session.touch(target.publication, at: now)
                _ = try session.reschedule(Publishing.key(of: target.id), to: now, at: now)
            case (.withdrawn, .published):
                var note = TargetNote(.published)
                (note.remoteStatus, note.isWithdrawn) = (news.remoteStatus, true)
                note.reason = "It is no longer to be seen there."
                try session.note(note, of: target.id, at: now)
                try tell(target, in: session, at: now)
            case (.inInbox, _), (.failed, _), (.cancelled, _), (.withdrawn, _): return
            }
        }

        private func finish(_ target: TargetRow, _ note: TargetNote, in session: Session, at now: Timestamp) throws {
            try PublicationWorker.finish(target.id, note, told, in: session, at: now)
            // Its job ends by itself when it finds no work.
            _ = try session.reschedule(Publishing.key(of: target.id), to: now, at: now)
            if target.state == .unknown { try session.settleReview(of: target.id.text, at: now) }
        }

        private func tell(_ target: TargetRow, in session: Session, at now: Timestamp) throws {
            guard let fresh = try session.target(target.id) else { return }
            try session.touch(fresh.publication, at: now)
            try told.tell(fresh, in: session, at: now)
        }
    }
}
