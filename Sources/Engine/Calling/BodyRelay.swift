public import NIOCore
import Synchronization

/// The body of a request that came in, handed part by part to a client that reads it in a task of its own.
///
/// A server's body has one reader, and nobody may read it once the request's handler has returned: the server then
/// reads what is left itself. A client cannot promise that, since it leaves its reader suspended when a call has failed
/// or was answered early. So a task here reads, and `stop` ends and awaits it; the client waits at the relay only.
public final class BodyRelay: Sendable {
    private let handover = Handover()
    private let reading: Task<Void, Never>

    public init(_ body: some AsyncSequence<ByteBuffer, any Error> & Sendable) {
        let handover = handover
        reading = Task {
            do {
                for try await part in body {
                    // The next is read when this one was taken, so that nothing runs ahead of the client.
                    guard await handover.give(part) else { return }
                }
                handover.end()
            } catch { handover.end(error) }
        }
    }

    /// What the client reads.
    public var parts: Parts { Parts(handover: handover) }

    /// Ends the reading. When this returns, nobody reads the body any more.
    public func stop() async {
        handover.end(CancellationError())
        reading.cancel()
        await reading.value
    }

    /// One reader at a time.
    public struct Parts: AsyncSequence, Sendable {
        fileprivate let handover: Handover

        public struct Iterator: AsyncIteratorProtocol {
            fileprivate let handover: Handover
            public func next() async throws -> ByteBuffer? { try await handover.take() }
        }
        public func makeAsyncIterator() -> Iterator { Iterator(handover: handover) }
    }
}

/// One part at a time, from hand to hand.
private final class Handover: Sendable {
    private struct State {
        var part: ByteBuffer?
        var giver: CheckedContinuation<Bool, Never>?
        var taker: CheckedContinuation<ByteBuffer?, any Error>?
        var end: Result<ByteBuffer?, any Error>?
    }
    private let state = Mutex(State())

    /// Returns when the part was taken; false when nobody takes any more.
    func give(_ part: ByteBuffer) async -> Bool {
        await withCheckedContinuation { giver in
            let taker = state.withLock { state -> CheckedContinuation<ByteBuffer?, any Error>? in
                if state.end != nil {
                    giver.resume(returning: false)
                } else if let taker = state.taker {
                    state.taker = nil
                    giver.resume(returning: true)
                    return taker
                } else {
                    (state.part, state.giver) = (part, giver)
                }
                return nil
            }
            taker?.resume(returning: part)
        }
    }

    /// The next part; nil at the end.
    func take() async throws -> ByteBuffer? {
        try await withCheckedThrowingContinuation { taker in
            let ready = state.withLock { state -> Result<ByteBuffer?, any Error>? in
                if let part = state.part {
                    state.giver?.resume(returning: true)
                    (state.part, state.giver) = (nil, nil)
                    return .success(part)
                }
                if state.end == nil { state.taker = taker }
                return state.end
            }
            if let ready { taker.resume(with: ready) }
        }
    }

    /// There is no more; the first end counts.
    func end(_ problem: (any Error)? = nil) {
        state.withLock { state in
            guard state.end == nil else { return }
            let end: Result<ByteBuffer?, any Error> = problem.map { .failure($0) } ?? .success(nil)
            state.giver?.resume(returning: false)
            state.taker?.resume(with: end)
            state = State(end: end)
        }
    }
}
