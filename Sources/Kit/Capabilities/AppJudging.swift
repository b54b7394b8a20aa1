/// A platform that lets an app do less until it has passed an audit, or for so many people a day, and says so only in
/// what it answers to calls.
public protocol AppJudging: Publisher {
    /// In the order in which they are shown.
    var appSigns: [AppSign] { get }
    /// For how many people an app that has not passed the audit may post within 24 hours; nil where that has no bound.
    var peopleBeforeAudit: Int? { get }
}

/// A refusal that tells something of the app, and not of the call or the account.
public struct AppSign: Sendable, Equatable {
    /// As the platform answers it, and as the log of calls has it.
    public let code: String
    /// What the app may not do while this is answered, and what to do about it.
    public let meaning: String

    public init(_ code: String, _ meaning: String) {
        self.code = code
        self.meaning = meaning
    }
}
