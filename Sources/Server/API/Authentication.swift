import Hummingbird
import Kit
import Store

extension App {
    /// Whose request it is.
    ///
    /// - Parameter action: where it may be asked for by a signed address.
    /// - Throws: `Problem` 401 for no key or a wrong one, 429 when an address tries too many.
    func authenticate(_ request: Request, from address: String, for action: Action? = nil) async throws -> Caller {
        let failures = RateLimiter.Policy(
            name: "failures", perMinute: settings.rateLimits.failures, burst: settings.rateLimits.failures)
        do {
            if let action, SignedRequest.isOne(request, of: action) {
                return try await signedCaller(of: request, action)
            }
            return try await caller(of: request)
        } catch let problem as Problem {
            let verdict = limits.take(failures, address)
            guard verdict.wait == .zero else {
                throw Problem(
                    .rateLimited, "Too many requests without a valid key came from this address.",
                    retryAfter: verdict.wait)
            }
            throw problem
        }
    }

    private func caller(of request: Request) async throws -> Caller {
        let words = request.headers[.authorization]?.split(separator: " ", maxSplits: 1).map(String.init) ?? []
        guard words.count == 2, words[0].lowercased() == "bearer" else {
            throw Problem(.missingKey, "Send Authorization: Bearer and an API key.")
        }
        let key = Secret(words[1])
        switch KeyText.read(key, in: settings.mode) {
        case .mistyped: throw Problem(.invalidKey, "This is not an API key: a part is missing or mistyped.")
        case .otherMode(let mode):
            throw Problem(
                .wrongMode, "This is a \(mode.rawValue) key, and this is a \(settings.mode.rawValue) instance.")
        case .key: break
        }
        guard let row = try await keys.key(KeyText.hash(key)) else {
            throw Problem(.invalidKey, "No such key was made here.")
        }
        if row.revokedAt != nil { throw Problem(.invalidKey, "This key was revoked.") }
        guard row.isActive(at: now()) else { throw Problem(.invalidKey, "This key has expired.") }
        var caller = Caller(
            id: row.id.text, name: row.name, scopes: row.scopes.compactMap { Scope($0) },
            version: try version(asked: request.headers[.apiVersion], pinned: row.apiVersion), owner: row.family.text)
        caller.proxyRules = row.proxyPaths?.compactMap { ProxyRule($0) }
        return caller
    }

    private func version(asked: String?, pinned: String) throws(Problem) -> String {
        guard let asked else { return APIVersion.all.contains(pinned) ? pinned : APIVersion.current }
        guard APIVersion.all.contains(asked) else {
            throw Problem(.unsupportedVersion, "This server speaks \(APIVersion.all.joined(separator: ", ")).")
        }
        return asked
    }
}
