import Kit
import Store

/// What waits for a person: the queue at the left, one question with its evidence at the right, decided by a key.
enum ReviewPage {
    struct Model: Sendable {
        struct Group: Sendable {
            let word: String
            let question: String
            let count: String
            let age: String
            let href: String
            let isHere: Bool
            /// Set where several stand together and may be decided so.
            let together: Link?
            let items: [Item]
        }
        struct Item: Sendable {
            let href: String
            let label: String
            let age: String
            let isHere: Bool
        }
        let groups: [Group]
        let item: ReviewItem?
        /// The decision before this one, while it may be taken back.
        let before: ReviewItem.Held?
        let empty: Empty?
        let decided: [Decided]
        let hasDecided: Bool
    }
    struct Decided: Sendable {
        let link: Link
        let what: String
        let time: TimeModel
    }

    private static let itemsShown = 20
    private static let decidedShown = 5

    static let queue = Page(
        path: "/review", entry: .review, template: "review", fragments: ["review-queue"], follows: ["review.*"]
    ) { try await content(nil, $0) }

    static let page = Page(
        path: "/review/{id}", entry: .review, template: "review", fragments: ["review-queue"], follows: ["review.*"]
    ) { try await content(try $0.id(ReviewKind.self), $0) }

    struct Found: Sendable {
        let kinds: [ReviewsOfKind]
        let oldest: [String: Review]
        let chosen: Review?
        let items: [Review]
        let decided: [Review]
        /// What makes a held decision of the chosen one take effect, and of the one before.
        let held: JobRow?
        let heldBefore: JobRow?
    }

    private static func content(_ id: ID<ReviewKind>?, _ request: PageRequest) async throws -> PageContent {
        let (now, before) = (request.now, request.query["held"].flatMap { ID<ReviewKind>($0) })
        let found = try await request.app.database.read("review_page") { session in
            func held(_ review: ID<ReviewKind>?) throws -> JobRow? {
                try review.flatMap { try session.liveJob(uniqueKey: HeldDecision.key(of: $0)) }.flatMap {
                    try session.job($0, at: now)
                }
            }
            let kinds = try session.openReviewKinds()
            let chosen = try (id ?? kinds.first?.oldest).flatMap { try session.reviewRow($0) }
            let oldest = try kinds.compactMap { try session.reviewRow($0.oldest) }
            return Found(
                kinds: kinds, oldest: Dictionary(oldest.map { ($0.kind, $0) }) { first, _ in first }, chosen: chosen,
                items: try chosen.map { try session.openReviews(of: $0.kind, limit: itemsShown) } ?? [],
                decided: try session.decidedReviews(limit: decidedShown), held: try held(chosen?.id),
                heldBefore: before == chosen?.id ? nil : try held(before))
        }
        guard id == nil || found.chosen != nil else { throw PageProblem.notFound }
        let words = request.words
        var head = Head(words("review.title"))
        head.lede = lede(found, request)
        if let id { head.crumbs = [Link(words("nav.review"), "/review")]; head.id = ShortID(id.text) }
        let path = found.chosen.map { "/\($0.id)" } ?? "?state=open"
        return PageContent(
            head, model(found, request),
            commands: [
                request.curl("/v1/reviews\(path)"),
                Command("CLI", found.chosen.map { "patchbay reviews show \($0.id)" } ?? "patchbay reviews list"),
            ])
    }

    private static func lede(_ found: Found, _ request: PageRequest) -> String {
        let count = found.kinds.reduce(0) { $0 + $1.count }
        // Whole kinds are counted to their end, so that the sum is one more than this where one of them is not.
        let most = found.kinds.reduce(0) { $0 + min($1.count, Session.reviewsMax) }
        guard count > 0, let oldest = found.kinds.first?.oldest.madeAt else { return request.words("review.none_wait") }
        return request.words.count("review.lede", count, upTo: most, ["age": request.times.age(oldest)])
    }

    static func model(_ found: Found, _ request: PageRequest) -> Model {
        let words = request.words
        return Model(
            groups: found.kinds.map { group($0, found, request) },
            item: found.chosen.map { ReviewItem($0, next: next(found), held: found.held, request) },
            before: request.mayAct ? ReviewItem.Held(found.heldBefore, request) : nil,
            empty: found.chosen == nil ? empty(found, request) : nil,
            decided: found.decided.map { review in
                Decided(
                    link: Link(kind(review.kind, words), "/review/\(review.id)"),
                    what: words.text("review.choice.\(review.decision ?? "")") ?? review.decision ?? "?",
                    time: request.times.moment(review.decidedAt ?? review.openedAt))
            }, hasDecided: !found.decided.isEmpty)
    }

    static func kind(_ kind: String, _ words: Words) -> String {
        words.text("review.kind.\(kind)") ?? kind.replacing("_", with: " ")
    }

    private static func group(_ kind: ReviewsOfKind, _ found: Found, _ request: PageRequest) -> Model.Group {
        let words = request.words
        let isHere = found.chosen?.kind == kind.kind && found.chosen?.decidedAt == nil
        let number = words.number(kind.count, upTo: Session.reviewsMax)
        return Model.Group(
            word: Self.kind(kind.kind, words),
            question: found.oldest[kind.kind].map { StoredSentences.question($0, words) } ?? "",
            count: kind.count > 1 ? number : "", age: kind.oldest.madeAt.map(request.times.age) ?? "",
            href: "/review/\(kind.oldest)", isHere: isHere,
            together: kind.count > 1 && request.mayAct
                ? Link(
                    words("review.together", ["n": number]),
                    "/review/plan" + BrowserText.query([("kind", kind.kind)])) : nil,
            items: isHere && kind.count > 1
                ? found.items.map { review in
                    Model.Item(
                        href: "/review/\(review.id)", label: ShortID(review.subject, keeping: 24).short,
                        age: request.times.age(review.openedAt), isHere: review.id == found.chosen?.id)
                } : [])
    }

    /// The one after this, or the first.
    private static func next(_ found: Found) -> ID<ReviewKind>? {
        let later = found.items.first { $0.id > found.chosen?.id ?? $0.id }
        return later?.id ?? found.kinds.map(\.oldest).first { $0 != found.chosen?.id }
    }

    private static func empty(_ found: Found, _ request: PageRequest) -> Empty {
        let last = found.decided.first?.decidedAt.map { request.times.moment($0).text }
        let words = request.words
        return Empty(
            last.map { words("review.empty_since", ["time": $0]) } ?? words("review.empty"),
            commands: [Command(nil, "patchbay reviews list --state decided")])
    }

    // MARK: Forms

    static let forms = [
        PageForm(path: "/review/{id}/decide") { request in
            let id = try request.id(ReviewKind.self)
            let user = request.form["user_id"].flatMap { $0.isEmpty ? nil : $0 }
            let note = request.form["note"].flatMap { $0.isEmpty ? nil : OutsideText.bounded($0, 2000) }
            let held = HeldDecision(
                review: id, choice: request.form["decision"] ?? "", note: note,
                input: user.map { ["user_id": .string($0)] } ?? .null, actor: request.operatorID)
            let hold = Action(
                "holdDecision", "Decide a review in ten seconds", .needs(.write, "reviews"), isIdempotent: true,
                answers: []
            ) { api in try await api.hold(held) }
            _ = try await request.perform(hold)
            let next = request.form["next"].flatMap { ID<ReviewKind>($0) }
            return .seeOther("/review/\(next ?? id)" + BrowserText.query([("held", id.text)]))
        },
        PageForm(path: "/review/{id}/undo") { request in
            let id = try request.id(ReviewKind.self)
            let undo = Action(
                "takeDecisionBack", "Take a decision back", .needs(.write, "reviews"), answers: []
            ) { api in
                guard try await api.takeBack(id) else {
                    throw Problem(.wrongState, request.words("review.undo_late"))
                }
                return .noContent
            }
            _ = try await request.perform(undo)
            return .seeOther("/review/\(id)", note: "undone")
        },
        PageForm(path: "/review/{id}/claim") { request in
            let id = try request.id(ReviewKind.self)
            _ = try await request.perform(ReviewsAPI.claim, path: ["id": id.text])
            return .seeOther("/review/\(id)", note: "claimed")
        },
    ]
}
