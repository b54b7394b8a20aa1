/// Takes orders for its webhooks by API. A subscription belongs to one app: what its key sees.
public protocol SubscriptionSource: WebhookSource, Callable, SubscriptionDeclaration {}

/// Sends an account's events only where that is ordered for the account, with its own token.
public protocol AccountSubscriptionSource: WebhookSource, AccountCallable {
    /// The same declaration, for one account. What it lists is this app's alone, and no secret comes of it: the app's
    /// own proves what is sent.
    ///
    /// - Parameter account: the platform's own id.
    func subscription(of account: String) -> any SubscriptionDeclaration
}

/// How webhooks are ordered at a platform: where they go, and which events.
public protocol SubscriptionDeclaration: Sendable {
    /// The types that are asked for: those that something here acts upon, or `*`.
    var subscribedEvents: [String] { get }
    /// Of the platform's API, in which events are to come; nil where there is none to choose.
    var subscribedVersion: String? { get }
    /// What can be changed of one that stands; for the rest another is made in its place.
    var changeableAspects: Set<SubscriptionAspect> { get }

    /// One page of what stands at the platform, whoever made it.
    func subscriptions(after cursor: String?) -> Call<SubscriptionPage>
    /// Its answer is the only one that holds the secret: never sent twice without a look at what stands.
    func subscribe(_ wanted: WantedSubscription) -> Call<RemoteSubscription>
    func change(_ id: String, to wanted: WantedSubscription) -> Call<RemoteSubscription>
    /// One that is gone already is refused as `notFound`.
    func unsubscribe(_ id: String) -> Call<Bool>
}

/// In what a subscription may differ from what is wanted.
public enum SubscriptionAspect: String, Sendable, CaseIterable {
    /// It is not there any more.
    case missing
    /// It is there, and turned off.
    case disabled
    case url, events, version
}

/// How a subscription is to be.
public struct WantedSubscription: Sendable, Equatable {
    public let url: String
    public let events: [String]
    public let version: String?
    /// By which it is known as ours, whatever its address: kept with it at the platform.
    public let mark: String

    public init(url: String, events: [String], version: String?, mark: String) {
        self.url = url
        self.events = events
        self.version = version
        self.mark = mark
    }
}

/// A subscription as the platform shows it.
public struct RemoteSubscription: Sendable, Equatable {
    public let id: String
    /// Empty where the platform keeps the address elsewhere.
    public let url: String
    public let events: [String]
    public let version: String?
    public let isEnabled: Bool
    /// Nil where we have not made it.
    public let mark: String?
    /// Shown once, when it is made.
    public let secret: Secret?

    public init(
        id: String, url: String, events: [String], version: String?, isEnabled: Bool, mark: String?,
        secret: Secret? = nil
    ) {
        self.id = id
        self.url = url
        self.events = events
        self.version = version
        self.isEnabled = isEnabled
        self.mark = mark
        self.secret = secret
    }

    /// In what it is not as wanted. The order of events says nothing.
    public func differences(from wanted: WantedSubscription) -> [SubscriptionAspect] {
        var found: [SubscriptionAspect] = []
        if !isEnabled { found.append(.disabled) }
        if !url.isEmpty, url != wanted.url { found.append(.url) }
        if Set(events) != Set(wanted.events) { found.append(.events) }
        if version != wanted.version { found.append(.version) }
        return found
    }
}

/// A page of what stands at the platform.
public struct SubscriptionPage: Sendable, Equatable {
    public let subscriptions: [RemoteSubscription]
    /// Where the next page begins; nil after the last.
    public let next: String?

    public init(_ subscriptions: [RemoteSubscription], next: String?) {
        self.subscriptions = subscriptions
        self.next = next
    }
}

/// What is to be done so that the platform has exactly the one that is wanted.
public struct SubscriptionPlan: Sendable, Equatable {
    public enum Step: Sendable, Equatable {
        /// One that carries our mark and whose secret nobody here knows, or that another has replaced.
        case remove(String)
        case register
        case change(String)
        /// Made anew, since the platform does not change this; the old one is removed once the new one's secret is
        /// kept.
        case replace(String)

        /// The word for it, as the API has it.
        public var word: String {
            switch self {
            case .remove: "remove"
            case .register: "register"
            case .change: "change"
            case .replace: "replace"
            }
        }
        /// Of the one at the platform.
        public var id: String? {
            switch self {
            case .remove(let id), .change(let id), .replace(let id): id
            case .register: nil
            }
        }
    }

    /// In this order; empty where all is as wanted.
    public let steps: [Step]
    public let differences: [SubscriptionAspect]
    /// Others, not ours, that send to the same address: every event comes once more.
    public let duplicates: [String]

    /// - Parameter known: the one whose secret is kept here.
    public init(
        _ wanted: WantedSubscription, known: String?, among standing: [RemoteSubscription],
        changeable: Set<SubscriptionAspect>
    ) {
        let strays = standing.filter { $0.mark == wanted.mark && $0.id != known }
        duplicates = standing.filter { $0.url == wanted.url && $0.mark != wanted.mark && $0.id != known }.map(\.id)
        var steps = strays.map { Step.remove($0.id) }
        guard let known, let present = standing.first(where: { $0.id == known }) else {
            differences = known == nil ? [] : [.missing]
            self.steps = steps + [.register]
            return
        }
        differences = present.differences(from: wanted)
        if !differences.isEmpty {
            steps.append(changeable.isSuperset(of: differences) ? .change(known) : .replace(known))
        }
        self.steps = steps
    }
}
