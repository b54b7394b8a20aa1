import Kit

/// What the API says of itself: made from the same descriptions that it runs by.
enum DocumentPages {
    static let openAPI = Action(
        "openAPI", "This document", .open, answers: [.document("OpenAPI 3.1.", "application/json")]
    ) { _ in Answer(status: 200, contentType: "application/json", body: document) }
    private static let document = OpenAPIDocument(Routes.all).json.bytes

    static let eventSchema = Action(
        "eventSchema", "The schema of an event that we send", .open,
        path: [Parameter("type", .slug().example("event.received"), "Such as user.subscription_updated.")],
        answers: [.document("JSON Schema.", "application/schema+json")], problems: [.notFound]
    ) { request in
        let type = request.pathText("type")
        guard let schema = request.app.hooks.eventSchemas[type] else {
            throw Problem(.notFound, "There is no event \(type).")
        }
        return Answer(status: 200, contentType: "application/schema+json", body: schema.bytes)
    }
}
