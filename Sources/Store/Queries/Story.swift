public import Kit

/// All that is kept about one thing and what belongs to it, for `trace`.
public struct Story: Sendable {
    /// What the id named: `delivery`, `event`, `job`, `call`, `change`, `attempt`, `endpoint`, `review`, `alert`,
    /// `sync`, `reconciliation`, `publication`, `user`.
    public let kind: String
    public var deliveries: [DeliveryRow] = []
    public var events: [EventRow] = []
    public var jobs: [JobRow] = []
    public var calls: [CallRow] = []
    public var changes: [Change] = []
    public var attempts: [Attempt] = []
    public var endpoints: [Endpoint] = []
    public var reviews: [Review] = []
    public var alerts: [AlertRow] = []
    public var syncs: [SyncRow] = []
    public var reconciliations: [ReconciliationRow] = []
    public var publications: [PublicationRow] = []
    /// Of the publications.
    public var targets: [TargetRow] = []
    /// There is more than fits: of each kind the newest are here.
    public var isCut = false

    init(_ kind: String) { self.kind = kind }

    /// Events whose whole story is told.
    static let eventsMax = 20
    /// Rows of each other kind.
    static let rowsMax = 200
}

extension Session {
    /// The story of an id of ours, a platform's event id, or a user of the application. Nil when nothing is known.
    public func story(of id: String, at now: Timestamp) throws -> Story? {
        if let found = try ownStory(of: id, at: now) { return found }
        let events = try events(providerEventID: id, EventFilter(), at: now)
        if !events.isEmpty { return try told(Story("event"), events, at: now) }
        return try userStory(of: id, at: now)
    }

    private func ownStory(of id: String, at now: Timestamp) throws -> Story? {
        if let id = ID<DeliveryKind>(id), let row = try delivery(id) {
            var story = Story("delivery")
            story.deliveries = [row]
            return try told(story, events(in: row), at: now)
        }
        if let id = ID<EventKind>(id), let row = try eventRow(id) { return try told(Story("event"), [row], at: now) }
        if let id = ID<JobKind>(id), let row = try job(id, at: now) {
            var story = Story("job")
            story.jobs = [row]
            return try told(story, about: row.subject, at: now)
        }
        if let id = ID<CallKind>(id), let row = try call(id) {
            var story = Story("call")
            story.calls = [row]
            return try told(story, about: row.subject, at: now)
        }
        if let id = ID<ChangeKind>(id), let row = try change(id) { return try told("change", row, at: now) }
        if let id = ID<AttemptKind>(id), let row = try attempt(id) {
            guard let change = try change(row.change) else {
                var story = Story("attempt")
                story.attempts = [row]
                return story
            }
            return try told("attempt", change, at: now)
        }
        if let id = ID<EndpointKind>(id), let row = try endpoint(id) {
            var story = Story("endpoint")
            story.endpoints = [row]
            story.attempts = try attempts(at: id, limit: Story.rowsMax)
            return try told(story, about: id.text, at: now)
        }
        if let id = ID<ReviewKind>(id), let row = try reviewRow(id) {
            var story = Story("review")
            story.reviews = [row]
            return try told(story, about: row.subject, at: now)
        }
        if let id = ID<AlertKind>(id), let row = try alert(id) {
            var story = Story("alert")
            story.alerts = [row]
            return try told(story, about: row.subject, at: now)
        }
        return try workStory(of: id, at: now)
    }

    /// The story of long work: a run of a stream, a comparison, a publication.
    private func workStory(of id: String, at now: Timestamp) throws -> Story? {
        if let id = ID<SyncKind>(id), let row = try sync(id) {
            var story = Story("sync")
            story.syncs = [row]
            return try told(story, about: id.text, at: now)
        }
        if let id = ID<ReconciliationKind>(id), let row = try reconciliation(id) {
            var story = Story("reconciliation")
            story.reconciliations = [row]
            return try told(story, about: id.text, at: now)
        }
        if let id = ID<PublicationKind>(id), let row = try publication(id) {
            var story = Story("publication")
            (story.publications, story.targets) = ([row], try targets(of: [id]))
            for target in story.targets.prefix(Story.eventsMax) {
                story.calls += try calls(about: target.id.text, limit: Story.rowsMax)
                story.reviews += try reviews(about: [target.id.text])
            }
            return try told(story, about: id.text, at: now)
        }
        return nil
    }

    private func userStory(of id: String, at now: Timestamp) throws -> Story? {
        var filter = EventFilter()
        filter.userID = id
        let events = try events(filter, ListPage(limit: Story.eventsMax))
        let story = try told(Story("user"), events, about: id, at: now)
        let isKnown = try row("SELECT 1 FROM users WHERE id = \(id)") { _ in true } ?? false
        return isKnown || !story.events.isEmpty || !story.changes.isEmpty ? story : nil
    }

    // MARK: Putting together

    private func told(_ kind: String, _ change: Change, at now: Timestamp) throws -> Story {
        var story = Story(kind)
        story.changes = [change]
        return try told(story, about: JSON.eventID(in: change.data) ?? change.subject, at: now)
    }

    /// Adds what is about a subject: an event's whole story, or what names the subject.
    private func told(_ story: Story, about subject: String?, at now: Timestamp) throws -> Story {
        guard let subject else { return try told(story, [], at: now) }
        if let id = ID<EventKind>(subject), let event = try eventRow(id) { return try told(story, [event], at: now) }
        return try told(story, [], about: subject, at: now)
    }

    private func told(_ story: Story, _ events: [EventRow], about subject: String? = nil, at now: Timestamp) throws
        -> Story
    {
        var story = story
        story.isCut = story.isCut || events.count > Story.eventsMax
        story.events = Array(events.prefix(Story.eventsMax))
        for event in story.events { try add(event, to: &story, at: now) }
        if let subject {
            story.jobs += try jobs(about: subject, at: now)
            story.calls += try calls(about: subject, limit: Story.rowsMax)
            story.changes += try changes(about: subject, limit: Story.rowsMax)
            story.reviews += try reviews(about: [subject])
            story.alerts += try alerts(about: subject)
        }
        story.unify()
        for change in story.changes.prefix(Story.rowsMax) where story.attempts.count < Story.rowsMax {
            story.attempts += try attempts(of: change.id, limit: Story.rowsMax)
        }
        for id in Set(story.attempts.map(\.endpoint)).sorted().prefix(20)
        where !story.endpoints.contains(where: { $0.id == id }) {
            story.endpoints += try [endpoint(id)].compactMap { $0 }
        }
        story.unify()
        return story
    }

    private func add(_ event: EventRow, to story: inout Story, at now: Timestamp) throws {
        let id = event.id.text
        story.deliveries += try [delivery(ID(stored: event.deliveryID))].compactMap { $0 }
        story.jobs += try jobs(about: id, at: now)
        story.calls += try calls(about: id, limit: Story.rowsMax)
        let told = try changes(about: id, limit: Story.rowsMax)
        story.changes += told + (try changes(causedBy: event, told: told))
        story.reviews += try reviews(about: [id, event.subject].compactMap { $0 })
        story.alerts += try alerts(about: id)
    }

    // MARK: Reading

    /// The events of one delivery: made with it, so their ids lie beside its time.
    private func events(in delivery: DeliveryRow) throws -> [EventRow] {
        if delivery.verdict == "duplicate" || delivery.verdict == "rejected" {
            return try delivery.eventID.flatMap { try eventRow(ID(stored: $0)) }.map { [$0] } ?? []
        }
        let (from, to) = (delivery.receivedAt - .seconds(1), delivery.receivedAt + .minutes(1))
        let ids = try rows(
            """
            SELECT id FROM events
             WHERE id >= \(ID<EventKind>.floor(from)) AND id < \(ID<EventKind>.floor(to))
               AND delivery_id = \(delivery.id)
             ORDER BY id
             LIMIT \(Story.eventsMax + 1)
            """
        ) { row -> ID<EventKind> in try row.id() }
        return try ids.compactMap { try eventRow($0) }
    }

    private func jobs(about subject: String, at now: Timestamp) throws -> [JobRow] {
        let ids = try ["jobs", "jobs_done"].flatMap { table in
            try rows(
                """
                SELECT id FROM \(SQL(stringLiteral: table)) WHERE subject = \(subject) ORDER BY id DESC LIMIT 50
                """
            ) { try $0.text() }
        }
        return try Set(ids).sorted().compactMap { try job(ID(stored: $0), at: now) }
    }

    private func reviews(about subjects: [String]) throws -> [Review] {
        let ids = try rows(
            "SELECT id FROM reviews WHERE subject IN (\(SQL.list(subjects))) ORDER BY id DESC LIMIT 20"
        ) { row -> ID<ReviewKind> in try row.id() }
        return try ids.compactMap { try reviewRow($0) }
    }

    private func alerts(about subject: String) throws -> [AlertRow] {
        var filter = AlertFilter()
        filter.subject = subject
        return try alerts(filter, ListPage(limit: 20))
    }

    /// What an event changed: the changes that name it as their cause, and those about its user of the very moment at
    /// which it was applied. Both were written in the transaction that applied it, so they lie beside the change that
    /// tells of the event, or beside the time when it got its present state.
    private func changes(causedBy event: EventRow, told: [Change]) throws -> [Change] {
        let appliedAt = try row("SELECT state_at FROM events WHERE id = \(event.id)") { try $0.time() }
        let moments =
            told.filter { $0.type == "event.received" }.compactMap(\.id.madeAt) + [appliedAt].compactMap { $0 }
        return try moments.flatMap { moment in
            let (from, to) = (ID<ChangeKind>.floor(moment - .seconds(1)), ID<ChangeKind>.floor(moment + .seconds(1)))
            return try changes(from: from, to: to, limit: 2000).filter { change in
                if let cause = JSON.eventID(in: change.data) { return cause == event.id.text }
                return change.userID != nil && change.userID == event.userID && change.occurredAt == appliedAt
            }
        }
    }

    /// One try by its id.
    public func attempt(_ id: ID<AttemptKind>) throws -> Attempt? {
        let place = try row("SELECT endpoint_id FROM attempts WHERE id = \(id)") { row -> ID<EndpointKind> in
            try row.id()
        }
        guard let place else { return nil }
        return try attempts(at: place, before: ID(stored: id.text + "~"), limit: 1).first
    }
}

extension Story {
    /// Each row once; of each kind the newest.
    fileprivate mutating func unify() {
        deliveries = newest(deliveries, \.id)
        jobs = newest(jobs, \.id)
        calls = newest(calls, \.id)
        changes = newest(changes, \.id)
        attempts = newest(attempts, \.id)
        reviews = newest(reviews, \.id)
        alerts = newest(alerts, \.id)
    }

    private mutating func newest<Row, Kind>(_ rows: [Row], _ id: (Row) -> ID<Kind>) -> [Row] {
        var seen = Set<ID<Kind>>()
        let sorted = rows.filter { seen.insert(id($0)).inserted }.sorted { id($0) < id($1) }
        isCut = isCut || sorted.count > Self.rowsMax
        return Array(sorted.suffix(Self.rowsMax))
    }
}

extension JSON {
    /// The event that a change names as its cause.
    fileprivate static func eventID(in data: [UInt8]) -> String? {
        (try? parse(data))?["event_id"]?.text  // Our own data; what cannot be read names no cause.
    }
}
