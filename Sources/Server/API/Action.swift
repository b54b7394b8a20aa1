import Kit

/// What an address does with a method: described as a value, from which it is routed, checked, documented and run.
public struct Action: Sendable {
    /// `operationId`, in camel case.
    let name: String
    let summary: String
    let notes: String?
    let access: Access
    /// By the names in the route's template.
    let path: [Parameter]
    let query: [Parameter]
    let body: Schema?
    /// Takes bytes of any kind as they come, instead of JSON.
    let takesFile: Bool
    /// How those may be declared.
    let fileTypes: [String]
    /// May be asked for by a signed address, without a key.
    let isSignable: Bool
    /// Headers that it reads beyond those of its kind.
    let headers: [Parameter]
    /// Acts: takes an `Idempotency-Key`.
    let isIdempotent: Bool
    /// Takes `If-Match`, answers an `ETag`.
    let isConditional: Bool
    /// Takes `Prefer: wait=n`.
    let mayWait: Bool
    let answers: [AnswerDescription]
    /// Beyond those that every action may meet.
    let problems: [ProblemType]
    let run: @Sendable (APIRequest) async throws -> Answer

    init(
        _ name: String, _ summary: String, notes: String? = nil, _ access: Access, path: [Parameter] = [],
        query: [Parameter] = [], body: Schema? = nil, takesFile: Bool = false, isIdempotent: Bool = false,
        isConditional: Bool = false, isSignable: Bool = false, fileTypes: [String] = ["application/octet-stream"],
        headers: [Parameter] = [],
        mayWait: Bool = false, answers: [AnswerDescription], problems: [ProblemType] = [],
        run: @escaping @Sendable (APIRequest) async throws -> Answer
    ) {
        self.name = name
        self.summary = summary
        self.notes = notes
        self.access = access
        self.path = path
        self.query = query + (isSignable ? SignedRequest.parameters : [])
        self.body = body
        self.takesFile = takesFile
        self.fileTypes = fileTypes
        self.isSignable = isSignable
        self.headers = headers
        self.isIdempotent = isIdempotent
        self.isConditional = isConditional
        self.mayWait = mayWait
        self.answers = answers
        self.problems = problems
        self.run = run
    }
}

/// Who may do it.
enum Access: Sendable, Equatable {
    /// Anybody: health, documents.
    case open
    /// A key with this scope for this resource.
    case needs(Scope.Level, String)
}

/// A parameter of path or query.
public struct Parameter: Sendable {
    let name: String
    let schema: Schema
    let what: String
    /// Of a query: a request without it is refused. A path has all of its own.
    let isRequired: Bool
    /// Stands in the examples of the documentation.
    let isInExample: Bool
    /// Of a path: all that is left of it, slashes and all.
    let takesRest: Bool

    init(
        _ name: String, _ schema: Schema, _ what: String, isRequired: Bool = false, isInExample: Bool = false,
        takesRest: Bool = false
    ) {
        self.takesRest = takesRest
        self.name = name
        self.schema = schema
        self.what = what
        self.isRequired = isRequired
        self.isInExample = isRequired || isInExample
    }

    static func id<Kind: Identified & SendableMetatype>(_ kind: Kind.Type) -> Parameter {
        Parameter("id", .id(kind), "Its id.")
    }
}

/// An answer that an action may give.
public struct AnswerDescription: Sendable {
    let status: Int
    let what: String
    let contentType: String?
    let schema: Schema?
    /// Names of headers beyond those on every answer.
    let headers: [String]

    static func ok(_ what: String, _ schema: Schema, headers: [String] = []) -> Self {
        Self(status: 200, what: what, contentType: "application/json", schema: schema, headers: headers)
    }
    static func list(of schema: Schema) -> Self {
        .ok(
            "A page of the list.",
            .object([
                .required("data", .array(of: schema), "The rows."),
                .required("next_cursor", Schema.text().orNull, "For the next page; null at the end."),
            ]))
    }
    static func created(_ what: String, _ schema: Schema, headers: [String] = []) -> Self {
        Self(
            status: 201, what: what, contentType: "application/json", schema: schema, headers: ["Location"] + headers)
    }
    static func accepted(_ what: String, _ schema: Schema) -> Self {
        Self(status: 202, what: what, contentType: "application/json", schema: schema, headers: ["Location"])
    }
    static let noContent = Self(status: 204, what: "Done.", contentType: nil, schema: nil, headers: [])
    static func document(_ what: String, _ contentType: String) -> Self {
        Self(status: 200, what: what, contentType: contentType, schema: nil, headers: [])
    }
}

/// A method and an address, and what happens there.
public struct Route: Sendable {
    let method: String
    /// `/v1/events/{id}`.
    let template: String
    let action: Action

    static func get(_ template: String, _ action: Action) -> Route {
        Route(method: "GET", template: template, action: action)
    }
    static func post(_ template: String, _ action: Action) -> Route {
        Route(method: "POST", template: template, action: action)
    }
    static func put(_ template: String, _ action: Action) -> Route {
        Route(method: "PUT", template: template, action: action)
    }
    static func patch(_ template: String, _ action: Action) -> Route {
        Route(method: "PATCH", template: template, action: action)
    }
    static func delete(_ template: String, _ action: Action) -> Route {
        Route(method: "DELETE", template: template, action: action)
    }

    /// Every address that leads to it: a parameter that takes the rest may be written with slashes.
    var templates: [String] {
        guard let rest = action.path.last, rest.takesRest else { return [template] }
        return (2...Self.partsMax).reduce(into: [template]) { all, part in
            all.append("\(all[all.count - 1])/{\(rest.name)\(part)}")
        }
    }

    /// Parts of a parameter that takes the rest; one with more is written with `%2F`.
    static let partsMax = 8
}

/// Which methods an address takes, for 405 and its `Allow`.
struct RouteTable: Sendable {
    private let entries: [(segments: [Substring], method: String)]

    init(_ routes: [(method: String, template: String)]) {
        entries = routes.map { (segments: $0.template.split(separator: "/"), method: $0.method) }
    }

    func methods(at path: String) -> [String] {
        let segments = path.split(separator: "/")
        let matching = entries.filter { Self.matches($0.segments, segments) }
        // `/v1/events/replay` is not `/v1/events/{id}`: the template with most words of its own is the one.
        let most = matching.map { Self.words($0.segments) }.max()
        let methods = Set(matching.filter { Self.words($0.segments) == most }.map(\.method))
        return (methods.contains("GET") ? methods.union(["HEAD"]) : methods).sorted()
    }

    private static func words(_ template: [Substring]) -> Int { template.count { !$0.contains("{") && $0 != "**" } }

    private static func matches(_ template: [Substring], _ path: [Substring]) -> Bool {
        if template.last == "**" {
            return path.count >= template.count - 1
                && matches(template.dropLast(), Array(path.prefix(template.count - 1)))
        }
        return template.count == path.count && zip(template, path).allSatisfy { $0.hasPrefix("{") || $0 == $1 }
    }
}
