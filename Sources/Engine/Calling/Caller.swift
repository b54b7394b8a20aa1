public import Kit

/// Asks one platform, with one key, at one address. It does not try again: that is its job's business.
public struct Caller: Sendable {
    private let provider: any Callable
    private let address: String
    private let key: Secret
    private let wire: any Wire
    private let now: @Sendable () -> Timestamp

    /// - Parameter address: what the operator set instead of the platform's own, without a slash at its end.
    public init(
        _ provider: any Callable, key: Secret, address: String? = nil, wire: any Wire,
        now: @escaping @Sendable () -> Timestamp
    ) {
        self.provider = provider
        let address = address ?? provider.api.address
        self.address = address.utf8.last == UInt8(ascii: "/") ? String(address.dropLast()) : address
        self.key = key
        self.wire = wire
        self.now = now
    }

    /// A successful answer, and when it was in hand.
    public func answer(to outgoing: Outgoing) async throws(Failure) -> (answer: Answer, at: Timestamp) {
        let request = WireRequest(
            method: outgoing.method, url: address + outgoing.path.description, headers: outgoing.headers,
            authorization: authorization)
        let answer: Answer
        do { answer = try await wire.send(request, within: outgoing.deadline) } catch {
            throw Failure(.unavailable(retryAfter: nil), "\(provider.about.name) gave no answer. It is asked again.")
        }
        let at = now()
        if let failure = provider.failure(in: answer, at: at) { throw failure }
        return (answer, at)
    }

    /// What a call is for.
    public func ask<Output>(_ call: Call<Output>) async throws(Failure) -> (
        output: Output, answer: Answer, at: Timestamp
    ) {
        let (answer, at) = try await answer(to: call.outgoing)
        do { return (try call.read(answer), answer, at) } catch {
            throw Failure(.garbled, "\(provider.about.name) answered something unreadable: \(error.reason)")
        }
    }

    private var authorization: Secret {
        switch provider.api.authorization {
        case .bearer: key.reveal { Secret(Array("Bearer ".utf8) + $0) }
        }
    }
}
