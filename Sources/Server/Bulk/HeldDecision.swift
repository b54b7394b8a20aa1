import Engine
import Kit
import Store

/// A decision of a review that takes effect in ten seconds: a job that waits, so that who decided may take it back.
struct HeldDecision: Sendable {
    static let kind = "review.decide"
    /// So long it may be taken back.
    static let hold = Duration.seconds(10)

    let review: ID<ReviewKind>
    let choice: String
    let note: String?
    let input: JSON
    let actor: String

    /// Of one review one decision may be held.
    static func key(of review: ID<ReviewKind>) -> String { "\(kind):\(review)" }

    func job(_ id: ID<JobKind>, at now: Timestamp) -> NewJob {
        let stored: JSON = [
            "review": JSON(review), "choice": .string(choice), "note": JSON(note), "input": input,
            "actor": .string(actor),
        ]
        return NewJob(
            id: id, kind: Self.kind, lane: Lane("reviews", .person), dueAt: now + Self.hold, createdAt: now,
            input: stored.bytes, subject: review.text, uniqueKey: Self.key(of: review))
    }

    /// Nil for what no decision is.
    init?(stored: [UInt8]) {
        // Our own; unread it decides nothing.
        guard let json = try? JSON.parse(stored), let review = json["review"]?.text,
            let choice = json["choice"]?.text, let actor = json["actor"]?.text
        else { return nil }
        self.init(
            review: ID(stored: review), choice: choice, note: json["note"]?.text, input: json["input"] ?? .null,
            actor: actor)
    }

    init(review: ID<ReviewKind>, choice: String, note: String?, input: JSON, actor: String) {
        self.review = review
        self.choice = choice
        self.note = note
        self.input = input
        self.actor = actor
    }

    func decision(at now: Timestamp) -> Decision {
        Decision(review: review, choice: choice, note: note, input: input, actor: actor, at: now)
    }
}

/// Lets a decision take effect when its time is over: effect, record and the job's end in one transaction.
struct HeldDecisions: JobWorker {
    let kind = HeldDecision.kind
    let database: any Database
    let ids: Identifiers
    let time: TimeSource
    let bells: Bells
    let deciders: [String: any ReviewDecider]

    func run(_ job: ClaimedJob) async throws -> JobResult {
        guard let held = HeldDecision(stored: job.input) else { throw JobInterruption.hopeless("It is no decision.") }
        let now = time.now()
        guard let review = try await database.read("held_review", { try $0.reviewRow(held.review) }) else {
            return .cancelled(reason: "The review is no longer kept.")
        }
        do {
            let act = try await DecidingReview(deciders: deciders, ids: ids).act(held.decision(at: now), on: review)
            try await database.write("held_decision", in: .work) { session in
                try session.hold(job)
                try act(session)
                try session.succeed(job, at: now)
            }
        } catch let problem as Problem {
            // Decided by another meanwhile, or nothing can come of it: the question is open as before.
            try await database.write("release_review", in: .work) { session in
                try session.hold(job)
                _ = try session.unclaim(held.review, by: held.actor)
            }
            return .cancelled(reason: problem.detail)
        }
        bells.jobs.ring()
        bells.written.ring()
        return .committed
    }
}

extension APIRequest {
    /// Holds a decision, after a look whether anything can come of it.
    func hold(_ held: HeldDecision) async throws -> Answer {
        guard let review = try await app.database.read("review", { try $0.reviewRow(held.review) }) else {
            throw Problem(.notFound, "There is no review \(held.review).")
        }
        guard review.state != "decided" else {
            throw Problem(.wrongState, "It was decided already: \(review.decision ?? "").")
        }
        _ = try await DecidingReview(deciders: app.hooks.deciders, ids: app.ids).act(held.decision(at: now), on: review)
        let job = held.job(app.ids.make(), at: now)
        return try await once("hold_decision") { [now] session in
            guard try session.liveJob(uniqueKey: HeldDecision.key(of: held.review)) == nil else {
                throw Problem(.wrongState, "A decision of it is held. Take it back first.")
            }
            guard try session.claim(held.review, by: held.actor, at: now) else {
                throw Self.taken(try session.review(held.review), held.review)
            }
            try session.enqueue([job])
            return .noContent
        }
    }

    /// Why a review is not this person's to decide.
    private static func taken(_ review: Review?, _ id: ID<ReviewKind>) -> Problem {
        guard let review else { return Problem(.notFound, "There is no review \(id).") }
        guard review.state == "claimed" else {
            return Problem(.wrongState, "It was decided already: \(review.decision ?? "").")
        }
        return Problem(
            .wrongState,
            "\(review.claimedBy ?? "Another") works on it. Ask them, or decide it at once: "
                + "patchbay reviews decide \(id)")
    }

    /// Takes a held decision back, whoever made it. False when it has taken effect, or is about to.
    func takeBack(_ review: ID<ReviewKind>) async throws -> Bool {
        let auditID = app.ids.make(AuditKind.self)
        return try await app.database.write("take_back", in: .work) { [self, now] session in
            guard let id = try session.liveJob(uniqueKey: HeldDecision.key(of: review)),
                let job = try session.job(id, at: now), job.state == "scheduled",
                let held = HeldDecision(stored: job.input),
                try session.end(id, as: "cancelled", reason: "Taken back by a person.", at: now)
            else { return false }
            _ = try session.unclaim(review, by: held.actor)
            try session.audit(
                NewAudit(
                    auditID, "review.taken_back", review.text, by: self,
                    detail: ["decision": .string(held.choice), "decided_by": .string(held.actor)]))
            return true
        }
    }
}
