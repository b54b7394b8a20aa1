public import Kit
public import Logging
public import Store

/// Looks once a day whether the database's file is sound, beside everything else; an alert tells when it is not.
/// PostgreSQL has checksums and tools of its own for this.
public struct IntegrityWorker: JobWorker {
    public static let kind = "maintenance.integrity"
    private static let alert = AlertName.storeDamaged
    private static let subject = "database"

    public var kind: String { Self.kind }
    private let database: any Database
    private let ids: Identifiers
    private let time: TimeSource
    private let logger: Logger

    public init(database: any Database, ids: Identifiers, time: TimeSource, logger: Logger) {
        self.database = database
        self.ids = ids
        self.time = time
        self.logger = logger
    }

    public static func schedule(firstAt: Timestamp) -> NewSchedule {
        NewSchedule(name: kind, kind: kind, lane: RetentionWorker.lane, every: .days(1), firstAt: firstAt)
    }

    public func run(_ job: ClaimedJob) async throws -> JobResult {
        let began = time.uptime()
        guard let problems = try await database.problems() else { return .done }
        let (now, change, id) = (time.now(), ids.make(ChangeKind.self), ids.make(AlertKind.self))
        guard let first = problems.first else {
            logger.info("store.checked", metadata: ["ms": "\((time.uptime() - began).components.seconds * 1000)"])
            try await database.write("store_sound", in: .maintenance) {
                try $0.resolve(Self.alert, Self.subject, changeID: change, at: now)
            }
            return .done
        }
        logger.error("store.damaged", metadata: ["problem": "\(first)", "problems": "\(problems.count)"])
        let alert = NewAlert(
            id: id, kind: Self.alert, subject: Self.subject,
            summary: "The database's file is damaged: \(OutsideText.bounded(first, 200))",
            action: "Stop the server, keep the file, restore a backup: patchbay restore FILE --to URL", at: now,
            changeID: change)
        try await database.write("store_damaged", in: .maintenance) { _ = try $0.raise(alert) }
        return .done
    }
}
