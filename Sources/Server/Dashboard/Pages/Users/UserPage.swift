import Engine
import Kit
import Store

/// One user: what they have, where each fact comes from, and what was told about them.
enum UserPage {
    struct Model: Sendable {
        struct Subscription: Sendable {
            let jack: Jack
            let id: String
            let counts: String?
            let pill: Pill
            let plan: String
            let end: TimeModel?
            let source: Link?
            let stated: TimeModel?
            let doubts: String
        }
        struct Payment: Sendable {
            let amount: String
            let id: String
            let pill: Pill
            let more: String
            let source: Link?
            let time: TimeModel
        }
        struct Method: Sendable {
            let what: String
            let more: String
            let source: Link?
        }
        struct Customer: Sendable {
            let jack: Jack
            let id: String
            let source: String
        }
        struct Act: Sendable {
            let base: String
            let providers: [FrameModel.Choice]
        }
        let sentence: String
        let subscriptions: [Subscription]
        let hasSubscriptions: Bool
        let payments: [Payment]
        let hasPayments: Bool
        let methods: [Method]
        let hasMethods: Bool
        let steps: [Step]
        let hasSteps: Bool
        let allEvents: String
        let told: [Step]
        let hasTold: Bool
        let facts: [Fact]
        let customers: [Customer]
        let hasCustomers: Bool
        let act: Act?
    }

    struct Found: Sendable {
        let user: UserRow
        let customers: [(name: CustomerName, source: LinkSource)]
        let subscriptions: [SubscriptionFacts]
        let payments: [PaymentFacts]
        let methods: [PaymentMethodFacts]
        let events: [EventRow]
        let changes: [Change]
    }

    private static let rowsShown = 20

    static let page = Page(path: "/users/{id}", entry: .users, template: "user") { request in
        let (id, words) = (request.parameter(), request.words)
        guard OutsideID.passes(id), let found = try await find(id, request) else { throw PageProblem.notFound }
        var head = Head(id)
        head.crumbs = [Link(words("nav.users"), "/users")]
        head.pill = UserWords.pill(found.user.summary.status, words)
        head.lede = found.user.displayName?.reveal { $0 }
        let path = "/v1/users/\(PercentEncoding.encode(id))"
        return PageContent(
            head, model(found, request),
            commands: [
                request.curl(path), Command("CLI", "patchbay users show \(ShellText.quoted(id))"),
                Command("CLI", "patchbay trace \(ShellText.quoted(id))"),
            ])
    }

    private static func find(_ id: String, _ request: PageRequest) async throws -> Found? {
        try await request.app.database.read("user_page") { session in
            guard let user = try session.user(id) else { return nil }
            var filter = EventFilter()
            filter.userID = id
            return Found(
                user: user, customers: try session.customers(of: id),
                subscriptions: try session.subscriptions(of: id, limit: rowsShown),
                payments: try session.payments(of: id, limit: rowsShown),
                methods: try session.paymentMethods(of: id, limit: rowsShown),
                events: try session.events(filter, ListPage(limit: rowsShown)),
                changes: try session.changes(about: id, limit: rowsShown))
        }
    }

    static func model(_ found: Found, _ request: PageRequest) -> Model {
        let words = request.words
        let events = found.events.prefix(rowsShown).map { event(for: $0, request) }
        let told = found.changes.map { change(for: $0, request) }
        return Model(
            sentence: sentence(found, request),
            subscriptions: found.subscriptions.enumerated().map { subscription($1, isFirst: $0 == 0, request) },
            hasSubscriptions: !found.subscriptions.isEmpty, payments: found.payments.map { payment($0, request) },
            hasPayments: !found.payments.isEmpty, methods: found.methods.map { method($0, found.user, words) },
            hasMethods: !found.methods.isEmpty, steps: events, hasSteps: !events.isEmpty,
            allEvents: "/events" + BrowserText.query([("q", "user:\(found.user.id)")]), told: told,
            hasTold: !told.isEmpty, facts: facts(found.user, request),
            customers: found.customers.map { name, source in
                Model.Customer(
                    jack: Jack(name.provider), id: name.customer, source: words("user.source.\(source.rawValue)"))
            }, hasCustomers: !found.customers.isEmpty,
            act: request.mayAct
                ? Model.Act(
                    base: Places.user(found.user.id),
                    providers: Providers.billingSources.map {
                        FrameModel.Choice(id: $0.about.id, label: $0.about.name, isChosen: false)
                    }) : nil)
    }

    // MARK: Parts

    private static func sentence(_ found: Found, _ request: PageRequest) -> String {
        let (summary, words) = (found.user.summary, request.words)
        guard let status = summary.status else { return words("user.has_nothing") }
        var sentence = words(
            "user.has", ["status": status, "plan": summary.plan ?? words("user.no_plan")])
        if let end = summary.currentPeriodEnd {
            let key = summary.cancelAtPeriodEnd ? "user.ends" : "user.paid_until"
            sentence += " " + words(key, ["time": request.times.moment(end).text])
        }
        if let first = found.subscriptions.first {
            sentence += " " + words("user.from", ["id": first.id])
        }
        return sentence
    }

    private static func source(_ event: String?) -> Link? {
        event.map { Link(ShortID($0).short, "/events/\($0)") }
    }

    private static func subscription(
        _ row: SubscriptionFacts, isFirst: Bool, _ request: PageRequest
    ) -> Model.Subscription {
        let words = request.words
        let doubts = [
            row.isProvisional ? words("user.provisional") : nil, row.isUnclear ? words("user.unclear") : nil,
            row.cancelsAtPeriodEnd ? words("user.cancels") : nil,
            row.askedAt.map { words("user.asked", ["time": request.times.moment($0).text]) },
        ].compactMap { $0 }
        return Model.Subscription(
            jack: Jack(row.provider), id: row.id, counts: isFirst ? words("user.counts") : nil,
            pill: UserWords.pill(row.status, words), plan: row.plan ?? "",
            end: row.currentPeriodEnd.map(request.times.moment), source: source(row.statedBy),
            stated: row.statedAt.map(request.times.moment), doubts: doubts.joined(separator: " · "))
    }

    private static func payment(_ row: PaymentFacts, _ request: PageRequest) -> Model.Payment {
        let words = request.words
        let lamp: LampState =
            switch row.outcome {
            case "succeeded": .ok
            case "failed": .failed
            case "cancelled": .paused
            default: .waiting
            }
        let currency = row.currency ?? ""
        let more = [
            row.problem,
            row.refunded > 0 ? words("user.refunded", ["amount": MoneyText.of(row.refunded, currency, words)]) : nil,
            row.dispute.map { words("user.dispute", ["state": $0]) },
        ].compactMap { $0 }
        return Model.Payment(
            amount: row.amount.map { MoneyText.of($0, currency, words) } ?? "–", id: row.id,
            pill: Pill(lamp, row.status ?? words("user.payment_open")), more: more.joined(separator: " · "),
            source: source(row.statedBy), time: request.times.moment(row.statedAt ?? row.updatedAt))
    }

    private static func method(_ row: PaymentMethodFacts, _ user: UserRow, _ words: Words) -> Model.Method {
        let card = [row.brand, row.last4.map { "•••• \($0)" }].compactMap { $0 }.joined(separator: " ")
        let isUsed = user.summary.paymentMethod == row.id
        let more = [
            row.expires.map { words("user.expires", ["time": $0]) }, row.isAttached ? nil : words("user.detached"),
            isUsed ? words("user.used") : nil,
        ].compactMap { $0 }
        return Model.Method(
            what: card.isEmpty ? row.type ?? row.id : card, more: more.joined(separator: " · "),
            source: source(row.statedBy))
    }

    private static func event(for row: EventRow, _ request: PageRequest) -> Step {
        let lamp: LampState =
            switch row.state {
            case "applied": .ok
            case "failed": .failed
            case "waiting_review": .needs
            case "queued": .waiting
            default: .paused
            }
        var step = Step(lamp, row.type)
        (step.code, step.time) = (row.id.text, request.times.moment(row.receivedAt))
        step.why = row.stateReason
        return step
    }

    private static func change(for row: Change, _ request: PageRequest) -> Step {
        var step = Step(row.position > 0 ? .ok : .waiting, row.type)
        (step.code, step.time) = (row.id.text, request.times.moment(row.occurredAt))
        return step
    }

    private static func facts(_ user: UserRow, _ request: PageRequest) -> [Fact] {
        let (words, times) = (request.words, request.times)
        var facts = [Fact(words("user.fact.id"), user.id, isCode: true, copied: user.id)]
        if let email = user.email?.reveal({ $0 }) { facts.append(Fact(words("user.fact.email"), email)) }
        let members = (try? JSON.parse(Array(user.metadata.utf8)))?.members ?? []  // Our own; unread it shows nothing.
        facts += members.prefix(20).map { Fact($0.name, $0.value.text ?? "") }
        return facts + [
            Fact(words("user.fact.version"), words.number(user.version)),
            Fact(words("user.fact.first"), times.moment(user.firstSeenAt)),
            Fact(words("user.fact.updated"), times.moment(user.updatedAt)),
        ]
    }
}
