import Kit
import Synchronization

/// Keeps an outage from being amplified: of ten calls to a platform one may be sent again, and ten at once.
final class RetryBudget: Sendable {
    private static let most = 10.0
    private static let earned = 0.1

    private let left = Mutex<[String: Double]>([:])

    /// A first attempt leaves.
    func earn(_ provider: String) {
        left.withLock { left in
            left[provider] = min(Self.most, (left[provider] ?? Self.most) + Self.earned)
        }
    }

    /// Whether one more attempt may be made.
    func spend(_ provider: String) -> Bool {
        left.withLock { left in
            let rest = left[provider] ?? Self.most
            guard rest >= 1 else { return false }
            left[provider] = rest - 1
            return true
        }
    }
}

/// When a call is sent again within its deadline.
enum Repeats {
    static let attemptsMax = 3

    /// Full jitter: anything from nothing to the whole, so that what failed together does not come back together. What
    /// the platform asks for is waited for in full.
    static func pause(after attempt: Int, asked: Duration?, chance: Double) -> Duration {
        if let asked { return asked + .microseconds(Int64(chance * 250_000)) }
        let seconds: Double = attempt <= 1 ? 1 : 2
        return .microseconds(Int64(seconds * chance * 1_000_000))
    }

    /// Whether a call that failed so may be sent again by itself.
    static func isSafe(_ failure: Failure, _ repetition: Repetition) -> Bool {
        guard failure.passes else { return false }
        switch (failure.effect, repetition) {
        case (.none, _), (.possible, .always), (.possible, .withKey): return true
        case (.possible, .never): return false
        }
    }
}
