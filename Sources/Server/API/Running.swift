import Hummingbird
import Kit
import Logging

extension Action {
    /// Answers a request to this action. Read downwards: this is the order of things.
    func respond(to request: Request, _ context: Context, in app: App) async throws -> Response {
        var headers = SignedRequest.isOne(request, of: self) ? SignedRequest.headers : []
        do {
            let caller: Caller
            switch access {
            case .open: caller = .anybody
            case .needs(let level, let resource):
                let address = ClientAddress(trustedProxies: app.settings.trustedProxies).of(request, context)
                let open = headers
                headers += try app.take(
                    RateLimiter.Policy(name: "address", perMinute: app.settings.rateLimits.address), address)
                caller = try await app.authenticate(request, from: address, for: self)
                headers =
                    open
                    + (try app.take(
                        RateLimiter.Policy(name: "key", perMinute: app.settings.rateLimits.key), caller.id))
                guard caller.may(level, resource) else {
                    throw Problem(
                        .insufficientScope, "It needs the scope \(level.rawValue) or \(resource):\(level.rawValue).")
                }
            }
            var answer = try await run(try await APIRequest(request, context, self, caller, app))
            answer.headers += headers + [Field("Patchbay-Version", caller.version)]
            return Response(answer)
        } catch var problem as Problem {
            problem.headers += headers.filter { header in !problem.headers.contains { $0.name == header.name } }
            problem.headers.append(Field("Patchbay-Version", APIVersion.current))
            throw problem
        }
    }
}

extension App {
    /// Takes one request from an allowance: the headers that say what is left, or 429.
    func take(_ policy: RateLimiter.Policy, _ caller: String) throws(Problem) -> [Field] {
        let verdict = limits.take(policy, caller)
        guard verdict.wait > .zero else { return verdict.headers }
        var problem = Problem(
            .rateLimited, "This \(policy.name) may send \(policy.perMinute) requests a minute.",
            retryAfter: verdict.wait)
        problem.headers = verdict.headers
        throw problem
    }
}
