public import Kit
public import Store

/// Carries out what is ordered for one connection: when it is made, and once a day. What differs is put right. The
/// schedule finds those at which nobody has looked for a day, or ever.
public struct AccountSubscriptionWorker: JobWorker {
    public static let kind = "connection.subscription"
    public var kind: String { Self.kind }
    /// Calls that change something, in one run.
    private static let roundsMax = 10
    private static let rowsAtOnce = 200

    private let subscribing: AccountSubscribing
    private let database: any Database
    private let ids: Identifiers
    private let time: TimeSource
    private let bells: Bells

    public init(
        _ subscribing: AccountSubscribing, database: any Database, ids: Identifiers, time: TimeSource, bells: Bells
    ) {
        self.subscribing = subscribing
        self.database = database
        self.ids = ids
        self.time = time
        self.bells = bells
    }

    public static func schedule(firstAt: Timestamp) -> NewSchedule {
        NewSchedule(
            name: kind, kind: kind, lane: Lane("account_subscriptions", .sync), every: .minutes(5), firstAt: firstAt)
    }

    /// In the connection's own lane, so that nothing is ordered while its grant is taken back.
    static func job(_ id: ID<JobKind>, _ connection: ID<ConnectionKind>, at now: Timestamp) -> NewJob {
        NewJob(
            id: id, kind: kind, lane: Lane(connection.text, .event), dueAt: now, createdAt: now,
            input: Array(connection.text.utf8), subject: connection.text, uniqueKey: "subscription/\(connection)")
    }

    public func run(_ job: ClaimedJob) async throws -> JobResult {
        guard !job.input.isEmpty else { return try await enqueueDue() }
        let id = ID<ConnectionKind>(stored: String(decoding: job.input, as: UTF8.self))
        let found = try await database.read("account_subscription") { session in
            try session.connection(id).map {
                ($0, try session.app($0.app), try session.accountSubscription(of: id)?.remoteID)
            }
        }
        guard case (let connection, let app?, let known)? = found, connection.deletedAt == nil,
            connection.state.isUsable,
            let place = subscribing.place(of: connection)
        else { return .cancelled(reason: "Nothing is ordered for it.") }
        do {
            let wanted = try subscribing.wanted(place, app, for: connection)
            for _ in 0..<Self.roundsMax {
                guard let standing = try await subscribing.step(place, wanted, known: known) else { continue }
                try await note(connection, standing, job)
                return .done
            }
            throw JobInterruption.hopeless("The platform shows something else after each change.")
        } catch CallProblem.failed(let failure) {
            // Of a grant that is over the connection tells itself; what passes is nothing to mend.
            let isToMend = !failure.passes && failure.kind != .unauthorized
            try await note(connection, problem: failure.message, isToMend: isToMend, job)
            guard failure.passes else { return .done }
            guard let wait = failure.retryAfter else { throw failure }
            throw JobInterruption.later(at: time.now() + wait, reason: failure.message)
        } catch let problem as CallProblem {
            throw problem.interruption ?? .released
        } catch let refusal as Subscribing.Refusal {
            try await note(connection, problem: refusal.sentence, isToMend: true, job)
            return .done
        }
    }

    private func enqueueDue() async throws -> JobResult {
        let now = time.now()
        let due = try await database.read("unordered_connections") { [providers = Array(subscribing.sources.keys)] in
            try $0.unorderedConnections(of: providers.sorted(), since: now - .days(1), limit: Self.rowsAtOnce)
        }
        guard !due.isEmpty else { return .done }
        let jobs = due.map { Self.job(ids.make(), $0, at: now) }
        try await database.write("account_subscriptions_due", in: .work) { try $0.enqueue(jobs) }
        bells.jobs.ring()
        return .done
    }

    private func note(_ connection: ConnectionRow, _ remote: String, _ job: ClaimedJob) async throws {
        let (now, change) = (time.now(), ids.make(ChangeKind.self))
        try await database.write("account_subscription_seen", in: .work) { session in
            try session.hold(job)
            try session.registered(connection, as: remote, at: now)
            try session.resolve(.webhookSubscription, connection.id.text, changeID: change, at: now)
        }
        bells.written.ring()
    }

    private func note(
        _ connection: ConnectionRow, problem: String, isToMend: Bool, _ job: ClaimedJob
    ) async throws {
        let now = time.now()
        let alert = NewAlert(
            id: ids.make(), kind: .webhookSubscription, subject: connection.id.text,
            summary: "The account's webhooks cannot be ordered: \(problem)",
            action: "Mend it; it is looked at again within a day, and when the account is connected again.", at: now,
            changeID: ids.make())
        try await database.write("account_subscription_alert", in: .work) { session in
            try session.hold(job)
            try session.notRegistered(connection, problem: problem, at: now)
            if isToMend { try session.raise(alert) }
        }
        bells.written.ring()
    }
}

extension ConnectionState {
    /// Whether calls on its behalf leave.
    fileprivate var isUsable: Bool {
        switch self {
        case .active, .refreshing, .suspect: true
        case .pending, .paused, .needsReconnect, .revoked: false
        }
    }
}
