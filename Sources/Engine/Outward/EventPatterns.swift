import Kit

/// Which types of events somebody wants: `payment.failed`, `payment.*`, `*`. No pattern means every type.
public struct EventPatterns: Sendable, Equatable {
    /// Patterns of one list, and bytes of one pattern.
    static let patternsMax = 100
    private static let lengthMax = 128

    private let exact: Set<String>
    /// What stands before the `*`, its full stop included.
    private let prefixes: [String]
    private let all: Bool

    public init(_ patterns: [String]) {
        exact = Set(patterns)
        prefixes = patterns.filter { $0.hasSuffix(".*") }.map { String($0.dropLast()) }
        all = patterns.isEmpty || patterns.contains("*")
    }

    public func match(_ type: String) -> Bool {
        all || exact.contains(type) || prefixes.contains { type.hasPrefix($0) }
    }

    /// What is wrong with patterns from outside; nil when nothing is.
    public static func problem(with patterns: [String]) -> String? {
        guard patterns.count <= patternsMax else { return "types: \(patterns.count) patterns; at most \(patternsMax)." }
        guard let bad = patterns.first(where: { !isPattern($0) }) else { return nil }
        return "types: \(OutsideText.bounded(bad, 64)) is no pattern. Write payment.failed, payment.* or *."
    }

    private static func isPattern(_ text: String) -> Bool {
        guard text.utf8.count <= lengthMax, text != "*" else { return text == "*" }
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        return parts.enumerated().allSatisfy { index, part in
            part == "*" && index > 0 && index == parts.count - 1 || isWord(part)
        }
    }

    private static func isWord(_ part: Substring) -> Bool {
        !part.isEmpty
            && part.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
                    true
                default: false
                }
            }
    }
}
