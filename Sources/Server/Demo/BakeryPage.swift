import DashboardFiles
import Glibc
import Kit

/// How fast the story goes, as the slider shows it: by powers of ten, since one and a thousand a second are wanted.
struct StoryPace: Sendable, Equatable {
    let rate: Double
    let isPaused: Bool

    /// What a story can be, in events a second: the sandbox sends no slower and no faster.
    private static let (slowest, fastest) = (0.001, 1000.0)

    /// From 0 for nothing to 100 for a thousand a second.
    static func rate(at position: Double) -> Double { position < 1 ? 0 : pow(10, position * 0.04 - 1) }

    var position: Int { rate <= 0 ? 0 : Int(min(100, max(1, (log10(rate) + 1) / 0.04)).rounded()) }

    var sentence: String {
        if isPaused { return "Paused: nothing new happens." }
        if rate <= 0 { return "Nothing new happens." }
        let rate = min(max(rate, Self.slowest), Self.fastest)
        if rate < 0.95 { return "About one event every \(Int((1 / rate).rounded())) seconds." }
        return "About \(Int(rate.rounded())) events a second."
    }
}

/// The bakery's page, in finished words.
struct BakeryPage: Sendable {
    struct Row: Sendable {
        let name: String
        let user: String
        let plan: String
        let until: String?
        let pill: Pill
        let href: String
    }
    struct Line: Sendable {
        let lamp: Lamp
        let clock: String
        let iso: String
        let sentence: String
    }
    struct Code: Sendable {
        let name: String
        let text: String
        let isOpen: Bool
    }

    let version: Int64
    let isFailing: Bool
    let pace: StoryPace
    let position: Int
    let paceSentence: String
    let isPaused: Bool
    let dashboard: String
    let lede: String
    let more: String?
    let rows: [Row]
    let hasRows: Bool
    let lines: [Line]
    let hasLines: Bool
    let verified: String
    let repeats: String
    let refused: String
    let failed: String
    let health: Pill
    let codes: [Code]

    init(_ view: BakeryShop.View, _ pace: StoryPace, dashboard: String) {
        let words = Words.of(.english)
        version = view.version
        isFailing = view.isFailing
        self.pace = pace
        position = pace.position
        paceSentence = pace.sentence
        isPaused = pace.isPaused
        self.dashboard = dashboard
        lede =
            view.count == 0
            ? "Nobody has signed up yet." : "\(words.number(view.active)) members, \(words.number(view.count)) known."
        more = view.count > view.members.count ? "and \(words.number(view.count - view.members.count)) more" : nil
        rows = view.members.map { member in
            let (lamp, word) = BakeryWords.status(member.status)
            return Row(
                name: BakeryWords.name(member.user), user: member.user, plan: BakeryWords.plan(member.plan),
                until: member.paidUntil.map { "paid until \($0.prefix(10))" }, pill: Pill(lamp, word),
                href: dashboard + "/search?q=" + PercentEncoding.encode(member.user))
        }
        hasRows = !rows.isEmpty
        lines = view.news.map { news in
            let text = news.at.rfc3339
            return Line(
                lamp: Lamp(news.lamp), clock: String(text.dropFirst(11).prefix(8)), iso: text, sentence: news.sentence)
        }
        hasLines = !lines.isEmpty
        verified = words.number(view.counts.verified)
        repeats = words.number(view.counts.repeats)
        refused = words.number(view.counts.refused)
        failed = words.number(view.counts.failed)
        health = Pill(view.isFailing ? .failed : .ok, view.isFailing ? "broken: answers 500" : "well: answers 204")
        codes = [
            ("Python", DashboardFiles.verifying.python), ("JavaScript", DashboardFiles.verifying.javaScript),
            ("Swift", DashboardFiles.verifying.swift),
        ].map { name, bytes in
            Code(name: name, text: String(decoding: bytes, as: UTF8.self), isOpen: name == "Python")
        }
    }
}
