public import Kit
public import Logging
public import Store

/// A platform that can be asked what happened and what stands there, by whom, and whose webhooks that would have been.
public struct ListedSource: Sendable {
    let source: any EventLister
    let caller: Caller
    let app: ID<AppKind>
    /// What compares the objects that it lists with what is kept; nil where it lists events only.
    let rules: BillingRules?

    public init(_ source: any EventLister, caller: Caller, app: ID<AppKind>) {
        self.source = source
        self.caller = caller
        self.app = app
        rules = (source as? any BillingSource).map { BillingRules($0, canAsk: false) }
    }

    var objects: (any ObjectLister)? { rules == nil ? nil : source as? any ObjectLister }
    var streams: [String] { [EventReconciling.stream] + (objects?.listedStreams ?? []) }
}

/// Asks each platform that lists its events what happened, compares with the log, and lets in what never arrived:
/// through the same door as webhooks, once.
///
/// The schedule begins a run for every source; a run goes page by page, each with its place in one commit, so that it
/// goes on where it stopped.
public struct EventReconciling: JobWorker {
    public static let kind = "events.reconcile"
    public static let stream = "events"
    static let alert = AlertName.eventsMissed
    static let refusedAlert = AlertName.eventsNotListed
    private static let lane = Lane("reconcile", .sync)
    /// What happened so lately may still be on its way. Who asks by hand wants it all the same, and no alert.
    private static let settling = Duration.minutes(10)
    /// A platform's list may show an event later than it happened.
    private static let overlap = Duration.hours(1)
    /// How far back the first run looks.
    private static let firstReach = Duration.days(3)
    /// Runs that are kept, a stream.
    private static let kept = 200

    public var kind: String { Self.kind }
    private let sources: [ListedSource]
    let gateway: Gateway
    private let database: any Database
    private let ids: Identifiers
    let time: TimeSource
    private let bells: Bells
    private let logger: Logger

    public init(
        _ sources: [ListedSource], gateway: Gateway, database: any Database, ids: Identifiers, time: TimeSource,
        bells: Bells, logger: Logger
    ) {
        self.sources = sources
        self.gateway = gateway
        self.database = database
        self.ids = ids
        self.time = time
        self.bells = bells
        self.logger = logger
    }

    public static func schedule(firstAt: Timestamp) -> NewSchedule {
        NewSchedule(name: kind, kind: kind, lane: lane, every: .hours(1), firstAt: firstAt)
    }

    /// The platforms that can be asked, by id.
    public var providers: [String] { sources.map(\.source.about.id) }
    /// What can be compared with a platform.
    public func streams(of provider: String) -> [String] {
        sources.first { $0.source.about.id == provider }?.streams ?? []
    }

    /// Begins a run, unless one is under way: then that one. Within the caller's transaction.
    ///
    /// - Parameters:
    ///   - stream: one of `streams(of:)`.
    ///   - since: of events, from the last run's end unless said; never before what the platform lists.
    ///   - isDryRun: it counts and lets nothing in.
    public func begin(
        _ provider: String, stream: String = Self.stream, since: Timestamp? = nil, isDryRun: Bool = false,
        askedBy: String?, in session: Session, at now: Timestamp,
        ids ready: (id: ID<ReconciliationKind>, job: ID<JobKind>)
    ) throws -> ReconciliationRow? {
        guard let listed = sources.first(where: { $0.source.about.id == provider }), listed.streams.contains(stream)
        else { return nil }
        let latest = try session.latestReconciliation(of: listed.app, stream: stream)
        if let latest, latest.state == "running" {
            if try session.isAlive(latest.job) { return latest }
            try session.note("Its job was given up.", of: latest.id, endedAt: now)
        }
        let done = try session.reconciledUntil(of: listed.app, stream: stream)
        let start = since ?? done.map { $0 - Self.overlap } ?? now - Self.firstReach
        let until = askedBy == nil ? now - Self.settling : now
        let new = NewReconciliation(
            id: ready.id, provider: provider, app: listed.app, stream: stream, job: ready.job, askedBy: askedBy,
            since: stream == Self.stream ? min(max(start, now - listed.source.listsBack), until) : until,
            until: until, isDryRun: isDryRun)
        try session.begin(new, at: now)
        try session.trimReconciliations(of: listed.app, stream: stream, keeping: Self.kept)
        try session.enqueue([
            NewJob(
                id: ready.job, kind: Self.kind, lane: Self.lane, dueAt: now, createdAt: now,
                input: Array(ready.id.text.utf8), subject: ready.id.text)
        ])
        return try session.reconciliation(ready.id)
    }

    public func run(_ job: ClaimedJob) async throws -> JobResult {
        guard !job.input.isEmpty else { return try await beginAll(job) }
        guard let id = ID<ReconciliationKind>(String(decoding: job.input, as: UTF8.self)),
            var row = try await database.read("reconciliation", { try $0.reconciliation(id) })
        else { throw JobInterruption.hopeless("The job names no reconciliation.") }
        guard let listed = sources.first(where: { $0.source.about.id == row.provider && $0.app == row.app }) else {
            try await note("\(row.provider) cannot be asked: its key is not set.", of: id, endedAt: time.now())
            return .cancelled(reason: "\(row.provider) cannot be asked: its key is not set.")
        }
        guard row.state == "running" else { return .cancelled(reason: "The run has ended already.") }
        repeat {
            do { row = try await step(row, listed, job) } catch let problem as CallProblem {
                switch problem {
                case .held(let hold):
                    try await note(hold.reason, of: id, endedAt: nil)
                    throw problem.interruption ?? .released
                case .failed(let failure): return try await failed(failure, row, job)
                }
            }
        } while row.state == "running"
        return .committed
    }

    private func failed(_ failure: Failure, _ row: ReconciliationRow, _ job: ClaimedJob) async throws -> JobResult {
        guard failure.passes else {
            try await refused(failure, row, job)
            return .committed
        }
        try await note(failure.message, of: row.id, endedAt: nil)
        guard let wait = failure.retryAfter else { throw failure }
        throw JobInterruption.later(at: time.now() + wait, reason: failure.message)
    }

    /// Asking again would not help: a person must do something first. The run's end, the alert and the job's end are
    /// one commit.
    private func refused(_ failure: Failure, _ row: ReconciliationRow, _ job: ClaimedJob) async throws {
        let now = time.now()
        let alert = NewAlert(
            id: ids.make(), kind: Self.refusedAlert, subject: row.app.text,
            summary: "\(row.provider) does not list its events: \(failure.message)",
            action: "Mend it, then: patchbay reconcile \(row.provider)", at: now, changeID: ids.make())
        let ended = EndedJob(job: job, end: .cancelled(reason: failure.message), at: now)
        try await database.write("reconcile.refused", in: .work) { session in
            try session.hold(job)
            try session.note(failure.message, of: row.id, endedAt: now)
            try session.raise(alert)
            guard try session.complete([ended]) == [true] else { throw Fenced(job: job.id.text) }
        }
        bells.written.ring()
    }

    /// A run for each platform, beside the end of the schedule's own job.
    private func beginAll(_ job: ClaimedJob) async throws -> JobResult {
        let now = time.now()
        let ready = providers.map { ($0, (id: ids.make(ReconciliationKind.self), job: ids.make(JobKind.self))) }
        try await database.write("reconcile.begin", in: .work) { session in
            try session.hold(job)
            for (provider, ready) in ready {
                _ = try begin(provider, askedBy: nil, in: session, at: now, ids: ready)
            }
            try session.succeed(job, at: now)
        }
        bells.jobs.ring()
        return .committed
    }

    /// One page: asked for, compared, kept, with the place reached.
    private func step(_ row: ReconciliationRow, _ listed: ListedSource, _ job: ClaimedJob) async throws
        -> ReconciliationRow
    {
        let page = try await page(row, listed)
        let now = time.now()
        let end = page.next == nil ? Ended(ids, logger: logger) : nil
        let (stepped, kept) = try await database.set("reconcile.page", in: .work) { session in
            try session.hold(job)
            try session.survive(job)
            // Compared before anything is let in.
            let (compared, arrivals) = try page.compared(by: listed.rules, in: session)
            let kept = row.isDryRun ? try session.missing(among: arrivals) : try session.keepMissing(arrivals)
            let found = compared ?? Compared(matched: kept.duplicates, missingHere: kept.new)
            try session.advance(row.id, found, to: page.next, at: now)
            guard let stepped = try session.reconciliation(row.id) else { throw StoreError.conflict }
            if let end {
                try end.tell(of: stepped, in: session, at: now)
                try session.succeed(job, at: now)
            }
            return (stepped, row.isDryRun ? 0 : kept.new)
        }
        if kept > 0 { bells.jobs.ring() }
        if kept > 0 || end != nil { bells.written.ring() }
        end?.log(stepped)
        return stepped
    }

    private func note(_ problem: String, of id: ID<ReconciliationKind>, endedAt: Timestamp?) async throws {
        try await database.write("reconcile.note", in: .work) { try $0.note(problem, of: id, endedAt: endedAt) }
    }
}

/// What is told when a run has ended.
private struct Ended: Sendable {
    private let change: ID<ChangeKind>
    private let alert: ID<AlertKind>
    private let alertChange: ID<ChangeKind>
    private let answeredChange: ID<ChangeKind>
    private let logger: Logger

    init(_ ids: Identifiers, logger: Logger) {
        (change, alert, alertChange, answeredChange) = (ids.make(), ids.make(), ids.make(), ids.make())
        self.logger = logger
    }

    func tell(of row: ReconciliationRow, in session: Session, at now: Timestamp) throws {
        try session.resolve(
            EventReconciling.refusedAlert, row.app.text, changeID: answeredChange, at: now)
        let data: JSON = [
            "reconciliation_id": JSON(row.id), "provider": .string(row.provider), "stream": .string(row.stream),
            "since": JSON(row.since), "until": JSON(row.until), "matched": JSON(row.matched),
            "missing_here": JSON(row.missingHere), "differing": JSON(row.differing), "dry_run": .bool(row.isDryRun),
        ]
        try session.append([
            NewChange(
                id: change, type: "reconciliation.done", subject: row.id.text, occurredAt: now, data: data.bytes)
        ])
        guard row.askedBy == nil, row.stream == EventReconciling.stream else { return }
        guard row.missingHere > 0 else {
            return try session.resolve(EventReconciling.alert, row.app.text, changeID: alertChange, at: now)
        }
        try session.raise(
            NewAlert(
                id: alert, kind: EventReconciling.alert, subject: row.app.text,
                summary:
                    "\(row.missingHere) events of \(row.provider) never arrived; they were fetched and are applied.",
                action: "Look at the webhook endpoint at the platform: its address, its secret, whether it is on.",
                at: now, changeID: alertChange))
    }

    func log(_ row: ReconciliationRow) {
        logger.info(
            "events.reconciled",
            metadata: [
                "provider": "\(row.provider)", "matched": "\(row.matched)", "missing_here": "\(row.missingHere)",
            ])
    }
}
