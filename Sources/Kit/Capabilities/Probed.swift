/// A platform that can be asked whether what is set up here works, by calls that change nothing there.
public protocol Probed: Provider {
    var probes: [OnlineProbe] { get }
}

/// A harmless call, and what its answer says about the set-up.
public struct OnlineProbe: Sendable {
    /// As whom the platform is asked.
    public enum Call: Sendable {
        /// With the operator's key for the platform.
        case key(Outgoing)
        /// For a token of the app's own at the token endpoint: whether id and secret belong together.
        case client
        /// On behalf of a few of the accounts that are connected.
        case account(Outgoing)
    }

    /// What is known where the answer is read.
    public struct Context: Sendable {
        /// Where the platform's webhooks come in: `https://pb.example.com/webhooks/stripe`.
        public let webhookAddress: String
        /// Whether the instance is live, and not for tests.
        public let isLive: Bool
        /// The key that was used; nil where none was.
        public let key: Secret?

        public init(webhookAddress: String, isLive: Bool, key: Secret?) {
            self.webhookAddress = webhookAddress
            self.isLive = isLive
            self.key = key
        }
    }

    /// A word: `key`, `webhooks`.
    public let name: String
    public let call: Call
    /// What to do when the platform refuses.
    public let fix: String
    /// What a whole answer says; `failure` is why it is no success. Nil where it says nothing special.
    public let read: @Sendable (_ answer: Answer, _ failure: Failure?, Context) -> [ProbeNote]?

    public init(
        _ name: String, _ call: Call, fix: String,
        read: @escaping @Sendable (_ answer: Answer, _ failure: Failure?, Context) -> [ProbeNote]?
    ) {
        self.name = name
        self.call = call
        self.fix = fix
        self.read = read
    }
}

/// A thing that a probe found.
public struct ProbeNote: Sendable, Equatable {
    public enum Verdict: Sendable { case ok, warning, failed }

    public let verdict: Verdict
    /// What is so, without any secret.
    public let sentence: String
    /// What to do, where there is something.
    public let advice: String?

    public init(_ verdict: Verdict, _ sentence: String, advice: String? = nil) {
        self.verdict = verdict
        self.sentence = sentence
        self.advice = advice
    }
}
