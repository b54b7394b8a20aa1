import Glibc
public import Kit
import NIOCore

/// Asks one platform, with one key, at one address.
///
/// With `traffic`, every call passes quota and circuit, is sent again where that is safe, and is written down.
public struct Caller: Sendable {
    private let provider: any Callable
    private let address: String
    private let host: String
    private let key: Secret
    private let wire: any Wire
    private let now: @Sendable () -> Timestamp
    private let traffic: Traffic?

    /// - Parameter address: what the operator set instead of the platform's own, without a slash at its end.
    public init(
        _ provider: any Callable, key: Secret, address: String? = nil, wire: any Wire,
        now: @escaping @Sendable () -> Timestamp, traffic: Traffic? = nil
    ) {
        self.provider = provider
        let address = address ?? provider.api.address
        self.address = address.utf8.last == UInt8(ascii: "/") ? String(address.dropLast()) : address
        host = HostText.of(self.address)
        self.key = key
        self.wire = wire
        self.now = now
        self.traffic = traffic
    }

    /// A successful answer, and when it was in hand.
    public func answer(
        to outgoing: Outgoing, in context: CallContext? = nil
    ) async throws(CallProblem) -> (answer: Answer, at: Timestamp) {
        let outcome: Traffic.Outcome
        if let traffic {
            var exchange = Traffic.Exchange(
                provider: provider.about, host: host, method: outgoing.method.rawValue, path: outgoing.path,
                spends: outgoing.spends, repeating: outgoing.repeating, deadline: outgoing.deadline,
                context: context ?? CallContext("call", as: Claimant(provider.about.id, .event)))
            exchange.content = Traffic.Content(
                url: address + outgoing.path.description, headers: outgoing.headers, body: outgoing.body,
                authorization: authorization)
            outcome = try await traffic.exchange(exchange) { await attempt(outgoing, within: $0) }
        } else {
            outcome = await attempt(outgoing, within: outgoing.deadline)
        }
        if let failure = outcome.failure { throw .failed(failure) }
        guard let answer = outcome.answer else {
            throw .failed(Failure(.garbled, "\(provider.about.name) answered nothing."))
        }
        return (answer, now())
    }

    private func attempt(_ outgoing: Outgoing, within deadline: Duration) async -> Traffic.Outcome {
        let request = WireRequest(
            method: outgoing.method, url: address + outgoing.path.description, headers: outgoing.headers,
            body: outgoing.body, authorization: authorization)
        return await Traffic.Outcome(
            from: provider.about, sent: Int64(request.body.count), judging: { provider.failure(in: $0, at: now()) },
            { try await wire.send(request, within: deadline) })
    }

    /// What a call is for.
    public func ask<Output>(
        _ call: Call<Output>, in context: CallContext? = nil
    ) async throws(CallProblem) -> (output: Output, answer: Answer, at: Timestamp) {
        let (answer, at) = try await answer(to: call.outgoing, in: context)
        do { return (try call.read(answer), answer, at) } catch {
            throw .failed(
                Failure(.garbled, "\(provider.about.name) answered something unreadable: \(error.reason)"))
        }
    }

    private var authorization: Secret {
        switch provider.api.authorization {
        case .bearer: key.reveal { Secret(Array("Bearer ".utf8) + $0) }
        }
    }
}

extension Traffic.Outcome {
    /// What one sending came to: an answer as its platform is understood, or why none was heard.
    ///
    /// - Parameter sent: bytes of its body.
    init(
        from provider: About, sent: Int64, judging judge: (Answer) -> Failure?, _ send: () async throws -> Answer
    ) async {
        self.init()
        do {
            let answer = try await send()
            self.answer = answer
            (bytesSent, bytesReceived) = (sent, Int64(answer.body.count))
            failure = judge(answer)
        } catch { (failure, isOurs) = Failure.unheard(error, provider) }
    }
}

extension Failure {
    /// What the network's own errors mean: whether anything can have happened, and whose fault it is.
    static func unheard(_ error: any Error, _ provider: About) -> (failure: Failure, isOurs: Bool) {
        // Nothing has left, and it may be asked for anew.
        guard !(error is PermitOver) else {
            return (
                Failure(
                    .unavailable(retryAfter: nil), "This server stood still for a moment. It goes on by itself.",
                    effect: Effect.none), true
            )
        }
        if case WireFailure.refusedAddress = error {
            return (
                Failure(.refused, "\(provider.name) named an address that is not its own. Nothing was sent there."),
                true
            )
        }
        let fault = WireFailure(error)
        // A connection that stands may time out too: then bytes have left.
        let mayHaveLeft = (error as? IOError)?.errnoCode == ETIMEDOUT
        var isOurs = false
        if case .ownNetwork = fault { isOurs = true }
        if case .cancelled = fault { isOurs = true }
        return (
            Failure(
                .unavailable(retryAfter: nil), "\(provider.name) gave no answer. It is asked again.",
                effect: fault.isBeforeTheRequest && !mayHaveLeft ? Effect.none : .possible), isOurs
        )
    }
}

/// The host of an address, as logs and circuits name it.
enum HostText {
    static func of(_ address: String) -> String {
        let rest = address.split(separator: "/", maxSplits: 3, omittingEmptySubsequences: false)
        guard rest.count >= 3 else { return OutsideText.bounded(address) }
        return OutsideText.bounded(rest[2].split(separator: "@").last.map(String.init) ?? "")
    }
}
