public import Kit
public import Store

/// Raises an alert when a platform that usually sends has been silent for longer than usual.
///
/// Usual is what the last fortnight shows: the longest run of hours without a believed delivery. Once told of, it is
/// over when the platform is heard again, however long that takes.
public struct SilenceWorker: JobWorker {
    public static let kind = "maintenance.silence"
    static let alert = AlertName.webhooksSilent
    /// The fortnight.
    private static let hours = 14 * 24
    /// Of a platform that was heard in fewer hours nobody knows what is usual.
    private static let heardLeast = 24
    private static let silenceLeast = 2

    public var kind: String { Self.kind }
    private let providers: [String]
    private let database: any Database
    private let ids: Identifiers
    private let time: TimeSource

    public init(_ providers: [String], database: any Database, ids: Identifiers, time: TimeSource) {
        self.providers = providers
        self.database = database
        self.ids = ids
        self.time = time
    }

    public static func schedule(firstAt: Timestamp) -> NewSchedule {
        NewSchedule(name: kind, kind: kind, lane: RetentionWorker.lane, every: .hours(1), firstAt: firstAt)
    }

    public func run(_ job: ClaimedJob) async throws -> JobResult {
        let now = time.now()
        let used = try await database.read("silence.providers") { try $0.providersInUse() }
        for provider in providers where used.contains(provider) {
            let heard = try await database.read("silence") {
                try $0.hoursWithDeliveries(of: provider, hours: Self.hours, before: now)
            }
            let (id, change) = (ids.make(AlertKind.self), ids.make(ChangeKind.self))
            guard let (silent, usual) = Self.silence(in: heard) else {
                if Self.isHeard(heard) {
                    try await database.write("silence.over", in: .maintenance) {
                        try $0.resolve(Self.alert, provider, changeID: change, at: now)
                    }
                }
                continue
            }
            let alert = NewAlert(
                id: id, kind: Self.alert, subject: provider,
                summary:
                    "No webhook of \(provider) for \(silent) hours; the longest silence of two weeks was \(usual).",
                action: "Look at the webhook endpoint at the platform. What it lists: patchbay reconcile \(provider)",
                at: now, changeID: change)
            try await database.write("silence.raise", in: .maintenance) { _ = try $0.raise(alert) }
        }
        return .done
    }

    /// Whether it was heard lately. Of a platform that was silent so long that nothing usual is left in the fortnight,
    /// nothing else says that it is well again.
    static func isHeard(_ heard: [Bool]) -> Bool { heard.prefix(silenceLeast).contains(true) }

    /// The hours of silence until now and the longest usual silence; nil while it is no longer than usual.
    /// - Parameter heard: by hour, the latest first.
    static func silence(in heard: [Bool]) -> (silent: Int, usual: Int)? {
        guard heard.count(where: { $0 }) >= heardLeast, let silent = heard.firstIndex(of: true),
            let earliest = heard.lastIndex(of: true)
        else { return nil }
        var (usual, run) = (0, 0)
        for isHeard in heard[silent...earliest] {
            run = isHeard ? 0 : run + 1
            usual = max(usual, run)
        }
        return silent >= max(silenceLeast, 2 * usual) && silent > usual ? (silent, usual) : nil
    }
}
