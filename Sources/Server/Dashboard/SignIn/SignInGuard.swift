import Crypto
import Kit
import Store

/// Slows down who guesses passwords: by name and address together, by address, and by name wherever it comes from.
struct SignInGuard: Sendable {
    /// So many tries, then a pause, which doubles with each further failure.
    private struct Rule {
        let key: String
        let tries: Int64
    }

    /// The first pause; the longest is an hour.
    static let pause = Duration.minutes(5)
    private static let pauseMax = Duration.hours(1)
    /// Failures older than this are forgotten.
    private static let memory = Duration.hours(12)

    private let rules: [Rule]

    init(name: String, address: String) {
        // From everywhere together a name may fail more often than from one place: else anybody could lock it.
        rules = [
            Rule(key: Self.key("pair", "\(name)\u{0}\(address)"), tries: 5),
            Rule(key: Self.key("address", address), tries: 20), Rule(key: Self.key("name", name), tries: 60),
        ]
    }

    private static func key(_ kind: String, _ text: String) -> String {
        "\(kind):" + String(decoding: Hex.encode(Array(SHA256.hash(data: Array(text.utf8)))), as: UTF8.self)
    }

    /// Counts a try as failed before its password is looked at, so that tries at the same time count, too.
    ///
    /// - Returns: until when nothing is tried, or how many tries are left should this one fail.
    func take(_ session: Session, at now: Timestamp) throws -> Verdict {
        var left = Int64.max
        var kept: [(String, SignInFailures)] = []
        for rule in rules {
            let before = try session.signInFailures(rule.key)
            if let before, before.pausedUntil > now { return .paused(until: before.pausedUntil) }
            let count = (before.map { now - $0.lastAt < Self.memory ? $0.count : 0 } ?? 0) + 1
            left = min(left, max(0, rule.tries - count))
            let over = count - rule.tries
            let pause = over < 0 ? .zero : min(Self.pauseMax, Self.pause * (1 << min(over, 8)))
            kept.append((rule.key, SignInFailures(count: count, lastAt: now, pausedUntil: now + pause)))
        }
        for (key, failures) in kept { try session.keep(failures, of: key) }
        return .allowed(left: Int(left), pausedUntil: kept.map { $0.1.pausedUntil }.max() ?? now)
    }

    enum Verdict: Sendable, Equatable {
        case paused(until: Timestamp)
        /// `pausedUntil` is what holds if this one fails.
        case allowed(left: Int, pausedUntil: Timestamp)
    }

    /// The password was right: what was counted is forgotten.
    func forget(_ session: Session) throws { for rule in rules { try session.forgetFailures(rule.key) } }
}
