public import Kit

/// For whom and what a call is: where its quotas are counted, and what is written down with it.
public struct CallContext: Sendable {
    /// A word: `subscription`, `proxy`.
    public var purpose: String
    /// Who stands in line for it.
    public var claimant: Claimant
    /// The app credentials that it is made with; the platform's own where there is one.
    public var app: String
    public var connection: String?
    /// The platform's own id of the account.
    public var account: String?
    public var userID: String?
    /// The id of what it is done for.
    public var subject: String?
    /// Of the request that asked for it.
    public var correlation: String?
    /// Where its line waits for a commit to go with; nil for a commit of its own.
    var lines: CallLines?

    public init(_ purpose: String, as claimant: Claimant, app: String = "app") {
        self.purpose = purpose
        self.claimant = claimant
        self.app = app
    }

    /// How quotas that are counted by account name one.
    public static func subject(ofAccount account: String, through app: String) -> String { "\(app) \(account)" }

    /// By whom a quota counts this call.
    func subject(of quota: Quota, path: Path) -> String {
        switch quota.scope {
        case .app: app
        case .account: account.map { Self.subject(ofAccount: $0, through: app) } ?? connection ?? app
        case .connection: connection ?? app
        case .user: userID ?? connection ?? app
        case .endpoint: "\(app) \(path.template)"
        }
    }
}

/// Why a call brought no answer that helps.
public enum CallProblem: Error, Sendable, Equatable {
    /// It did not leave: a quota or a circuit holds it. It is no attempt.
    case held(Hold)
    case failed(Failure)

    /// For a job: its lane is held back, and nothing counts as an attempt.
    public var interruption: JobInterruption? {
        guard case .held(let hold) = self else { return nil }
        return .gated(until: hold.until, by: hold.gate.name, reason: hold.reason)
    }
}
