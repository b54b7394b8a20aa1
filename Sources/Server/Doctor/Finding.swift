public import Kit

/// What one check of `doctor` found, and what to do about it.
public struct Finding: Sendable, Equatable {
    public enum Verdict: String, Sendable, CaseIterable {
        case ok
        /// Not set up, which may be what is wanted.
        case off
        case warning
        /// Something does not work or is not safe: exit code 1.
        case failed

        /// A mark and a word: the difference is seen without colour and without Unicode.
        public var mark: String {
            switch self {
            case .ok: "✓ ok     "
            case .off: "· off    "
            case .warning: "! warning"
            case .failed: "✗ failed "
            }
        }
    }

    /// Stable, for programs: `database.durable`.
    public let name: String
    public let verdict: Verdict
    /// What is so.
    public let sentence: String
    /// What to do, where there is something.
    public let advice: String?

    public init(_ name: String, _ verdict: Verdict, _ sentence: String, advice: String? = nil) {
        self.name = name
        self.verdict = verdict
        self.sentence = sentence
        self.advice = advice
    }

    /// One line, and below it what to do.
    public var text: String {
        let line = "\(verdict.mark)  \(name.padded(to: 26)) \(sentence)"
        return advice.map { "\(line)\n             → \($0)" } ?? line
    }

    public var json: JSON {
        [
            "check": .string(name), "verdict": .string(verdict.rawValue), "sentence": .string(sentence),
            "advice": JSON(advice),
        ]
    }
}

extension String {
    fileprivate func padded(to width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }
}

/// Sizes and times in words.
enum Amount {
    /// `812 bytes`, `4.2 MB`.
    static func bytes(_ count: Double) -> String {
        let units = ["bytes", "kB", "MB", "GB", "TB"]
        var (value, unit) = (max(count, 0), 0)
        while value >= 1000, unit < units.count - 1 { (value, unit) = (value / 1000, unit + 1) }
        return "\(unit == 0 || value >= 100 ? "\(Int(value))" : oneDecimal(value)) \(units[unit])"
    }

    /// `340 µs`, `12.3 ms`, `4.0 s`.
    static func duration(_ duration: Duration) -> String {
        let microseconds = duration.microseconds
        switch microseconds.magnitude {
        case ..<1000: return "\(microseconds) µs"
        case ..<1_000_000: return "\(oneDecimal(Double(microseconds) / 1000)) ms"
        default: return "\(oneDecimal(Double(microseconds) / 1e6)) s"
        }
    }

    private static func oneDecimal(_ value: Double) -> String {
        let tenths = Int((value * 10).rounded())
        return "\(tenths / 10).\(abs(tenths % 10))"
    }
}
