import Kit
import Store

extension EventReconciling {
    /// What a page brings, as it would come in.
    enum Page: Sendable {
        case events([Arrival], next: String?)
        case objects([Shown], next: String?)

        var next: String? {
            switch self {
            case .events(_, let next), .objects(_, let next): next
            }
        }
    }

    /// An object as the platform shows it, and as what it would come in: that depends on how it stands here.
    struct Shown: Sendable {
        let content: EventContent
        /// Once a day, however often it is listed.
        let daily: Arrival
        /// Once in each run: what is otherwise here is put right, whatever the same content did before.
        let correcting: Arrival
        /// Once and for all.
        let unreadable: Arrival
    }

    /// The list was read at some moment between the question and the answer's date; clocks differ.
    private static let doubt = Duration.seconds(10)

    func page(_ row: ReconciliationRow, _ listed: ListedSource) async throws -> Page {
        guard row.stream == Self.stream else { return try await objects(row, listed) }
        let call = listed.source.events(since: row.since, until: row.until, after: row.position)
        let found = try await listed.caller.ask(call, in: context(row)).output
        let now = time.now()
        let arrivals = try found.events.map { body in
            try gateway.listed(body, by: row.provider, app: row.app, from: call.outgoing.path, at: now)
        }
        return .events(arrivals, next: found.next)
    }

    private func objects(_ row: ReconciliationRow, _ listed: ListedSource) async throws -> Page {
        guard let source = listed.objects else { return .events([], next: nil) }
        let began = time.uptime()
        let call = source.objects(of: row.stream, after: row.position)
        let found = try await listed.caller.ask(call, in: context(row)).output
        let now = time.now()
        let asOf = (found.date ?? now) - (time.uptime() - began) - Self.doubt
        func arrival(of object: ListedObject, once: Gateway.Once) throws -> Arrival {
            try gateway.listed(
                object, once, by: row.provider, app: row.app, from: call.outgoing.path,
                asOf: Timestamp(seconds: asOf.seconds), at: now)
        }
        let shown = try found.objects.map { object in
            Shown(
                content: EventContent(type: object.type, occurredAt: asOf, body: object.body),
                daily: try arrival(of: object, once: .aDay), correcting: try arrival(of: object, once: .aRun(row.id)),
                unreadable: try arrival(of: object, once: .ever))
        }
        return .objects(shown, next: found.next)
    }

    private func context(_ row: ReconciliationRow) -> CallContext {
        var context = CallContext("reconcile", as: Claimant("reconcile", .sync))
        context.subject = row.id.text
        return context
    }
}

extension EventReconciling.Page {
    /// What is otherwise here, and as what each element comes in; of events only the log can say what is missing.
    func compared(by rules: BillingRules?, in session: Session) throws -> (Compared?, [Arrival]) {
        switch self {
        case .events(let arrivals, _): return (nil, arrivals)
        case .objects(let shown, _):
            var found = Compared()
            let arrivals = try shown.map { object in
                switch try Self.standing(of: object, by: rules, in: session) {
                case .matched:
                    found.matched += 1
                    return object.daily
                case .missing:
                    found.missingHere += 1
                    return object.correcting
                case .differing:
                    found.differing += 1
                    return object.correcting
                case nil:
                    found.differing += 1
                    return object.unreadable
                }
            }
            return (found, arrivals)
        }
    }

    /// Nil where it cannot be read: it goes to a person like every event that cannot be, and the run goes on.
    private static func standing(
        of object: EventReconciling.Shown, by rules: BillingRules?, in session: Session
    ) throws -> BillingRules.Standing? {
        guard let rules else { return .matched }
        do { return try rules.standing(of: object.content, in: session) } catch is Unreadable { return nil }
    }
}
