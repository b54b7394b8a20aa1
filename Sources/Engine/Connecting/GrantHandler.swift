public import Kit
public import Store

/// Ends connections whose grant was taken back at the platform.
public struct GrantHandler: EventHandler {
    private let revocation: @Sendable (EventContent) throws(Unreadable) -> String?
    private let ids: Identifiers

    public init(_ source: any GrantTeller, ids: Identifiers) {
        revocation = { event throws(Unreadable) in try source.revocation(in: event) }
        self.ids = ids
    }

    /// For a platform that tells it at an address of its own; by webhook, too, where it does.
    public init(_ source: any SignedCallbackSource, ids: Identifiers) {
        revocation = { event throws(Unreadable) in
            let isTold = source.callbacks.contains { $0.meaning == .grantRevoked && $0.type == event.type }
            return isTold ? "removed_by_owner" : try (source as? any GrantTeller)?.revocation(in: event)
        }
        self.ids = ids
    }

    public func plan(_ event: StoredEvent) async throws -> any EventPlan {
        let content = EventContent(type: event.type, occurredAt: event.occurredAt, body: event.body ?? [])
        let reason: Result<String?, Unreadable>
        do { reason = .success(try revocation(content)) } catch { reason = .failure(error) }
        // Most events take nothing back.
        let links = if case .success(.some) = reason { Session.linksMax } else { 0 }
        return Planned(event: event, reason: reason, news: (0..<links).map { _ in ConnectionNews(ids) })
    }

    private struct Planned: EventPlan {
        let event: StoredEvent
        let reason: Result<String?, Unreadable>
        let news: [ConnectionNews]

        func apply(_ session: Session, at now: Timestamp) throws -> EventEffect {
            guard case .success(let word) = reason else {
                try session.setState("failed", of: event.id, reason: "Its content cannot be read.", at: now)
                return EventEffect(.done)
            }
            guard let word, let account = event.account else {
                try session.setState("ignored", of: event.id, reason: "Nothing here acts on it.", at: now)
                return EventEffect(.done)
            }
            let links = try session.connections(to: account, at: event.provider, through: event.app)
            var ended: [ConnectionRow] = []
            for (id, news) in zip(links, news) {
                guard let row = try session.holdConnection(id), row.deletedAt == nil, row.health != .revoked,
                    try !isOlder(session.credential(of: id))
                else { continue }
                _ = try session.dropCredential(of: id)
                try session.setConnection(id, .revoked, reason: word, attention: nil, at: now)
                guard let fresh = try session.connection(id) else { continue }
                try news.revoked(fresh, reason: word, in: session, at: now)
                ended.append(row)
            }
            // One transaction takes so many; the event comes again for the rest.
            if links.count == Session.linksMax, !ended.isEmpty {
                try session.setState("applied", of: event.id, at: now)
                return EventEffect(.retry(reason: "More users than one transaction takes share the account."))
            }
            // Of several users who share the account the event is nobody's own.
            let one = ended.count == 1 ? ended.first : nil
            try session.setState(
                "applied", of: event.id, reason: links.isEmpty ? "No connection to this account stands here." : nil,
                userID: one?.userID, connection: one?.id, at: now)
            var effect = EventEffect(.done, userID: one?.userID)
            effect.connection = one?.id
            return effect
        }

        /// Whether the tokens were granted after what the event tells: it came late, about a grant that is gone.
        private func isOlder(_ held: CredentialRow?) throws -> Bool {
            guard let at = event.occurredAt, let held else { return false }
            // The platform's time has whole seconds.
            return held.obtainedAt > at + .seconds(1)
        }
    }
}
