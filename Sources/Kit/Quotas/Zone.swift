/// A time zone as platforms reset their days in: an offset, and the rule of its summer time.
public struct Zone: Sendable, Hashable {
    /// When clocks are one hour ahead.
    public enum Summer: Sendable, Hashable {
        case never
        /// From the second Sunday of March, 02:00, to the first of November, 02:00 of summer time (since 2007).
        case unitedStates
    }

    /// Standard time's distance from UTC, in seconds: -28,800 for California.
    public let offset: Int64
    public let summer: Summer

    public init(offset: Int64, summer: Summer = .never) {
        self.offset = offset
        self.summer = summer
    }

    public static let utc = Zone(offset: 0)
    /// Where Google's days begin.
    public static let pacific = Zone(offset: -8 * 3600, summer: .unitedStates)

    /// Seconds to add to UTC at a moment.
    func shift(at moment: Timestamp) -> Int64 {
        switch summer {
        case .never: offset
        case .unitedStates: isUnitedStatesSummer(moment.seconds) ? offset + 3600 : offset
        }
    }

    /// The first midnight after a moment.
    public func nextDay(after moment: Timestamp) -> Timestamp {
        let local = moment.seconds + shift(at: moment)
        return utc(local.flooredDay + 1)
    }

    /// The first midnight of a month after a moment.
    public func nextMonth(after moment: Timestamp) -> Timestamp {
        let date = CivilDate(day: (moment.seconds + shift(at: moment)).flooredDay)
        let isLast = date.month == 12
        return utc(
            CivilDate(year: date.year + (isLast ? 1 : 0), month: isLast ? 1 : date.month + 1, dayOfMonth: 1).dayNumber)
    }

    /// Midnight of a local day. No zone changes its clock at midnight by these rules, so it is there once.
    private func utc(_ day: Int64) -> Timestamp {
        let local = day * 86_400
        let guess = Timestamp(seconds: local - offset)
        let shifted = Timestamp(seconds: local - shift(at: guess))
        // Near a change the guess may stand on the other side of it.
        return shift(at: shifted) == shift(at: guess) ? shifted : Timestamp(seconds: local - shift(at: shifted))
    }

    private func isUnitedStatesSummer(_ seconds: Int64) -> Bool {
        let year = CivilDate(day: (seconds + offset).flooredDay).year
        let begins = CivilDate.sunday(2, of: 3, in: year) * 86_400 + 2 * 3600 - offset
        let ends = CivilDate.sunday(1, of: 11, in: year) * 86_400 + 3600 - offset
        return (begins..<ends).contains(seconds)
    }
}

extension Int64 {
    fileprivate var flooredDay: Int64 { self >= 0 ? self / 86_400 : (self - 86_399) / 86_400 }
}

extension CivilDate {
    /// The day number of a month's n-th Sunday. 1970-01-04 was one.
    fileprivate static func sunday(_ number: Int64, of month: Int, in year: Int64) -> Int64 {
        let first = CivilDate(year: year, month: month, dayOfMonth: 1).dayNumber
        let toSunday = ((3 - first) % 7 + 7) % 7
        return first + toSunday + (number - 1) * 7
    }
}
