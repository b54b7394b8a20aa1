public import Kit
public import Store

/// What an event means for our own tables: planned outside the transaction, applied within it.
public protocol EventHandler: Sendable {
    /// Reads the event and asks the platform where only it can tell. Runs outside any transaction.
    func plan(_ event: StoredEvent) async throws -> any EventPlan
}

/// Pure: may run more than once for one commit.
public protocol EventPlan: Sendable {
    func apply(_ session: Session, at now: Timestamp) throws -> EventEffect
}

/// What applying an event came to.
public struct EventEffect: Sendable {
    public enum State: String, Sendable { case applied, ignored, waitingReview = "waiting_review" }

    public var state: State
    public var reason: String?
    public var userID: String?
    public var changes: [NewChange]
    /// Applying showed that something must be asked first: the job plans again.
    public var isPlannedAgain: Bool

    public init(
        _ state: State, reason: String? = nil, userID: String? = nil, changes: [NewChange] = [],
        isPlannedAgain: Bool = false
    ) {
        self.state = state
        self.reason = reason
        self.userID = userID
        self.changes = changes
        self.isPlannedAgain = isPlannedAgain
    }
}

/// The job behind every event that something here acts on.
public struct EventApplying: JobWorker {
    public static let kind = "event.apply"
    public var kind: String { Self.kind }
    /// An event that asks to be planned again does so at most this often within one run.
    private static let plansMax = 3

    private let database: any Database
    private let handlers: [String: any EventHandler]
    private let ids: Identifiers
    private let time: TimeSource
    private let bell: Bell

    /// - Parameter handlers: by platform id.
    public init(
        database: any Database, handlers: [String: any EventHandler], ids: Identifiers, time: TimeSource, bell: Bell
    ) {
        self.database = database
        self.handlers = handlers
        self.ids = ids
        self.time = time
        self.bell = bell
    }

    public func run(_ job: ClaimedJob) async throws -> JobResult {
        guard let id = ID<EventKind>(String(decoding: job.input, as: UTF8.self)) else {
            throw JobInterruption.hopeless("The job names no event.")
        }
        guard let event = try await database.read("event", { try $0.event(id) }) else {
            return .cancelled(reason: "The event is no longer kept.")
        }
        guard let handler = handlers[event.provider] else {
            throw JobInterruption.hopeless("Nothing here handles events of \(event.provider).")
        }
        for _ in 0..<Self.plansMax {
            let plan = try await handler.plan(event)
            if try await commit(plan, of: event, job: job) {
                bell.ring()
                return .committed
            }
        }
        throw JobInterruption.later(at: time.now() + .seconds(5), reason: "What the platform answered was old already.")
    }

    /// Effects, the event's state, the changes and the job's end: one transaction. False when nothing was kept and the
    /// event must be planned again.
    private func commit(_ plan: any EventPlan, of event: StoredEvent, job: ClaimedJob) async throws -> Bool {
        let (now, changeID) = (time.now(), ids.make(ChangeKind.self))
        do {
            try await database.write("apply_event") { session in
                try session.hold(job)
                let effect = try plan.apply(session, at: now)
                if effect.isPlannedAgain { throw PlanAgain() }
                try session.setState(
                    effect.state.rawValue, of: event.id, reason: effect.reason, userID: effect.userID, at: now)
                // Told once, when it is first applied: a replay tells only what it changed.
                let told = event.state == "queued" ? [received(event, changeID, user: effect.userID)] : []
                try session.append(told + effect.changes)
                try session.succeed(job, at: now)
            }
            return true
        } catch is PlanAgain {
            return false
        }
    }

    private func received(_ event: StoredEvent, _ id: ID<ChangeKind>, user: String?) -> NewChange {
        EventReceived.change(
            id, event: event.id, provider: event.provider, type: event.type, providerEventID: event.providerEventID,
            occurredAt: event.occurredAt, receivedAt: event.receivedAt, userID: user ?? event.userID, body: event.range)
    }
}

private struct PlanAgain: Error {}
