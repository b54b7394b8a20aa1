public import Kit
public import Logging
public import Store

/// Deletes what is older than it is kept for: 500 rows a transaction, behind everything else.
public struct RetentionWorker: JobWorker {
    public static let kind = "maintenance.retention"
    public static let lane = Lane("maintenance", .analytics)
    private static let rowsAtOnce = 500
    /// In one run; what is left goes with the next.
    private static let roundsMax = 2000

    public var kind: String { Self.kind }
    private let database: any Database
    private let limits: RetentionLimits
    private let identityLives: [String: Duration]
    private let histories: [RecordTable]
    private let time: TimeSource
    private let logger: Logger

    /// - Parameters:
    ///   - identityLives: of each platform's scheme, by its id.
    ///   - histories: tables of streams whose metrics' steps are kept.
    public init(
        database: any Database, limits: RetentionLimits, identityLives: [String: Duration],
        histories: [RecordTable] = [], time: TimeSource, logger: Logger
    ) {
        self.database = database
        self.limits = limits
        self.identityLives = identityLives
        self.histories = histories
        self.time = time
        self.logger = logger
    }

    /// Once an hour.
    public static func schedule(firstAt: Timestamp) -> NewSchedule {
        NewSchedule(name: kind, kind: kind, lane: lane, every: .hours(1), firstAt: firstAt)
    }

    public func run(_ job: ClaimedJob) async throws -> JobResult {
        let (now, limits) = (time.now(), limits)
        for what in Retained.allCases {
            try await repeatedly("\(what)") { try $0.expire(what, limits: limits, at: now, limit: Self.rowsAtOnce) }
        }
        for table in histories {
            try await repeatedly("metrics") {
                try $0.expireHistory(of: table, before: now - limits.metrics, limit: Self.rowsAtOnce)
            }
        }
        try await repeatedly("endpoints") { try $0.sweepEndpoints(Self.rowsAtOnce, at: now) }
        _ = try await database.set("retention", in: .maintenance) { try $0.sweepAppSecrets(at: now) }
        for app in try await database.read("apps", { try $0.apps(after: nil, limit: 1000) }) {
            let life = identityLives[app.provider] ?? .days(400)
            try await repeatedly("identities") {
                try $0.expireIdentities(of: app.id, life: life, at: now, limit: Self.rowsAtOnce)
            }
        }
        // Whoever still seals under a key that is no longer this month's does so for an hour.
        try await repeatedly("body_keys") { try $0.sweepBodyKeys(before: (now - .days(40)).month) }
        // Free pages go back to the system a few at a time; PostgreSQL's own vacuum does this there.
        try await repeatedly("pages") { try $0.returnFreePages(Self.rowsAtOnce) }
        return .done
    }

    private func repeatedly(_ what: String, _ step: @escaping @Sendable (Session) throws -> Int) async throws {
        var deleted = 0
        for _ in 0..<Self.roundsMax {
            let count = try await database.set("retention", in: .maintenance, step)
            deleted += count
            if count < Self.rowsAtOnce { break }
            try await time.sleep(.milliseconds(5))  // Lets others go first.
        }
        if deleted > 0 { logger.info("retention.deleted", metadata: ["what": "\(what)", "rows": "\(deleted)"]) }
    }
}
