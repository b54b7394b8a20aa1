import Kit
import Store

/// Reviews: whatever waits for a person's decision, in one queue.
enum ReviewsAPI {
    static let list = Action(
        "listReviews", "List reviews", .needs(.read, "reviews"),
        query: Paging.parameters + Paging.times + [
            Parameter("kind", .slug(), "Of one kind."),
            Parameter("state", .words(ReviewView.states), "In this state."),
            Parameter("provider", .slug(), "Of one provider."),
            Parameter("subject", .line(), "About one thing, by its id."),
        ],
        answers: [.list(of: ReviewView.schema)], problems: [.invalidCursor]
    ) { request in
        var filter = ReviewFilter()
        filter.kind = request.queryText("kind")
        filter.state = request.queryText("state")
        filter.provider = request.queryText("provider")
        filter.subject = request.queryText("subject")
        let (page, now) = (try request.page(), request.now)
        let rows = try await request.app.database.read("reviews") { [filter] in
            try $0.reviews(filter, $0.upToHead(page, at: now))
        }
        return request.list(rows, page, id: \.id.text, ReviewView.init)
    }

    static let get = Action(
        "getReview", "Get a review", .needs(.read, "reviews"), path: [.id(ReviewKind.self)],
        answers: [.ok("The review.", ReviewView.schema)], problems: [.notFound]
    ) { request in
        .json(200, ReviewView(review: try await request.review()))
    }

    static let claim = Action(
        "claimReview", "Claim a review", notes: "So that two people do not work on the same question.",
        .needs(.write, "reviews"), path: [.id(ReviewKind.self)], isIdempotent: true,
        answers: [.ok("It is yours.", ReviewView.schema)], problems: [.notFound, .wrongState]
    ) { request in
        let (id, now, actor) = (request.pathID(ReviewKind.self), request.now, request.caller.id)
        return try await request.once("claim_review") { session in
            let isClaimed = try session.claim(id, by: actor, at: now)
            guard let review = try session.review(id) else { throw Problem(.notFound, "There is no review \(id).") }
            guard isClaimed else {
                throw Problem(
                    .wrongState,
                    "The review is \(review.state) by \(review.decidedBy ?? review.claimedBy ?? "another").")
            }
            return .json(200, ReviewView(review: review))
        }
    }

    static let decide = Action(
        "decideReview", "Decide a review",
        notes: "Does what the choice means and records who decided, in one step. `input` is what the choice needs: for "
            + "`event_without_user` `{\"user_id\": \"…\"}`.",
        .needs(.write, "reviews"), path: [.id(ReviewKind.self)],
        body: .named(
            "DecisionRequest",
            .object([
                .required("decision", .slug(), "One of the review's choices."),
                .optional("note", Schema.lines(0...2000).orNull, "Why; for those who look later."),
                .optional("input", .map(of: .anything, most: 20), "What the choice needs."),
            ])
        ).example(["decision": "assign", "input": ["user_id": "user-42"]]),
        isIdempotent: true, answers: [.ok("It is decided.", ReviewView.schema)], problems: [.notFound, .wrongState]
    ) { request in
        let deciding = DecidingReview(deciders: request.app.hooks.deciders, ids: request.app.ids)
        let (id, act) = (
            request.pathID(ReviewKind.self),
            try await deciding.act(try await request.decision(), on: try await request.review())
        )
        return try await request.once("decide_review") { session in
            try act(session)
            guard let review = try session.reviewRow(id) else { throw StoreError.conflict }
            return .json(200, ReviewView(review: review))
        }
    }
}

extension APIRequest {
    fileprivate func review() async throws -> Review {
        let id = pathID(ReviewKind.self)
        guard let review = try await app.database.read("review", { try $0.reviewRow(id) }) else {
            throw Problem(.notFound, "There is no review \(id).")
        }
        return review
    }

    fileprivate func decision() async throws -> Decision {
        Decision(
            review: pathID(), choice: body["decision"]?.text ?? "", note: body["note"]?.text,
            input: body["input"] ?? .null,
            actor: caller.id, at: now)
    }
}

struct ReviewView: View {
    let review: Review

    static let states = ["open", "claimed", "decided"]
    static let schema = Schema.named(
        "Review",
        .object([
            .required("id", .id(ReviewKind.self), "Its id."),
            .required("kind", .text(), "What sort of question it is."),
            .required("state", .words(states), "How it stands."),
            .required("subject", .text(), "The id of what it is about."),
            .required("question", .text(), "What is to be decided."),
            .required("evidence", .anything, "Ids and facts."),
            .required("choices", .array(of: .text()), "What may be decided."),
            .required("provider", Schema.text().orNull, "The provider that it concerns."),
            .required("count", .integer(), "How often the question came up while it was open."),
            .required("opened_at", .time, "When it came up first."),
            .required("claimed_by", Schema.text().orNull, "Who works on it."),
            .required("claimed_at", Schema.time.orNull, "Since when."),
            .required("decided_by", Schema.text().orNull, "Who decided."),
            .required("decided_at", Schema.time.orNull, "When."),
            .required("decision", Schema.text().orNull, "What was decided."),
            .required("note", Schema.text().orNull, "Why."),
        ]))

    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("id", JSON(review.id))
            writer.member("kind", .string(review.kind))
            writer.member("state", .string(review.state))
            writer.member("subject", .string(review.subject))
            writer.member("question", .string(review.question))
            writer.outside("evidence", Array(review.evidence.utf8))
            writer.member("choices", .array(review.choices.map(JSON.string)))
            writer.member("provider", JSON(review.provider))
            writer.member("count", JSON(review.count))
            writer.member("opened_at", JSON(review.openedAt))
            writer.member("claimed_by", JSON(review.claimedBy))
            writer.member("claimed_at", JSON(review.claimedAt))
            writer.member("decided_by", JSON(review.decidedBy))
            writer.member("decided_at", JSON(review.decidedAt))
            writer.member("decision", JSON(review.decision))
            writer.member("note", JSON(review.note))
        }
    }
}
