public import Kit
import Synchronization

/// Asks platforms on behalf of the accounts that are connected to them: through quota and circuit like every call, with
/// the connection's own tokens, which are renewed once when the platform refuses them.
public struct ConnectionCaller: Sendable {
    /// A platform, and where it is asked.
    public struct Platform: Sendable {
        public let source: any AccountCallable
        let address: String

        /// - Parameter address: what the operator set instead of the platform's own.
        public init(_ source: any AccountCallable, address: String? = nil) {
            self.source = source
            let address = address ?? source.accountHost
            self.address = address.utf8.last == UInt8(ascii: "/") ? String(address.dropLast()) : address
        }
    }

    /// On whose behalf, what for, and who waits.
    public struct Errand: Sendable {
        public let connection: String
        /// The platform's own id of the account.
        public let account: String
        public let userID: String?
        public let app: String
        public let provider: String
        /// A word: `sync`.
        public let purpose: String
        public let claimant: Claimant
        /// The id of what it is done for.
        public var subject: String?

        public init(
            connection: String, account: String, userID: String?, app: String, provider: String, purpose: String,
            claimant: Claimant, subject: String? = nil
        ) {
            self.connection = connection
            self.account = account
            self.userID = userID
            self.app = app
            self.provider = provider
            self.purpose = purpose
            self.claimant = claimant
            self.subject = subject
        }

        /// As the log of calls keeps it.
        var context: CallContext {
            var context = CallContext(purpose, as: claimant, app: app)
            context.connection = connection
            context.account = account
            context.userID = userID
            context.subject = subject
            return context
        }
    }

    /// What came of a call.
    public struct Asked<Output: Sendable>: Sendable {
        public let output: Output
        /// When the question left that was answered.
        public let sentAt: Timestamp
    }

    private let platforms: [String: Platform]
    private let traffic: Traffic
    private let wire: any Wire
    private let credential: @Sendable (_ connection: String, _ refusing: Int64?) async throws -> Proxying.Credential

    /// - Parameters:
    ///   - platforms: by id.
    ///   - credential: the token of a connection; another than the one that was refused.
    public init(
        platforms: [String: Platform], traffic: Traffic, wire: any Wire,
        credential: @escaping @Sendable (_ connection: String, _ refusing: Int64?) async throws -> Proxying.Credential
    ) {
        self.platforms = platforms
        self.traffic = traffic
        self.wire = wire
        self.credential = credential
    }

    /// The same with this token, whatever else the connection has.
    func bearing(_ token: Secret) -> ConnectionCaller {
        ConnectionCaller(platforms: platforms, traffic: traffic, wire: wire) { _, refused in
            guard refused == nil else { throw Failure(.unauthorized, "The platform does not accept the token.") }
            return Proxying.Credential(token: token, version: 1)
        }
    }

    /// What a call is for.
    ///
    /// - Throws: `CallProblem` where there is no answer that helps; what the database throws.
    public func ask<Output>(_ call: Call<Output>, on errand: Errand) async throws -> Asked<Output> {
        guard let platform = platforms[errand.provider] else {
            throw CallProblem.failed(Failure(.refused, "\(errand.provider) cannot be asked here.", who: .operator))
        }
        var held = try await token(of: errand, refusing: nil)
        var attempt = try await send(call.outgoing, platform, held, errand)
        if attempt.failure?.kind == .unauthorized {
            held = try await token(of: errand, refusing: held.version)
            attempt = try await send(call.outgoing, platform, held, errand)
        }
        if let failure = attempt.failure { throw CallProblem.failed(failure) }
        let name = platform.source.about.name
        guard let answer = attempt.answer else { throw CallProblem.failed(Failure(.garbled, "\(name) said nothing.")) }
        do { return Asked(output: try call.read(answer), sentAt: attempt.sentAt) } catch {
            throw CallProblem.failed(Failure(.garbled, "\(name) answered something unreadable: \(error.reason)"))
        }
    }

    private func token(of errand: Errand, refusing version: Int64?) async throws -> Proxying.Credential {
        do { return try await credential(errand.connection, version) } catch let failure as Failure {
            throw CallProblem.failed(failure)
        }
    }

    private struct Attempt: Sendable {
        var answer: Answer?
        var failure: Failure?
        var sentAt: Timestamp
    }

    private func send(
        _ outgoing: Outgoing, _ platform: Platform, _ held: Proxying.Credential, _ errand: Errand
    ) async throws -> Attempt {
        let request = WireRequest(
            method: outgoing.method, url: platform.address + outgoing.path.description, headers: outgoing.headers,
            body: outgoing.body, authorization: held.token.reveal { Secret(Array("Bearer ".utf8) + $0) })
        let sent = Moments(first: traffic.time.now())
        let exchange = Traffic.Exchange(
            provider: platform.source.about, host: HostText.of(platform.address), method: outgoing.method.rawValue,
            path: outgoing.path, spends: outgoing.spends, repeating: outgoing.repeating, deadline: outgoing.deadline,
            context: errand.context)
        let outcome: Traffic.Outcome
        do {
            outcome = try await traffic.exchange(exchange) { deadline in
                sent.note(traffic.time.now())
                return await attempt(request, platform, within: deadline)
            }
        } catch {
            guard case .failed(let failure) = error else { throw error }
            return Attempt(answer: nil, failure: failure, sentAt: sent.last)
        }
        return Attempt(answer: outcome.answer, failure: nil, sentAt: sent.last)
    }

    private func attempt(
        _ request: WireRequest, _ platform: Platform, within deadline: Duration
    ) async -> Traffic.Outcome {
        var outcome = Traffic.Outcome()
        outcome.bytesSent = Int64(request.body.count)
        do {
            let answer = try await wire.send(request, within: deadline)
            outcome.answer = answer
            outcome.bytesReceived = Int64(answer.body.count)
            outcome.failure = platform.source.failure(in: answer, at: traffic.time.now())
        } catch {
            (outcome.failure, outcome.isOurs) = Failure.unheard(error, platform.source.about)
        }
        return outcome
    }
}

/// When the latest attempt left: written by it, read after it.
private final class Moments: Sendable {
    private let moment: Mutex<Timestamp>
    init(first: Timestamp) { moment = Mutex(first) }
    var last: Timestamp { moment.withLock { $0 } }
    func note(_ new: Timestamp) { moment.withLock { $0 = new } }
}
