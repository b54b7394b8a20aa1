/// A moment in UTC: microseconds since 1970 in an integer, as every table stores it.
///
/// Arithmetic saturates: a platform's `expires_in: 9e18` gives the far end of time, never a trap.
public struct Timestamp: Sendable, Hashable, Comparable, Codable {
    public let microseconds: Int64

    public init(microseconds: Int64) { self.microseconds = microseconds }

    /// Whole seconds since 1970, as most platforms send them; saturates beyond the years ±292,000.
    public init(seconds: Int64) {
        let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000)
        microseconds = overflow ? (seconds < 0 ? .min : .max) : product
    }

    /// Milliseconds since 1970, as some platforms send them; saturates likewise.
    public init(milliseconds: Int64) {
        let (product, overflow) = milliseconds.multipliedReportingOverflow(by: 1000)
        microseconds = overflow ? (milliseconds < 0 ? .min : .max) : product
    }

    public static let zero = Timestamp(microseconds: 0)

    /// Whole seconds since 1970, rounded down.
    public var seconds: Int64 { microseconds / 1_000_000 - (microseconds % 1_000_000 < 0 ? 1 : 0) }

    /// Days since 1970, rounded down: the `day` of an event's identity.
    public var day: Int64 { seconds >= 0 ? seconds / 86_400 : (seconds - 86_399) / 86_400 }

    public static func < (left: Self, right: Self) -> Bool { left.microseconds < right.microseconds }

    public static func + (moment: Self, duration: Duration) -> Self {
        let (sum, overflow) = moment.microseconds.addingReportingOverflow(duration.microseconds)
        return Timestamp(microseconds: overflow ? (duration.microseconds < 0 ? .min : .max) : sum)
    }
    public static func - (moment: Self, duration: Duration) -> Self {
        let (difference, overflow) = moment.microseconds.subtractingReportingOverflow(duration.microseconds)
        return Timestamp(microseconds: overflow ? (duration.microseconds > 0 ? .min : .max) : difference)
    }
    public static func - (left: Self, right: Self) -> Duration {
        let (difference, overflow) = left.microseconds.subtractingReportingOverflow(right.microseconds)
        return .microseconds(overflow ? (left < right ? Int64.min : Int64.max) : difference)
    }
}

extension Duration {
    /// The whole in microseconds, saturating; finer parts are cut.
    public var microseconds: Int64 {
        let (seconds, attoseconds) = components
        let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000)
        let (sum, overflowSum) = product.addingReportingOverflow(attoseconds / 1_000_000_000_000)
        return overflow || overflowSum ? (seconds < 0 ? .min : .max) : sum
    }
    /// The whole in seconds with a fraction, for metrics and messages.
    public var inSeconds: Double { Double(components.seconds) + Double(components.attoseconds) / 1e18 }

    public static func minutes(_ minutes: Int64) -> Duration { .seconds(minutes * 60) }
    public static func hours(_ hours: Int64) -> Duration { .seconds(hours * 3600) }
    public static func days(_ days: Int64) -> Duration { .seconds(days * 86_400) }
}
