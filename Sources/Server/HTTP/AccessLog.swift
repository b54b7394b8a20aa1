import Hummingbird
import Kit
import Logging

/// One line a request: method, route and status, never query, body or headers. Routes, not paths: a path may hold a
/// person's id.
struct AccessLog: RouterMiddleware {
    let now: @Sendable () -> Timestamp
    /// Not the context's: that is the framework's, which is quiet.
    let logger: Logger

    func handle(
        _ request: Request, context: Context, next: (Request, Context) async throws -> Response
    ) async throws -> Response {
        let start = now()
        let response = try await next(request, context)
        // Deliveries have a line of their own; probes are no news.
        let isQuiet = ["/webhooks", "/livez", "/readyz", "/metrics"].contains { request.uri.path.hasPrefix($0) }
        logger.log(
            level: isQuiet ? .debug : .info, "request.answered",
            metadata: [
                "method": "\(request.method.rawValue)", "route": "\(context.endpointPath ?? "none")",
                "status": "\(response.status.code)", "us": "\((now() - start).microseconds)",
            ])
        return response
    }
}
