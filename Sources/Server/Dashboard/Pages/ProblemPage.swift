import Kit
import Store

/// What stands instead of a page: nothing there, not allowed, the database away, our fault.
enum ProblemPage {
    struct Model: Sendable {
        let status: Int
        let pill: Pill?
        let title: String
        let sentence: String
        let more: String?
        let hasSearch: Bool
        let link: Link?
        let reference: String?
    }

    /// - Parameter since: when the database stopped to answer, if that is what happened.
    static func model(_ error: any Error, _ request: PageRequest, since: Timestamp?) -> Model {
        let words = request.words
        switch error {
        case PageProblem.notFound: return notFound(request)
        case let problem as Problem where problem.type.status == 404: return notFound(request)
        case PageProblem.forbidden: return forbidden([], request)
        case PageProblem.needsAdmin(let names): return forbidden(names, request)
        case PageProblem.foreignForm:
            return model(
                403, .needs, words("problem.403.form"), words("problem.403.form_sentence"), request)
        case PageProblem.tooBusy: return model(503, .waiting, words("problem.busy"), "", request)
        case let problem as Problem where problem.type.status < 500:
            return model(problem.type.status, .failed, problem.type.title, problem.detail, request)
        case is ErasureRunning:
            return model(409, .waiting, words("problem.erasing"), words("problem.erasing_sentence"), request)
        case StoreError.unavailable, StoreError.overloaded:
            let time = request.times.clock(since ?? request.now).text
            return model(
                503, .failed, words("problem.503.title"), words("problem.503.sentence", ["time": time]), request)
        default:
            return model(500, .failed, words("problem.500.title"), words("problem.500.sentence"), request)
        }
    }

    /// - Parameter names: who may do it.
    private static func forbidden(_ names: [String], _ request: PageRequest) -> Model {
        let words = request.words
        let role = request.visitor.map { words("role.\($0.operator.role.rawValue)") } ?? "?"
        return Model(
            status: 403, pill: Pill(.needs, "403"), title: words("problem.403.title"),
            sentence: words("problem.403.sentence", ["role": role]),
            more: names.isEmpty ? nil : words("problem.403.who", ["names": names.joined(separator: ", ")]),
            hasSearch: false, link: Link(words("problem.home"), "/"), reference: nil)
    }

    private static func notFound(_ request: PageRequest) -> Model {
        let words = request.words
        return Model(
            status: 404, pill: nil, title: words("problem.404.title"), sentence: words("problem.404.sentence"),
            more: nil, hasSearch: request.visitor != nil, link: Link(words("problem.home"), "/"), reference: nil)
    }

    private static func model(
        _ status: Int, _ state: LampState, _ title: String, _ sentence: String, _ request: PageRequest
    ) -> Model {
        Model(
            status: status, pill: Pill(state, String(status)), title: title, sentence: sentence, more: nil,
            hasSearch: false, link: Link(request.words("problem.home"), "/"),
            reference: request.correlation.requestID)
    }
}
