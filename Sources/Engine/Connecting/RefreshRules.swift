import Kit
import Store

/// What a refresh that brought no tokens means: pure, so that every case is a line of a table.
enum RefreshRules {
    /// Between failures, doubling from the platform's pause.
    static let pauseMax = Duration.minutes(15)
    /// A platform may ask to be left alone for so long at the most.
    private static let waitMax = Duration.hours(1)
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
        /// Until when the platform does not want to be asked, where it says so.
        var retryAt: Timestamp?
        var isRefusal = false
    }

    /// Why there are no new tokens.
    enum Problem: Sendable, Equatable {
        case token(TokenProblem)
        case notSent
        case unheard
        /// The access token is not accepted, and there is nothing to refresh with.
        case nothingToRefresh
        /// The access token has ended, and there is nothing to refresh with.
        case over
        /// What is kept does not open.
        case unreadable
        /// The app is gone, disabled or lacks something.
        case noApp
    }

    /// - Parameter isEarly: whether it was asked within the pause after a failure. Then a refusal is none to count.
    static func verdict(
        on problem: Problem, _ held: CredentialRow, isSuspect: Bool, isEarly: Bool, oauth: OAuth2, at now: Timestamp
    ) -> Verdict {
        switch problem {
        case .nothingToRefresh: refused(held, isEarly, again: nil, at: now)
        case .over: ended(.ended, at: now)
        case .unreadable: ended(.unreadable, at: now)
        case .noApp, .token(.client(_)):
            waiting(held, isSuspect, .app, told: true, for: appPause, at: now)
        case .token(.deadGrant(_)):
            refused(held, isEarly, again: now + OAuth2.pause, at: now)
        case .token(.unavailable(let wait, _)):
            unavailable(held, isSuspect, asksFor: wait.map { min($0, waitMax) }, at: now)
        case .token(.refused(_)), .notSent:
            waiting(held, isSuspect, .unavailable, told: false, for: pause(held), at: now)
        case .unheard: unheard(held, isSuspect, oauth, at: now)
        }
    }

    /// The platform may have given tokens that nobody heard of. Where the old refresh token must not come twice, what
    /// there is is used as long as it lasts, and the application is told at once.
    static func unheard(_ held: CredentialRow, _ isSuspect: Bool, _ oauth: OAuth2, at now: Timestamp) -> Verdict {
        guard oauth.rotation == .strict else {
            return waiting(held, isSuspect, .unavailable, told: false, for: pause(held), at: now)
        }
        var verdict = waiting(held, true, .unheard, told: true, for: pause(held), at: now)
        if let end = held.expiresAt, end - margin > verdict.pausedUntil { verdict.refreshAt = end - margin }
        return verdict
    }

    private static func unavailable(
        _ held: CredentialRow, _ isSuspect: Bool, asksFor wait: Duration?, at now: Timestamp
    ) -> Verdict {
        var verdict = waiting(
            held, isSuspect, .unavailable, told: false, for: max(pause(held), wait ?? .zero), at: now)
        verdict.retryAt = wait.map { now + $0 }
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

    /// The last word only after the platform has said it twice, a pause apart.
    private static func refused(
        _ held: CredentialRow, _ isEarly: Bool, again: Timestamp?, at now: Timestamp
    ) -> Verdict {
        guard isEarly || held.refusals + 1 < refusalsMax else { return ended(.refused, at: now) }
        return Verdict(
            state: .suspect, reason: .refused, attention: .refused,
            pausedUntil: isEarly ? held.pausedUntil : now + OAuth2.pause, refreshAt: isEarly ? held.refreshAt : again,
            isRefusal: !isEarly)
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

extension RefreshRules.Problem {
    /// For the log: our own word, and the platform's only where it is one that is known.
    func word(at oauth: OAuth2) -> String {
        switch self {
        case .token(let problem): problem.word(at: oauth)
        case .notSent: "not_sent"
        case .unheard: "unheard"
        case .nothingToRefresh: "nothing_to_refresh"
        case .over: "ended"
        case .unreadable: "unreadable"
        case .noApp: "no_app"
        }
    }
}
