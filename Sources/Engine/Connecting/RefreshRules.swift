import Kit
import Store

/// What a refresh that brought no tokens means: pure, so that every case is a line of a table.
enum RefreshRules {
    /// Between failures, doubling from the platform's pause.
    static let pauseMax = Duration.minutes(15)
    /// While the app credentials are not accepted.
    static let appPause = Duration.minutes(5)
    /// So often the platform must say that a refresh token is dead before it counts.
    static let refusalsMax: Int64 = 2
    /// Failures in a row after which the application is told, although the tokens still work.
    static let failuresTold: Int64 = 5
    /// An access token that is spared is used until so long before its end.
    static let margin = Duration.seconds(60)

    struct Verdict: Sendable, Equatable {
        var state: ConnectionState
        var reason: ConnectionReason?
        /// What the application is told, once.
        var attention: ConnectionReason?
        var pausedUntil: Timestamp
        /// Nil: not by itself any more.
        var refreshAt: Timestamp?
        var isRefusal = false
        var isUnheard = false
    }

    /// Why there are no new tokens.
    enum Problem: Sendable, Equatable {
        case token(TokenProblem)
        case notSent
        case unheard
        /// There is nothing to refresh with, and what there was is not accepted.
        case nothingToRefresh
        /// What is kept does not open.
        case unreadable
        /// The app is gone, disabled or lacks something.
        case noApp
    }

    static func verdict(
        on problem: Problem, _ held: CredentialRow, isSuspect: Bool, oauth: OAuth2, at now: Timestamp
    ) -> Verdict {
        switch problem {
        case .nothingToRefresh: ended(.refused, at: now)
        case .unreadable: ended(.unreadable, at: now)
        case .noApp, .token(.client(_)):
            waiting(held, isSuspect, .app, told: true, for: appPause, at: now)
        case .token(.deadGrant(_)):
            held.refusals + 1 >= refusalsMax ? ended(.refused, at: now) : refusedOnce(at: now)
        case .token(.unavailable(let wait, _)):
            waiting(
                held, isSuspect, .unavailable, told: false, for: max(pause(held), min(wait ?? .zero, .hours(1))),
                at: now)
        case .token(.refused(_)), .notSent:
            waiting(held, isSuspect, .unavailable, told: false, for: pause(held), at: now)
        case .unheard: unheard(held, isSuspect, oauth, at: now)
        }
    }

    /// The platform may have given tokens that nobody heard of. Where the old refresh token must not come twice, what
    /// there is is used as long as it lasts, and the application is told at once.
    static func unheard(_ held: CredentialRow, _ isSuspect: Bool, _ oauth: OAuth2, at now: Timestamp) -> Verdict {
        guard oauth.rotation == .strict else {
            var verdict = waiting(held, isSuspect, .unavailable, told: false, for: pause(held), at: now)
            verdict.isUnheard = true
            return verdict
        }
        var verdict = waiting(held, true, .unheard, told: true, for: pause(held), at: now)
        verdict.isUnheard = true
        if let end = held.expiresAt, end - margin > verdict.pausedUntil { verdict.refreshAt = end - margin }
        return verdict
    }

    private static func waiting(
        _ held: CredentialRow, _ isSuspect: Bool, _ reason: ConnectionReason, told: Bool, for pause: Duration,
        at now: Timestamp
    ) -> Verdict {
        let isLate = held.expiresAt.map { $0 <= now + pause } ?? false
        let isTold = told || isLate || held.failures + 1 >= failuresTold
        return Verdict(
            state: isSuspect ? .suspect : .active, reason: reason, attention: isTold ? reason : nil,
            pausedUntil: now + pause, refreshAt: now + pause)
    }

    private static func refusedOnce(at now: Timestamp) -> Verdict {
        Verdict(
            state: .suspect, reason: .refused, attention: .refused, pausedUntil: now + OAuth2.pause,
            refreshAt: now + OAuth2.pause, isRefusal: true)
    }

    private static func ended(_ reason: ConnectionReason, at now: Timestamp) -> Verdict {
        Verdict(
            state: .needsReconnect, reason: reason, attention: reason, pausedUntil: now, refreshAt: nil,
            isRefusal: true)
    }

    private static func pause(_ held: CredentialRow) -> Duration {
        min(OAuth2.pause * (1 << min(max(0, held.failures), 5)), pauseMax)
    }
}
