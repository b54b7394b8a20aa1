import Kit

/// Why an account was not connected: each has a page of its own, and a word for the application.
public enum ConnectProblem: Sendable, Equatable {
    /// The link is none of ours, or too old to be known.
    case unknownLink
    /// The state is none of ours, or too old to be known.
    case unknownState
    /// The state came a second time.
    case used
    case expired
    /// The browser is not the one that began.
    case otherBrowser
    /// The answer came from another platform than the one that was asked.
    case mixedUp
    /// The person said no.
    case denied
    /// The platform does not know a permission that was asked for, or the app may not have it.
    case scope
    /// The platform is not well.
    case platform
    /// The platform does not accept the app or the request.
    case notConfigured
    /// The code was not accepted: too late, or used.
    case codeRefused
    case noCode
    /// No answer to the code.
    case unreachable
    /// The platform does not say whose account it is.
    case noAccount
    /// Not the account that is to be connected again.
    case wrongAccount
    /// The person who consented is not the user who began.
    case wrongUser
    /// Too many ways from one link.
    case tooMany
    /// The link has connected an account: it counts once.
    case linkUsed
    /// What is known of the account is being erased at present.
    case erasing

    /// Stable, in `&error=` and in the session's `code`.
    public var code: String {
        switch self {
        case .unknownLink: "unknown_link"
        case .unknownState: "unknown_state"
        case .used: "state_used"
        case .expired: "expired"
        case .otherBrowser: "other_browser"
        case .mixedUp: "other_platform"
        case .denied: "access_denied"
        case .scope: "invalid_scope"
        case .platform: "server_error"
        case .notConfigured: "app_refused"
        case .codeRefused: "code_refused"
        case .noCode: "invalid_callback"
        case .unreachable: "platform_unreachable"
        case .noAccount: "no_account"
        case .wrongAccount: "wrong_account"
        case .wrongUser: "wrong_user"
        case .tooMany: "too_many_attempts"
        case .linkUsed: "link_used"
        case .erasing: "erasure_running"
        }
    }

    /// Whether the same link may be tried again.
    public var mayRetry: Bool {
        switch self {
        case .denied, .platform, .codeRefused, .noCode, .unreachable, .noAccount, .wrongAccount, .used, .erasing: true
        case .unknownLink, .unknownState, .expired, .otherBrowser, .mixedUp, .scope, .notConfigured, .wrongUser,
            .tooMany, .linkUsed:
            false
        }
    }

    /// Of the callback's `error` (RFC 6749, 4.1.2.1).
    static func said(_ error: String) -> ConnectProblem {
        switch error {
        case "access_denied", "user_denied", "user_cancelled": .denied
        case "invalid_scope": .scope
        case "server_error", "temporarily_unavailable": .platform
        default: .notConfigured
        }
    }

    /// Of a code that brought no tokens.
    init(_ outcome: TokenDesk.Outcome) {
        self =
            switch outcome {
            case .given, .notSent, .unheard: .unreachable
            case .problem(.unavailable(_, _)): .platform
            case .problem(.deadGrant(_)): .codeRefused
            case .problem(.client(_)), .problem(.refused(_)): .notConfigured
            }
    }
}
