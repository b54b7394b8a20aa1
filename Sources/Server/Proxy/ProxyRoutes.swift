import Engine
import HTTPTypes
import Hummingbird
import Kit
import NIOCore
import Store

/// `ANY /v1/proxy/{connection}/{path…}`: a call on a connection's behalf. Who calls never sees the token; the
/// platform's answer comes back as it is.
struct ProxyRoutes: Sendable {
    let app: App
    let proxying: Proxying
    /// On whose behalf, by the connection's id; nil where there is none.
    let target: @Sendable (_ connection: String) async throws -> Proxying.Target?

    private static let template = "/v1/proxy/{connection}/**"
    /// Of the path with its query, in bytes.
    private static let pathMax = 8192

    /// HEAD is made from GET.
    var all: [OtherRoute] {
        [Outgoing.Method.get, .post, .put, .patch, .delete].map {
            OtherRoute($0.rawValue, Self.template, respond: respond)
        }
    }

    private func respond(_ request: Request, _ context: Context) async throws -> Response {
        guard let method = Outgoing.Method(rawValue: request.method.rawValue) else {
            throw Problem(
                .methodNotAllowed, "A call on a connection's behalf is GET, HEAD, POST, PUT, PATCH or DELETE.")
        }
        let address = ClientAddress(trustedProxies: app.settings.trustedProxies).of(request, context)
        let caller = try await app.authenticate(request, from: address)
        let limits = try app.take(
            RateLimiter.Policy(name: "key", perMinute: app.settings.rateLimits.key), caller.id)
        let reads = method == .get || method == .head
        guard caller.may(reads ? .read : .write, "proxy") else {
            throw Problem(.insufficientScope, "It needs the scope proxy:\(reads ? "read" : "write").")
        }
        let id = context.parameters.get("connection") ?? ""
        let path = try Self.path(in: request.head.path ?? "", after: id)
        let bare = String(path.prefix { $0 != "?" })
        if let rules = caller.proxyRules, !rules.contains(where: { $0.allows(method, bare) }) {
            throw Problem(
                .insufficientScope,
                "This key's proxy_paths do not allow \(method.rawValue) \(OutsideText.bounded(bare)).")
        }
        guard let target = try await target(id) else {
            throw Problem(.notFound, "There is no connection \(OutsideText.bounded(id)).")
        }
        let upload = try await Upload(request)
        let wish = Proxying.Wish(
            method: method, path: path, headers: Self.passedOn(request.headers), body: upload.body,
            correlation: context.correlation.requestID, by: caller.name)
        do {
            let answer = try await proxying.pass(wish, to: target)
            // It has no body that anybody would read.
            if method == .head {
                try await answer.pass { _ in }
                await upload.stop()
            }
            return Self.response(answer, to: upload, limits: limits)
        } catch {
            await upload.stop()
            throw Self.readable(error, at: app.now())
        }
    }

    private static func readable(_ error: any Error, at now: Timestamp) -> any Error {
        switch error {
        case let problem as CallProblem: problem.problem(at: now)
        case let failure as Failure: CallProblem.failed(failure).problem(at: now)
        case is UnendedBody:
            Problem(.invalidRequest, "The request's body did not come whole in time; the platform has no answer to it.")
        default: error
        }
    }

    // MARK: What goes out

    /// The rest of the request's target, byte for byte; refused where it is not plainly below the host.
    static func path(in target: String, after id: String) throws(Problem) -> String {
        let prefix = "/v1/proxy/\(id)"
        guard target.hasPrefix(prefix), target.utf8.count <= pathMax else {
            throw Problem(.invalidRequest, "The address has \(pathMax) bytes at most.")
        }
        let rest = String(target.dropFirst(prefix.count))
        let path = rest.prefix { $0 != "?" }
        let isPlain = rest.utf8.allSatisfy { (0x21...0x7E).contains($0) && $0 != 0x5C && $0 != 0x23 }
        guard path.hasPrefix("/"), isPlain else {
            throw Problem(.invalidRequest, "After the connection comes the platform's path, percent-encoded.")
        }
        for segment in path.split(separator: "/", omittingEmptySubsequences: false) {
            let dots = segment.lowercased().replacing("%2e", with: ".")
            // Encoded slashes would hide a step from the key's rules.
            guard dots != ".", dots != "..", !dots.contains("%2f"), !dots.contains("%5c") else {
                throw Problem(.invalidRequest, "The path may not step upwards.")
            }
        }
        return rest
    }

    /// What belongs to this hop alone, or to us.
    private static let ours: Set<String> = [
        "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer",
        "transfer-encoding", "upgrade", "host", "authorization", "cookie", "content-length", "expect", "forwarded",
        "via", "x-real-ip", "patchbay-version", "patchbay-request-id",
    ]

    private static func passedOn(_ headers: HTTPFields) -> [Field] {
        let named = (headers[.connection] ?? "").split(separator: ",").map {
            $0.filter { !$0.isWhitespace }.lowercased()
        }
        return headers.compactMap { field in
            let name = field.name.canonicalName
            guard !ours.contains(name), !named.contains(name), !name.hasPrefix("x-forwarded-") else { return nil }
            return Field(field.name.rawName, field.value)
        }
    }

    /// What is passed on of a request's body. A large one is read while the call is under way, by the relay alone.
    private struct Upload: Sendable {
        let body: StreamRequest.Body
        private let relay: BodyRelay?

        init(_ request: Request) async throws {
            let length = request.headers[.contentLength].flatMap { Int64($0) }
            let isChunked = request.headers[.transferEncoding] != nil
            if isChunked || (length ?? 0) > Int64(Proxying.repeatableMax) {
                let relay = BodyRelay(request.body)
                (body, self.relay) = (.stream(relay.parts, length: isChunked ? nil : length), relay)
            } else if let length, length > 0 {
                let bytes = try await request.body.collect(upTo: Proxying.repeatableMax)
                (body, relay) = (.bytes(Array(bytes.readableBytesView)), nil)
            } else {
                (body, relay) = (.none, nil)
            }
        }

        /// To be awaited before the request's handler is left: the server reads the rest itself then.
        func stop() async { await relay?.stop() }
    }

    // MARK: What comes back

    private static func response(_ answer: StreamAnswer, to upload: Upload, limits: [Field]) -> Response {
        var fields = HTTPFields()
        for field in answer.headers {
            guard let name = HTTPField.Name(field.name), !ours.contains(name.canonicalName) || name == .contentLength,
                // The platform's cookies and promises are for its own host.
                name != .setCookie, name.canonicalName != "strict-transport-security",
                name.canonicalName != "alt-svc", !name.canonicalName.hasPrefix("patchbay-")
            else { continue }
            fields.append(HTTPField(name: name, value: field.value))
        }
        for field in limits { if let name = HTTPField.Name(field.name) { fields[name] = field.value } }
        if let upstream = HTTPField.Name("Patchbay-Upstream") { fields[upstream] = "1" }
        // Whatever a platform sends, no browser takes it for a page of this server.
        fields[.contentTypeOptions] = "nosniff"
        fields[.contentSecurityPolicy] = "sandbox; default-src 'none'"
        let length = fields[.contentLength].flatMap { Int($0) }
        fields[.contentLength] = nil
        let body = ResponseBody(contentLength: length) { writer in
            do { try await answer.pass { part in try await writer.write(part) } } catch {
                await upload.stop()
                throw error
            }
            // A platform may have answered before it heard all: nobody waits for the rest.
            await upload.stop()
            try await writer.finish(nil)
        }
        return Response(status: .init(code: answer.status), headers: fields, body: body)
    }
}

extension CallProblem {
    /// As it is answered to whoever asked for the call.
    func problem(at now: Timestamp) -> Problem {
        switch self {
        case .held(let hold):
            switch hold.gate {
            case .quota: Problem(.quotaReached, hold.reason, retryAfter: max(.seconds(1), hold.until - now))
            case .circuit: Problem(.providerUnavailable, hold.reason, retryAfter: max(.seconds(1), hold.until - now))
            case .connection: Problem(.wrongState, hold.reason)
            }
        case .failed(let failure):
            switch failure.kind {
            case .notFound: Problem(.notFound, failure.message)
            case .forbidden: Problem(.wrongState, failure.message)
            case .unauthorized: Problem(.needsReconnect, failure.message)
            case .throttled(let wait), .unavailable(let wait):
                Problem(.providerUnavailable, failure.message, retryAfter: wait ?? .seconds(5))
            case .refused, .garbled: Problem(.providerUnavailable, failure.message)
            }
        }
    }
}
