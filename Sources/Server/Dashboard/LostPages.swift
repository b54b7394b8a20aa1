import Hummingbird
import Kit

/// A browser that asks for an address where nothing is gets a page; programs get their problem.
struct LostPages: RouterMiddleware {
    let dashboard: Dashboard
    /// Addresses of programs, whatever they accept.
    private static let machines = ["/v1/", "/webhooks/", "/api/", "/callbacks/"]

    func handle(
        _ request: Request, context: Context, next: (Request, Context) async throws -> Response
    ) async throws -> Response {
        do { return try await next(request, context) } catch let error as HTTPError where error.status == .notFound {
            guard request.method == .get, request.headers[.accept]?.contains("text/html") == true,
                !Self.machines.contains(where: { request.uri.path.hasPrefix($0) })
            else { throw error }
            return try await dashboard.answered(request, context) { _ in throw PageProblem.notFound }
        }
    }
}
