import Kit
import Synchronization
import TestSupport

@testable import Engine

/// A clock that stands until a test turns it; who sleeps is woken by the turn.
final class FakeClock: Sendable {
    private struct State {
        var now = Timestamp.testNow
        var next = 0
        var sleeping: [Int: (until: Timestamp, continuation: CheckedContinuation<Void, Never>)] = [:]
    }
    private let state = Mutex(State())

    var now: Timestamp { state.withLock { $0.now } }

    var source: TimeSource {
        TimeSource(
            now: { self.now }, uptime: { self.now - .testNow }, sleep: { try await self.sleep(until: self.now + $0) })
    }

    func sleep(until moment: Timestamp) async throws {
        let number = state.withLock { state in
            state.next += 1
            return state.next
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let sleeps = state.withLock { state in
                    guard moment > state.now, !Task.isCancelled else { return false }
                    state.sleeping[number] = (moment, continuation)
                    return true
                }
                if !sleeps { continuation.resume() }
            }
        } onCancel: {
            state.withLock { $0.sleeping.removeValue(forKey: number)?.continuation }?.resume()
        }
        try Task.checkCancellation()
    }

    func turn(by duration: Duration) { turn(to: now + duration) }

    func turn(to moment: Timestamp) {
        let woken = state.withLock { state in
            state.now = max(state.now, moment)
            let woken = state.sleeping.filter { $0.value.until <= state.now }
            for number in woken.keys { state.sleeping[number] = nil }
            return woken.values.map(\.continuation)
        }
        for continuation in woken { continuation.resume() }
    }
}
