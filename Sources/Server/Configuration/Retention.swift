import Kit
import Store

/// How long each kind of row is kept (docs/operations.md). Audit entries are kept for ever.
public struct Retention: Sendable, Equatable {
    /// A kind of row with a life of its own.
    public enum Kind: String, Sendable, CaseIterable {
        case bodies, deliveries, events, changes, attempts, calls, captures, jobs, deadJobs, syncs, metrics
        case publications

        var usualDays: Int64 {
            switch self {
            case .bodies, .changes, .attempts, .syncs: 30
            case .deliveries, .deadJobs: 90
            case .events, .metrics, .publications: 400
            case .calls: 14
            case .jobs, .captures: 7
            }
        }
        var settingName: String { "PATCHBAY_RETENTION_" + (self == .deadJobs ? "DEAD_JOBS" : rawValue.uppercased()) }
        var what: String {
            switch self {
            case .bodies: "The bytes of deliveries and events."
            case .deliveries: "Facts of deliveries: when, from where, believed or not."
            case .events: "Facts of events."
            case .changes: "The change feed: whoever follows it must not be away for longer."
            case .attempts: "Attempts to deliver our own webhooks."
            case .calls: "Calls to platforms."
            case .captures: "Bodies of calls that were captured; not longer than the calls."
            case .jobs: "Jobs that succeeded or were cancelled."
            case .deadJobs: "Jobs that died."
            case .syncs: "Runs of syncs."
            case .publications: "Publications that are over, with their targets."
            case .metrics: "Each step of the counts of accounts, videos and the like."
            }
        }
    }

    private var lives: [Kind: Duration] = [:]

    /// As docs/operations.md lists.
    public static let usual = Retention()

    public subscript(kind: Kind) -> Duration {
        get { lives[kind] ?? .days(kind.usualDays) }
        set { lives[kind] = newValue }
    }

    /// `30d`, `36h`, or a number of days. From an hour to a hundred years; nil for anything else.
    static func life(_ text: String) -> Duration? {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        guard digits.utf8.count <= 6, let number = Int64(digits) else { return nil }
        let life: Duration
        switch text.dropFirst(digits.count) {
        case "", "d": life = .days(number)
        case "h": life = .hours(number)
        default: return nil
        }
        return life >= .hours(1) && life <= .days(36_525) ? life : nil
    }
}

extension Retention {
    /// As the store's retention takes them.
    var limits: RetentionLimits {
        var limits = RetentionLimits()
        limits.bodies = self[.bodies]
        limits.deliveries = self[.deliveries]
        limits.events = self[.events]
        limits.changes = self[.changes]
        limits.attempts = self[.attempts]
        limits.calls = self[.calls]
        limits.captures = self[.captures]
        limits.jobs = self[.jobs]
        limits.deadJobs = self[.deadJobs]
        limits.syncs = self[.syncs]
        limits.metrics = self[.metrics]
        limits.publications = self[.publications]
        return limits
    }
}
