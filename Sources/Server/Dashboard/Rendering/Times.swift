import Kit

/// A moment as a page shows it; the script writes it anew where the reader's zone is not known yet.
struct TimeModel: Sendable, Equatable {
    /// RFC 3339, in UTC: what machines and the title read.
    let iso: String
    let text: String
    /// How the script writes it: `auto`, `clock`, `ms`, `minute`.
    let form: String
}

/// Writes moments for one reader.
struct Times: Sendable {
    let words: Words
    let zone: LocalZone
    let now: Timestamp

    init(words: Words, zone: LocalZone, now: Timestamp) { (self.words, self.zone, self.now) = (words, zone, now) }
    /// In a zone of which only the distance from UTC is known.
    init(words: Words, offset: Duration, now: Timestamp) {
        self.init(words: words, zone: LocalZone(name: "", usual: offset), now: now)
    }

    /// Within a day `14:03:12`, this year `14 Nov 03:00`, else `14 Nov 2025`.
    func moment(_ moment: Timestamp) -> TimeModel {
        let there = civil(moment)
        let away = moment > now ? moment - now : now - moment
        if away < .days(1) { return model(moment, there.clock, "auto") }
        let isKorean = words.language == .korean
        let day = self.day(there.month, there.day)
        if there.year == civil(now).year { return model(moment, "\(day) \(there.minute)", "auto") }
        return model(moment, isKorean ? "\(there.year)년 \(day)" : "\(day) \(there.year)", "auto")
    }
    /// `14:03:12`.
    func clock(_ moment: Timestamp) -> TimeModel { model(moment, civil(moment).clock, "clock") }
    /// `14:03`.
    func minute(_ moment: Timestamp) -> TimeModel { model(moment, civil(moment).minute, "minute") }
    /// `14:03:12.482`; the date where it is another day's.
    func exact(_ moment: Timestamp) -> TimeModel {
        guard now - moment < .days(1) else { return self.moment(moment) }
        return model(moment, civil(moment).milliseconds, "ms")
    }
    /// How long ago: `5 min`.
    func age(_ moment: Timestamp) -> String { words.age(now - moment) }

    /// `14 Nov`.
    func day(_ month: Int, _ day: Int) -> String {
        words.language == .korean ? "\(month)월 \(day)일" : "\(day) \(Self.months[month - 1])"
    }

    private func civil(_ moment: Timestamp) -> Civil { Civil(moment + zone.offset(at: moment)) }

    private func model(_ moment: Timestamp, _ text: String, _ form: String) -> TimeModel {
        TimeModel(iso: moment.rfc3339, text: text, form: form)
    }

    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    /// The parts of a moment, from its RFC 3339 text, whose columns are fixed.
    private struct Civil {
        private let text: [UInt8]
        init(_ moment: Timestamp) { text = Array(moment.rfc3339.utf8) }

        var year: Int { number(0..<4) }
        /// 1 to 12.
        var month: Int { min(12, max(1, number(5..<7))) }
        var day: Int { number(8..<10) }
        var minute: String { part(11..<16) }
        var clock: String { part(11..<19) }
        var milliseconds: String { part(11..<23) }

        private func part(_ columns: Range<Int>) -> String {
            String(decoding: text[columns.clamped(to: text.indices)], as: UTF8.self)
        }
        private func number(_ columns: Range<Int>) -> Int { Int(part(columns)) ?? 0 }
    }
}
