public import Kit
import NIOCore
import Synchronization

/// Sends the calls of steps on behalf of connected accounts: through quota and circuit like every call, with the
/// connection's own tokens, bodies of any size passed on as they are read.
public struct StepCaller: Sendable {
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
    public typealias Errand = ConnectionCaller.Errand

    /// What was heard: an answer, and why it is no success, where it is none.
    struct Heard: Sendable {
        var answer: Answer?
        var failure: Failure?
        let at: Timestamp
        /// It was sent more than once, and one that came before may have done something.
        var mayHaveActed = false
    }

    /// More is no answer of a call of ours.
    private static let answerMax = 1 << 20

    private let platforms: [String: Platform]
    private let traffic: Traffic
    private let wire: any StreamWire
    private let outside: any StreamWire
    private let objects: ObjectStore?
    private let credential: @Sendable (_ connection: String, _ refusing: Int64?) async throws -> Proxying.Credential

    /// - Parameters:
    ///   - platforms: by id.
    ///   - wire: to the platforms' own hosts, and to what the operator set instead of them.
    ///   - outside: to addresses that answers named: guarded.
    ///   - credential: the token of a connection; another than the one that was refused.
    public init(
        platforms: [String: Platform], traffic: Traffic, wire: any StreamWire, outside: any StreamWire,
        objects: ObjectStore?,
        credential: @escaping @Sendable (_ connection: String, _ refusing: Int64?) async throws -> Proxying.Credential
    ) {
        self.platforms = platforms
        self.traffic = traffic
        self.wire = wire
        self.outside = outside
        self.objects = objects
        self.credential = credential
    }

    /// Sends a call. Tokens that are refused are renewed once.
    ///
    /// - Parameter journal: writes down that it leaves, when all that it needs is in hand; the last thing before the
    ///   first byte, each time that it is sent.
    /// - Throws: `CallProblem.held` where it did not leave; what `journal` throws, and the database.
    func send(
        _ outgoing: Outgoing, on errand: Errand, journal: (@Sendable () async throws -> SendPermit)? = nil
    ) async throws -> Heard {
        guard let platform = platforms[errand.provider] else {
            return Heard(
                failure: Failure(.refused, "\(errand.provider) cannot be asked here.", who: .operator),
                at: traffic.time.now())
        }
        guard case .api = outgoing.host else { return try await attempt(outgoing, platform, nil, errand, journal) }
        var held: Proxying.Credential
        do { held = try await token(of: errand, refusing: nil) } catch let failure as Failure {
            return Heard(failure: failure, at: traffic.time.now())
        }
        let heard = try await attempt(outgoing, platform, held, errand, journal)
        guard heard.failure?.kind == .unauthorized else { return heard }
        do { held = try await token(of: errand, refusing: held.version) } catch let failure as Failure {
            return Heard(failure: failure, at: traffic.time.now(), mayHaveActed: heard.mayHaveActed)
        }
        var second = try await attempt(outgoing, platform, held, errand, journal)
        second.mayHaveActed = second.mayHaveActed || heard.mayHaveActed
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

    /// One exchange as the traffic sees it, with its repetitions.
    private func attempt(
        _ outgoing: Outgoing, _ platform: Platform, _ held: Proxying.Credential?, _ errand: Errand,
        _ journal: (@Sendable () async throws -> SendPermit)?
    ) async throws -> Heard {
        let url: String
        switch outgoing.host {
        case .api: url = platform.address + outgoing.path.description
        case .given(let address, let domains):
            url = address.reveal { String(decoding: $0, as: UTF8.self) }
            guard CallHost.admits(url, within: domains, base: platform.base) else {
                let name = platform.source.about.name
                return Heard(failure: Self.foreign(name), at: traffic.time.now())
            }
        }
        let exchange = Traffic.Exchange(
            provider: platform.source.about, host: HostText.of(url), method: outgoing.method.rawValue,
            path: outgoing.path, spends: outgoing.spends, repeating: outgoing.repeating, deadline: outgoing.deadline,
            context: errand.context)
        let last = LastAttempt()
        let outcome: Traffic.Outcome
        do throws(CallProblem) {
            outcome = try await traffic.exchange(exchange) { deadline in
                await noted(last, journal) { permit in
                    await once(outgoing, url, held, platform, permit, within: deadline)
                }
            }
        } catch {
            if let stop = last.stop { throw stop }
            guard case .failed(let failure) = error else { throw error }
            return Heard(
                answer: last.answer, failure: failure, at: traffic.time.now(), mayHaveActed: last.mayHaveActed)
        }
        return Heard(answer: outcome.answer, failure: nil, at: traffic.time.now())
    }

    /// One attempt, once it is written down.
    private func noted(
        _ last: LastAttempt, _ journal: (@Sendable () async throws -> SendPermit)?,
        _ send: (SendPermit?) async -> Traffic.Outcome
    ) async -> Traffic.Outcome {
        let permit: SendPermit?
        do { permit = try await journal?() } catch {
            last.stop = error
            return .notSent
        }
        let outcome = await send(permit)
        last.note(outcome)
        return outcome
    }

    /// Sends once.
    private func once(
        _ outgoing: Outgoing, _ url: String, _ held: Proxying.Credential?, _ platform: Platform, _ permit: SendPermit?,
        within deadline: Duration
    ) async -> Traffic.Outcome {
        var outcome = Traffic.Outcome()
        let body: StreamRequest.Body
        do { body = try await self.body(of: outgoing) } catch {
            outcome.failure = Failure(
                .refused, "The object's bytes are no longer there. Give the file again.", code: "object_gone")
            outcome.isOurs = true
            return outcome
        }
        var request = StreamRequest(
            method: outgoing.method, url: url, headers: outgoing.headers,
            authorization: held?.token.reveal { Secret(Array("Bearer ".utf8) + $0) } ?? Secret([]), body: body)
        request.permit = permit
        outcome.bytesSent = outgoing.part?.count ?? Int64(outgoing.body.count)
        do {
            // Where the operator set an address, that is where answers lead, on loopback or not.
            let isNamed = if case .given = outgoing.host { platform.base == nil } else { false }
            let answer = try await whole(request, by: isNamed ? outside : wire, within: deadline)
            outcome.answer = answer
            outcome.bytesReceived = Int64(answer.body.count)
            outcome.failure = platform.source.failure(in: answer, at: traffic.time.now())
        } catch is PermitOver {
            // Nothing has left, and it may be asked for anew.
            outcome.bytesSent = 0
            outcome.failure = Failure(
                .unavailable(retryAfter: nil), "This server stood still for a moment. It goes on by itself.",
                effect: Failure.Effect.none)
            outcome.isOurs = true
        } catch WireFailure.refusedAddress {
            outcome.bytesSent = 0
            outcome.failure = Self.foreign(platform.source.about.name)
            outcome.isOurs = true
        } catch {
            outcome.bytesSent = 0
            (outcome.failure, outcome.isOurs) = Failure.unheard(error, platform.source.about)
        }
        return outcome
    }

    private static func foreign(_ name: String) -> Failure {
        Failure(.refused, "\(name) named an address that is not its own. Nothing was sent there.")
    }

    private func body(of outgoing: Outgoing) async throws -> StreamRequest.Body {
        guard let part = outgoing.part else { return outgoing.body.isEmpty ? .none : .bytes(outgoing.body) }
        guard let objects else { throw ObjectProblem.gone }
        return .stream(try await objects.pieces(of: part.object, part.range), length: part.count)
    }

    /// The answer with its body, all within the deadline.
    private func whole(
        _ request: StreamRequest, by wire: any StreamWire, within deadline: Duration
    ) async throws -> Answer {
        try await withThrowingTaskGroup(of: Answer.self) { group in
            group.addTask {
                let answer = try await wire.send(request, within: deadline)
                var kept: [UInt8] = []
                try await answer.pass { part in
                    guard kept.count + part.readableBytes <= Self.answerMax else { throw WireFailure.notHTTP }
                    kept += part.readableBytesView
                }
                return Answer(status: answer.status, headers: answer.headers, body: kept)
            }
            group.addTask {
                try await Task.sleep(for: deadline)
                throw WireFailure.timeout
            }
            defer { group.cancelAll() }
            guard let answer = try await group.next() else { throw WireFailure.timeout }
            return answer
        }
    }
}

/// What the latest attempt came to: written by it, read after it.
private final class LastAttempt: Sendable {
    private struct State {
        var answer: Answer?
        var effect = Failure.Effect.none
        var mayHaveActed = false
        var stop: (any Error)?
    }
    private let state = Mutex(State())

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
