import Kit
import Store

/// One question with its evidence and what may be decided.
struct ReviewItem: Sendable {
    struct Evidence: Sendable {
        let name: String
        let text: String
        let href: String?
    }
    struct Choice: Sendable {
        let id: String
        let label: String
        let key: String
        let isFirst: Bool
        let isDanger: Bool
        /// Sent without what the other choices need.
        let isPlain: Bool
    }
    struct Form: Sendable {
        let action: String
        let claim: String?
        let next: String
        let asksUser: Bool
        let choices: [Choice]
    }

    let word: String
    let question: String
    let pill: Pill
    let about: Link
    let evidence: [Evidence]
    /// Nil once it is decided, or for those who may not act.
    let form: Form?
    let decided: String?
    let note: String?
    /// What can be done about a decision that was wrong.
    let undo: Link?

    init(_ review: Review, next: ID<ReviewKind>?, _ request: PageRequest) {
        let words = request.words
        word = ReviewPage.kind(review.kind, words)
        question = StoredSentences.question(review, words)
        pill = Self.pill(review, request)
        about = Self.place(review.subject)
        var rows = Self.evidence(review, words)
        if review.count > 1 {
            rows.append(Evidence(name: words("review.count"), text: words.number(review.count), href: nil))
        }
        if let provider = review.provider {
            rows.append(Evidence(name: words("review.provider"), text: provider, href: nil))
        }
        evidence = rows
        note = review.note
        form = review.decidedAt == nil && request.mayAct ? Self.form(review, next, words) : nil
        guard review.decidedAt != nil else {
            (decided, undo) = (nil, nil)
            return
        }
        let choice = review.decision ?? "?"
        decided = words(
            "review.decided_by",
            [
                "choice": words.text("review.choice.\(choice)") ?? choice,
                "who": review.decidedBy.map { ShortID($0).short } ?? "?",
            ])
        // A decision is kept; what it let be can be done after all.
        let hasEvent = review.subject.hasPrefix("evt_")
        undo = hasEvent ? Link(words("review.replay"), "/events/\(review.subject)") : nil
    }

    private static func pill(_ review: Review, _ request: PageRequest) -> Pill {
        switch review.state {
        case "decided":
            Pill(.ok, request.words("review.state.decided"), time: review.decidedAt.map(request.times.moment))
        case "claimed": Pill(.running, request.words("review.state.claimed"))
        default: Pill(.needs, request.words("review.state.open"), time: request.times.moment(review.openedAt))
        }
    }

    /// `stripe/cus_1` is a customer, which no page of its own shows.
    private static func place(_ subject: String) -> Link { Places.link(subject) }

    private static func evidence(_ review: Review, _ words: Words) -> [Evidence] {
        // Our own; what cannot be read shows nothing.
        let members = (try? JSON.parse(Array(review.evidence.utf8)))?.members ?? []
        return members.prefix(50).flatMap { member -> [Evidence] in
            let name = words.text("review.evidence.\(member.name)") ?? member.name.replacing("_", with: " ")
            if let list = member.value.elements, !list.isEmpty {
                return list.prefix(20).map { row(name, $0) }
            }
            return [row(name, member.value)]
        }
    }

    private static func row(_ name: String, _ value: JSON) -> Evidence {
        guard let text = value.text else {
            return Evidence(
                name: name,
                text: OutsideText.bounded(value.isNull ? "–" : String(decoding: value.bytes, as: UTF8.self), 500),
                href: nil)
        }
        return Evidence(name: name, text: OutsideText.bounded(text, 500), href: Places.page(of: text))
    }

    private static func form(_ review: Review, _ next: ID<ReviewKind>?, _ words: Words) -> Form {
        let dismissing = ["dismiss", "reject", "leave"]
        var keys = ["a", "q", "w", "e", "r"][...]
        let choices = review.choices.prefix(6).map { choice in
            let isDismissing = dismissing.contains(choice)
            return Choice(
                id: choice, label: words.text("review.choice.\(choice)") ?? choice.replacing("_", with: " "),
                key: isDismissing ? "x" : keys.popFirst() ?? "", isFirst: false, isDanger: isDismissing,
                isPlain: choice != "link")
        }
        return Form(
            action: "/review/\(review.id)/decide", claim: review.state == "open" ? "/review/\(review.id)/claim" : nil,
            next: next?.text ?? "", asksUser: review.choices.contains("link"),
            choices: choices.enumerated().map { index, choice in
                Choice(
                    id: choice.id, label: choice.label, key: choice.key, isFirst: index == 0 && !choice.isDanger,
                    isDanger: choice.isDanger, isPlain: choice.isPlain)
            })
    }
}
