public import Kit
public import Store

/// Sets free, step by step, what more waits under a customer than one transaction takes: after somebody said whose the
/// customer is, or that its events do not matter.
public struct EventReleasing: JobWorker {
    public static let kind = "events.release"
    /// Events that one link sets free in its own transaction.
    public static let most = 200
    private static let lane = Lane("release", .event)

    /// What happens to events that wait no more.
    public enum Fate: String, Sendable { case applied, ignored }

    public var kind: String { Self.kind }
    private let database: any Database
    private let ids: Identifiers
    private let time: TimeSource
    private let bells: Bells

    public init(database: any Database, ids: Identifiers, time: TimeSource, bells: Bells) {
        self.database = database
        self.ids = ids
        self.time = time
        self.bells = bells
    }

    /// Ids for the jobs of one step, made outside of the transaction.
    public struct ReadyJobs: Sendable {
        fileprivate let events: [ID<JobKind>]
        fileprivate let next: [ID<JobKind>]

        /// - Parameter links: that the transaction may make.
        public init(_ ids: Identifiers, links: Int = 1) {
            events = (0..<most * links).map { _ in ids.make() }
            next = (0..<links).map { _ in ids.make() }
        }
    }

    /// Adds the jobs for what a link set free, and one that goes on where more waits.
    public static func enqueue(_ linked: Linked, _ ready: ReadyJobs, in session: Session, at now: Timestamp) throws {
        // An event that was set free and has no job would never be applied.
        guard linked.released.count <= ready.events.count, linked.more.count <= ready.next.count else {
            throw StoreError.statement("too few ids were made for the jobs of released events")
        }
        var jobs: [NewJob] = []
        for (event, id) in zip(linked.released, ready.events) {
            guard let row = try session.eventRow(event) else { continue }
            let lane = EventLane.of(row.subject ?? event.text, app: ID(stored: row.appID), priority: .event)
            jobs.append(EventApplying.job(id, for: event, lane: lane, at: now))
        }
        for (name, id) in zip(linked.more, ready.next) {
            if let job = try next(name, .applied, id: id, in: session, at: now) { jobs.append(job) }
        }
        try session.enqueue(jobs)
    }

    /// Lets the first of a customer's waiting events be; a job goes on where more wait.
    public static func ignore(
        _ name: CustomerName, _ ready: ReadyJobs, in session: Session, at now: Timestamp
    ) throws {
        for id in try session.release(waitingFor: name.customer, at: name.provider, limit: most, now: now) {
            try session.setState("ignored", of: id, reason: "Dismissed by a person.", at: now)
        }
        guard let id = ready.next.first, let job = try next(name, .ignored, id: id, in: session, at: now) else {
            return
        }
        try session.enqueue([job])
    }

    /// The job names the customer by one of its events: ids of customers stay out of the tables of jobs.
    private static func next(
        _ name: CustomerName, _ fate: Fate, id: ID<JobKind>, in session: Session, at now: Timestamp
    ) throws -> NewJob? {
        guard let event = try session.firstWaiting(under: name) else { return nil }
        let input: JSON = ["event": JSON(event), "fate": .string(fate.rawValue)]
        return NewJob(
            id: id, kind: kind, lane: lane, dueAt: now, createdAt: now, input: input.bytes, subject: event.text)
    }

    public func run(_ job: ClaimedJob) async throws -> JobResult {
        let input = try JSON.parse(job.input)
        guard let event = input["event"]?.text.flatMap(ID<EventKind>.init),
            let fate = input["fate"]?.text.flatMap(Fate.init)
        else { throw JobInterruption.hopeless("The job names no event.") }
        let (now, ready) = (time.now(), ReadyJobs(ids))
        let isDone = try await database.set("release_events", in: .work) { session in
            try session.hold(job)
            guard let row = try session.eventRow(event), let subject = row.subject else { return false }
            let name = CustomerName(provider: row.provider, customer: subject)
            switch fate {
            case .ignored: try Self.ignore(name, ready, in: session, at: now)
            case .applied:
                // Taken from its user meanwhile: the events wait on, under the review that opens with the next one.
                guard try session.holdUserID(of: name) != nil else { return false }
                try Self.enqueue(try session.releaseMore(name, at: now), ready, in: session, at: now)
            }
            try session.succeed(job, at: now)
            return true
        }
        guard isDone else { return .cancelled(reason: "Nothing of it waits any more.") }
        bells.jobs.ring()
        return .committed
    }
}
