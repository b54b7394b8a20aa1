/// Can list what it has told or meant to tell by webhook, so that what never arrived can be fetched.
public protocol EventLister: WebhookSource, Callable {
    /// How far back the platform lists.
    var listsBack: Duration { get }

    /// One page of the events that happened from `since` up to and with `until`, in the platform's own order.
    /// - Parameter cursor: from the page before; nil for the first.
    func events(since: Timestamp, until: Timestamp, after cursor: String?) -> Call<EventPage>
}

/// A page of a platform's own list of events.
public struct EventPage: Sendable, Equatable {
    /// Each as it would stand in the body of a webhook.
    public let events: [[UInt8]]
    /// Where the next page begins; nil after the last.
    public let next: String?

    public init(events: [[UInt8]], next: String?) {
        self.events = events
        self.next = next
    }
}

/// Can list what stands at the platform now, so that a business that already runs is known from the first day.
public protocol ObjectLister: WebhookSource, Callable {
    /// What can be listed: `subscriptions`.
    var listedStreams: [String] { get }

    /// One page of a stream. What it shows goes through the door as events of `ListedObject.type`, which `webhooks`
    /// handles like any other.
    /// - Parameter cursor: from the page before; nil for the first.
    func objects(of stream: String, after cursor: String?) -> Call<ObjectPage>
}

/// A page of a platform's own list of objects.
public struct ObjectPage: Sendable, Equatable {
    public let objects: [ListedObject]
    /// When the platform wrote it, by its own clock, where it says.
    public let date: Timestamp?
    /// Where the next page begins; nil after the last.
    public let next: String?

    public init(objects: [ListedObject], date: Timestamp?, next: String?) {
        self.objects = objects
        self.date = date
        self.next = next
    }
}

/// An object as a platform's list shows it.
public struct ListedObject: Sendable, Equatable {
    /// Of the event that it becomes here: `listed.subscription`. No platform sends types of this beginning.
    public let type: String
    /// Whose it is at the platform: events of one subject share a lane.
    public let subject: String?
    /// The platform says that it is not real: its test mode.
    public let isTest: Bool
    public let body: [UInt8]

    public init(type: String, subject: String?, isTest: Bool, body: [UInt8]) {
        self.type = type
        self.subject = subject
        self.isTest = isTest
        self.body = body
    }
}
