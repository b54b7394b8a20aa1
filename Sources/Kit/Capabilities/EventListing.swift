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
