/// Work of several calls, as a value that says what comes next.
///
/// Steps are pure: they send nothing, sleep not and ask no clock. The engine saves them when they have come further, so
/// a process that dies is followed by one that reads what was saved and goes on. What they save outlives the program
/// that saved it: members have fixed names, new ones may be missing, and no shape that was ever saved is forgotten.
public protocol Steps: Sendable {
    /// What the work is about, which is not saved with it: read from rows of its own.
    associatedtype Subject: Sendable
    associatedtype Outcome: Sendable

    /// Stable for ever, the name of what is saved: `tiktok.post`.
    static var kind: String { get }
    /// Rises when an older program could no longer read what is saved.
    static var version: Int { get }

    /// 8 KiB at most: content and media stand there by their ids.
    var saved: JSON { get }
    /// - Throws: why it cannot be read. Nothing that `saved` ever made may be refused.
    init(saved: JSON, of subject: Subject) throws(Unreadable)

    func next(at now: Timestamp) -> Next<Self>
    /// The call that asks the platform to give up what it is working on, once nothing can be taken back here any more;
    /// nil where there is none for this state. Both its ends lead to states without one. It may be sent twice.
    var givingUp: StepCall<Self>? { get }
    /// Whether nothing of it is out: nothing has left yet, or what had left is known to have come to nothing. Then it
    /// may be cancelled, and what fails has failed.
    var isAnew: Bool { get }
    /// From where it begins once more, after a person has decided that a call whose outcome nobody knows did nothing.
    var again: Self { get }
}

/// What comes next.
public enum Next<State: Steps>: Sendable {
    case call(StepCall<State>)
    case wait(until: Timestamp, then: State)
    case finish(State.Outcome)
    case fail(Failure)
    /// Nobody can tell what happened: a person must look.
    case unclear(Unclear)
}

/// A call of steps, and where each of its ends leads.
public struct StepCall<State: Steps>: Sendable {
    public let outgoing: Outgoing
    /// After it nothing can be taken back: it is written down before it leaves, and not sent once somebody has
    /// cancelled the work. So is every call that may not be repeated.
    public let isFinal: Bool
    /// One of many alike, such as a chunk: what it brings is saved now and then.
    public let isMinor: Bool
    /// From a successful answer.
    public let then: @Sendable (Answer, Timestamp) throws(Unreadable) -> State
    /// From a refusal that is no end; nil: it is one.
    public let refused: @Sendable (Failure, Answer?, Timestamp) -> State?
    /// What finds out what became of it, where it may have had an effect and may not be sent again. Nil: a person does.
    public let ifUnclear: State?

    public init(
        _ outgoing: Outgoing, isFinal: Bool = false, isMinor: Bool = false, ifUnclear: State? = nil,
        refused: @escaping @Sendable (Failure, Answer?, Timestamp) -> State? = { _, _, _ in nil },
        then: @escaping @Sendable (Answer, Timestamp) throws(Unreadable) -> State
    ) {
        self.outgoing = outgoing
        self.isFinal = isFinal
        self.isMinor = isMinor
        self.ifUnclear = ifUnclear
        self.refused = refused
        self.then = then
    }

    /// Whether it is written down before it leaves.
    public var isJournaled: Bool {
        if isFinal { return true }
        return switch outgoing.repeating {
        case .always: false
        case .never, .withKey: true
        }
    }
}

/// Something that a person must find out.
public struct Unclear: Sendable, Equatable {
    /// What is not known, in a sentence.
    public let question: String
    /// Ids and facts, for whoever looks.
    public let evidence: [JSONMember]

    public init(_ question: String, _ evidence: [JSONMember] = []) {
        self.question = question
        self.evidence = evidence
    }
}

extension Steps {
    public var isAnew: Bool { false }
    /// Of what is saved, in bytes.
    public static var savedMax: Int { 8192 }
    public var givingUp: StepCall<Self>? { nil }
}

/// How long to wait between looks: longer each time.
public struct Backoff: Sendable, Equatable {
    public let first: Duration
    public let most: Duration

    public init(_ first: Duration, upTo most: Duration) {
        self.first = first
        self.most = most
    }

    /// - Parameter looks: that there were, from 0.
    public func pause(after looks: Int) -> Duration {
        var pause = first
        for _ in 0..<min(max(0, looks), 30) where pause < most { pause = pause * 3 / 2 }
        return min(pause, most)
    }
}
