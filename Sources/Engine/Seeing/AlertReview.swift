public import Kit
public import Store

/// Raises alerts about conditions that stand in the tables for a while, and resolves those that no longer stand.
///
/// Every node may do this at any time: an open alert is one row, whoever raises it.
public struct AlertReview: Sendable {
    /// Shorter failures are told as events only: receivers restart.
    static let failingFor = Duration.hours(1)
    /// Alerts of one round.
    private static let most = 50
    /// SQLite's log beside the file is emptied before it has a quarter of this, unless something holds on to it.
    public static let logBytesMax: Int64 = 256 << 20
    private static let store = "database"

    private let database: any Database
    private let ids: Identifiers
    private let logBytesMax: Int64

    public init(database: any Database, ids: Identifiers, logBytesMax: Int64 = AlertReview.logBytesMax) {
        self.database = database
        self.ids = ids
        self.logBytesMax = logBytesMax
    }

    /// Answers whether anything changed.
    public func run(at now: Timestamp) async throws -> Bool {
        let (standing, settled, isLogTold) = try await database.read("alert_review") { session in
            (
                try session.endpointsWithoutAlert(failingBefore: now - Self.failingFor, limit: Self.most),
                try session.settledAlerts(Self.most),
                try !session.standingAlerts(of: .walLarge, limit: 1).isEmpty
            )
        }
        let isLogLong = try await logBytes() > logBytesMax
        guard !standing.isEmpty || !settled.isEmpty || isLogLong != isLogTold else { return false }
        let (log, logOver) = (logAlert(at: now), ids.make(ChangeKind.self))
        let alerts = standing.map { alert(about: $0, at: now) }
        let over = settled.map { ($0, ids.make(ChangeKind.self)) }
        try await database.write("alerts", in: .maintenance) { session in
            // What stands now is looked at again: a person, or another node, may have been here meanwhile.
            let still = Set(
                try session.endpointsWithoutAlert(failingBefore: now - Self.failingFor, limit: 10 * Self.most)
                    .map { $0.kind.rawValue + $0.endpoint.text })
            for alert in alerts where still.contains(alert.kind.rawValue + alert.subject) { try session.raise(alert) }
            if isLogLong, !isLogTold { try session.raise(log) }
            if isLogTold, !isLogLong { try session.resolve(.walLarge, Self.store, changeID: logOver, at: now) }
            for (alert, change) in over { try session.resolve(alert.kind, alert.subject, changeID: change, at: now) }
        }
        return true
    }

    private func logBytes() async throws -> Int64 {
        database.dialect.engine == .sqlite ? try await database.health().walBytes : 0
    }

    private func logAlert(at now: Timestamp) -> NewAlert {
        NewAlert(
            id: ids.make(), kind: .walLarge, subject: Self.store,
            summary: "The log beside the database's file has more than \(logBytesMax >> 20) MiB and is not emptied.",
            action: "End what holds the file open: another program, a backup that hangs. It is emptied by itself then.",
            at: now, changeID: ids.make())
    }

    private func alert(about condition: StandingCondition, at now: Timestamp) -> NewAlert {
        let url = condition.url.prefix { $0 != "?" }
        let isFailing = condition.kind == .endpointFailing
        let since = condition.since.map { " since \($0.rfc3339)" } ?? ""
        return NewAlert(
            id: ids.make(), kind: condition.kind, subject: condition.endpoint.text,
            summary: isFailing
                ? "\(url) has taken nothing\(since). Days of this disable it."
                : "Nothing is sent to \(url) any more. \(condition.reason ?? "")",
            action: isFailing
                ? "Look at its attempts: patchbay endpoints attempts \(condition.endpoint)"
                : "Mend the receiver, then: patchbay endpoints update \(condition.endpoint) --state active",
            at: now, changeID: ids.make())
    }
}
