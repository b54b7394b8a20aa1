/// A platform where content can be published for an account.
public protocol Publisher: AccountCallable {
    associatedtype Publishing: PublishingSteps

    /// What a target's `options` may hold, for the documentation and the checks of the API.
    var postOptions: [PostOption] { get }
    /// Permissions without which nothing can be published so.
    func scopes(for options: JSON) -> [String]
    /// Everything that can be refused without asking the platform, all at once.
    func problems(in post: Post) -> [PostProblem]
    func publishing(_ post: Post) -> Publishing
    /// Where the platform fetches the media itself: within so long of being told where they lie. Nil where their bytes
    /// are sent from here.
    func fetching(_ post: Post) -> Duration?
    /// The setting that names what the platform believes to be the operator's, for media that it fetches: beginnings of
    /// addresses, and domains. Nil where it never fetches.
    var ownAddressesSetting: String? { get }
    /// What an event says of a post of ours; nil for all others.
    func news(in event: EventContent) throws(Unreadable) -> PostNews?
    /// What the account's owner may choose now; nil where the platform does not say.
    var choices: Call<PostChoices>? { get }
    /// The table of what was sent to this platform, for applications that join on it.
    var postTable: PostTable { get }
    /// How long its words may be, for whoever writes it. What is refused stands in `problems(in:)` alone.
    func limits(of post: Post) -> PostLimits
    /// What every app should know before it posts; nil for nothing.
    var postNote: String? { get }
    /// The quotas (`Limited.quotas`) that run out within a day of posting so, of a connection.
    func postQuotas(for options: JSON) -> [String]
}

/// How much a platform takes of what people write. Nil: it has no such text.
public struct PostLimits: Sendable, Equatable {
    /// What is counted.
    public enum Unit: Sendable, Equatable {
        case utf16
        /// As people see them.
        case graphemes
    }
    public let unit: Unit
    public let title: Int?
    public let text: Int?
    /// Files and addresses.
    public let media: Int

    public init(_ unit: Unit, title: Int?, text: Int?, media: Int) {
        (self.unit, self.title, self.text, self.media) = (unit, title, text, media)
    }

    public func count(_ text: String) -> Int { unit == .utf16 ? text.utf16.count : text.count }
}

/// An option of a post at one platform.
public struct PostOption: Sendable {
    public enum Kind: Sendable, Equatable {
        case words([String])
        case flag
        case whole(ClosedRange<Int64>)
        case text(most: Int)
    }
    public let name: String
    public let kind: Kind
    /// For people: what it does, and when it must be given.
    public let what: String
    /// For people, above its field.
    public let title: String
    /// What holds where it is left out; nil where it must be chosen, or nothing is set then.
    public let usual: String?
    /// Another option's value with which this one has no sense.
    public let unless: Given?

    /// A value of an option.
    public struct Given: Sendable, Equatable {
        public let option: String
        public let value: String

        public init(_ option: String, _ value: String) { (self.option, self.value) = (option, value) }
    }

    public init(
        _ name: String, _ kind: Kind, _ what: String, title: String, usual: String? = nil, unless: Given? = nil
    ) {
        self.name = name
        self.kind = kind
        self.what = what
        self.title = title
        self.usual = usual
        self.unless = unless
    }
}

/// Content for one account.
public struct Post: Sendable, Equatable {
    /// Of ours, or an address that the platform fetches from.
    public struct Medium: Sendable, Equatable {
        public enum Place: Sendable, Equatable {
            case object(ID<ObjectKind>)
            case url(String)
        }
        public let place: Place
        /// In bytes; nil where it lies elsewhere.
        public let size: Int64?
        /// What was read from its bytes; nil where it lies elsewhere.
        public let facts: MediaFacts?
        /// Of an object: where the platform can fetch it from this server, for a while; nil where it cannot.
        public var address: String?

        public init(_ place: Place, size: Int64? = nil, facts: MediaFacts? = nil, address: String? = nil) {
            self.place = place
            self.size = size
            self.facts = facts
            self.address = address
        }
    }

    public let title: String?
    public let text: String?
    public var media: [Medium]
    /// As `Publisher.postOptions` says; an object, maybe empty.
    public let options: JSON
    /// The platform's own id of the account.
    public let account: String

    public init(title: String?, text: String?, media: [Medium], options: JSON, account: String) {
        self.title = title
        self.text = text
        self.media = media
        self.options = options
        self.account = account
    }
}

/// Why a post cannot be published as it is: the rule, what is there, what to do.
public struct PostProblem: Error, Sendable, Equatable {
    /// Where it stands in a post: `content.text`, `media[0]`, `options.privacy_level`.
    public let field: String
    public let message: String

    public init(_ field: String, _ message: String) {
        self.field = field
        self.message = message
    }
}

/// Steps that publish.
public protocol PublishingSteps: Steps where Subject == Post, Outcome == Published {
    /// Where it stands, as people see it.
    var shown: PostStage { get }
}

/// How far a post has come.
public struct PostStage: Sendable, Equatable {
    public enum State: String, Sendable, CaseIterable {
        /// Nothing of it is at the platform.
        case waiting
        case uploading
        case processing
        case published
    }
    public var state: State
    /// What is done next, in a sentence.
    public var next: String?
    /// What has come in between, in a sentence: that it was too late to cancel, say.
    public var reason: String?
    /// The platform's own id of it.
    public var remoteID: String?
    /// The platform's own word.
    public var remoteStatus: String?
    public var postID: String?
    /// Bytes that the platform has.
    public var sent: Int64?

    public init(_ state: State, next: String? = nil) {
        self.state = state
        self.next = next
    }
}

/// What became of a post.
public struct Published: Sendable, Equatable {
    public enum State: String, Sendable { case published, inInbox = "in_inbox", cancelled }
    public let state: State
    public let remoteStatus: String?
    /// The platform's own id of what is to be seen there, where it says one.
    public let postID: String?

    public init(_ state: State, remoteStatus: String? = nil, postID: String? = nil) {
        self.state = state
        self.remoteStatus = remoteStatus
        self.postID = postID
    }
}

/// What a platform tells of a post by itself.
public struct PostNews: Sendable, Equatable {
    public enum Kind: Sendable, Equatable {
        case published(postID: String?)
        case inInbox
        case failed(Failure)
        /// Somebody has cancelled it there.
        case cancelled
        /// No longer to be seen.
        case withdrawn
    }
    /// The platform's own id of it (`PostStage.remoteID`).
    public let remoteID: String
    /// The platform's own word.
    public let remoteStatus: String
    public let kind: Kind

    public init(_ remoteID: String, _ remoteStatus: String, _ kind: Kind) {
        self.remoteID = remoteID
        self.remoteStatus = remoteStatus
        self.kind = kind
    }
}

/// What an account's owner may choose at this moment.
public struct PostChoices: Sendable, Equatable {
    /// As the platform calls the account.
    public let account: String?
    /// By the option's name, what may be chosen.
    public let words: [String: [String]]
    /// By the option's name, flags that the owner has settled.
    public let settled: [String: Bool]
    public let longest: Duration?

    public init(account: String?, words: [String: [String]], settled: [String: Bool], longest: Duration?) {
        self.account = account
        self.words = words
        self.settled = settled
        self.longest = longest
    }
}

/// A table of what was sent to one platform, with names that its users know.
public struct PostTable: Sendable, Equatable {
    /// `tiktok_posts`.
    public let name: String
    /// What the platform's id of a post is called there.
    public let id: String
    /// What the account is called there.
    public let account: String

    public init(_ name: String, id: String, account: String) {
        self.name = name
        self.id = id
        self.account = account
    }
}
