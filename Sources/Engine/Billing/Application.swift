import Kit
import Store

/// One event on its way into the tables.
struct Application {
    /// What it came to, before it is known what to do about open questions.
    struct Result {
        let state: Applied.State
        let userID: String?
        let linked: Linked
        let open: [String]
        let unclear: [String]
    }

    let event: StoredEvent
    let plan: BillingPlan
    var ids: ReadyIDs
    let now: Timestamp
    let provider: String
    private let canAsk: Bool
    private var linked = Linked()
    /// Users whose summary may differ now.
    private var touched: Set<String> = []
    private var open: [String] = []
    private var unclear: [String] = []

    init(
        event: StoredEvent, plan: BillingPlan, ids: ReadyIDs, now: Timestamp, provider: String, canAsk: Bool
    ) {
        self.event = event
        self.plan = plan
        self.ids = ids
        self.now = now
        self.provider = provider
        self.canAsk = canAsk
    }

    /// Read downwards: whose it is, what it says, what that makes of the user.
    mutating func apply(
        _ facts: [BillingFact], in session: Session,
        recall: (ID<EventKind>, String) throws -> SubscriptionStatement?
    ) throws -> Result {
        if try isAboutSomeoneErased(facts, in: session) { return try forget(in: session) }
        for reference in facts.compactMap(\.reference) { try link(reference, in: session) }
        let customer = facts.lazy.compactMap(\.customer).first
        let customerUser = try customer.flatMap {
            try session.holdUserID(of: CustomerName(provider: provider, customer: $0))
        }
        // Erased between the look and the hold: the next run of the job sees it.
        guard try !isAboutSomeoneErased(facts, in: session) else { throw StoreError.conflict }
        if let customer, customerUser == nil { return try wait(for: customer, in: session) }
        let guest = facts.lazy.compactMap(\.reference).first { $0.customer == nil }?.user
        var users: [String?] = [customerUser, guest]
        for id in Set(facts.compactMap(\.subscription)).sorted() {
            users.append(try subscription(id, facts, user: customerUser, in: session, recall: recall))
        }
        for fact in facts {
            switch fact {
            case .paymentMethod(let news): users.append(try method(news, user: customerUser, in: session))
            case .payment(let news):
                users.append(try payment(news, user: customerUser, guest: guest, in: session))
            case .subscription, .invoice, .user: break
            }
        }
        for user in touched.sorted() { try session.summarize(user, by: event.id, ids: &ids, at: now) }
        let user = users.lazy.compactMap { $0 }.first
        try session.end(event.id, as: "applied", userID: user, at: now)
        return Result(state: .applied, userID: user, linked: linked, open: open, unclear: unclear)
    }

    // MARK: Who was erased

    /// Whether the event is about a user or a customer who was erased and whom the application has not made anew.
    private func isAboutSomeoneErased(_ facts: [BillingFact], in session: Session) throws -> Bool {
        let references = facts.compactMap(\.reference)
        let customers = Set(facts.compactMap(\.customer)).sorted()
        let erased = try session.erased(
            among: references.map { ErasedName(user: $0.user) }
                + customers.map { ErasedName(customer: $0, at: provider) })
        guard !erased.isEmpty else { return false }
        for reference in references where erased[ErasedName(user: reference.user)] != nil {
            if let customer = reference.customer {
                try session.noteErased(
                    CustomerName(provider: provider, customer: customer), like: ErasedName(user: reference.user),
                    at: now)
            }
            return true
        }
        for customer in customers {
            guard let noted = erased[ErasedName(customer: customer, at: provider)] else { continue }
            let isKnownAnew = try references.contains {
                try $0.statedAt > noted.at && session.user($0.user) != nil
            }
            guard isKnownAnew else { return true }
            try session.liftErased(CustomerName(provider: provider, customer: customer))
        }
        return false
    }

    private func forget(in session: Session) throws -> Result {
        try session.eraseEvent(event, at: now)
        return Result(state: .erased, userID: nil, linked: linked, open: [], unclear: [])
    }

    // MARK: Whose it is

    private mutating func link(_ reference: UserReference, in session: Session) throws {
        guard let customer = reference.customer else {
            return try session.ensureKnown(reference.user, source: provider, at: now)
        }
        var link = NewLink(
            provider: provider, customer: customer, userID: reference.user, source: .event,
            statedAt: reference.statedAt)
        link.event = event.id
        linked.add(
            try session.link(
                link, by: "event \(event.id)", ids: &ids, at: now))
    }

    /// One review for each customer, however many events wait.
    private mutating func wait(for customer: String, in session: Session) throws -> Result {
        let name = CustomerName(provider: provider, customer: customer)
        if try session.wait(event.id, for: customer, reason: "Nobody is known to be this customer.", at: now) {
            try session.open(
                NewReview(
                    id: ids.review(), kind: "event_without_user", subject: name.subject,
                    question: "Which user is the customer \(customer)? Its events wait until someone says so.",
                    evidence: evidence([.init("customer", .string(customer))]), choices: ["link", "dismiss"],
                    provider: provider, openedAt: now, changeID: ids.change()))
        }
        return Result(state: .waiting(name), userID: nil, linked: linked, open: [], unclear: [])
    }

    // MARK: What it says

    /// - Returns: the subscription's user.
    private mutating func subscription(
        _ id: String, _ facts: [BillingFact], user: String?, in session: Session,
        recall: (ID<EventKind>, String) throws -> SubscriptionStatement?
    ) throws -> String? {
        let old = try session.hold(
            SubscriptionRow(provider: provider, id: id, app: event.app, account: event.account), at: now)
        var row = old
        for fact in facts where fact.subscription?.hasSameBytes(as: id) == true {
            try fact.take(into: &row, by: event.id, canAsk: canAsk) { try recall($0, id) }
        }
        if SubscriptionRules.isOpen(row) { try settle(&row, in: session) }
        if SubscriptionRules.isOpen(row) { open.append(id) }
        if row.isUnclear { unclear.append(id) }
        if old.isUnclear, !row.isUnclear {
            try session.resolve(BillingHandler.unclearAlert, id, changeID: ids.change(), at: now)
        }
        row.userID = user ?? row.userID
        guard row != old else { return row.userID }
        try session.keep(row, at: now)
        touch(old.userID, row.userID)
        return row.userID
    }

    /// With the platform's answer, if it was asked with just this in hand and nobody has a later one.
    private func settle(_ row: inout SubscriptionRow, in session: Session) throws {
        let question = Question(about: row)
        guard let answer = plan.answers.first(where: { question.isAnswered(by: $0.kept) }),
            row.askedAt.map({ $0 <= answer.kept.at }) ?? true
        else { return }
        SubscriptionRules.settle(&row, with: answer.object, by: event.id, askedAt: answer.kept.at)
        try session.keep(answer.kept, for: event.id)
    }

    private mutating func method(
        _ news: PaymentMethodStatement, user: String?, in session: Session
    ) throws -> String? {
        let (old, isNew) = try session.hold(
            PaymentMethodRow(
                provider: provider, id: news.id, app: event.app, account: event.account, statedAt: news.statedAt,
                statedBy: event.id), at: now)
        var row = old
        PaymentMethodRules.take(news, by: event.id, into: &row, isNew: isNew)
        row.userID = user ?? row.userID
        guard row != old else { return row.userID }
        try session.keep(row, at: now)
        touch(old.userID, row.userID)
        return row.userID
    }

    private mutating func payment(
        _ news: PaymentStatement, user: String?, guest: String?, in session: Session
    ) throws -> String? {
        let old = try session.hold(
            PaymentRow(provider: provider, id: news.id, app: event.app, account: event.account), at: now)
        var row = old
        let happened = PaymentRules.take(news, by: event.id, into: &row)
        row.userID = user ?? row.userID ?? guest
        guard row != old else { return row.userID }
        row.version += 1
        try session.keep(row, at: now)
        if let happened { try session.append([change(happened, of: row)]) }
        return row.userID
    }

    private mutating func change(_ happened: PaymentRules.Happened, of row: PaymentRow) throws -> NewChange {
        func money(_ minor: Int64?) -> JSON {
            guard let minor, let currency = row.currency else { return .null }
            return .object([.init("amount", JSON(minor)), .init("currency", .string(currency))])
        }
        return NewChange(
            id: try ids.change(), type: "payment.\(happened.rawValue)", subject: row.id, version: row.version,
            userID: row.userID, occurredAt: now,
            data: JSON.object([
                .init("payment_id", .string(row.id)), .init("provider", .string(provider)),
                .init("version", JSON(row.version)),
                .init("user_id", JSON(row.userID)), .init("customer", JSON(row.customer)),
                .init("status", JSON(row.status)),
                .init("outcome", .string(row.outcome.rawValue)), .init("amount", money(row.amount)),
                .init("refunded", money(row.refunded)), .init("dispute", JSON(row.dispute?.status)),
                .init("problem", JSON(row.problem)), .init("event_id", .string(event.id.text)),
            ]).bytes)
    }

    private mutating func touch(_ users: String?...) { touched.formUnion(users.compactMap { $0 }) }

    // MARK: What cannot be applied

    func ignored(in session: Session) throws -> Applied {
        try session.end(event.id, as: "ignored", userID: nil, at: now)
        return Applied(state: .ignored, next: .done, userID: nil, linked: Linked(), unclear: [])
    }

    mutating func unreadable(_ problem: Unreadable, in session: Session) throws -> Applied {
        if try session.wait(event.id, reason: problem.reason, at: now) {
            try session.open(
                NewReview(
                    id: ids.review(), kind: "unreadable_delivery", subject: event.id.text,
                    question:
                        "\(event.type) cannot be read: \(problem.reason) Look at it, then replay or dismiss it.",
                    evidence: evidence([.init("reason", .string(problem.reason))]), choices: ["replay", "dismiss"],
                    provider: provider, openedAt: now, changeID: ids.change()))
        }
        return Applied(state: .unreadable(problem.reason), next: .done, userID: nil, linked: Linked(), unclear: [])
    }

    private func evidence(_ more: [JSONMember]) -> String {
        let members: [JSONMember] = [
            .init("provider", .string(provider)), .init("event_id", .string(event.id.text)),
            .init("provider_event_id", JSON(event.providerEventID)), .init("type", .string(event.type)),
        ]
        return String(decoding: JSON.object(members + more).bytes, as: UTF8.self)
    }
}

extension Application.Result {
    /// An open question is asked again where that can help; otherwise someone is told.
    func finished(canAsk: Bool, problem: CallProblem?) -> Applied {
        let next: Applied.Next =
            if open.isEmpty || !canAsk { .done } else {
                switch problem {
                case nil: .planAgain
                case .held(let hold): .held(hold)
                case .failed(let failure): failure.passes ? .retry(failure) : .done
                }
            }
        return Applied(state: state, next: next, userID: userID, linked: linked, unclear: next == .done ? unclear : [])
    }
}
