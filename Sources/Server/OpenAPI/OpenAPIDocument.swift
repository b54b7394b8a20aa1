import Kit

/// The OpenAPI 3.1 document, written from the routes.
struct OpenAPIDocument {
    let json: JSON

    init(_ routes: [Route]) {
        var schemas: [String: Schema] = [:]
        var requests: [String: Schema] = [:]
        var paths: [JSONMember] = []
        for template in routes.map(\.template).uniqued {
            let operations = routes.filter { $0.template == template }.map { route in
                JSONMember(route.method.lowercased(), Operation(route, schemas: &schemas, requests: &requests).json)
            }
            paths.append(.init(template, .object(operations)))
        }
        json = .object([
            .init("openapi", "3.1.0"),
            .init(
                "info",
                [
                    "title": "Patchbay", "version": .string(APIVersion.current),
                    "description":
                        "One API and one stream of events for many platforms. Every list is described at /docs.",
                ]),
            .init("servers", [["url": "/"]]),
            .init("security", [["apiKey": []]]),
            .init("tags", .array(Scope.resources.map { ["name": .string($0)] } + [["name": "running"]])),
            .init("paths", .object(paths)),
            .init(
                "components",
                .object([
                    .init(
                        "securitySchemes",
                        ["apiKey": ["type": "http", "scheme": "bearer", "description": "pb_live_… or pb_test_…"]]),
                    .init("headers", Operation.headers),
                    .init("schemas", .object(Self.schemas(schemas, requests))),
                ])),
        ])
    }

    /// Names within named schemas are found while they are written, so until there is no more.
    private static func schemas(_ answers: [String: Schema], _ requests: [String: Schema]) -> [JSONMember] {
        var written: [JSONMember] = []
        for (isClosed, start) in [(false, answers), (true, requests)] {
            var waiting = start
            while let (name, schema) = waiting.first(where: { entry in !written.contains { $0.name == entry.key } }) {
                var found: [String: Schema] = [:]
                written.append(.init(name, schema.json(isClosed: isClosed, named: &found)))
                waiting.merge(found) { old, _ in old }
            }
        }
        return written.sorted { $0.name < $1.name }
    }
}

/// One operation of the document.
private struct Operation {
    let json: JSON

    init(_ route: Route, schemas: inout [String: Schema], requests: inout [String: Schema]) {
        let action = route.action
        var members: [JSONMember] = [
            .init("operationId", .string(action.name)), .init("summary", .string(action.summary)),
        ]
        if let notes = action.notes { members.append(.init("description", .string(notes))) }
        switch action.access {
        case .open:
            members += [.init("tags", ["running"]), .init("security", [])]
        case .needs(let level, let resource):
            members += [.init("tags", [.string(resource)]), .init("x-scope", .string("\(resource):\(level.rawValue)"))]
        }
        members.append(.init("parameters", .array(Self.parameters(action, &requests))))
        if let body = action.body {
            let content: JSON = ["application/json": ["schema": body.json(isClosed: true, named: &requests)]]
            members.append(.init("requestBody", ["required": true, "content": content]))
        }
        if action.takesFile {
            let content = action.fileTypes.map { JSONMember($0, ["schema": Self.file($0)]) }
            members.append(.init("requestBody", ["required": true, "content": .object(content)]))
        }
        members.append(.init("responses", .object(Self.responses(action, &schemas))))
        json = .object(members)
    }

    /// The bytes, or a form with them.
    private static func file(_ type: String) -> JSON {
        let bytes: JSON = ["type": "string", "format": "binary", "minLength": 1]
        guard type == "multipart/form-data" else { return bytes }
        return [
            "type": "object", "required": ["file"], "properties": ["file": bytes], "additionalProperties": false,
        ]
    }

    private static func parameters(_ action: Action, _ found: inout [String: Schema]) -> [JSON] {
        func parameter(_ place: String, _ name: String, _ schema: Schema, _ what: String, isRequired: Bool) -> JSON {
            [
                "name": .string(name), "in": .string(place), "required": .bool(isRequired),
                "description": .string(what),
                "schema": schema.json(isClosed: true, named: &found),
            ]
        }
        var parameters = action.path.map { parameter("path", $0.name, $0.schema, $0.what, isRequired: true) }
        parameters += action.query.map {
            parameter("query", $0.name, $0.schema, $0.what, isRequired: $0.isRequired)
        }
        parameters += action.headers.map {
            parameter("header", $0.name, $0.schema, $0.what, isRequired: $0.isRequired)
        }
        if action.isIdempotent {
            let key = Schema.form(1...255, pattern: "^[!-~]+$", "visible ASCII") { _ in true }
            parameters.append(
                parameter(
                    "header", "Idempotency-Key", key, "Makes the request safe to repeat, for seven days.",
                    isRequired: false))
        }
        if action.isConditional {
            let tag = Schema.form(3...64, pattern: "^\"[0-9]+\"$", "an ETag") { _ in true }
            parameters.append(
                parameter(
                    "header", "If-Match", tag, "Only if it is still the version that this ETag named.",
                    isRequired: false))
        }
        if action.mayWait {
            let wait = Schema.text().example("wait=10")
            parameters.append(
                parameter(
                    "header", "Prefer", wait, "`wait=10`: wait so many seconds, 30 at most, for the job's end.",
                    isRequired: false))
        }
        return parameters
    }

    private static func responses(_ action: Action, _ found: inout [String: Schema]) -> [JSONMember] {
        var responses: [(status: Int, json: JSON)] = []
        for answers in Dictionary(grouping: action.answers, by: \.status).values {
            guard let first = answers.first else { continue }
            responses.append((first.status, response(first, also: answers.dropFirst(), of: action, &found)))
        }
        let problems = Dictionary(grouping: action.allProblems, by: \.status)
        for (status, types) in problems where !responses.contains(where: { $0.status == status }) {
            let codes = types.map { "`\($0.code)`: \($0.title)." }.sorted().joined(separator: " ")
            var headers = usualHeaders
            if status == 429 || status == 503 { headers.append("Retry-After") }
            if status == 401 { headers.append("WWW-Authenticate") }
            let content: JSON = [
                "application/problem+json": ["schema": Problem.schema.json(isClosed: false, named: &found)]
            ]
            responses.append(
                (status, ["description": .string(codes), "headers": references(headers), "content": content]))
        }
        return responses.sorted { $0.status < $1.status }.map { .init(String($0.status), $0.json) }
    }

    private static func response(
        _ answer: AnswerDescription, also others: ArraySlice<AnswerDescription>, of action: Action,
        _ found: inout [String: Schema]
    ) -> JSON {
        var headers = usualHeaders + answer.headers
        if action.isIdempotent { headers.append("Idempotent-Replayed") }
        if action.isConditional { headers.append("ETag") }
        let what = ([answer] + others).map(\.what).joined(separator: " Or: ")
        var members: [JSONMember] = [.init("description", .string(what)), .init("headers", references(headers))]
        let content = ([answer] + others).compactMap { answer -> JSONMember? in
            let schema = answer.schema?.json(isClosed: false, named: &found)
            return answer.contentType.map { .init($0, .object(schema.map { [.init("schema", $0)] } ?? [])) }
        }
        if !content.isEmpty { members.append(.init("content", .object(content))) }
        return .object(members)
    }

    private static let usualHeaders = ["Patchbay-Request-Id", "Patchbay-Version", "RateLimit", "RateLimit-Policy"]

    private static func references(_ names: [String]) -> JSON {
        .object(names.uniqued.map { .init($0, ["$ref": .string("#/components/headers/\($0)")]) })
    }

    static let headers = JSON.object(
        [
            ("Patchbay-Request-Id", "The request's id: yours, where you sent one."),
            ("Patchbay-Version", "The version of the API that answered."),
            ("RateLimit", "What is left of the allowance (draft-ietf-httpapi-ratelimit-headers)."),
            ("RateLimit-Policy", "The allowance."),
            ("Retry-After", "Seconds to wait."),
            ("Location", "Where the result is."),
            ("Idempotent-Replayed", "`true`: the stored answer to the first request with this key."),
            ("ETag", "The version, for If-Match."),
            ("WWW-Authenticate", "How to authenticate."),
            ("Upload-Offset", "How many bytes are here."),
            ("Upload-Length", "How many there will be."),
            ("Tus-Resumable", "The protocol of the upload: 1.0.0."),
        ].map { .init($0.0, ["description": .string($0.1), "schema": ["type": "string"]]) })
}

extension Action {
    /// Everything that can go wrong, whatever the action does itself.
    var allProblems: [ProblemType] {
        var all: [ProblemType] = [.invalidRequest, .invalidQuery, .internalError] + problems
        if access != .open {
            all += [
                .missingKey, .invalidKey, .wrongMode, .insufficientScope, .httpsRequired, .rateLimited, .unavailable,
                .overloaded, .unsupportedVersion,
            ]
        } else {
            all.append(.httpsRequired)
        }
        if !path.isEmpty { all.append(.notFound) }
        if body != nil { all += [.invalidJSON, .unsupportedMediaType, .cardData] }
        if takesFile { all += [.storageFull, .contentTooLarge, .invalidFields] }
        if isSignable { all.append(.addressRefused) }
        if !headers.isEmpty { all.append(.invalidHeader) }
        if body != nil || isIdempotent { all += [.contentTooLarge, .invalidFields] }
        if isIdempotent { all += [.invalidHeader, .twinRunning, .keyReused, .answerNotKept] }
        if isConditional { all += [.invalidHeader, .preconditionFailed] }
        var seen = Set<String>()
        return all.filter { seen.insert($0.code).inserted }
    }
}

extension [String] {
    /// Without repetitions, in order.
    fileprivate var uniqued: [String] {
        var seen = Set<String>()
        return filter { seen.insert($0).inserted }
    }
}
