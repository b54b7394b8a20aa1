import Kit
import Store

/// Deciding a review: its check, its effect, its audit entry and the change that tells of it, in one transaction.
struct DecidingReview: Sendable {
    let deciders: [String: any ReviewDecider]
    let ids: Identifiers

    /// Works out what a decision does; the closure does it.
    ///
    /// - Throws: `Problem` when the choice is none of the review's, or nothing can come of it.
    func act(_ decision: Decision, on review: Review) async throws -> @Sendable (Session) throws -> Void {
        let effect = try await effect(of: decision, on: review)
        let (auditID, changeID) = (ids.make(AuditKind.self), ids.make(ChangeKind.self))
        return { session in
            guard let held = try session.review(review.id) else {
                throw Problem(.notFound, "There is no review \(review.id).")
            }
            guard
                try session.decide(
                    review.id, decision.choice, note: decision.note, by: decision.actor, at: decision.at)
            else { throw Problem(.wrongState, "It was decided already: \(held.decision ?? "").") }
            try effect(session, held)
            try session.audit(
                NewAudit(
                    id: auditID, at: decision.at, actor: decision.actor, action: "review.decided",
                    subject: review.id.text, detail: ["decision": .string(decision.choice)]))
            try session.append([Self.change(changeID, held, decision)])
        }
    }

    private func effect(
        of decision: Decision, on review: Review
    ) async throws -> @Sendable (Session, Review) throws -> Void {
        guard review.choices.contains(where: decision.choice.hasSameBytes) else {
            throw Problem(
                .invalidFields, [FieldProblem("decision", "must be one of \(review.choices.joined(separator: ", ")).")])
        }
        guard let decider = deciders[review.kind] else { return { _, _ in } }
        if let schema = decider.input, !decision.input.isNull {
            let problems = schema.problems(in: decision.input, at: "input")
            guard problems.isEmpty else { throw Problem(.invalidFields, problems) }
        }
        return try await decider.effect(of: decision, on: review)
    }

    private static func change(_ id: ID<ChangeKind>, _ review: Review, _ decision: Decision) -> NewChange {
        NewChange(
            id: id, type: "review.decided", subject: review.id.text, occurredAt: decision.at,
            data: JSON.object([
                .init("id", JSON(review.id)), .init("kind", .string(review.kind)),
                .init("subject", .string(review.subject)), .init("decision", .string(decision.choice)),
            ]).bytes)
    }
}
