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

    private let database: any Database
    private let ids: Identifiers

    public init(database: any Database, ids: Identifiers) {
        self.database = database
        self.ids = ids
    }

    /// Answers whether anything changed.
    public func run(at now: Timestamp) async throws -> Bool {
        let (standing, settled) = try await database.read("alert_review") { session in
            (
                try session.endpointsWithoutAlert(failingBefore: now - Self.failingFor, limit: Self.most),
                try session.settledAlerts(Self.most)
            )
        }
        guard !standing.isEmpty || !settled.isEmpty else { return false }
        let alerts = standing.map { alert(about: $0, at: now) }
        let over = settled.map { ($0, ids.make(ChangeKind.self)) }
        try await database.write("alerts", in: .maintenance) { session in
            // What stands now is looked at again: a person, or another node, may have been here meanwhile.
            let still = Set(
                try session.endpointsWithoutAlert(failingBefore: now - Self.failingFor, limit: 10 * Self.most)
                    .map { $0.kind.rawValue + $0.endpoint.text })
            for alert in alerts where still.contains(alert.kind.rawValue + alert.subject) { try session.raise(alert) }
            for (alert, change) in over { try session.resolve(alert.kind, alert.subject, changeID: change, at: now) }
        }
        return true
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
