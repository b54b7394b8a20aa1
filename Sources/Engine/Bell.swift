public import Kit
import Synchronization

/// Tells everyone in this process who waits that something has changed since they looked. No ring is lost:
///
///     var seen = bell.rings
///     while … {
///         look()
///         seen = await bell.wait(since: seen)
///     }
public final class Bell: Sendable {
    private struct State {
        var rings: UInt64 = 0
        var next: UInt64 = 0
        var waiting: [UInt64: CheckedContinuation<Void, Never>] = [:]
    }
    private let state = Mutex(State())

    public init() {}

    /// How often it has rung: to be taken before looking.
    public var rings: UInt64 { state.withLock { $0.rings } }

    public func ring() {
        let waiting = state.withLock { state in
            state.rings += 1
            defer { state.waiting = [:] }
            return state.waiting
        }
        for continuation in waiting.values { continuation.resume() }
    }

    /// Returns once it has rung more often than `seen`, or when the task is cancelled. Answers how often it has.
    @discardableResult
    public func wait(since seen: UInt64) async -> UInt64 {
        let number = state.withLock { state in
            state.next += 1
            return state.next
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let waits = state.withLock { state in
                    guard state.rings == seen, !Task.isCancelled else { return false }
                    state.waiting[number] = continuation
                    return true
                }
                if !waits { continuation.resume() }
            }
        } onCancel: {
            state.withLock { $0.waiting.removeValue(forKey: number) }?.resume()
        }
        return rings
    }

    /// The same, but not beyond `moment`.
    @discardableResult
    public func wait(since seen: UInt64, until moment: Timestamp, on time: TimeSource) async -> UInt64 {
        let now = rings
        guard now == seen, moment > time.now() else { return now }
        return await withTaskGroup { group in
            group.addTask { _ = await self.wait(since: seen) }
            group.addTask { try? await time.sleep(until: moment) }  // Cancelled: the bell rang.
            await group.next()
            group.cancelAll()
            return self.rings
        }
    }
}

extension Bell {
    /// The same, for at most a duration.
    public func wait(after seen: UInt64, atMost duration: Duration, time: TimeSource) async {
        guard rings == seen else { return }
        await withTaskGroup(of: Void.self) { group in
            group.addTask { _ = await self.wait(since: seen) }
            group.addTask { try? await time.sleep(duration) }  // Cancelled or over: either way the wait ends.
            await group.next()
            group.cancelAll()
        }
    }
}
