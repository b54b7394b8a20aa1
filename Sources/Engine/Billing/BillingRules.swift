public import Kit
public import Store

/// Applies a billing event to the tables. Runs inside one transaction; all that differs from run to run comes in.
public struct BillingRules: Sendable {
    public let source: any BillingSource
    private let canAsk: Bool

    init(_ source: any BillingSource, canAsk: Bool) {
        self.source = source
        self.canAsk = canAsk
    }

    /// Writes what an event says, where it says something new: rows, the user's summary, the event's state, reviews,
    /// and the changes that tell of it. Applied twice, it writes nothing the second time.
    ///
    /// Call it in `Database.set`, beside the end of the job: every row is held before anything is decided on it, in
    /// the order customer, what the customer has, user. Serializable transactions (`write`) would do too, but meet
    /// each other on whole small tables.
    public func apply(
        _ plan: BillingPlan, of event: StoredEvent, in session: Session, ids: ReadyIDs, at now: Timestamp
    ) throws -> Applied {
        var work = Application(
            event: event, plan: plan, ids: ids, now: now, provider: source.about.id, canAsk: canAsk)
        switch plan.facts {
        case .failure(let problem): return try work.unreadable(problem, in: session)
        case .success(let facts) where facts.isEmpty: return try work.ignored(in: session)
        case .success(let facts):
            let applied = try work.apply(facts, in: session, recall: { try statement(of: $0, about: $1, in: session) })
            return applied.finished(canAsk: canAsk, problem: plan.problem)
        }
    }

    // MARK: Reading

    func facts(in event: StoredEvent) throws(Unreadable) -> [BillingFact] {
        guard let body = event.body else { throw Unreadable("Its bytes are no longer kept.") }
        return try source.billing(in: EventContent(type: event.type, occurredAt: event.occurredAt, body: body))
    }

    /// What only the platform could tell if these facts were applied now.
    func questions(about facts: [BillingFact], of event: StoredEvent, in session: Session) throws -> [Question] {
        guard try isKnown(facts, in: session) else { return [] }
        var rows: [String: SubscriptionRow] = [:]
        for fact in facts {
            guard let id = fact.subscription else { continue }
            var row =
                try rows[id] ?? session.subscription(id, at: source.about.id)
                ?? SubscriptionRow(provider: source.about.id, id: id, app: event.app, account: event.account)
            try fact.take(into: &row, by: event.id, canAsk: canAsk) { try statement(of: $0, about: id, in: session) }
            rows[id] = row
        }
        return rows.values.filter(SubscriptionRules.isOpen).map(Question.init).sorted {
            $0.subscription < $1.subscription
        }
    }

    /// Whether they will be applied, or wait for a user.
    private func isKnown(_ facts: [BillingFact], in session: Session) throws -> Bool {
        if facts.contains(where: { $0.reference != nil }) { return true }
        guard let customer = facts.lazy.compactMap(\.customer).first else { return true }
        return try session.userID(of: CustomerName(provider: source.about.id, customer: customer)) != nil
    }

    /// What an earlier event said of a subscription, read again from its own bytes; nil when they are gone, and then
    /// the platform is asked.
    private func statement(
        of event: ID<EventKind>, about subscription: String, in session: Session
    ) throws -> SubscriptionStatement? {
        guard let event = try session.event(event), let facts = try? facts(in: event) else { return nil }
        for case .subscription(let statement) in facts where statement.object.id.hasSameBytes(as: subscription) {
            return statement
        }
        return nil
    }

    func read(_ kept: FetchedAnswer, of event: StoredEvent) -> PlatformAnswer? {
        let call = source.subscription("", in: event.account)
        let answer = Answer(status: kept.status, headers: [], body: kept.body)
        guard let object = try? call.read(answer) else { return nil }  // Written by another version: asked again.
        return PlatformAnswer(object: object, kept: kept)
    }
}

extension BillingFact {
    var subscription: String? {
        switch self {
        case .subscription(let statement): statement.object.id
        case .invoice(let statement): statement.subscription
        case .paymentMethod, .payment, .user: nil
        }
    }

    var customer: String? {
        switch self {
        case .subscription(let statement): statement.object.customer
        case .invoice(let statement): statement.customer
        case .paymentMethod(let statement): statement.customer
        case .payment(let statement): statement.customer
        case .user(let reference): reference.customer
        }
    }

    /// A reference that can be a user of the application.
    var reference: UserReference? {
        guard case .user(let reference) = self, OutsideID.passes(reference.user) else { return nil }
        return reference
    }

    func take(
        into row: inout SubscriptionRow, by event: ID<EventKind>, canAsk: Bool,
        recall: (ID<EventKind>) throws -> SubscriptionStatement?
    ) rethrows {
        switch self {
        case .subscription(let statement):
            try SubscriptionRules.take(
                Witness(event: event, statement: statement), into: &row, canAsk: canAsk, recall: recall)
        case .invoice(let statement): SubscriptionRules.take(statement, into: &row)
        case .paymentMethod, .payment, .user: break
        }
    }
}

extension BillingRules {
    /// How what a platform shows of a subscription stands to what is kept of it.
    enum Standing { case matched, missing, differing }

    /// - Throws: `Unreadable`, and what the store throws.
    func standing(of content: EventContent, in session: Session) throws -> Standing {
        for case .subscription(let statement) in try source.billing(in: content) {
            guard let row = try session.subscription(statement.object.id, at: source.about.id), let state = row.state
            else { return .missing }
            guard state == statement.object.state else { return .differing }
        }
        return .matched
    }
}
