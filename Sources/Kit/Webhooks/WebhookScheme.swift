/// How a platform's webhooks are proven and read, as a value.
///
///     let belief = try scheme.check(delivery, with: secrets)     // or throws `Forged`
///     let events = try scheme.events(delivery)                   // or throws `Unreadable`
public struct WebhookScheme: Sendable {
    /// How a signature is proven.
    public enum Verification: Sendable {
        /// A signature with a shared secret (or Ed25519 beside it), described by a table.
        case hmac(HMACScheme)
        /// What a table cannot say.
        case proof(WebhookProof)
        /// With a key that stands elsewhere and that the engine obtains.
        case remote(RemoteProof)
        /// By the platform's own word, for which the engine asks.
        case asked(AskedProof)
    }

    /// How far the signed time may be from the time of receipt; both ends are still good.
    public struct Tolerance: Sendable, Equatable {
        /// The age that is usual.
        public var past: Duration
        /// How far the platform's clock may be ahead of ours.
        public var future: Duration
        /// Older than `past` and up to this age is believed and flagged `late`: the time for which the platform
        /// repeats a delivery *without signing it anew*. Nil where nothing late is believed.
        public var late: Duration?

        public init(past: Duration = .seconds(300), future: Duration = .seconds(300), late: Duration? = nil) {
            self.past = past
            self.future = future
            self.late = late
        }
    }

    /// What makes a delivery believed.
    public let verification: Verification
    /// How the operator writes this scheme's secrets.
    public let secretWriting: WebhookSecret.Writing
    /// Nil where nothing that is signed says a time.
    public var tolerance: Tolerance?
    /// How long after the fact the platform may still deliver it.
    public let repeatsFor: Duration
    /// In bytes; more is refused before it is read.
    public let bodyLimit: Int
    /// How the platform asks whether an address is ours; nil where it does not.
    public let handshake: Handshake?
    /// What the platform is told, where it wants more than a status.
    public let answers: WebhookAnswers
    /// Whether the platform says of each event which of its modes it comes from (`Event.isTest`).
    public let marksTests: Bool
    /// Whether deliveries may come by GET too, with all that they say in the address, which is signed whole. Never
    /// together with a handshake, which is a GET itself.
    public var comesByGET = false
    /// Ways in which the same platform's deliveries may be signed under another setting: never believed, but named to
    /// the operator when one of them comes.
    public var alternatives: [Alternative] = []
    /// The time that stands in the body, where the body is signed and no header says when. Nil where one does.
    public var timeInBody: (@Sendable (Delivery) -> Timestamp?)?
    /// What names a proof and is part of what it covers, where its signature leaves the body out and covers a checksum
    /// alone: the first body that comes with it is the one that it is good for. Nil where bodies are signed.
    public var nonce: (@Sendable (Delivery) -> [UInt8]?)?
    /// Of the work that its events ask for.
    public let priority: Priority
    /// The types that something here acts upon; others are logged only.
    public let handled: EventTypes
    /// By what people look for its events.
    public let findable: FindableValues
    /// From a proven delivery to its events.
    public let events: @Sendable (Delivery) throws(Unreadable) -> [Event]

    /// Large enough for every single event; platforms that send batches say more.
    public static let usualBodyLimit = 1 << 20

    public init(
        _ verification: Verification, secrets: WebhookSecret.Writing, tolerance: Tolerance?, repeatsFor: Duration,
        bodyLimit: Int = usualBodyLimit, priority: Priority = .event, handshake: Handshake? = nil,
        answers: WebhookAnswers = WebhookAnswers(), marksTests: Bool = false, handled: EventTypes,
        findable: FindableValues = .none,
        events: @escaping @Sendable (Delivery) throws(Unreadable) -> [Event]
    ) {
        self.verification = verification
        self.secretWriting = secrets
        self.tolerance = tolerance
        self.repeatsFor = repeatsFor
        self.bodyLimit = bodyLimit
        self.priority = priority
        self.handshake = handshake
        self.answers = answers
        self.marksTests = marksTests
        self.handled = handled
        self.findable = findable
        self.events = events
    }

    /// Whether something here acts upon events of this type.
    public func handles(_ type: String) -> Bool { handled.contains(type) }

    /// How long identities are kept. Where no time is signed, a captured delivery can be sent again for ever.
    public var identityLife: Duration {
        guard let tolerance else { return .days(400) }
        return min(max(repeatsFor, tolerance.past, tolerance.late ?? .zero, .days(35)), .days(400))
    }

    /// Believes a delivery, or throws why not. The signature is proven before its age is looked at, so whoever
    /// gets `tooOld` knows that the rest is right.
    public func check(_ delivery: Delivery, with secrets: [WebhookSecret]) throws(Forged) -> Belief {
        try belief(in: try prove(delivery, with: secrets), at: delivery.receivedAt)
    }

    /// Proves the signature alone; gives the time that it covers, where it covers one. That time is not judged yet.
    public func prove(_ delivery: Delivery, with secrets: [WebhookSecret]) throws(Forged) -> Timestamp? {
        switch verification {
        case .hmac(let scheme):
            let signedAt = try scheme.prove(delivery, with: secrets)
            guard handshake?.signs(delivery.body) != true else { throw .challenge }
            return signedAt ?? timeInBody?(delivery)
        case .proof(let proof): return try proof.prove(delivery, secrets)
        case .remote(let proof):
            _ = try proof.need(delivery, secrets)
            throw .untrustedKey("The key that the delivery names is not at hand.")
        case .asked(let proof):
            _ = try proof.question(delivery, secrets)
            throw .untrustedKey("Only the platform can say, and it is not asked here.")
        }
    }

    /// Judges the time that a proven signature covers: `tooOld` and `tooFarAhead` are all that it throws.
    public func belief(in signedAt: Timestamp?, at now: Timestamp) throws(Forged) -> Belief {
        guard let tolerance, let signedAt else { return Belief(late: false, signedAt: signedAt) }
        return Belief(late: try tolerance.isLate(signedAt, at: now), signedAt: signedAt)
    }

    /// The same for a signature that may say itself how long it is good.
    public func belief(in signed: SignedTime?, at now: Timestamp) throws(Forged) -> Belief {
        if let signed, let goodFor = signed.goodFor, signed.at + goodFor < now {
            throw .tooOld(by: now - signed.at, allowed: goodFor)
        }
        return try belief(in: signed?.at, at: now)
    }
}

extension WebhookScheme {
    /// Another scheme of the same platform, and the setting that would choose it.
    public struct Alternative: Sendable {
        /// As it would stand in the settings: `NAME=value`.
        public let setting: String
        public let scheme: HMACScheme

        public init(_ setting: String, _ scheme: HMACScheme) {
            self.setting = setting
            self.scheme = scheme
        }
    }
}

/// That a delivery is what it says it is.
public struct Belief: Sendable, Equatable {
    /// Past the usual window, within the time in which the platform repeats.
    public let late: Bool
    /// The time that the signature covers, where it covers one.
    public let signedAt: Timestamp?

    public init(late: Bool, signedAt: Timestamp?) {
        self.late = late
        self.signedAt = signedAt
    }
}

extension WebhookScheme.Tolerance {
    /// In whole seconds, as the platforms count.
    func isLate(_ signedAt: Timestamp, at now: Timestamp) throws(Forged) -> Bool {
        let age = Timestamp(seconds: now.seconds) - signedAt
        if age < .zero - future { throw .tooFarAhead(by: .zero - age, allowed: future) }
        if age <= past { return false }
        guard let late, age <= late else { throw .tooOld(by: age, allowed: max(past, late ?? past)) }
        return true
    }
}
