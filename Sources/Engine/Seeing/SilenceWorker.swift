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
    static let hours = 14 * 24
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
            let heard = try await heard(provider, at: now)
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

    /// By hour, the latest first, the one that has begun at its head. What is known of whole hours is written down, so
    /// that each is looked at once.
    private func heard(_ provider: String, at now: Timestamp) async throws -> [Bool] {
        let key = "heard/" + provider
        var heard = HeardHours(try await database.read("silence") { try $0.instanceFact(key) }, at: now)
        while let hour = heard.next(before: now) {
            let (from, to) = (HeardHours.start(hour), HeardHours.start(hour + 1))
            heard.add(try await database.read("silence") { try $0.hasDeliveries(of: provider, from: from, to: to) })
        }
        let (text, begun) = (heard.text, HeardHours.start(HeardHours.hour(of: now)))
        try await database.write("silence.heard", in: .maintenance) { try $0.setInstanceFact(key, text) }
        let isHeard = try await database.read("silence") {
            try $0.hasDeliveries(of: provider, from: begun, to: now + .seconds(1))
        }
        return [isHeard] + heard.hours
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

/// In which whole hours a platform was heard, as far as they were looked at.
struct HeardHours: Equatable {
    /// The latest first, at most a fortnight.
    private(set) var hours: [Bool] = []
    /// Since 1970, the one after those that were looked at.
    private var following: Int64

    static func hour(of moment: Timestamp) -> Int64 { moment.microseconds / Duration.hours(1).microseconds }
    static func start(_ hour: Int64) -> Timestamp { .zero + .hours(hour) }

    /// - Parameter text: what `text` made, nil for nothing. What is older than a fortnight does not count.
    init(_ text: String?, at now: Timestamp) {
        let earliest = Self.hour(of: now) - Int64(SilenceWorker.hours)
        let parts = (text ?? "").split(separator: " ", omittingEmptySubsequences: false)
        if parts.count == 2, let following = Int64(parts[0]), following >= earliest, following <= Self.hour(of: now) {
            self.following = following
            hours = parts[1].prefix(SilenceWorker.hours).map { $0 == "1" }
        } else {
            following = earliest
        }
    }

    var text: String { "\(following) " + String(hours.map { $0 ? "1" : "0" }) }

    /// The next whole hour that was not looked at; nil for none.
    func next(before now: Timestamp) -> Int64? { following < Self.hour(of: now) ? following : nil }

    mutating func add(_ isHeard: Bool) {
        hours = [isHeard] + hours.prefix(SilenceWorker.hours - 1)
        following += 1
    }
}
