import Kit
import Synchronization

/// Limits on our own API by GCRA, on this node alone: what matters is that no one caller takes everything.
final class RateLimiter: Sendable {
    /// A rule: so many a minute, of which a part may come at once.
    struct Policy: Sendable {
        let name: String
        let perMinute: Int
        let burst: Int

        /// - Parameter burst: two seconds' worth, at least ten, unless said.
        init(name: String, perMinute: Int, burst: Int? = nil) {
            self.name = name
            self.perMinute = perMinute
            self.burst = burst ?? max(10, perMinute / 30)
        }
    }
    struct Verdict: Sendable, Equatable {
        let remaining: Int
        /// Zero when it is allowed.
        let wait: Duration
        let policy: String
        let headers: [Field]
    }

    /// Beyond so many callers the idle ones are forgotten.
    private static let callersMax = 10_000
    private let now: @Sendable () -> Timestamp
    /// By caller: when the next request would be due, in microseconds, if all came evenly.
    private let due = Mutex<[String: Int64]>([:])

    init(now: @escaping @Sendable () -> Timestamp) { self.now = now }

    /// Takes one request from a caller's allowance.
    func take(_ policy: Policy, _ caller: String) -> Verdict {
        let now = now().microseconds
        let interval = max(1, 60_000_000 / Int64(policy.perMinute))
        let tolerance = interval * Int64(policy.burst)
        return due.withLock { due in
            if due.count >= Self.callersMax { due = due.filter { $0.value > now } }
            let key = policy.name + "/" + caller
            // Nothing is granted beyond the tolerance: what is due later was written before the clock was set back.
            let known = due[key].flatMap { $0 - now <= tolerance ? $0 : nil }
            let next = max(known ?? now, now) + interval
            guard next - now <= tolerance else {
                return Self.verdict(policy, remaining: 0, wait: next - now - tolerance, full: next - now)
            }
            due[key] = next
            return Self.verdict(
                policy, remaining: Int((tolerance - (next - now)) / interval), wait: 0, full: next - now)
        }
    }

    private static func verdict(_ policy: Policy, remaining: Int, wait: Int64, full: Int64) -> Verdict {
        let seconds = (full + 999_999) / 1_000_000
        return Verdict(
            remaining: remaining, wait: .microseconds(wait), policy: policy.name,
            headers: [
                Field("RateLimit-Policy", "\"\(policy.name)\";q=\(policy.perMinute);w=60"),
                Field("RateLimit", "\"\(policy.name)\";r=\(remaining);t=\(seconds)"),
            ])
    }
}
