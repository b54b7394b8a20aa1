public import Kit

/// Where the engine gets its time from, so that a test can turn the clock and a simulation can own it.
public struct TimeSource: Sendable {
    /// The wall clock: for what is written down. It may jump.
    public let now: @Sendable () -> Timestamp
    /// Since some moment; never jumps: for how long something took or has been silent.
    public let uptime: @Sendable () -> Duration
    /// Returns early with `CancellationError` when the task is cancelled.
    public let sleep: @Sendable (Duration) async throws -> Void

    public init(
        now: @escaping @Sendable () -> Timestamp, uptime: @escaping @Sendable () -> Duration,
        sleep: @escaping @Sendable (Duration) async throws -> Void
    ) {
        self.now = now
        self.uptime = uptime
        self.sleep = sleep
    }

    /// Returns at that time of the wall clock, or at once when it has passed. It waits by the clock that nobody can
    /// set: whoever waits for long must look again in between.
    public func sleep(until moment: Timestamp) async throws {
        let duration = moment - now()
        if duration > .zero { try await sleep(duration) }
        try Task.checkCancellation()
    }

    /// The machine's own clocks.
    public static var system: TimeSource {
        let start = ContinuousClock.now
        return TimeSource(
            now: { Timestamp.system },
            uptime: { ContinuousClock.now - start },
            sleep: { try await Task.sleep(for: $0) })
    }
}
