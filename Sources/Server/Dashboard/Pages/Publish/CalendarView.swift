import Kit
import Store

/// Which days of the calendar an address shows, in the reader's zone: `?view=week&date=2026-11-21`.
struct CalendarView: Sendable {
    enum Kind: String, Sendable, CaseIterable { case day, week, month, list }

    let kind: Kind
    /// Counted from 1970.
    let date: Int64
    let today: Int64
    /// Which weekday weeks begin on: 0 for Monday.
    private let begins: Int64
    private let account: String?

    init(_ request: PageRequest) {
        // The list had this address first: what asks for a part of it gets it.
        let usual: Kind = request.query["state"] == nil && request.query["before"] == nil ? .week : .list
        kind = request.query["view"].flatMap(Kind.init(rawValue:)) ?? usual
        today = request.reader.local.day(of: request.now)
        let asked = request.query["date"].flatMap { Timestamp(rfc3339: $0.prefix(10) + "T00:00:00Z") }
        date = asked?.day ?? today
        begins = request.words("calendar.week_begins") == "sunday" ? 6 : 0
        account = request.query["account"].flatMap { ID<ConnectionKind>($0)?.text }
    }

    /// 0 for Monday: the first of 1970 was a Thursday.
    static func weekday(_ day: Int64) -> Int64 { ((day + 3) % 7 + 7) % 7 }

    private func weekStart(_ day: Int64) -> Int64 { day - (Self.weekday(day) - begins + 7) % 7 }

    /// The days that are drawn.
    var days: Range<Int64> {
        switch kind {
        case .day, .list: return date..<date + 1
        case .week: return weekStart(date)..<weekStart(date) + 7
        case .month:
            let first = month.lowerBound
            return weekStart(first)..<weekStart(month.upperBound - 1) + 7
        }
    }

    /// The days of the month.
    var month: Range<Int64> {
        let civil = CivilDate(day: date)
        let first = CivilDate(year: civil.year, month: civil.month, dayOfMonth: 1).dayNumber
        let isLast = civil.month == 12
        let next = CivilDate(year: civil.year + (isLast ? 1 : 0), month: isLast ? 1 : civil.month + 1, dayOfMonth: 1)
        return first..<next.dayNumber
    }

    var before: String {
        switch kind {
        case .day, .list: address(date: date - 1)
        case .week: address(date: date - 7)
        case .month: address(date: month.lowerBound - 1)
        }
    }
    var after: String {
        switch kind {
        case .day, .list: address(date: date + 1)
        case .week: address(date: date + 7)
        case .month: address(date: month.upperBound)
        }
    }

    func address(_ kind: Kind? = nil, date: Int64? = nil) -> String {
        let day = date ?? self.date
        return "/publish"
            + BrowserText.query([
                ("view", (kind ?? self.kind).rawValue), ("date", day == today ? nil : Self.text(day)),
                ("account", account),
            ])
    }

    var connection: String? { account }

    /// `2026-11-21`.
    static func text(_ day: Int64) -> String { String(Timestamp(seconds: day * 86_400).rfc3339.prefix(10)) }

    func tabs(_ words: Words) -> [Tab] {
        Kind.allCases.map {
            Tab(label: words("calendar.view.\($0.rawValue)"), href: address($0), isHere: $0 == kind)
        }
    }

    /// `16 Nov – 22 Nov 2026`.
    func title(_ request: PageRequest) -> String {
        let (words, times) = (request.words, request.times)
        func name(_ day: Int64) -> String {
            let civil = CivilDate(day: day)
            return times.day(civil.month, civil.dayOfMonth)
        }
        let shown = CivilDate(day: kind == .week ? days.upperBound - 1 : date)
        let year = String(shown.year)
        switch kind {
        case .day, .list: return words("calendar.day", ["day": name(date), "year": year])
        case .week:
            return words(
                "calendar.week", ["from": name(days.lowerBound), "to": name(days.upperBound - 1), "year": year])
        case .month:
            return words(
                "calendar.month",
                ["month": words("calendar.month.\(Self.months[max(0, min(11, shown.month - 1))])"), "year": year])
        }
    }

    private static let months = [
        "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
        "december",
    ]
    static let weekdays = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
}
