import Kit
import Store

/// Decides what an endpoint is held to be: `active`, `failing`, `disabled`.
///
/// Disabled only after days of nothing but failures, with warnings before; or at once when it says 410.
public struct EndpointJudge: Sendable {
    /// Of nothing but failures. Source: standard-webhooks, reference sender, 120 h.
    public static let patience = Duration.hours(120)
    /// Warnings are given when so much of it has passed.
    static let warnings = [0.5, 0.7, 0.9]

    enum Verdict: Sendable, Equatable {
        /// The warning with this number, and when the endpoint will be disabled.
        case warned(Int64, disabledAt: Timestamp)
        case disabled(reason: String)
    }

    private(set) var state: Endpoint.State
    private(set) var reason: String?
    private(set) var health: EndpointHealth

    init(_ endpoint: Endpoint) {
        state = endpoint.state
        reason = endpoint.stateReason
        health = endpoint.health
    }

    mutating func succeeded(at now: Timestamp) {
        health.lastSuccessAt = now
        health.failingSince = nil
        health.warned = 0
        guard state == .failing else { return }
        state = .active
        reason = nil
    }

    mutating func failed(at now: Timestamp) -> [Verdict] {
        guard state != .disabled else { return [] }
        state = .failing
        let since = health.failingSince ?? now
        health.failingSince = since
        // Who was never warned, because this server did not run, is warned first and disabled later.
        let verdicts = warn(at: now)
        guard verdicts.isEmpty, now - since >= Self.patience else { return verdicts }
        return disable("It took nothing for \(Self.patience.microseconds / 3_600_000_000) hours.")
    }

    /// 410: the receiver wants no more.
    mutating func gone() -> [Verdict] { disable("It answered 410 Gone.") }

    mutating func pause(until moment: Timestamp) { health.pausedUntil = max(health.pausedUntil, moment) }

    /// When the next warning is due, without a further failure.
    var nextWarning: Timestamp? {
        guard state == .failing, let since = health.failingSince, health.warned < Self.warnings.count else {
            return nil
        }
        return since + Self.patience * Self.warnings[Int(health.warned)]
    }

    /// Gives the warnings that are due; of several at once, one.
    mutating func warn(at now: Timestamp) -> [Verdict] {
        var isDue = false
        while let next = nextWarning, next <= now {
            health.warned += 1
            isDue = true
        }
        guard isDue, let since = health.failingSince else { return [] }
        return [.warned(health.warned, disabledAt: since + Self.patience)]
    }

    private mutating func disable(_ sentence: String) -> [Verdict] {
        guard state != .disabled else { return [] }
        state = .disabled
        reason = sentence
        return [.disabled(reason: sentence)]
    }
}
