import Kit
public import Store

/// Begins runs of the streams for which an event says that there is something new, beside whatever else the event does.
public struct WakingHandler: EventHandler {
    /// Users who share one account.
    private static let linksMax = 50

    private let syncs: Syncs
    private let inner: (any EventHandler)?

    /// - Parameter inner: what acts on the platform's events besides.
    public init(_ syncs: Syncs, beside inner: (any EventHandler)?) {
        self.syncs = syncs
        self.inner = inner
    }

    public func plan(_ event: StoredEvent) async throws -> any EventPlan {
        let streams = syncs.book.streams(of: event.provider).filter { $0.wokenBy.contains(event.type) }
        let plan = try await inner?.plan(event)
        guard !streams.isEmpty else { return plan ?? Nothing(event: event) }
        let ready = streams.map { _ in (0..<Self.linksMax).map { _ in Syncs.Ready(syncs.ids) } }
        return Planned(event: event, inner: plan, streams: streams, syncs: syncs, ready: ready)
    }

    private struct Planned: EventPlan {
        let event: StoredEvent
        let inner: (any EventPlan)?
        let streams: [SyncStream]
        let syncs: Syncs
        let ready: [[Syncs.Ready]]

        func apply(_ session: Session, at now: Timestamp) throws -> EventEffect {
            var effect = try inner?.apply(session, at: now) ?? EventEffect(.done)
            guard effect.next == .done else { return effect }
            let links = try event.account.map {
                try session.connections(to: $0, at: event.provider, through: event.app)
            }
            var woken: [ConnectionRow] = []
            for (stream, ready) in zip(streams, ready) {
                for (id, ready) in zip(links ?? [], ready) {
                    guard let row = try session.connection(id) else { continue }
                    do {
                        _ = try syncs.begin(stream, of: row, .webhook, ready, in: session, at: now)
                        woken.append(row)
                        break  // One run reads the account for all who are connected to it.
                    } catch is Syncs.Refusal { continue }  // Another of those who share it may be well.
                }
            }
            guard let first = woken.first else {
                if inner == nil {
                    try session.setState("ignored", of: event.id, reason: "Nobody's account is synced.", at: now)
                }
                return effect
            }
            let one = (links?.count ?? 0) == 1 ? first : nil
            try session.setState("applied", of: event.id, userID: one?.userID, connection: one?.id, at: now)
            effect.userID = effect.userID ?? one?.userID
            effect.connection = effect.connection ?? one?.id
            return effect
        }
    }

    private struct Nothing: EventPlan {
        let event: StoredEvent
        func apply(_ session: Session, at now: Timestamp) throws -> EventEffect {
            try session.setState("ignored", of: event.id, reason: "Nothing here acts on it.", at: now)
            return EventEffect(.done)
        }
    }
}
