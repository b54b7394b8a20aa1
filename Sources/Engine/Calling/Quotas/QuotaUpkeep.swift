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
    /// Keys that are told of, and alerts that are ended, in one look.
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
            while !Task.isCancelled {
                do { try await time.sleep(Self.every) } catch { return }
                await quotas.flush()
                round += 1
                guard round % Self.lookEvery == 0 else { continue }
                do { try await look() } catch {
                    logger.warning("quota.not_looked_at", metadata: ["problem": "\(error)"])
                }
            }
        }
    }

    /// Raises an alert for each limit of an hour or more that is used to 80 %, and for each whose size nobody tells
    /// that is used up; over when it is not any more. Shorter
    /// windows are full whenever there is work, and empty before anybody reads of it.
    ///
    /// What was told stands in the database: no restart and no other node tells of it again, or forgets to end it.
    func look() async throws {
        let now = time.now()
        let high = Dictionary(try await quotas.standing().compactMap(high), uniquingKeysWith: { first, _ in first })
        let told = try await database.read("quota_alerts") {
            try $0.standingAlerts(of: Self.highAlert, limit: Self.alertsMax * 10)
        }
        let over = told.filter { high[$0] == nil }.prefix(Self.alertsMax).map { ($0, ids.make(ChangeKind.self)) }
        let alerts = high.filter { !told.contains($0.key) }.sorted { $0.key < $1.key }.prefix(Self.alertsMax).map {
            subject, words in
            NewAlert(
                id: ids.make(), kind: Self.highAlert, subject: subject, summary: words.summary, action: words.action,
                at: now, changeID: ids.make())
        }
        guard !alerts.isEmpty || !over.isEmpty else { return }
        try await database.write("quota_alerts", in: .maintenance) { session in
            for alert in alerts { try session.raise(alert) }
            for (subject, change) in over {
                try session.resolve(Self.highAlert, subject, changeID: change, at: now)
            }
        }
    }

    private typealias Words = (summary: String, action: String)

    /// What is told of a quota of which a limit is nearly used up; nil of every other.
    private func high(_ standing: QuotaStanding) -> (subject: String, words: Words)? {
        let (quota, name) = (standing.quota.quota, standing.quota.providerName)
        let level = standing.levels.first { level in
            guard level.window.length >= .hours(1) else { return false }
            return quota.isUntold ? level.blockedUntil != nil : level.used * 5 >= level.limit * 4
        }
        guard let level else { return nil }
        let subject = OutsideText.bounded("\(standing.quota.id)/\(standing.subject)")
        let action = quota.advice ?? "Wait, or ask \(name) for more."
        if quota.isUntold, let until = level.blockedUntil {
            return (subject, ("\(name) takes no more \(quota.unit) until \(until.clockText).", action))
        }
        let free = level.nextFree.map { " The next is free at \($0.clockText)." } ?? ""
        return (
            subject,
            ("\(level.used) of \(level.limit) \(quota.unit) \(level.window.words) are used at \(name).\(free)", action)
        )
    }
}
