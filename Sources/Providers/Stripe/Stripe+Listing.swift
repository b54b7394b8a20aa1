public import Kit

/// What Stripe meant to tell: `GET /v1/events`, newest first, for 30 days. Source: docs.stripe.com/api/events/list.
extension Stripe: EventLister {
    public var listsBack: Duration { .days(30) }

    public func events(since: Timestamp, until: Timestamp, after cursor: String?) -> Call<EventPage> {
        let from: Path =
            "/v1/events?limit=100&created%5Bgte%5D=\("\(since.seconds)")&created%5Blte%5D=\("\(until.seconds)")"
        let path: Path = cursor.map { "\(from)&starting_after=\($0)" } ?? from
        return Call(Outgoing(.get, path, headers: [Field("Stripe-Version", about.version)])) {
            answer throws(Unreadable) in
            let page = try Self.parsed(answer.body)
            guard let events = page["data"]?.elements, let isMore = page["has_more"]?.boolean else {
                throw Unreadable("It is no list.")
            }
            guard isMore else { return EventPage(events: events.map(\.bytes), next: nil) }
            guard let last = events.last?["id"]?.text else { throw Unreadable("There is more, after nothing.") }
            return EventPage(events: events.map(\.bytes), next: last)
        }
    }
}
