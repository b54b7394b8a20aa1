import Kit
import Store
import Synchronization

/// The slots of one class of work: jobs that were claimed for it and wait for one of its runners.
final class SlotPool: Sendable {
    private struct State {
        /// The next one last.
        var waiting: [ClaimedJob] = []
        /// Claimed, and its end not recorded: waiting, running or ended.
        var held = 0
        var idle: [CheckedContinuation<ClaimedJob?, Never>] = []
        /// Of a run without the commit of its end, smoothed.
        var mean: Duration = .milliseconds(50)
        var isClosed = false
    }
    /// Jobs that end at once are claimed ahead, so that a claim's commit is shared by many.
    private static let aheadMax = 256
    private static let quick: Duration = .milliseconds(3)

    let slots: Int
    /// Of the lanes that it serves (`Priority.pool`).
    let number: Int
    private let state = Mutex(State())

    init(_ number: Int, slots: Int) {
        self.number = number
        self.slots = slots
    }

    var held: Int { state.withLock { $0.held } }

    /// How many jobs may be claimed for it now.
    var free: Int {
        state.withLock { state in
            guard !state.isClosed else { return 0 }
            return max(0, (state.mean < Self.quick ? slots + Self.aheadMax : slots) - state.held)
        }
    }
    /// Whether so many are free that a claim is worth its commit.
    var isHungry: Bool { free >= slots }

    func add(_ jobs: [ClaimedJob]) {
        let starts = state.withLock { state -> [(CheckedContinuation<ClaimedJob?, Never>, ClaimedJob)] in
            state.held += jobs.count
            let now = min(jobs.count, state.idle.count)
            let starts = Array(zip(state.idle.suffix(now), jobs.prefix(now)))
            state.idle.removeLast(now)
            state.waiting = jobs.dropFirst(now).reversed() + state.waiting
            return starts
        }
        for (runner, job) in starts { runner.resume(returning: job) }
    }

    /// The next job for a runner; nil when the pool is closed.
    func next() async -> ClaimedJob? {
        await withCheckedContinuation { continuation in
            let now = state.withLock { state -> ClaimedJob?? in
                if let next = state.waiting.popLast() { return .some(next) }
                if state.isClosed { return .some(nil) }
                state.idle.append(continuation)
                return nil
            }
            if let now { continuation.resume(returning: now) }
        }
    }

    func ran(for duration: Duration) { state.withLock { $0.mean = ($0.mean * 7 + duration) / 8 } }

    /// A job's end is on disk, or the job is no longer ours.
    func ended() { state.withLock { $0.held -= 1 } }

    /// Starts nothing more. Answers what waited for a slot; it is held until its end is recorded.
    func close() -> [ClaimedJob] {
        let (waiting, idle) = state.withLock { state in
            defer {
                state.isClosed = true
                state.waiting = []
                state.idle = []
            }
            return (state.waiting, state.idle)
        }
        for runner in idle { runner.resume(returning: nil) }
        return waiting
    }
}
