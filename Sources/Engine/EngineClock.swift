import Glibc
public import Kit

/// The engine's time: what o'clock it is, and waiting. Given through initializers, so that tests can turn it.
public protocol EngineClock: Sendable {
    var now: Timestamp { get }

    /// Returns at that time, or at once when it has passed.
    /// - Throws: `CancellationError`.
    func sleep(until moment: Timestamp) async throws
}

extension EngineClock {
    public func sleep(for duration: Duration) async throws { try await sleep(until: now + duration) }
}

/// The machine's time.
public struct SystemClock: EngineClock {
    public init() {}

    public var now: Timestamp {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(microseconds: Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000)
    }

    /// Waits by the clock that nobody can set: whoever waits for long must look again in between.
    public func sleep(until moment: Timestamp) async throws {
        let duration = moment - now
        if duration > .zero { try await Task.sleep(for: duration, clock: .continuous) }
        try Task.checkCancellation()
    }
}
