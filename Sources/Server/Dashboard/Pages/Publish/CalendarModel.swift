import Kit
import Store

/// A calendar of what is published, as its template draws it.
struct CalendarModel: Sendable {
    /// One account's part of a publication.
    struct Slot: Sendable {
        let href: String
        let jack: Jack
        let account: String
        let state: String
        let lamp: Lamp
        let word: String
        let time: TimeModel
        let title: String
        /// What needs somebody has a wash.
        let isLoud: Bool
        /// Where a new time is sent to; nil for what cannot be moved.
        let move: String?
        let version: Int64
        /// Its time on the reader's clock: `2026-11-29T11:00`.
        let local: String
    }
    /// A day, or an hour of one; what came before now and what comes after.
    struct Cell: Sendable {
        let isPast: Bool
        let isNow: Bool
        let before: [Slot]
        let after: [Slot]
        var label = ""
        var href = ""
        var isToday = false
        var more: String?
        /// The day that it stands for, where others may be dropped on it.
        var day: String?
    }
    struct Day: Sendable {
        let name: String
        let number: String
        let href: String
        let isToday: Bool
        let slots: [Slot]
        let hasSlots: Bool
    }
    struct Row: Sendable {
        let label: String
        let cells: [Cell]
    }

    let title: String
    let back: String
    let today: String
    let next: String
    let here: String
    let isGrid: Bool
    let isDay: Bool
    let isMonth: Bool
    let days: [Day]
    /// In the order in which a week has them.
    let weekdays: [String]
    let rows: [Row]
    /// More than is drawn.
    let more: String?
    let empty: Empty?
    let legend: [Pill]
}

/// Reads and lays out a calendar.
struct CalendarReading: Sendable {
    /// More publications than this are not drawn at once.
    private static let publicationsMax = 500
    private static let slotsInMonth = 3
    /// Rows of a week are so many hours; those of the working day are always there.
    private static let (bandHours, usualBands): (Int, Range<Int>) = (2, 4..<11)

    private let view: CalendarView
    private let request: PageRequest
    private var zone: LocalZone { request.reader.local }

    init(_ view: CalendarView, _ request: PageRequest) { (self.view, self.request) = (view, request) }

    /// A slot with its place.
    private struct Placed {
        let at: Timestamp
        let day: Int64
        let minute: Int
        let slot: CalendarModel.Slot
    }

    func model() async throws -> CalendarModel {
        let (words, days) = (request.words, view.days)
        let (from, to) = (zone.start(of: days.lowerBound), zone.start(of: days.upperBound))
        let found = try await request.app.database.read("calendar") { session in
            let rows = try session.publications(
                from: from, to: to, connection: view.connection, limit: Self.publicationsMax + 1)
            let views = try session.views(of: Array(rows.prefix(Self.publicationsMax)))
            var names: [String: String] = [:]
            for id in Set(views.flatMap { $0.targets.map(\.row.connection) }) {
                names[id.text] = try session.connection(id).map { ConnectionWords.name($0, words) }
            }
            return (views: views, names: names, hasMore: rows.count > Self.publicationsMax)
        }
        let placed = found.views.flatMap { publication in
            publication.targets.filter { view.connection == nil || $0.row.connection.text == view.connection }
                .map { place(publication, $0, found.names) }
        }
        let byDay = Dictionary(grouping: placed, by: \.day)
        let rows: [CalendarModel.Row] =
            switch view.kind {
            case .week: bands(byDay)
            case .day, .list: hours(placed)
            case .month: weeks(byDay)
            }
        return CalendarModel(
            title: view.title(request), back: view.before, today: view.address(date: view.today), next: view.after,
            here: view.address(), isGrid: view.kind == .week, isDay: view.kind == .day, isMonth: view.kind == .month,
            days: days.map { day($0, byDay[$0] ?? []) }, weekdays: days.prefix(7).map(weekday), rows: rows,
            more: found.hasMore ? words("calendar.too_many", ["n": words.number(Self.publicationsMax)]) : nil,
            empty: placed.isEmpty ? PublishPage.empty(words) : nil,
            legend: [TargetState.published, .uploading, .scheduled, .failed, .unknown].map {
                PublicationWords.pill($0, words)
            })
    }

    private func place(_ publication: PublicationView, _ target: TargetView, _ names: [String: String]) -> Placed {
        let (row, words) = (target.row, request.words)
        let at = publication.row.publishAt ?? publication.row.createdAt
        let day = zone.day(of: at)
        let minute = Int((at + zone.offset(at: at) - Timestamp(seconds: day * 86_400)).components.seconds / 60)
        let isMovable = request.mayAct && publication.targets.allSatisfy { $0.row.state == .scheduled }
        let state = PublicationWords.lamp(row.state)
        return Placed(
            at: at, day: day, minute: minute,
            slot: CalendarModel.Slot(
                href: "/publish/\(publication.row.id)", jack: Jack(ProviderNames.of(row.provider)),
                account: names[row.connection.text] ?? words("connections.gone"), state: state.rawValue,
                lamp: Lamp(state), word: PublicationWords.state(row.state, words), time: request.times.minute(at),
                title: PublicationWords.text(publication.row, words),
                isLoud: row.state == .failed || row.state == .unknown,
                move: isMovable ? "/publish/\(publication.row.id)/when" : nil, version: publication.row.version,
                local: zone.field(of: at)))
    }

    private func day(_ day: Int64, _ placed: [Placed]) -> CalendarModel.Day {
        CalendarModel.Day(
            name: weekday(day),
            number: String(CivilDate(day: day).dayOfMonth), href: view.address(.day, date: day),
            isToday: day == view.today, slots: placed.map(\.slot), hasSlots: !placed.isEmpty)
    }

    private func weekday(_ day: Int64) -> String {
        request.words("calendar.weekday.\(CalendarView.weekdays[Int(CalendarView.weekday(day))])")
    }

    private func cell(_ placed: [Placed], isPast: Bool, isNow: Bool) -> CalendarModel.Cell {
        CalendarModel.Cell(
            isPast: isPast, isNow: isNow, before: placed.filter { $0.at <= request.now }.map(\.slot),
            after: placed.filter { $0.at > request.now }.map(\.slot))
    }

    // MARK: Rows

    /// A week: bands of two hours as clocks show them, a column a day.
    private func bands(_ byDay: [Int64: [Placed]]) -> [CalendarModel.Row] {
        let length = Self.bandHours * 60
        let used = byDay.values.joined().map { $0.minute / length }
        let first = min(used.min() ?? 4, Self.usualBands.lowerBound)
        let last = max(used.max() ?? 0, Self.usualBands.upperBound - 1)
        let now = Int((request.now + zone.offset(at: request.now)).seconds - view.today * 86_400) / 60
        return (first...last).map { band in
            let cells = view.days.map { day in
                let inBand = (byDay[day] ?? []).filter { $0.minute / length == band }
                let isOver = day < view.today || day == view.today && (band + 1) * length <= now
                var cell = cell(inBand, isPast: isOver, isNow: day == view.today && now / length == band)
                cell.day = day < view.today ? nil : CalendarView.text(day)
                return cell
            }
            return CalendarModel.Row(label: "\(band < 5 ? "0" : "")\(band * Self.bandHours):00", cells: cells)
        }
    }

    /// A day: each hour that passes, 23 where clocks go forward and 25 where they go back.
    private func hours(_ placed: [Placed]) -> [CalendarModel.Row] {
        let (start, end) = (zone.start(of: view.date), zone.start(of: view.date + 1))
        let length = (end - start).components.seconds
        let changes = length != 86_400
        return stride(from: Int64(0), to: length, by: 3600).map { seconds in
            let from = start + .seconds(seconds)
            let to = min(end, from + .hours(1))
            let isNow = from <= request.now && request.now < to
            let label = request.times.minute(from).text + (changes ? " " + Self.shift(zone.offset(at: from)) : "")
            let within = placed.filter { from <= $0.at && $0.at < to }
            return CalendarModel.Row(label: label, cells: [cell(within, isPast: to <= request.now, isNow: isNow)])
        }
    }

    /// A month: a row a week, a cell a day with its first slots.
    private func weeks(_ byDay: [Int64: [Placed]]) -> [CalendarModel.Row] {
        stride(from: view.days.lowerBound, to: view.days.upperBound, by: 7).map { first in
            let cells = (first..<first + 7).map { day in
                let placed = byDay[day] ?? []
                var cell = cell(Array(placed.prefix(Self.slotsInMonth)), isPast: day < view.today, isNow: false)
                (cell.label, cell.href) = (String(CivilDate(day: day).dayOfMonth), view.address(.day, date: day))
                cell.isToday = day == view.today
                cell.day = day < view.today ? nil : CalendarView.text(day)
                let rest = placed.count - Self.slotsInMonth
                if rest > 0 { cell.more = request.words("calendar.more", ["n": request.words.number(rest)]) }
                return cell
            }
            return CalendarModel.Row(label: "", cells: cells)
        }
    }

    /// `+02:00`.
    private static func shift(_ offset: Duration) -> String {
        let minutes = abs(offset.components.seconds) / 60
        let text = [minutes / 60, minutes % 60].map { $0 < 10 ? "0\($0)" : "\($0)" }.joined(separator: ":")
        return (offset < .zero ? "−" : "+") + text
    }
}
