import Crypto
import Engine
public import Kit
public import Store

/// Events that were set free, and their jobs.
struct Released {
    /// So many of one link come in its transaction; what is more waits for the next event of its customer.
    static let most = 200
    private let linked: Linked

    init(_ linked: Linked) { self.linked = linked }

    func enqueue(in session: Session, ids: [ID<JobKind>], at now: Timestamp) throws {
        var jobs: [NewJob] = []
        for (event, id) in zip(linked.released, ids) {
            guard let row = try session.eventRow(event) else { continue }
            let lane = EventLane.of(row.subject ?? event.text, app: ID(stored: row.appID), priority: .event)
            jobs.append(EventApplying.job(id, for: event, lane: lane, at: now))
        }
        try session.enqueue(jobs)
    }
}

/// What stands for a user in the audit log, which holds no personal text: an id may be an e-mail address.
enum UserDigest {
    static func of(_ id: String) -> String {
        String(decoding: Hex.encode(Array(SHA256.hash(data: Array(id.utf8))).prefix(12)), as: UTF8.self)
    }
}

/// Decides `event_without_user`: `link` says which user the customer is, `dismiss` lets its events be.
public struct CustomerDecider: ReviewDecider {
    private let ids: Identifiers
    public init(ids: Identifiers) { self.ids = ids }

    public var input: Schema? { .object([.required("user_id", .line(1...256), "The application's user.")]) }

    public func effect(of decision: Decision) throws(Problem) -> @Sendable (Session, Review) throws -> Void {
        guard decision.choice == "link" else { return Dismissal.effect(at: decision.at) }
        guard let user = decision.input["user_id"]?.text, OutsideID.passes(user) else {
            throw Problem(.invalidFields, [FieldProblem("input.user_id", "must be the id of the application's user.")])
        }
        let ready = ReadyIDs(ids, changes: 64)
        let jobIDs = (0..<Released.most).map { _ in ids.make(JobKind.self) }
        return { session, review in
            guard let name = CustomerName(subject: review.subject) else {
                throw StoreError.damaged("the review \(review.id)")
            }
            var ready = ready
            let link = NewLink(
                provider: name.provider, customer: name.customer, userID: user, source: .review, statedAt: decision.at)
            let linked = try session.link(link, by: decision.actor, ids: &ready, at: decision.at)
            try Released(linked).enqueue(in: session, ids: jobIDs, at: decision.at)
        }
    }
}

/// Decides `unreadable_delivery` about an event: `replay` applies it once more, `dismiss` lets it be.
public struct UnreadableDecider: ReviewDecider {
    private let ids: Identifiers
    public init(ids: Identifiers) { self.ids = ids }

    public var input: Schema? { nil }

    public func effect(of decision: Decision) throws(Problem) -> @Sendable (Session, Review) throws -> Void {
        guard decision.choice == "replay" else { return Dismissal.effect(at: decision.at) }
        let jobID = ids.make(JobKind.self)
        return { session, review in
            guard let id = ID<EventKind>(review.subject), let event = try session.eventRow(id) else { return }
            try session.enqueue([Replay.job(event, jobID, decision.at)])
        }
    }
}

/// What waited is let be: it is `ignored` from now on.
private enum Dismissal {
    static func effect(at now: Timestamp) -> @Sendable (Session, Review) throws -> Void {
        { session, review in
            if let id = ID<EventKind>(review.subject) {
                try session.setState("ignored", of: id, reason: "Dismissed by a person.", at: now)
            } else if let name = CustomerName(subject: review.subject) {
                for id in try session.release(waitingFor: name.customer, at: name.provider, limit: 500, now: now) {
                    try session.setState("ignored", of: id, reason: "Dismissed by a person.", at: now)
                }
            }
        }
    }
}

extension Hooks {
    /// The deciders of the product, by the review's kind.
    public static func deciders(ids: Identifiers) -> [String: any ReviewDecider] {
        ["event_without_user": CustomerDecider(ids: ids), "unreadable_delivery": UnreadableDecider(ids: ids)]
    }
}
