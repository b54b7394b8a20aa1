/// How a quota's limits are counted: made once for a quota, shared by all its keys.
public final class MeterPlan: Sendable {
    /// How one window lies in a meter's words.
    enum Form: Sendable, Equatable {
        /// The time of every answer: exact to the millisecond, for up to `Segment.logMax` units.
        case log
        /// Sixty buckets; a unit is free when all of its bucket is.
        case buckets
        /// One count for the window, one for what may be in the next already.
        case fixed
        case concurrent
    }

    struct Segment: Sendable {
        static let logMax = 30
        static let buckets: Int64 = 60
        static let header = 7

        let limit: Quota.Limit
        let form: Form
        /// Where its words begin.
        let start: Int
        let words: Int
        /// Microseconds; of a bucket, of a tick of the log.
        let grain: Int64
        /// Microseconds.
        let length: Int64
        /// How far the platform's clock and ours may differ where borders are by the clock, in microseconds.
        let slack: Int64
        /// Buckets with 24 bits instead of 16.
        let isWide: Bool
    }

    let segments: [Segment]
    /// Words of one meter.
    public let size: Int
    /// Of a limit, the part that we may use, from 0 to 1.
    public let share: Double

    /// The part of the share that ordinary work may use; the rest is for what is urgent or awaited.
    static let budget = 0.8
    /// Of a border by the clock.
    static let clockSlack: Int64 = 2_000_000

    public init(_ limits: [Quota.Limit], share: Double = 1) {
        var start = 0
        segments = limits.map { limit in
            let segment = Self.segment(limit, at: start)
            start += segment.words
            return segment
        }
        size = start
        self.share = min(1, max(0, share))
    }

    public convenience init(_ quota: Quota, share: Double = 1) { self.init(quota.limits, share: share) }

    private static func segment(_ limit: Quota.Limit, at start: Int) -> Segment {
        let length = max(1, limit.window.length.microseconds)
        let isWide = limit.units > 0xFFFF
        let form: Form =
            switch limit.window {
            case .rolling: limit.units <= Segment.logMax ? .log : .buckets
            case .fixed, .day, .month: .fixed
            case .concurrent: .concurrent
            }
        let payload =
            switch form {
            case .log: min(limit.units, Segment.logMax)
            case .buckets: isWide ? 45 : 30
            case .fixed: 1
            case .concurrent: 0
            }
        // One bucket less than there are covers the window, so that the oldest is past it when it is used anew.
        let grain =
            form == .buckets
            ? (length + Segment.buckets - 2) / (Segment.buckets - 1) : max(1000, length / 0x7FFF_FFFF + 1)
        return Segment(
            limit: limit, form: form, start: start, words: Segment.header + payload, grain: grain, length: length,
            slack: min(clockSlack, length / 10), isWide: isWide)
    }

    /// Units that work of this priority may bring a limit to: the budget, or for what is urgent or awaited the share.
    public func ceiling(of limit: Int, for priority: Priority) -> Int {
        let shared = Int(Double(limit) * share)
        switch priority {
        case .urgent, .person: return max(1, shared)
        case .event, .publishing, .sync, .analytics: return max(1, Int(Double(limit) * share * Self.budget))
        }
    }
}

/// A moment by two clocks: one that never jumps, for windows that roll, and the wall's, for borders by the clock.
public struct Moment: Sendable, Equatable {
    /// Microseconds.
    public let steady: Int64
    public let wall: Timestamp

    public init(steady: Int64, wall: Timestamp) {
        self.steady = steady
        self.wall = wall
    }
    /// Where one clock serves for both.
    public init(_ wall: Timestamp) { self.init(steady: wall.microseconds, wall: wall) }
}
