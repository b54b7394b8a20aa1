public import Kit

/// What Stripe meant to tell: `GET /v1/events`, newest first, for 30 days. Source: docs.stripe.com/api/events/list.
extension Stripe: EventLister {
    public var listsBack: Duration { .days(30) }

    public func events(since: Timestamp, until: Timestamp, after cursor: String?) -> Call<EventPage> {
        let from: Path =
            "/v1/events?limit=100&created%5Bgte%5D=\("\(since.seconds)")&created%5Blte%5D=\("\(until.seconds)")"
        let path: Path = cursor.map { "\(from)&starting_after=\($0)" } ?? from
        return Call(Outgoing(.get, path, headers: [Field("Stripe-Version", about.version)], spends: Self.usual)) {
            answer throws(Unreadable) in
            let (events, next) = try Self.list(answer)
            return EventPage(events: events.map(\.bytes), next: next)
        }
    }
}

/// What stands at Stripe: `GET /v1/subscriptions`, ended ones too, each with its customer.
/// Source: docs.stripe.com/api/subscriptions/list.
extension Stripe: ObjectLister {
    public var listedStreams: [String] { ["subscriptions"] }

    public func objects(of stream: String, after cursor: String?) -> Call<ObjectPage> {
        let first: Path = "/v1/subscriptions?limit=100&status=all&expand%5B%5D=data.customer"
        let path: Path = cursor.map { "\(first)&starting_after=\($0)" } ?? first
        return Call(Outgoing(.get, path, headers: [Field("Stripe-Version", about.version)], spends: Self.usual)) {
            answer throws(Unreadable) in
            let (subscriptions, next) = try Self.list(answer)
            let objects = subscriptions.map { object in
                ListedObject(
                    type: Self.listedSubscription,
                    subject: (object["customer", "id"] ?? object["customer"])?.text.map { OutsideText.bounded($0) },
                    isTest: object["livemode"]?.boolean == false, body: object.bytes)
            }
            return ObjectPage(
                objects: objects, date: answer.headers["Date"].flatMap(Timestamp.init(httpDate:)), next: next)
        }
    }

    static let listedSubscription = "listed.subscription"

    /// The elements of a list's page, and the cursor of the next.
    static func list(_ answer: Answer) throws(Unreadable) -> ([JSON], next: String?) {
        let page = try parsed(answer.body)
        guard let elements = page["data"]?.elements, let isMore = page["has_more"]?.boolean else {
            throw Unreadable("It is no list.")
        }
        guard isMore else { return (elements, nil) }
        guard let last = elements.last?["id"]?.text else { throw Unreadable("There is more, after nothing.") }
        return (elements, last)
    }
}
