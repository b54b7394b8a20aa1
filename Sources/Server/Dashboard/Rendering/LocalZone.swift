import Foundation
import Kit

/// A reader's zone: its rules where its name is known, else the distance from UTC that the browser named.
struct LocalZone: Sendable, Equatable {
    let name: String
    private let rules: TimeZone?
    private let usual: Int64

    /// - Parameter usual: east of UTC, where no rules are known by this name.
    init(name: String, usual: Duration) {
        self.name = name
        rules = name.isEmpty ? nil : TimeZone(identifier: name)
        self.usual = usual.components.seconds
    }

    /// East of UTC at a moment.
    func offset(at moment: Timestamp) -> Duration { .seconds(seconds(at: moment.seconds)) }

    private func seconds(at moment: Int64) -> Int64 {
        rules.map { Int64($0.secondsFromGMT(for: Date(timeIntervalSince1970: Double(moment)))) } ?? usual
    }

    /// The day there, counted from 1970.
    func day(of moment: Timestamp) -> Int64 { (moment + offset(at: moment)).day }

    /// The first moment of a day; where clocks skip midnight, the moment at which they do.
    func start(of day: Int64) -> Timestamp {
        let clock = day * 86_400
        return moment(clock: clock) ?? Timestamp(seconds: clock - seconds(at: clock - 86_400))
    }

    /// The moment at which clocks there show it: the first where they show it twice, nil where they skip it.
    func moment(day: Int64, minute: Int) -> Timestamp? { moment(clock: day * 86_400 + Int64(minute) * 60) }

    private func moment(clock: Int64) -> Timestamp? {
        [seconds(at: clock - 86_400), seconds(at: clock + 86_400)].map { clock - $0 }.sorted()
            .first { $0 + seconds(at: $0) == clock }.map(Timestamp.init(seconds:))
    }

    /// What a browser's field for day and time holds: `2026-03-29T02:30`.
    func field(of moment: Timestamp) -> String { String((moment + offset(at: moment)).rfc3339.prefix(16)) }

    /// Reads it. Nil for what is no such text; `.skipped` for a time that no clock shows.
    func moment(field text: String) -> Result<Timestamp, Skipped>? {
        guard text.utf8.count >= 16, let clock = Timestamp(rfc3339: text.prefix(16) + ":00Z") else { return nil }
        return moment(clock: clock.seconds).map(Result.success) ?? .failure(Skipped())
    }

    /// Clocks go forward over it.
    struct Skipped: Error {}
}
