import Glibc

/// The random numbers of the system, fetched for many at once: a call for each would cost more than the ids made of
/// them.
public struct SystemRandom: RandomNumberGenerator, Sendable {
    /// `getentropy` gives at most 256 bytes.
    private static let wordsAtOnce = 32
    private var words: [UInt64] = []

    public init() {}

    public mutating func next() -> UInt64 {
        if words.isEmpty { refill() }
        return words.popLast() ?? 0
    }

    private mutating func refill() {
        words = Array(repeating: 0, count: Self.wordsAtOnce)
        let problem = words.withUnsafeMutableBytes { getentropy($0.baseAddress, $0.count) }
        guard problem == 0 else {  // Not on Linux since 3.17, for so few bytes.
            var system = SystemRandomNumberGenerator()
            return words = (0..<Self.wordsAtOnce).map { _ in system.next() }
        }
    }
}
