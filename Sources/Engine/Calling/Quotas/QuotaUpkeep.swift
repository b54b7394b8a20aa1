public import Kit
public import Logging
public import ServiceLifecycle
public import Store

/// Tells the keeper what was spent, and people when a limit is nearly used up.
public struct QuotaUpkeep: Service {
    static let highAlert = AlertName.quotaHigh
    private static let every = Duration.seconds(1)
    /// Rounds between two looks at the levels.
    private static let lookEvery = 15
    /// Keys that are told of in one look.
    private static let alertsMax = 100

    private let quotas: Quotas
    private let database: any Database
    private let ids: Identifiers
    private let time: TimeSource
    private let logger: Logger

    public init(
        _ quotas: Quotas, database: any Database, ids: Identifiers, time: TimeSource, logger: Logger
    ) {
        self.quotas = quotas
        self.database = database
        self.ids = ids
        self.time = time
        self.logger = logger
    }

    public func run() async throws {
        await cancelWhenGracefulShutdown {
            var round = 0
            var told: Set<String> = []
            while !Task.isCancelled {
                do { try await time.sleep(Self.every) } catch { return }
                await quotas.flush()
                round += 1
                guard round % Self.lookEvery == 0 else { continue }
                do { told = try await look(told: told) } catch {
                    logger.warning("quota.not_looked_at", metadata: ["problem": "\(error)"])
                }
            }
        }
    }

    /// Raises an alert for each limit of an hour or more that is used to 80 %; over when it is below again. Shorter
    /// windows are full whenever there is work, and empty before anybody reads of it.
    func look(told: Set<String>) async throws -> Set<String> {
        let now = time.now()
        var high: [String: NewAlert] = [:]
        for standing in try await quotas.standing() {
            for level in standing.levels where level.window.length >= .hours(1) && level.used * 5 >= level.limit * 4 {
                let subject = "\(standing.quota.id)/\(standing.subject)"
                guard high.count < Self.alertsMax else { break }
                let free = level.nextFree.map { " The next is free at \($0.clockText)." } ?? ""
                high[subject] = NewAlert(
                    id: ids.make(), kind: Self.highAlert, subject: OutsideText.bounded(subject),
                    summary:
                        "\(level.used) of \(level.limit) \(standing.quota.quota.unit) \(level.window.words) are used "
                        + "at \(standing.quota.providerName).\(free)",
                    action: "Wait, or ask \(standing.quota.providerName) for more.", at: now, changeID: ids.make())
            }
        }
        let over = told.subtracting(high.keys)
        let ends = over.map { ($0, ids.make(ChangeKind.self)) }
        guard !high.isEmpty || !over.isEmpty else { return [] }
        let alerts = high.filter { !told.contains($0.key) }.map(\.value)
        try await database.write("quota_alerts", in: .maintenance) { session in
            for alert in alerts { try session.raise(alert) }
            for (subject, change) in ends {
                try session.resolve(Self.highAlert, subject, changeID: change, at: now)
            }
        }
        return Set(high.keys)
    }
}
