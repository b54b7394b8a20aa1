import Hummingbird
import Kit
import Logging
import NIOCore
import Store

/// Why a request has no other answer, as `application/problem+json` (RFC 9457).
public struct Problem: Error, Sendable, Equatable {
    public let type: ProblemType
    /// What happened and what to do, without anybody's secrets.
    public let detail: String
    /// One for each thing that is wrong.
    public let fields: [FieldProblem]
    /// Nil where waiting does not help.
    public let retryAfter: Duration?
    var headers: [Field] = []

    public init(_ type: ProblemType, _ detail: String, fields: [FieldProblem] = [], retryAfter: Duration? = nil) {
        self.type = type
        self.detail = detail
        self.fields = fields
        self.retryAfter = retryAfter ?? (type.retry == .later ? .seconds(1) : nil)
    }

    /// Many fields at once.
    init(_ type: ProblemType, _ fields: [FieldProblem]) {
        let all = fields.map { "\($0.field): \($0.problem)" }.joined(separator: " ")
        self.init(type, OutsideText.bounded(all, 2000), fields: fields)
    }
}

/// What is wrong with one member of a body or one parameter.
public struct FieldProblem: Sendable, Equatable {
    /// `metadata.plan`, `types[2]`, or the parameter's name.
    public let field: String
    public let problem: String
    public init(_ field: String, _ problem: String) {
        self.field = field
        self.problem = problem
    }
}

/// The one place where anything that went wrong becomes an answer.
struct Problems: RouterMiddleware {
    let now: @Sendable () -> Timestamp
    /// Before `/docs/errors/`.
    let base: String
    let routes: RouteTable

    func handle(
        _ request: Request, context: Context, next: (Request, Context) async throws -> Response
    ) async throws -> Response {
        do {
            return try await next(request, context)
        } catch is CancellationError {
            throw CancellationError()
        } catch {
            let problem = problem(error, request, context)
            if problem.type.status >= 500 {
                context.logger.error(
                    "request.failed", metadata: ["code": "\(problem.type.code)", "reason": "\(error)"])
            }
            return response(problem, context)
        }
    }

    private func problem(_ error: any Error, _ request: Request, _ context: Context) -> Problem {
        switch error {
        case let problem as Problem: problem
        case let error as StoreError: Problem(error)
        case let stale as StaleVersion: Problem(.preconditionFailed, "It is at version \(stale.found) now.")
        case is ErasureRunning:
            Problem(.wrongState, "The user is being erased. Send it again when the erasure is done.")
        case is NIOTooManyBytesError: Problem(.contentTooLarge, "The body is larger than 1 MiB.")
        case let error as HTTPError: self.problem(error, request)
        default: Problem(.internalError, "The operator finds it in the log as \(context.correlation.requestID).")
        }
    }

    private func problem(_ error: HTTPError, _ request: Request) -> Problem {
        switch error.status.code {
        case 404:
            let allowed = routes.methods(at: request.uri.path)
            guard !allowed.isEmpty, !allowed.contains(request.method.rawValue) else {
                return Problem(.notFound, "Nothing is at this address. See /docs.")
            }
            var problem = Problem(.methodNotAllowed, "It takes \(allowed.joined(separator: ", ")).")
            problem.headers = [Field("Allow", allowed.joined(separator: ", "))]
            return problem
        case 413: return Problem(.contentTooLarge, "The body is larger than 1 MiB.")
        case 415: return Problem(.unsupportedMediaType, "Send Content-Type: application/json.")
        case 400..<500: return Problem(.invalidRequest, error.body ?? "The request cannot be read.")
        default: return Problem(.internalError, "The request could not be answered.")
        }
    }

    private func response(_ problem: Problem, _ context: Context) -> Response {
        var problem = problem
        if problem.type.status == 401 { problem.headers.append(Field("WWW-Authenticate", "Bearer realm=\"Patchbay\"")) }
        return problem.response(base: base, instance: context.correlation.requestID, at: now())
    }
}

extension Problem {
    /// The one form of every problem, the webhook routes' too.
    func response(base: String, instance: String, at now: Timestamp) -> Response {
        var answer = Answer(
            status: type.status, contentType: "application/problem+json",
            body: body(base: base, instance: instance, at: now))
        answer.headers = headers
        if let wait = retryAfter { answer.headers.append(Field("Retry-After", String(wait.wholeSeconds))) }
        return Response(answer)
    }
}

extension Duration {
    /// Rounded up, at least 1: what `Retry-After` can say.
    var wholeSeconds: Int64 { max(1, components.seconds + (components.attoseconds > 0 ? 1 : 0)) }
}

extension Problem {
    init(_ error: StoreError) {
        switch error {
        case .unavailable:
            self.init(
                .unavailable, "The database cannot take or give anything now. Send it again.", retryAfter: .seconds(2))
        case .overloaded:
            self.init(.overloaded, "Too much waits for the database. Send it again.", retryAfter: .seconds(2))
        case .conflict: self.init(.overloaded, "Too many writers met on the same rows. Send it again.")
        case .unholdable: self.init(.invalidFields, "A text holds a character that cannot be stored, such as U+0000.")
        case .constraint, .statement, .sessionClosed, .newer, .refused, .damaged:
            self.init(.internalError, "The operator finds it in the log by the request id.")
        }
    }

    func body(base: String, instance: String, at now: Timestamp) -> [UInt8] {
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("type", .string("\(base)/docs/errors/\(type.code)"))
            writer.member("title", .string(type.title))
            writer.member("status", JSON(type.status))
            writer.member("detail", .string(detail))
            writer.member("instance", .string(instance))
            writer.member("code", .string(type.code))
            writer.member("who", .string(type.who.rawValue))
            writer.member(
                "retry", .string(retryAfter.map { (now + $0).rfc3339 } ?? (type.retry == .now ? "now" : "never")))
            guard !fields.isEmpty else { return }
            writer.key("errors")
            writer.array { writer in
                for field in fields {
                    writer.object { writer in
                        writer.member("field", .string(field.field))
                        writer.member("problem", .string(field.problem))
                    }
                }
            }
        }
        return writer.bytes
    }

    static let schema = Schema.named(
        "Problem",
        .object([
            .required("type", .text(format: "uri-reference"), "A page on this server that explains it."),
            .required("title", .text(), "The same for every problem of this code."),
            .required("status", .integer(400...599), "The status of the answer."),
            .required("detail", .text(), "What happened and what to do."),
            .required("instance", .text(), "The request's id, to find it in the log."),
            .required("code", .words(ProblemType.all.map(\.code)), "Never changes: for programs."),
            .required("who", .words(["you", "your_user", "provider", "operator"]), "Who must act."),
            .required("retry", .text(), "`never`, `now`, or the time from which the same request may succeed."),
            .optional("provider_code", .text(), "The platform's own code, for operators."),
            .optional(
                "errors",
                .array(
                    of: .object([
                        .required("field", .text(), "The member or parameter."),
                        .required("problem", .text(), "What is wrong with it."),
                    ])), "One for each thing that is wrong."),
        ]))
}
