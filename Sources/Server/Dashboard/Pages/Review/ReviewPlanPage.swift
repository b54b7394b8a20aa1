import Kit
import Store

/// Deciding all open reviews of a kind together: first the plan, then a run that does it.
enum ReviewPlanPage {
    struct Model: Sendable {
        struct Choice: Sendable {
            let id: String
            let label: String
            let isFirst: Bool
        }
        let lines: [PlanModel.Line]
        let choices: [Choice]
        let fields: [HeadAction.HiddenField]
        let button: String?
        let sentence: String
        let isAnew: Bool
    }

    static let page = Page(path: "/review/plan", entry: .review, template: "review-plan", needs: .admin) { request in
        try await content(request.query["kind"] ?? "", isAnew: false, request)
    }

    static let form = PageForm(path: "/review/plan") { request in
        let (kind, choice) = (request.form["kind"] ?? "", request.form["choice"] ?? "")
        let until = min(request.form["until"].flatMap(Timestamp.init(rfc3339:)) ?? request.now, request.now)
        let reviews = try await open(kind, until: until, request)
        guard let first = reviews.first, PlanModel.stands(request, count: reviews.count) else {
            return .again(page, try await content(kind, isAnew: true, request))
        }
        guard try await together(first, request).contains(choice) else {
            throw Problem(
                .invalidFields, [FieldProblem("choice", request.words("review.plan.choose"))])
        }
        let note = request.form["note"].flatMap { $0.isEmpty ? nil : OutsideText.bounded($0, 2000) }
        let id = try await request.begin(
            .reviews(kind: kind, choice: choice, note: note, until: until),
            total: BulkWork.total(reviews.count, isOpen: reviews.count >= Session.reviewsMax))
        return .seeOther("/runs/\(id)")
    }

    private static func open(_ kind: String, until: Timestamp, _ request: PageRequest) async throws -> [Review] {
        try await request.app.database.read("review_plan") {
            try $0.openReviews(of: kind, until: until, limit: Session.reviewsMax)
        }
    }

    /// The choices that need nothing said for each review, as the first one shows.
    private static func together(_ review: Review, _ request: PageRequest) async throws -> [String] {
        let deciding = DecidingReview(deciders: request.app.hooks.deciders, ids: request.app.ids)
        var fit: [String] = []
        for choice in review.choices {
            let decision = Decision(
                review: review.id, choice: choice, note: nil, input: .null, actor: request.operatorID, at: request.now)
            do {
                _ = try await deciding.act(decision, on: review)
                fit.append(choice)
            } catch let problem as Problem where problem.type == .invalidFields {
                continue
            } catch is Problem {
                fit.append(choice)  // Not this one, but perhaps the others.
            }
        }
        return fit
    }

    private static func content(_ kind: String, isAnew: Bool, _ request: PageRequest) async throws -> PageContent {
        let (words, until) = (request.words, request.now)
        let reviews = try await open(kind, until: until, request)
        guard let first = reviews.first else { throw PageProblem.notFound }
        let choices = try await together(first, request)
        let number = words.number(reviews.count) + (reviews.count >= Session.reviewsMax ? "+" : "")
        var head = Head(words("review.plan.title", ["n": number]))
        head.crumbs = [Link(words("nav.review"), "/review")]
        return PageContent(
            head,
            Model(
                lines: [
                    PlanModel.Line(lamp: Lamp(.needs), count: number, text: ReviewPage.kind(kind, words)),
                    PlanModel.Line(
                        lamp: Lamp(.todo), count: "",
                        text: words("review.plan.oldest", ["question": StoredSentences.question(first, words)])),
                ],
                choices: choices.enumerated().map { index, choice in
                    Model.Choice(
                        id: choice, label: words.text("review.choice.\(choice)") ?? choice, isFirst: index == 0)
                },
                fields: [HeadAction.HiddenField(name: "kind", value: kind)]
                    + PlanModel.fields(count: reviews.count, until: until),
                button: choices.isEmpty ? nil : words("review.plan.button", ["n": number]),
                sentence: words(choices.isEmpty ? "review.plan.none" : "review.plan.small"), isAnew: isAnew))
    }
}
