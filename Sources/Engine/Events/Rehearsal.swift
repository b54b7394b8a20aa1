public import Kit
public import Store

/// What applying an event once more would change: applied in a transaction that is undone.
public struct Rehearsal: Sendable {
    private let database: any Database
    private let handlers: [String: any EventHandler]
    private let time: TimeSource

    /// - Parameter handlers: by platform id.
    public init(database: any Database, handlers: [String: any EventHandler], time: TimeSource) {
        self.database = database
        self.handlers = handlers
        self.time = time
    }

    /// The changes that it would write about this event or its user; nil where nothing here acts on its platform or
    /// type. Nothing of it stays, nobody is told, and no platform is asked: what only it can tell is left as it is.
    public func changes(of id: ID<EventKind>) async throws -> [Change]? {
        guard let event = try await database.read("event", { try $0.event(id) }),
            let handler = handlers[event.provider]
        else { return nil }
        let (plan, now) = (try await handler.planWithoutAsking(event), time.now())
        do {
            try await database.set("rehearse", in: .maintenance) { session in
                let before = try session.lastChange()
                let effect = try plan.apply(session, at: now)
                let user = effect.userID ?? event.userID
                let written = try session.changes(written: before, limit: 200)
                throw Rehearsed(
                    changes: written.filter { change in
                        change.causedBy == id.text || change.userID != nil && change.userID == user
                    })
            }
            return []
        } catch let rehearsed as Rehearsed {
            return rehearsed.changes
        }
    }
}

/// Undoes the transaction and carries what was seen in it.
private struct Rehearsed: Error {
    let changes: [Change]
}
