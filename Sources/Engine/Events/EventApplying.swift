public import Kit
public import Store

/// What an event means for our own tables: planned outside the transaction, applied within it.
public protocol EventHandler: Sendable {
    /// Reads the event and asks the platform where only it can tell. Runs outside any transaction.
    func plan(_ event: StoredEvent) async throws -> any EventPlan
    /// The same for somebody who only looks: from what is known here, the platform is not asked.
    func planWithoutAsking(_ event: StoredEvent) async throws -> any EventPlan
}

extension EventHandler {
    /// Of a handler that never asks.
    public func planWithoutAsking(_ event: StoredEvent) async throws -> any EventPlan { try await plan(event) }
}

/// Pure: may run more than once for one commit. Runs at read committed: it holds the rows that it decides on.
public protocol EventPlan: Sendable {
    /// Writes what the event means, its new state included.
    func apply(_ session: Session, at now: Timestamp) throws -> EventEffect
}

/// What applying an event came to, besides the rows.
public struct EventEffect: Sendable {
    public enum Next: Sendable, Equatable {
        case done
        /// Something that was asked about changed meanwhile: plan and apply once more, now. Nothing is kept.
        case planAgain
        /// What is known is kept; the job comes again for the rest, after what the platform asks to wait.
        case retry(reason: String, wait: Duration? = nil)
        /// What is known is kept; for the rest the job waits at the gate, which is no attempt.
        case held(Hold)
    }

    public var next: Next
    public var userID: String?
    /// The connection that the event is about, where it is one.
    public var connection: ID<ConnectionKind>?
    /// Events that this one set free, to be applied now.
    public var linked: Linked
    public var alerts: [NewAlert]
    /// It is about someone who was erased: nobody is told of it.
    public var isErased = false

    public init(_ next: Next, userID: String? = nil, linked: Linked = Linked(), alerts: [NewAlert] = []) {
        self.next = next
        self.userID = userID
        self.linked = linked
        self.alerts = alerts
    }
}

/// The job behind every event that something here acts on.
public struct EventApplying: JobWorker {
    public static let kind = "event.apply"
    public var kind: String { Self.kind }
    /// An event that asks to be planned again does so at most this often within one run.
    private static let plansMax = 5

    private let database: any Database
    private let handlers: [String: any EventHandler]
    private let ids: Identifiers
    private let time: TimeSource
    private let bells: Bells

    /// - Parameter handlers: by platform id.
    public init(
        database: any Database, handlers: [String: any EventHandler], ids: Identifiers, time: TimeSource, bells: Bells
    ) {
        self.database = database
        self.handlers = handlers
        self.ids = ids
        self.time = time
        self.bells = bells
    }

    public func run(_ job: ClaimedJob) async throws -> JobResult {
        guard let id = ID<EventKind>(String(decoding: job.input, as: UTF8.self)) else {
            throw JobInterruption.hopeless("The job names no event.")
        }
        guard let event = try await database.read("event", { try $0.event(id) }) else {
            return .cancelled(reason: "The event is no longer kept.")
        }
        if event.state == "ignored", event.body == nil { return .cancelled(reason: "The event's bytes are gone.") }
        for _ in 0..<Self.plansMax {
            let plan = try await handlers[event.provider]?.plan(event) ?? LoggedOnly(event: event)
            switch try await commit(plan, of: event, job: job) {
            case .ended: return .committed
            case .planAgain: continue
            case .givenUp(let reason): throw JobInterruption.hopeless(reason)
            }
        }
        throw JobInterruption.later(at: time.now() + .seconds(5), reason: "What the platform answered was old already.")
    }

    private enum Committed: Sendable {
        case ended
        /// Nothing was kept.
        case planAgain
        /// What is known is kept, and the job has tried for the rest as often as it may.
        case givenUp(String)
    }

    /// Effects, the event's state, the changes and the job's end: one transaction.
    private func commit(_ plan: any EventPlan, of event: StoredEvent, job: ClaimedJob) async throws -> Committed {
        let now = time.now()
        let pause = retries.pause(after: job.attempt, failingFor: now - (job.firstFailedAt ?? now), chance: ids.unit())
        let (changeID, ready) = (ids.make(ChangeKind.self), EventReleasing.ReadyJobs(ids))
        do {
            let (released, committed) = try await database.set("apply_event", in: .work) { session in
                try session.hold(job)
                let effect = try plan.apply(session, at: now)
                if effect.next == .planAgain { throw PlanAgain() }
                // Told once, when what is known of it is first kept: a replay tells only what it changed.
                if !effect.isErased, try session.tells(of: event.id, at: now) {
                    try session.append([received(event, changeID, about: effect)])
                }
                for alert in effect.alerts { try session.raise(alert) }
                try EventReleasing.enqueue(effect.linked, ready, in: session, at: now)
                let committed = try end(job, after: effect.next, pause: pause, in: session, at: now)
                return (!effect.linked.released.isEmpty, committed)
            }
            bells.written.ring()
            if released { bells.jobs.ring() }
            return committed
        } catch is PlanAgain {
            return .planAgain
        }
    }

    private func end(
        _ job: ClaimedJob, after next: EventEffect.Next, pause: Duration?, in session: Session, at now: Timestamp
    ) throws -> Committed {
        let end: JobEnd
        switch next {
        case .done, .planAgain: end = .succeeded
        case .retry(let reason, let wait):
            guard let pause else { return .givenUp("Failed \(job.attempt) times, last: \(reason.prefix(400))") }
            end = .retry(at: now + max(pause, wait ?? .zero), error: reason)
        case .held(let hold):
            let lane = Lane(stored: job.lane, job.priority)
            try session.gate(lane, until: hold.until, by: hold.gate.name, reason: hold.reason)
            end = .released
        }
        guard try session.complete([EndedJob(job: job, end: end, at: now)]) == [true] else {
            throw Fenced(job: job.id.text)
        }
        return .ended
    }

    private func received(_ event: StoredEvent, _ id: ID<ChangeKind>, about effect: EventEffect) -> NewChange {
        EventReceived.change(
            id, event: event.id, delivery: event.delivery, provider: event.provider, type: event.type,
            providerEventID: event.providerEventID,
            occurredAt: event.occurredAt, receivedAt: event.receivedAt, userID: effect.userID ?? event.userID,
            connection: effect.connection?.text ?? event.connectionID, body: event.range)
    }

    /// The job that applies one event.
    public static func job(_ id: ID<JobKind>, for event: ID<EventKind>, lane: Lane, at now: Timestamp) -> NewJob {
        NewJob(
            id: id, kind: kind, lane: lane, dueAt: now, createdAt: now, input: Array(event.text.utf8),
            subject: event.text,
            uniqueKey: "event/\(event.text)")
    }
}

/// Which lane an event's job belongs to: whose user it is nobody knows yet, its subject is known. Subjects share 64
/// lanes an app, so that a flood about one customer leaves the others theirs and lanes stay few.
public enum EventLane {
    public static func of(_ subject: String, app: ID<AppKind>, priority: Priority) -> Lane {
        of(subject.utf8, app: app, priority: priority)
    }
    static func of(_ key: some Sequence<UInt8>, app: ID<AppKind>, priority: Priority) -> Lane {
        let hash = key.reduce(UInt32(2_166_136_261)) { ($0 ^ UInt32($1)) &* 16_777_619 }
        return Lane("\(app.text)/\(hash % 64)", priority)
    }
}

/// What wakes whom in this process.
public struct Bells: Sendable {
    /// Jobs became available.
    public let jobs = Bell()
    /// Changes were written.
    public let written = Bell()
    /// Changes got their positions.
    public let placed = Bell()
    /// An endpoint was made or changed.
    public let endpoints = Bell()
    public init() {}
}

private struct PlanAgain: Error {}

/// An event of a platform whose events nothing here acts on: replayed, it is told again and logged.
private struct LoggedOnly: EventPlan {
    let event: StoredEvent
    func apply(_ session: Session, at now: Timestamp) throws -> EventEffect {
        try session.setState("ignored", of: event.id, at: now)
        return EventEffect(.done)
    }
}
