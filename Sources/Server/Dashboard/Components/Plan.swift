import Kit
import Store

/// What would be done with many things, before anything is: counted, with one button.
///
/// It is an address, so it can be looked at again; it holds for a quarter of an hour, and is counted anew where the
/// things have changed meanwhile.
struct PlanModel: Sendable {
    struct Line: Sendable {
        let lamp: Lamp
        let count: String
        let text: String
    }
    let title: String
    let lines: [Line]
    /// What it costs, and what stays safe.
    let small: String
    let action: String
    let fields: [HeadAction.HiddenField]
    /// Nil where there is nothing to do.
    let button: String?
    let isDanger: Bool
    let back: String
    /// The plan that was sent was older, or about other things.
    let isAnew: Bool
}

extension PlanModel {
    static let life = Duration.minutes(15)

    /// Whether a plan that somebody has looked at still is what would be done.
    ///
    /// - Parameter count: how many things there are now.
    static func stands(_ request: PageRequest, count: Int) -> Bool {
        guard let seen = request.form["count"].flatMap({ Int($0) }), seen >= 0, seen < 1_000_000,
            let at = request.form["until"].flatMap(Timestamp.init(rfc3339:)), at <= request.now,
            request.now - at <= life
        else { return false }
        return abs(seen - count) * 100 <= max(seen, count)
    }

    /// What every plan sends back of itself.
    static func fields(count: Int, until: Timestamp) -> [HeadAction.HiddenField] {
        [
            HeadAction.HiddenField(name: "count", value: String(count)),
            HeadAction.HiddenField(name: "until", value: until.rfc3339),
        ]
    }
}

/// A page that is nothing but a plan.
enum PlanPage {
    static func content(_ plan: PlanModel, crumbs: [Link], _ request: PageRequest) -> PageContent {
        var head = Head(plan.title)
        head.crumbs = crumbs
        return PageContent(head, plan)
    }
}
