public import Kit
import Synchronization

/// Asks platforms on behalf of the accounts that are connected to them: through quota and circuit like every call, with
/// the connection's own tokens, which are renewed once when the platform refuses them, bodies of any size passed on as
/// they are read.
public struct ConnectionCaller: Sendable {
    /// A platform, and where it is asked.
    public struct Platform: Sendable {
        let source: any AccountCallable
        let address: String
        /// Set by the operator: addresses that answers name belong to the same host then.
        let base: String?

        /// - Parameter base: what the operator set instead of the platform's own address.
        public init(_ source: any AccountCallable, base: String? = nil) {
            self.source = source
            self.base = base
            let address = base ?? source.accountHost
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
        /// Where the lines of its calls wait for a commit to go with.
        var lines: CallLines?

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
            context.lines = lines
            return context
        }
    }

    /// What came of a call.
    public struct Asked<Output: Sendable>: Sendable {
        public let output: Output
        /// When the question left that was answered.
        public let sentAt: Timestamp
    }

    /// What was heard: an answer, and why it is no success, where it is none.
    struct Heard: Sendable {
        var answer: Answer?
        var failure: Failure?
        /// When the question left that was answered.
        let sentAt: Timestamp
        let at: Timestamp
        /// It was sent more than once, and one that came before may have done something.
        var mayHaveActed = false
    }

    /// Writes down that a call leaves.
    typealias Journal = @Sendable () async throws -> SendPermit

    private let platforms: [String: Platform]
    let traffic: Traffic
    private let wire: any StreamWire
    private let outside: (any StreamWire)?
    private let objects: ObjectStore?
    private let credential: Proxying.Credentials

    /// - Parameters:
    ///   - platforms: by id.
    ///   - wire: to the platforms' own hosts, and to what the operator set instead of them.
    ///   - outside: to addresses that answers named: guarded. Without it nothing is sent there.
    ///   - objects: where the files lie that are sent; nil where none is.
    public init(
        platforms: [String: Platform], traffic: Traffic, wire: any StreamWire, outside: (any StreamWire)? = nil,
        objects: ObjectStore? = nil,
        credential: @escaping Proxying.Credentials
    ) {
        self.platforms = platforms
        self.traffic = traffic
        self.wire = wire
        self.outside = outside
        self.objects = objects
        self.credential = credential
    }

    /// The same with this token, whatever else the connection has.
    func bearing(_ token: Secret) -> ConnectionCaller {
        ConnectionCaller(
            platforms: platforms, traffic: traffic, wire: wire, outside: outside, objects: objects
        ) { _, refused in
            guard refused == nil else { throw Failure(.unauthorized, "The platform does not accept the token.") }
            return Proxying.Credential(token: token, version: 1)
        }
    }

    /// What a call is for.
    ///
    /// - Throws: `CallProblem` where there is no answer that helps; what the database throws.
    public func ask<Output>(_ call: Call<Output>, on errand: Errand) async throws -> Asked<Output> {
        let heard = try await send(call.outgoing, on: errand)
        if let failure = heard.failure { throw CallProblem.failed(failure) }
        let name = platforms[errand.provider]?.source.about.name ?? errand.provider
        guard let answer = heard.answer else { throw CallProblem.failed(Failure(.garbled, "\(name) said nothing.")) }
        do { return Asked(output: try call.read(answer), sentAt: heard.sentAt) } catch {
            throw CallProblem.failed(Failure(.garbled, "\(name) answered something unreadable: \(error.reason)"))
        }
    }

    /// Sends a call. Tokens that are refused are renewed once.
    ///
    /// - Parameter journal: writes down that it leaves, when all that it needs is in hand; the last thing before the
    ///   first byte, each time that it is sent.
    /// - Throws: `CallProblem.held` where it did not leave; what `journal` throws, and the database.
    func send(_ outgoing: Outgoing, on errand: Errand, journal: Journal? = nil) async throws -> Heard {
        guard let platform = platforms[errand.provider] else {
            return heard(Failure(.refused, "\(errand.provider) cannot be asked here.", who: .operator))
        }
        // An address that an answer named authorizes by itself.
        guard case .api = outgoing.host else { return try await exchange(outgoing, platform, nil, errand, journal) }
        var held: Proxying.Credential
        do { held = try await token(of: errand, refusing: nil) } catch let failure as Failure { return heard(failure) }
        let first = try await exchange(outgoing, platform, held, errand, journal)
        guard first.failure?.kind == .unauthorized else { return first }
        do { held = try await token(of: errand, refusing: held.version) } catch let failure as Failure {
            var refused = heard(failure)
            refused.mayHaveActed = first.mayHaveActed
            return refused
        }
        var second = try await exchange(outgoing, platform, held, errand, journal)
        second.mayHaveActed = second.mayHaveActed || first.mayHaveActed
        return second
    }

    /// - Throws: `CallProblem.held` where somebody holds the connection back; `Failure` where there is no token.
    private func token(of errand: Errand, refusing version: Int64?) async throws -> Proxying.Credential {
        do { return try await credential(errand.connection, version) } catch let failure as Failure {
            guard let code = failure.code, Connections.heldCodes.contains(code) else { throw failure }
            throw CallProblem.held(
                Hold(
                    until: traffic.time.now() + Connections.heldPause, gate: .connection(errand.connection),
                    reason: failure.message))
        }
    }

    /// Nothing was sent.
    private func heard(_ failure: Failure) -> Heard {
        let now = traffic.time.now()
        return Heard(failure: failure, sentAt: now, at: now)
    }

    /// One exchange as the traffic sees it, with its repetitions.
    private func exchange(
        _ outgoing: Outgoing, _ platform: Platform, _ held: Proxying.Credential?, _ errand: Errand, _ journal: Journal?
    ) async throws -> Heard {
        guard let url = url(of: outgoing, platform) else {
            let name = platform.source.about.name
            return heard(
                Failure(.refused, "\(name) named an address that is not its own. Nothing was sent there."))
        }
        var exchange = Traffic.Exchange(
            provider: platform.source.about, host: HostText.of(url), method: outgoing.method.rawValue,
            path: outgoing.path, spends: outgoing.spends, repeating: outgoing.repeating, deadline: outgoing.deadline,
            context: errand.context)
        exchange.content = Traffic.Content(
            url: outgoing.host == .api ? url : String(url.prefix { $0 != "?" }) + "?" + Redaction.mark,
            headers: outgoing.headers, body: outgoing.body, authorization: held?.bearer ?? Secret([]))
        let last = LastAttempt(at: traffic.time.now())
        do throws(CallProblem) {
            let outcome = try await traffic.exchange(exchange) { deadline in
                await noted(last, journal) { permit in
                    await once(outgoing, url, held, platform, permit, within: deadline)
                }
            }
            return Heard(answer: outcome.answer, failure: nil, sentAt: last.sentAt, at: traffic.time.now())
        } catch {
            if let stop = last.stop { throw stop }
            guard case .failed(let failure) = error else { throw error }
            return Heard(
                answer: last.answer, failure: failure, sentAt: last.sentAt, at: traffic.time.now(),
                mayHaveActed: last.mayHaveActed)
        }
    }

    /// Nil for an address that an answer named and that is none of the platform's.
    private func url(of outgoing: Outgoing, _ platform: Platform) -> String? {
        switch outgoing.host {
        case .api: return platform.address + outgoing.path.description
        case .given(let address, let domains):
            let url = address.reveal { String(decoding: $0, as: UTF8.self) }
            return CallHost.admits(url, within: domains, base: platform.base) ? url : nil
        }
    }

    /// One attempt, once it is written down.
    private func noted(
        _ last: LastAttempt, _ journal: Journal?, _ send: (SendPermit?) async -> Traffic.Outcome
    ) async -> Traffic.Outcome {
        let permit: SendPermit?
        do { permit = try await journal?() } catch {
            last.stop = error
            return .notSent
        }
        last.sentAt = traffic.time.now()
        let outcome = await send(permit)
        last.note(outcome)
        return outcome
    }

    /// Sends once.
    private func once(
        _ outgoing: Outgoing, _ url: String, _ held: Proxying.Credential?, _ platform: Platform, _ permit: SendPermit?,
        within deadline: Duration
    ) async -> Traffic.Outcome {
        let (passage, body): (Passage, StreamRequest.Body)
        do { (passage, body) = (Passage(), try await self.body(of: outgoing)) } catch {
            var outcome = Traffic.Outcome()
            outcome.failure = Failure(
                .refused, "The object's bytes are no longer there. Give the file again.", code: "object_gone")
            outcome.isOurs = true
            return outcome
        }
        var request = StreamRequest(
            method: outgoing.method, url: url, headers: outgoing.headers, authorization: held?.bearer ?? Secret([]),
            body: body.counted(by: passage))
        request.permit = permit
        let (sending, wire) = (request, self.wire(to: outgoing.host, platform))
        var outcome = await Traffic.Outcome(
            from: platform.source.about, sent: outgoing.part?.count ?? Int64(outgoing.body.count),
            judging: { platform.source.failure(in: $0, at: traffic.time.now()) },
            {
                guard let wire else {
                    throw WireFailure.refusedAddress("Nothing here asks addresses that answers name.")
                }
                return try await wire.whole(sending, within: deadline)
            })
        if outgoing.part != nil { outcome.passed = passage }
        return outcome
    }

    /// Where the operator set an address, that is where answers lead, on loopback or not.
    private func wire(to host: CallHost, _ platform: Platform) -> (any StreamWire)? {
        if case .given = host, platform.base == nil { outside } else { wire }
    }

    private func body(of outgoing: Outgoing) async throws -> StreamRequest.Body {
        guard let part = outgoing.part else { return outgoing.body.isEmpty ? .none : .bytes(outgoing.body) }
        guard let objects else { throw ObjectProblem.gone }
        return .stream(try await objects.pieces(of: part.object, part.range), length: part.count)
    }
}

/// What the latest attempt came to: written by it, read after it.
private final class LastAttempt: Sendable {
    private struct State {
        var sentAt: Timestamp
        var answer: Answer?
        var effect = Failure.Effect.none
        var mayHaveActed = false
        var stop: (any Error)?
    }
    private let state: Mutex<State>

    init(at now: Timestamp) { state = Mutex(State(sentAt: now)) }

    /// When it left.
    var sentAt: Timestamp {
        get { state.withLock { $0.sentAt } }
        set { state.withLock { $0.sentAt = newValue } }
    }
    var answer: Answer? { state.withLock { $0.answer } }
    /// Whether an attempt before the latest may have done something.
    var mayHaveActed: Bool { state.withLock { $0.mayHaveActed } }

    func note(_ outcome: Traffic.Outcome) {
        state.withLock { state in
            if state.effect == .possible { state.mayHaveActed = true }
            (state.answer, state.effect) = (outcome.answer, outcome.failure?.effect ?? .none)
        }
    }
    /// What kept it from being sent.
    var stop: (any Error)? {
        get { state.withLock { $0.stop } }
        set { state.withLock { $0.stop = newValue } }
    }
}

extension Traffic.Outcome {
    /// Something of ours kept it back: nothing has left.
    fileprivate static var notSent: Self {
        var outcome = Self()
        outcome.failure = Failure(.refused, "It was not sent.", code: "not_sent", effect: Failure.Effect.none)
        outcome.isOurs = true
        return outcome
    }
}
