public import Kit
public import Logging
public import Store

/// Carries out what is ordered for one app: makes the platform's side as it is wanted, or takes it away. Once a day it
/// looks at all of them.
public struct SubscriptionWorker: JobWorker {
    public static let kind = "webhooks.subscription"
    public var kind: String { Self.kind }
    static let alert = AlertName.webhookSubscription
    private static let lane = Lane("subscriptions", .event)
    /// Calls that change something, in one run: strays, one repair, what it replaces.
    private static let roundsMax = 100
    private static let appsMax = 500

    private let subscribing: Subscribing
    private let credentials: AppCredentials
    private let database: any Database
    private let ids: Identifiers
    private let time: TimeSource
    private let bells: Bells
    private let secretsChanged: @Sendable (ID<AppKind>) -> Void
    private let logger: Logger

    /// - Parameter secretsChanged: called after a commit that changed an app's secrets, so that this node reads them
    ///   anew.
    public init(
        _ subscribing: Subscribing, credentials: AppCredentials, database: any Database, ids: Identifiers,
        time: TimeSource, bells: Bells, logger: Logger, secretsChanged: @escaping @Sendable (ID<AppKind>) -> Void
    ) {
        self.subscribing = subscribing
        self.credentials = credentials
        self.database = database
        self.ids = ids
        self.time = time
        self.bells = bells
        self.secretsChanged = secretsChanged
        self.logger = logger
    }

    public static func schedule(firstAt: Timestamp) -> NewSchedule {
        NewSchedule(name: kind, kind: kind, lane: lane, every: .days(1), firstAt: firstAt)
    }

    /// - Parameter repairs: whether what differs is put right; else it is only noted.
    public static func job(_ id: ID<JobKind>, _ app: ID<AppKind>, repairs: Bool = true, at now: Timestamp) -> NewJob {
        NewJob(
            id: id, kind: kind, lane: lane, dueAt: now, createdAt: now,
            input: Array("\(app) \(repairs ? "repair" : "look")".utf8), subject: app.text,
            uniqueKey: "subscription/\(app)/\(repairs)")
    }

    public func run(_ job: ClaimedJob) async throws -> JobResult {
        guard !job.input.isEmpty else { return try await lookAtAll(job) }
        let words = String(decoding: job.input, as: UTF8.self).split(separator: " ")
        let id = ID<AppKind>(stored: words.first.map(String.init) ?? "")
        var wasOff = false
        do {
            for _ in 0..<Self.roundsMax {
                let found = try await database.read("subscription") { session in
                    (try session.app(id), try session.webhookSubscription(of: id))
                }
                guard let app = found.0, let row = found.1 else { return .cancelled(reason: "Nothing is ordered.") }
                if try await step(row, app, repairs: words.last == "repair", job, &wasOff) { return .done }
            }
            throw JobInterruption.hopeless("The platform shows something else after each change.")
        } catch CallProblem.failed(let failure) {
            try await note(failure.message, id, job)
            guard failure.passes else { return .done }
            guard let wait = failure.retryAfter else { throw failure }
            throw JobInterruption.later(at: time.now() + wait, reason: failure.message)
        } catch let problem as CallProblem {
            throw problem.interruption ?? .released
        } catch let refusal as Subscribing.Refusal {
            try await note(refusal.sentence, id, job)
            return .done
        }
    }

    /// A job for each, beside the end of the schedule's own.
    private func lookAtAll(_ job: ClaimedJob) async throws -> JobResult {
        let (now, ids) = (time.now(), ids)
        let jobs = (0..<Self.appsMax).map { _ in ids.make(JobKind.self) }
        try await database.write("subscriptions_due", in: .work) { session in
            try session.hold(job)
            let rows = try session.webhookSubscriptions(limit: Self.appsMax)
            try session.enqueue(zip(jobs, rows).map { Self.job($0, $1.app, at: now) })
            try session.succeed(job, at: now)
        }
        bells.jobs.ring()
        return .committed
    }

    // MARK: One app

    /// One look, and at most one change at the platform. True when all is done.
    ///
    /// - Parameter wasOff: whether this run has found it turned off: of that the alert stands until a later run.
    private func step(
        _ row: WebhookSubscriptionRow, _ app: AppRow, repairs: Bool, _ job: ClaimedJob, _ wasOff: inout Bool
    ) async throws -> Bool {
        let standing = try await subscribing.standing(app)
        if row.state == .removing {
            guard let own = standing.first(where: { $0.mark == app.id.text || $0.id == row.remoteID }) else {
                try await forget(app, job)
                return true
            }
            try await subscribing.remove(own.id, app)
            return false
        }
        let wanted = try subscribing.wanted(app)
        let source = subscribing.platforms[app.id]?.source
        let plan = SubscriptionPlan(
            wanted, known: row.remoteID, among: standing, changeable: source?.changeableAspects ?? [])
        if plan.differences.contains(.disabled), !wasOff {
            wasOff = true
            try await tellDisabled(app, job)
        }
        guard repairs, let step = plan.steps.first else {
            try await note(plan, wanted, app, job, isOver: !wasOff)
            return true
        }
        switch step {
        case .remove(let id): try await subscribing.remove(id, app)
        case .change(let id): _ = try await subscribing.ask(app) { $0.change(id, to: wanted) }
        case .register, .replace: try await register(wanted, app, job)
        }
        logger.notice(
            "webhook_subscription.changed",
            metadata: ["provider": "\(app.provider)", "app": "\(app.id)", "act": "\(step.word)"])
        return false
    }

    /// Whatever happens between the two lines, the next look finds the mark, and removes what has a secret that nobody
    /// knows.
    private func register(_ wanted: WantedSubscription, _ app: AppRow, _ job: ClaimedJob) async throws {
        let made = try await subscribing.ask(app) { $0.subscribe(wanted) }
        try await keep(made, app, job)
    }

    private func keep(_ made: RemoteSubscription, _ app: AppRow, _ job: ClaimedJob) async throws {
        let text = made.secret?.reveal { String(decoding: $0, as: UTF8.self) }
        guard let text, let ready = try credentials.seal([text], for: app.provider).first else {
            throw CallProblem.failed(Failure(.garbled, "\(app.provider) has made a subscription and shows no secret."))
        }
        let now = time.now()
        let entry = audit("registered", made.id, app, at: now)
        try await database.write("subscription_made", in: .work) { session in
            try session.hold(job)
            try session.addSecret(
                ready.id.text, to: app.id, purpose: ready.purpose, sealed: ready.sealed.bytes,
                keyID: ready.sealed.keyID, expiring: nil, at: now)
            try session.registered(app.id, as: made.id, secret: ready.id, now: now)
            try session.audit(entry)
        }
        secretsChanged(app.id)
    }

    /// What a look has shown, when nothing more is to be done about it.
    private func note(
        _ plan: SubscriptionPlan, _ wanted: WantedSubscription, _ app: AppRow, _ job: ClaimedJob, isOver: Bool
    ) async throws {
        let (now, change) = (time.now(), ids.make(ChangeKind.self))
        let facts = WebhookSubscriptionFacts(
            state: plan.differences.isEmpty && plan.steps.isEmpty ? .registered : .differs, url: wanted.url,
            differences: plan.differences.map(\.rawValue), duplicates: Array(plan.duplicates.prefix(20)))
        try await database.write("subscription_seen", in: .work) { session in
            try session.hold(job)
            try session.note(facts, of: app.id, now: now)
            if isOver, facts.state == .registered {
                try session.resolve(Self.alert, app.id.text, changeID: change, at: now)
            }
        }
        bells.written.ring()
    }

    private func forget(_ app: AppRow, _ job: ClaimedJob) async throws {
        let (now, change) = (time.now(), ids.make(ChangeKind.self))
        let entry = audit("removed", nil, app, at: now)
        try await database.write("subscription_removed", in: .work) { session in
            try session.hold(job)
            try session.forgetSubscription(of: app.id, now: now)
            try session.resolve(Self.alert, app.id.text, changeID: change, at: now)
            try session.audit(entry)
        }
        secretsChanged(app.id)
        bells.written.ring()
    }

    private func audit(_ act: String, _ remote: String?, _ app: AppRow, at now: Timestamp) -> NewAudit {
        NewAudit(
            id: ids.make(), at: now, actor: "system", action: "webhook_subscription.\(act)", subject: app.id.text,
            detail: ["provider": .string(app.provider), "remote": JSON(remote)])
    }

    // MARK: What a person must know

    private func tellDisabled(_ app: AppRow, _ job: ClaimedJob) async throws {
        try await raise(
            "\(app.provider) had turned the webhook subscription off; no events came since.",
            "It is turned on again. Look at what the platform says of failures, and fetch what is missing: "
                + "patchbay reconcile \(app.provider)", app.id, job
        ) { _, _ in }
    }

    private func note(_ problem: String, _ app: ID<AppKind>, _ job: ClaimedJob) async throws {
        try await raise(
            "The webhook subscription cannot be looked after: \(problem)",
            "Mend it, then: patchbay apps subscribe \(app)", app, job
        ) { session, now in try session.noteProblem(problem, of: app, now: now) }
    }

    private func raise(
        _ summary: String, _ action: String, _ app: ID<AppKind>, _ job: ClaimedJob,
        also act: @escaping @Sendable (Session, Timestamp) throws -> Void
    ) async throws {
        let now = time.now()
        let alert = NewAlert(
            id: ids.make(), kind: Self.alert, subject: app.text, summary: summary, action: action, at: now,
            changeID: ids.make())
        try await database.write("subscription_alert", in: .work) { session in
            try session.hold(job)
            try session.raise(alert)
            try act(session, now)
        }
        bells.written.ring()
    }
}
