public import Kit
public import Logging
public import Store

/// Once a minute: what is due begins, accounts that nobody has read yet, runs whose job is gone, accounts that nobody
/// is connected to any more.
public struct SyncSweep: JobWorker {
    public static let kind = "sync.sweep"
    private static let rowsAtOnce = 200
    /// What is due for longer has been missed: it begins at a moment of its own, so that all do not begin at once.
    private static let missed = Duration.minutes(5)

    public var kind: String { Self.kind }
    private let syncs: Syncs
    private let beginning: SyncBeginning
    private let forgetting: ForsakenAccounts
    private let database: any Database
    private let time: TimeSource
    private let bells: Bells

    public init(
        _ syncs: Syncs, forgetting: ForsakenAccounts, database: any Database, time: TimeSource, bells: Bells
    ) {
        self.syncs = syncs
        self.forgetting = forgetting
        self.database = database
        self.time = time
        self.bells = bells
        beginning = SyncBeginning(syncs, database: database, time: time, bells: bells)
    }

    public static func schedule(firstAt: Timestamp) -> NewSchedule {
        NewSchedule(name: kind, kind: kind, lane: Lane("syncs", .sync), every: .minutes(1), firstAt: firstAt)
    }

    public func run(_ job: ClaimedJob) async throws -> JobResult {
        let now = time.now()
        _ = try await database.set("lost_syncs", in: .work) { try $0.endLostSyncs(Self.rowsAtOnce, at: now) }
        let (due, unread) = try await database.read("due_syncs") { [providers = syncs.book.providers] session in
            (
                try session.dueStreams(Self.rowsAtOnce, at: now),
                try session.unreadConnections(of: providers, limit: Self.rowsAtOnce)
            )
        }
        for id in unread { try await beginning.begin(id) }
        for stream in due { try await begin(stream, at: now) }
        if !due.isEmpty { bells.jobs.ring() }
        try await forgetting.run()
        return .done
    }

    private func begin(_ due: DueStream, at now: Timestamp) async throws {
        let (syncs, state) = (syncs, due.state)
        let (ready, later) = (Syncs.Ready(syncs.ids), now + .hours(6))
        try await database.write("sync_due", in: .work) { session in
            guard let connection = try session.connection(due.connection),
                let stream = syncs.book.stream(state.stream, of: state.provider)
            else { return try session.postpone(state, to: later) }
            let moment = now - state.dueAt > Self.missed ? now + Self.spread(connection.id, stream) : now
            do {
                _ = try syncs.begin(stream, of: connection, .schedule, due: moment, ready, in: session, at: now)
            } catch is Syncs.Refusal {
                try session.postpone(state, to: later)  // A permission was taken back: asked again later.
            }
        }
    }

    /// The same for a connection each time, within ten minutes.
    private static func spread(_ id: ID<ConnectionKind>, _ stream: SyncStream) -> Duration {
        let hash = id.text.utf8.reduce(UInt64(14_695_981_039_346_656_037)) { ($0 ^ UInt64($1)) &* 1_099_511_628_211 }
        let most = min(stream.every, .minutes(10)).microseconds
        return .microseconds(Int64(hash % UInt64(max(1, most))))
    }
}

/// Erases what is kept of accounts to which nobody is connected any more, in small steps.
public struct ForsakenAccounts: Sendable {
    private static let accountsAtOnce = 50
    private static let rowsAtOnce = 200

    private let book: SyncBook
    private let database: any Database
    private let time: TimeSource
    private let logger: Logger

    public init(_ book: SyncBook, database: any Database, time: TimeSource, logger: Logger) {
        self.book = book
        self.database = database
        self.time = time
        self.logger = logger
    }

    /// Returns when nothing is left.
    public func run() async throws {
        while true {
            let forsaken = try await database.read("forsaken") { try $0.forsakenAccounts(Self.accountsAtOnce) }
            for (provider, account) in forsaken {
                let tables = book.tables(of: provider)
                while try await database.set(
                    "erase_records", in: .maintenance,
                    { try $0.eraseForsaken(account, at: provider, in: tables, limit: Self.rowsAtOnce) })
                { try await time.sleep(.milliseconds(2)) }  // Lets others go first.
                logger.info("records.erased", metadata: ["provider": "\(provider)"])
            }
            if forsaken.count < Self.accountsAtOnce { return }
        }
    }
}

/// The same right after somebody disconnected.
public struct AccountForgetting: JobWorker {
    public static let kind = "records.forget"
    public var kind: String { Self.kind }
    private let accounts: ForsakenAccounts

    public init(_ accounts: ForsakenAccounts) { self.accounts = accounts }

    public static func job(_ id: ID<JobKind>, at now: Timestamp) -> NewJob {
        NewJob(
            id: id, kind: kind, lane: Lane("syncs", .event), dueAt: now, createdAt: now, input: [], uniqueKey: kind)
    }

    public func run(_ job: ClaimedJob) async throws -> JobResult {
        try await accounts.run()
        return .done
    }
}
