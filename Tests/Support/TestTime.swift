public import Engine
public import Kit
import Synchronization

/// A clock that a test turns. Sleepers wake when it passes their time.
public final class TestClock: Sendable {
    private struct State {
        var now: Timestamp
        var uptime: Duration = .zero
        var sleepers: [Int: (until: Duration, wake: CheckedContinuation<Void, any Error>)] = [:]
        var next = 0
    }
    private let state: Mutex<State>

    public init(_ now: Timestamp = .testNow) { state = Mutex(State(now: now)) }

    public var now: Timestamp { state.withLock { $0.now } }

    public var source: TimeSource {
        TimeSource(
            now: { self.now }, uptime: { self.state.withLock { $0.uptime } },
            sleep: { try await self.sleep($0) })
    }

    /// Both clocks go on; who sleeps until then is woken.
    public func advance(by duration: Duration) {
        let due = state.withLock { state in
            state.now = state.now + duration
            state.uptime += duration
            let due = state.sleepers.filter { $0.value.until <= state.uptime }
            for number in due.keys { state.sleepers[number] = nil }
            return due.values.map(\.wake)
        }
        for sleeper in due { sleeper.resume() }
    }
    /// The wall clock jumps; uptime does not.
    public func jump(by duration: Duration) { state.withLock { $0.now = $0.now + duration } }

    private func sleep(_ duration: Duration) async throws {
        let number = state.withLock { state in
            state.next += 1
            return state.next
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let isOver = state.withLock { state -> Bool in
                    guard !Task.isCancelled, duration > .zero else { return true }
                    state.sleepers[number] = (state.uptime + duration, continuation)
                    return false
                }
                if isOver {
                    Task.isCancelled ? continuation.resume(throwing: CancellationError()) : continuation.resume()
                }
            }
        } onCancel: {
            state.withLock { $0.sleepers.removeValue(forKey: number) }?.wake.resume(throwing: CancellationError())
        }
    }
}
