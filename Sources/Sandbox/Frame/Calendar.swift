/// Civil dates of the Gregorian calendar in UTC: as much as billing periods need.
enum CivilDate {
    /// So many months later at the same hour; a day that the month has not is its last.
    static func adding(months: Int64, to second: Int64, anchorDay: Int64) -> Int64 {
        let days = second >= 0 ? second / 86_400 : (second - 86_399) / 86_400
        let (year, month, _) = date(days)
        let total = year * 12 + (month - 1) + months
        let (newYear, newMonth) = (total / 12, total % 12 + 1)
        let day = min(anchorDay, length(of: newMonth, in: newYear))
        return number(newYear, newMonth, day) * 86_400 + (second - days * 86_400)
    }

    static func day(of second: Int64) -> Int64 {
        date(second >= 0 ? second / 86_400 : (second - 86_399) / 86_400).day
    }

    private static func length(of month: Int64, in year: Int64) -> Int64 {
        let next = month == 12 ? number(year + 1, 1, 1) : number(year, month + 1, 1)
        return next - number(year, month, 1)
    }

    /// Days since 1970, by the usual shift of the year's start to March.
    private static func number(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
        let shifted = month <= 2 ? year - 1 : year
        let era = shifted / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    private static func date(_ number: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let shifted = number + 719_468
        let era = shifted / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let part = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * part + 2) / 5 + 1
        let month = part < 10 ? part + 3 : part - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
    }
}
