import Kit
import Store

/// A day of tries as small bars, without axes, with what they come to beside them.
struct Sparkline: Sendable {
    struct Bar: Sendable {
        /// In hundredths of the height, from the top.
        let x: Int
        let y: Int
        let height: Int
        /// `ok` or `failed`.
        let state: String
    }
    let bars: [Bar]
    /// What it shows, as a sentence.
    let label: String
    /// `99.2 %`; a dash where nothing was tried.
    let last: String

    static let hours = 24
    private static let top = 20

    init(_ hours: AttemptHours, _ words: Words) {
        let tallest = max(1, zip(hours.delivered, hours.failed).map { $0 + $1 }.max() ?? 1)
        bars = zip(hours.delivered, hours.failed).enumerated().flatMap { index, counts -> [Bar] in
            // What is there at all is seen, however small beside the rest.
            let height = { (count: Int) in count == 0 ? 0 : max(2, count * Self.top / tallest) }
            let (good, bad) = (height(counts.0), min(height(counts.1), Self.top - min(Self.top - 2, height(counts.0))))
            return [
                Bar(x: index * 4, y: Self.top - good, height: good, state: "ok"),
                Bar(x: index * 4, y: Self.top - good - bad, height: bad, state: "failed"),
            ].filter { $0.height > 0 }
        }
        let delivered = hours.delivered.reduce(0, +)
        guard hours.total > 0 else {
            (label, last) = (words("spark.nothing"), "–")
            return
        }
        let tenths = delivered * 1000 / hours.total
        last = words.percent(tenths: tenths)
        label = words(
            hours.isCut ? "spark.label_cut" : "spark.label",
            ["share": last, "n": words.number(delivered), "total": words.number(hours.total)])
    }
}

extension Words {
    /// `99.2 %`, `100 %`; Korean has no blank.
    func percent(tenths: Int) -> String {
        let text = tenths % 10 == 0 ? "\(tenths / 10)" : "\(tenths / 10).\(tenths % 10)"
        return text + (language == .korean ? "%" : "\u{2009}%")
    }
}
