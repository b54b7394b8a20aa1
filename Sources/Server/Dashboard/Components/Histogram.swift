import Kit
import Store

/// Deliveries of each minute as bars, the refused ones on top: an SVG whose lengths are attributes, said in a sentence,
/// with a table below.
struct Histogram: Sendable {
    struct Bar: Sendable {
        let x: String
        let y: String
        let height: String
        let isLast: Bool
    }
    struct Mark: Sendable {
        let x: String
        let text: String
        let anchor: String
        let time: TimeModel
    }
    struct Minute: Sendable {
        let time: TimeModel
        let came: String
        let refused: String
    }

    let sentence: String
    let width: String
    let bars: [Bar]
    let refused: [Bar]
    let marks: [Mark]
    /// The minutes in which something came, the newest first.
    let minutes: [Minute]
    let top: String

    /// The picture's inner size; it scales with its place.
    private static let (wide, high) = (1000.0, 64.0)
    /// Minutes that are drawn strongly: the last ones.
    private static let strong = 10

    init(_ history: TrafficHistory, _ request: PageRequest) {
        let (words, count) = (request.words, max(1, history.came.count))
        let most = max(1, history.came.max() ?? 1)
        let step = Self.wide / Double(count)
        func bar(_ minute: Int, _ value: Int, above: Int = 0) -> Bar {
            // What came at all is seen.
            let height = max(value > 0 ? 2 : 0, Double(value) / Double(most) * Self.high)
            let base = Self.high + 6 - Double(above) / Double(most) * Self.high
            return Bar(
                x: Self.text(Double(minute) * step), y: Self.text(base - height), height: Self.text(height),
                isLast: minute >= count - Self.strong)
        }
        let came = zip(history.came, history.refused).map { max(0, $0 - $1) }
        bars = came.enumerated().filter { $0.element > 0 }.map { bar($0.offset, $0.element) }
        refused = history.refused.enumerated().filter { $0.element > 0 }.map {
            bar($0.offset, $0.element, above: came[$0.offset])
        }
        width = Self.text(max(1, step - 2.5))
        top = words.number(most)
        let times = request.times
        marks = [(0, "start"), (count / 2, "middle"), (count, "end")].map { minute, anchor in
            let time = times.minute(history.from + .minutes(Int64(minute)))
            return Mark(x: Self.text(Double(minute) * step), text: time.text, anchor: anchor, time: time)
        }
        let total = history.came.reduce(0, +)
        sentence = words(
            history.isEstimate ? "chart.traffic_about" : "chart.traffic",
            [
                "minutes": words.number(count), "n": words.number(total),
                "refused": words.number(history.refused.reduce(0, +)), "top": words.number(most),
            ])
        minutes = history.came.indices.reversed().filter { history.came[$0] > 0 }.prefix(90).map { minute in
            Minute(
                time: times.minute(history.from + .minutes(Int64(minute))), came: words.number(history.came[minute]),
                refused: words.number(history.refused[minute]))
        }
    }

    /// With one digit after the point.
    private static func text(_ value: Double) -> String {
        let tenths = Int((value * 10).rounded())
        return tenths % 10 == 0 ? String(tenths / 10) : "\(tenths / 10).\(abs(tenths % 10))"
    }
}
