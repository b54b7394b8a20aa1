/// A day of the calendar, in UTC.
public struct Day: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// Since 1970.
    public let number: Int64

    public init(_ year: Int64, _ month: Int, _ dayOfMonth: Int) {
        number = CivilDate(year: year, month: month, dayOfMonth: dayOfMonth).dayNumber
    }

    /// When it begins.
    public var start: Timestamp { Timestamp(seconds: number * 86_400) }
    /// `2028-02-18`.
    public var description: String { String(start.rfc3339.prefix(10)) }
    public static func < (left: Self, right: Self) -> Bool { left.number < right.number }
}
