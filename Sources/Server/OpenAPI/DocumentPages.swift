import Kit

/// What the API says of itself: made from the same descriptions that it runs by.
enum DocumentPages {
    static let openAPI = Action(
        "openAPI", "This document", .open, answers: [.document("OpenAPI 3.1.", "application/json")]
    ) { _ in Answer(status: 200, contentType: "application/json", body: document) }
    private static let document = OpenAPIDocument(Routes.all).json.bytes

    static let docs = Action(
        "docs", "The API, for reading", .open, answers: [.document("A page.", "text/html; charset=utf-8")]
    ) { _ in .html(200, page) }
    private static let page = DocsPage(Routes.all).html

    static let problem = Action(
        "problemPage", "What a problem means", .open,
        path: [Parameter("code", .words(ProblemType.all.map(\.code)), "The problem's code.")],
        answers: [.document("A page.", "text/html; charset=utf-8")], problems: [.notFound]
    ) { request in
        guard let type = ProblemType.named(request.pathText("code")) else {
            throw Problem(.notFound, "There is no problem of this name.")
        }
        return .html(200, DocsPage.problem(type))
    }

    static let eventSchema = Action(
        "eventSchema", "The schema of an event that we send", .open,
        path: [Parameter("type", .slug(), "Such as user.subscription_updated.")],
        answers: [.document("JSON Schema.", "application/schema+json")], problems: [.notFound]
    ) { request in
        let type = request.pathText("type")
        guard let schema = request.app.hooks.eventSchemas[type] else {
            throw Problem(.notFound, "There is no event \(type).")
        }
        return Answer(status: 200, contentType: "application/schema+json", body: schema.bytes)
    }
}
