import Hummingbird
import Kit

/// Whose request it is, and whether it came the way that the settings demand.
struct ClientAddress {
    let trustedProxies: [CIDR]

    /// The caller's own address: the last one in X-Forwarded-For that is not a trusted proxy's, where the connection
    /// comes from one. Others' headers are not believed.
    func of(_ request: Request, _ context: Context) -> String {
        context.peer.map { of(forwardedFor: request.headers[values: .forwardedFor], peer: $0) } ?? "local"
    }

    func of(forwardedFor lines: [String], peer: String) -> String {
        guard isProxy(peer) else { return peer }
        let hops = lines.flatMap { $0.split(separator: ",") }.map { $0.filter { !$0.isWhitespace } }
        return hops.last { !isProxy($0) }.flatMap { IPAddress($0)?.description } ?? peer
    }

    func isProxy(_ address: String) -> Bool {
        guard !trustedProxies.isEmpty, let address = IPAddress(address) else { return false }
        return trustedProxies.contains { $0.contains(address) }
    }
}

/// Refuses what came in plain http over a network, and tells browsers to use https from now on.
struct SecureTransport: RouterMiddleware {
    let settings: Settings

    func handle(
        _ request: Request, context: Context, next: (Request, Context) async throws -> Response
    ) async throws -> Response {
        if settings.isDemo { return try await next(request, context) }
        if settings.tls != nil { return secured(try await next(request, context)) }
        let isNear = context.peer.map(isLoopbackHost) ?? true
        let isProxied = context.peer.map(ClientAddress(trustedProxies: settings.trustedProxies).isProxy) ?? false
        guard isProxied else {
            guard isNear else {
                throw Problem(.httpsRequired, "This server takes plain http from this machine only. Use https.")
            }
            return try await next(request, context)
        }
        switch request.headers[.forwardedProto]?.lowercased() {
        case nil where isNear, "http" where isNear: return try await next(request, context)
        case nil, "https": return secured(try await next(request, context))
        default: throw Problem(.httpsRequired, "The proxy received this request in plain http. Use https.")
        }
    }

    private func secured(_ response: Response) -> Response {
        var response = response
        response.headers[.strictTransportSecurity] = "max-age=31536000"
        return response
    }
}
