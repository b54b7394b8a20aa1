import Kit
import Synchronization

/// Numbers for Prometheus: counters, gauges and histograms by name and labels.
///
/// Label values come from small closed sets (platform ids, verdicts, states), never from outside text.
public final class Metrics: Sendable {
    /// Bounds in seconds, from half a millisecond to ten seconds.
    public static let latencyBounds: [Double] = [
        0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
    ]
    /// Series of one name; more are dropped, so that a mistake in labels cannot fill the memory.
    private static let seriesMax = 1000

    private enum Value {
        case counter(Double)
        case gauge(Double)
        case histogram(counts: [UInt64], sum: Double, count: UInt64)
    }
    private struct Family {
        let kind: String
        let help: String
        var series: [String: Value] = [:]
    }
    private let families = Mutex<[String: Family]>([:])

    public init() {}

    public func count(
        _ name: String, _ labels: KeyValuePairs<String, String> = [:], by amount: Double = 1, help: String
    ) {
        change(name, labels, "counter", help) { value in
            if case .counter(let old) = value { .counter(old + amount) } else { .counter(amount) }
        }
    }
    public func set(_ name: String, _ labels: KeyValuePairs<String, String> = [:], to amount: Double, help: String) {
        change(name, labels, "gauge", help) { _ in .gauge(amount) }
    }
    public func observe(
        _ name: String, _ labels: KeyValuePairs<String, String> = [:], _ duration: Duration, help: String
    ) {
        let seconds = duration.inSeconds
        change(name, labels, "histogram", help) { value in
            var (counts, sum, count) = ([UInt64](repeating: 0, count: Self.latencyBounds.count), 0.0, UInt64(0))
            if case .histogram(let oldCounts, let oldSum, let oldCount)? = value {
                (counts, sum, count) = (oldCounts, oldSum, oldCount)
            }
            for (index, bound) in Self.latencyBounds.enumerated() where seconds <= bound { counts[index] += 1 }
            return .histogram(counts: counts, sum: sum + seconds, count: count + 1)
        }
    }

    /// Drops all series of a name, before those that there are now are set anew.
    public func forget(_ name: String) { families.withLock { $0[name]?.series = [:] } }

    /// A counter's or gauge's value, for tests and pages.
    public func value(_ name: String, _ labels: KeyValuePairs<String, String> = [:]) -> Double? {
        families.withLock { families in
            switch families[name]?.series[Self.text(labels)] {
            case .counter(let value), .gauge(let value): value
            case .histogram(_, _, let count): Double(count)
            case nil: nil
            }
        }
    }

    /// The text exposition format, names and labels sorted.
    public var exposition: String {
        families.withLock { families in
            families.sorted { $0.key < $1.key }.map { name, family in
                "# HELP \(name) \(family.help)\n# TYPE \(name) \(family.kind)\n"
                    + family.series.sorted { $0.key < $1.key }.map { Self.lines(name, $0.key, $0.value) }.joined()
            }.joined()
        }
    }

    private func change(
        _ name: String, _ labels: KeyValuePairs<String, String>, _ kind: String, _ help: String,
        _ next: (Value?) -> Value
    ) {
        families.withLock { families in
            let key = Self.text(labels)
            var family = families[name] ?? Family(kind: kind, help: help)
            guard family.series[key] != nil || family.series.count < Self.seriesMax else { return }
            family.series[key] = next(family.series[key])
            families[name] = family
        }
    }

    private static func text(_ labels: KeyValuePairs<String, String>) -> String {
        labels.map { ($0.key, escaped($0.value)) }.sorted { $0.0 < $1.0 }.map { "\($0.0)=\"\($0.1)\"" }.joined(
            separator: ",")
    }
    private static func escaped(_ value: String) -> String {
        value.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing("\n", with: "\\n")
    }

    private static func lines(_ name: String, _ labels: String, _ value: Value) -> String {
        let braces = labels.isEmpty ? "" : "{\(labels)}"
        switch value {
        case .counter(let number), .gauge(let number): return "\(name)\(braces) \(number.shortest)\n"
        case .histogram(let counts, let sum, let count):
            let separator = labels.isEmpty ? "" : ","
            let buckets = zip(latencyBounds, counts).map {
                "\(name)_bucket{\(labels)\(separator)le=\"\($0.0.shortest)\"} \($0.1)\n"
            }
            return buckets.joined() + "\(name)_bucket{\(labels)\(separator)le=\"+Inf\"} \(count)\n"
                + "\(name)_sum\(braces) \(sum.shortest)\n\(name)_count\(braces) \(count)\n"
        }
    }
}

extension Double {
    /// Whole numbers without a point.
    fileprivate var shortest: String {
        guard let whole = Int64(exactly: self) else { return "\(self)" }
        return "\(whole)"
    }
}
