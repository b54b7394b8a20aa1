public import Kit
import NIOCore

/// Makes calls on a connection's behalf for somebody who never sees its token: through quota and circuit like every
/// other, the token refreshed once when it is refused, bodies of any size passed on as they come.
public struct Proxying: Sendable {
    /// Larger bodies are passed on as they come, and cannot be sent again.
    public static let repeatableMax = 256 << 10
    /// The least that a body of known length must move in a second; a call has half a minute besides.
    static let leastBytesPerSecond: Int64 = 64 << 10
    /// Of a refusal that is read to the end before it is passed on or thrown away, in bytes.
    private static let refusalMax = 64 << 10
    /// A body of unknown length may take so long.
    static let longest = Duration.hours(6)

    /// On whose behalf, and where to.
    public struct Target: Sendable {
        public let connection: String
        /// The platform's own id of the account.
        public let account: String
        public let userID: String?
        public let app: String
        public let provider: About
        /// `https://open.tiktokapis.com`.
        public let base: String
        public let paths: [KnownPath]
        /// What an answer of the platform says: its codes tell a token that is over from a permission that it lacks.
        let failure: @Sendable (Answer, Timestamp) -> Failure?

        /// - Parameter failure: nil where nobody reads the platform's codes: then its status says it all.
        public init(
            connection: String, account: String, userID: String?, app: String, provider: About, base: String,
            paths: [KnownPath], failure: (@Sendable (Answer, Timestamp) -> Failure?)? = nil
        ) {
            self.connection = connection
            self.account = account
            self.userID = userID
            self.app = app
            self.provider = provider
            self.base = base
            self.paths = paths
            self.failure =
                failure ?? { answer, _ in
                    answer.status == 401 ? Failure(.unauthorized, "\(provider.name) does not accept the token.") : nil
                }
        }
    }

    /// What authorizes a call, and which version of it that is.
    public struct Credential: Sendable {
        public let token: Secret
        public let version: Int64
        public init(token: Secret, version: Int64) {
            self.token = token
            self.version = version
        }

        /// As the header says it.
        var bearer: Secret { token.reveal { Secret(Array("Bearer ".utf8) + $0) } }
    }

    /// The token of a connection; another than the one that was refused.
    ///
    /// - Throws: `Failure` where there is none.
    public typealias Credentials =
        @Sendable (_ connection: String, _ refusing: Int64?) async throws -> Credential

    /// What somebody wants to be passed on.
    public struct Wish: Sendable {
        public let method: Outgoing.Method
        /// From the slash on, with its query, as it came.
        public let path: String
        public let headers: [Field]
        public let body: StreamRequest.Body
        public let correlation: String?
        /// Who asks: the name of an API key.
        public let by: String

        public init(
            method: Outgoing.Method, path: String, headers: [Field], body: StreamRequest.Body, correlation: String?,
            by: String
        ) {
            self.method = method
            self.path = path
            self.headers = headers
            self.body = body
            self.correlation = correlation
            self.by = by
        }
    }

    private let traffic: Traffic
    private let wire: any StreamWire
    private let credential: Credentials

    public init(traffic: Traffic, wire: any StreamWire, credential: @escaping Credentials) {
        self.traffic = traffic
        self.wire = wire
        self.credential = credential
    }

    /// Passes a call on. The answer is the platform's own, whatever its status.
    ///
    /// - Throws: `CallProblem` where there is none, `UnendedBody` where that is for want of the wish's own body; what
    ///   `credential` throws.
    public func pass(_ wish: Wish, to target: Target) async throws -> StreamAnswer {
        let exchange = exchange(wish, target)
        var held = try await credential(target.connection, nil)
        var answer = try await attempt(1, wish, target, exchange, held)
        // The platform no longer takes the token: another, once, where the body can be sent again.
        if answer.status == 401, wish.body.canBeSentAgain {
            // First, so that it is written down even where there is no other token.
            if let body = await whole(answer), !refusesToken(answer, body, target) {
                return StreamAnswer(status: answer.status, headers: answer.headers) { take in
                    try await take(ByteBuffer(bytes: body))
                }
            }
            held = try await credential(target.connection, held.version)
            answer = try await attempt(2, wish, target, exchange, held)
        }
        return answer
    }

    /// The body of a refusal; nil for a long one, which is cut off with its connection, and one that breaks off: its
    /// status counts then, and it goes to nobody.
    private func whole(_ answer: StreamAnswer) async -> [UInt8]? {
        struct Enough: Error {}
        var body: [UInt8] = []
        let began = traffic.time.uptime()
        do {
            try await answer.pass { part in
                body += part.readableBytesView
                guard body.count <= Self.refusalMax, traffic.time.uptime() - began < .seconds(5) else { throw Enough() }
            }
            return body
        } catch {
            return nil
        }
    }

    /// Whether it is the token that a platform does not accept. One that only lacks a permission is not renewed: the
    /// new one would lack it too, and the platform would count a refresh for every call.
    private func refusesToken(_ answer: StreamAnswer, _ body: [UInt8], _ target: Target) -> Bool {
        let whole = Answer(status: answer.status, headers: answer.headers, body: body)
        guard let readable = whole.inflated(upTo: Self.refusalMax),
            let failure = target.failure(readable, traffic.time.now())
        else { return true }
        return failure.kind == .unauthorized
    }

    private func exchange(_ wish: Wish, _ target: Target) -> Traffic.Exchange {
        let bare = String(wish.path.prefix { $0 != "?" })
        let known = target.paths.first { $0.matches(bare) }
        var context = CallContext(
            "proxy", as: Claimant("proxy \(wish.by) \(target.connection)", .person), app: target.app)
        context.connection = target.connection
        context.account = target.account
        context.userID = target.userID
        context.correlation = wish.correlation
        return Traffic.Exchange(
            provider: target.provider, host: HostText.of(target.base), method: wish.method.rawValue,
            path: Path(passedOn: wish.path, known: known), spends: known?.spends(with: wish.body.known) ?? [],
            repeating: .never, deadline: wish.body.deadline, context: context)
    }

    private func attempt(
        _ number: Int, _ wish: Wish, _ target: Target, _ exchange: Traffic.Exchange, _ held: Credential
    ) async throws -> StreamAnswer {
        var exchange = exchange
        exchange.content = Traffic.Content(
            url: target.base + wish.path, headers: wish.headers, body: wish.body.bytes, authorization: held.bearer)
        let ticket = try await traffic.permit(exchange)
        let capture = await traffic.capture(for: exchange)
        let (at, began) = (traffic.time.now(), traffic.time.uptime())
        let count = Passage()
        let request = StreamRequest(
            method: wish.method, url: target.base + wish.path, headers: wish.headers,
            authorization: held.bearer, body: wish.body.counted(by: count))
        let answer: StreamAnswer
        do { answer = try await wire.send(request, within: exchange.deadline) } catch {
            var outcome = Traffic.Outcome()
            (outcome.failure, outcome.isOurs) = Failure.unheard(error, target.provider)
            let isUnended = count.isWanting
            outcome.isOurs = outcome.isOurs || isUnended
            (outcome.bytesSent, outcome.passed) = (count.value, count)
            await traffic.conclude(
                exchange, number, ticket, outcome, at: at, took: traffic.time.uptime() - began, in: capture)
            if isUnended { throw UnendedBody() }
            throw CallProblem.failed(outcome.failure ?? Failure(.garbled, "No answer came."))
        }
        let head = Answer(status: answer.status, headers: answer.headers, body: [])
        traffic.heard(head, failure(head, target), ticket)
        return StreamAnswer(status: answer.status, headers: answer.headers) { [traffic, exchange] take in
            var (received, kept) = (Int64(0), [UInt8]())
            let ending: (any Error)?
            do {
                try await answer.pass { part in
                    received += Int64(part.readableBytes)
                    // No more than may be kept, and the first byte that is too much.
                    if capture != nil { kept += part.readableBytesView.prefix(Captures.bodyMax + 1 - kept.count) }
                    try await take(part)
                }
                ending = nil
            } catch { ending = error }
            var outcome = Traffic.Outcome(
                answer: Answer(status: head.status, headers: head.headers, body: kept), failure: failure(head, target))
            (outcome.bytesSent, outcome.bytesReceived, outcome.passed) = (count.value, received, count)
            await traffic.conclude(
                exchange, number, nil, outcome, at: at, took: traffic.time.uptime() - began, in: capture)
            if let ending { throw ending }
        }
    }

    /// What an answer's status says, for quota and circuit; the answer itself goes back as it is.
    private func failure(_ head: Answer, _ target: Target) -> Failure? {
        let wait = head.retryAfter(at: traffic.time.now())
        let name = target.provider.name
        return switch head.status {
        case 429: Failure(.throttled(retryAfter: wait), "\(name) takes no more calls for now.")
        case 500...: Failure(.unavailable(retryAfter: wait), "\(name) is not available.")
        case 401: Failure(.unauthorized, "\(name) does not accept the token.")
        case 403: Failure(.forbidden, "\(name) does not allow it.")
        case 404: Failure(.notFound, "\(name) does not know it.")
        case 400...: Failure(.refused, "\(name) refuses the request (\(head.status)).")
        default: nil
        }
    }
}

/// Whoever asked for a call did not give its body whole, and so no answer came.
public struct UnendedBody: Error {}

extension StreamRequest.Body {
    /// What is in memory of it.
    fileprivate var bytes: [UInt8] { if case .bytes(let bytes) = self { bytes } else { [] } }
    /// Nil where it comes as it is sent.
    fileprivate var known: [UInt8]? {
        switch self {
        case .none: []
        case .bytes(let bytes): bytes
        case .stream: nil
        }
    }

    var canBeSentAgain: Bool {
        switch self {
        case .none, .bytes: true
        case .stream: false
        }
    }

    /// Half a minute, and what its bytes need at the least pace.
    var deadline: Duration {
        switch self {
        case .none: .seconds(30)
        case .bytes(let bytes): .seconds(30 + Int64(bytes.count) / Proxying.leastBytesPerSecond)
        case .stream(_, let length):
            length.map { min(.seconds(30 + $0 / Proxying.leastBytesPerSecond), .hours(24)) } ?? Proxying.longest
        }
    }
}
