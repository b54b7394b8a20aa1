import Crypto
public import Engine
public import Kit
public import Store

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

    public func effect(
        of decision: Decision, on review: Review
    ) async throws -> @Sendable (Session, Review) throws -> Void {
        let jobs = EventReleasing.ReadyJobs(ids)
        guard decision.choice == "link" else { return Dismissal.effect(jobs, at: decision.at) }
        guard let user = decision.input["user_id"]?.text, OutsideID.passes(user) else {
            throw Problem(.invalidFields, [FieldProblem("input.user_id", "must be the id of the application's user.")])
        }
        let ready = ReadyIDs(ids, changes: 64)
        return { session, review in
            guard let name = CustomerName(subject: review.subject) else {
                throw StoreError.damaged("the review \(review.id)")
            }
            var ready = ready
            let link = NewLink(
                provider: name.provider, customer: name.customer, userID: user, source: .review, statedAt: decision.at)
            let linked = try session.link(link, by: decision.actor, ids: &ready, at: decision.at)
            try EventReleasing.enqueue(linked, jobs, in: session, at: decision.at)
        }
    }
}

/// Decides `unreadable_delivery`: about an event `replay` applies it once more; about a delivery without events
/// `read_again` reads it with what the program has learnt since; `dismiss` lets either be.
public struct UnreadableDecider: ReviewDecider {
    /// Reads a kept delivery again.
    public typealias Reading = @Sendable (KeptDelivery) throws(Unreadable) -> Arrival

    private let ids: Identifiers
    private let database: any Database
    private let read: Reading
    public init(ids: Identifiers, database: any Database, read: @escaping Reading) {
        self.ids = ids
        self.database = database
        self.read = read
    }

    public var input: Schema? { nil }

    public func effect(
        of decision: Decision, on review: Review
    ) async throws -> @Sendable (Session, Review) throws -> Void {
        switch decision.choice {
        case "replay": replay(at: decision.at)
        case "read_again": try await readAgain(ID(stored: review.subject))
        default: Dismissal.effect(EventReleasing.ReadyJobs(ids), at: decision.at)
        }
    }

    private func replay(at now: Timestamp) -> @Sendable (Session, Review) throws -> Void {
        let jobID = ids.make(JobKind.self)
        return { session, review in
            guard let id = ID<EventKind>(review.subject), let event = try session.eventRow(id) else { return }
            try session.enqueue([Replay.job(event, jobID, now)])
        }
    }

    private func readAgain(_ id: ID<DeliveryKind>) async throws -> @Sendable (Session, Review) throws -> Void {
        guard let kept = try await database.read("unread_delivery", { try $0.keptDelivery(id) }) else {
            throw Problem(.wrongState, "The delivery's bytes are no longer kept. Dismiss the review.")
        }
        let arrival: Arrival
        do { arrival = try read(kept) } catch {
            throw Problem(.wrongState, "It still cannot be read: \(error.reason)")
        }
        return { session, _ in _ = try session.keepRead(arrival) }
    }
}

/// What waited is let be: it is `ignored` from now on.
private enum Dismissal {
    static func effect(
        _ jobs: EventReleasing.ReadyJobs, at now: Timestamp
    ) -> @Sendable (Session, Review) throws -> Void {
        { session, review in
            if let id = ID<EventKind>(review.subject) {
                try session.setState("ignored", of: id, reason: "Dismissed by a person.", at: now)
            } else if let name = CustomerName(subject: review.subject) {
                try EventReleasing.ignore(name, jobs, in: session, at: now)
            }
        }
    }
}

extension Hooks {
    /// The deciders of the product, by the review's kind.
    public static func deciders(
        ids: Identifiers, database: any Database, publishing: Publishing? = nil,
        read: @escaping UnreadableDecider.Reading
    ) -> [String: any ReviewDecider] {
        var deciders: [String: any ReviewDecider] = [
            "event_without_user": CustomerDecider(ids: ids),
            "unreadable_delivery": UnreadableDecider(ids: ids, database: database, read: read),
        ]
        if let publishing {
            deciders[PublicationWorker.review] = UnknownDecider(publishing, database: database)
            deciders[PublicationWorker.lateReview] = LateDecider(publishing)
        }
        return deciders
    }
}
