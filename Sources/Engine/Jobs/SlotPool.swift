import Kit
import Store
import Synchronization

/// The slots of one class of work: who runs, and who was claimed ahead and waits for a slot.
final class SlotPool: Sendable {
    private struct State {
        var free: Int
        var held: Set<String> = []
        var queue: [Waiting] = []
        /// Of a run, smoothed.
        var mean: Duration = .milliseconds(50)
        var isClosed = false
    }
    private struct Waiting {
        let job: ClaimedJob
        let go: CheckedContinuation<Bool, Never>
    }

    let slots: Int
    /// The lanes' pools that it serves.
    let lanes: [Int]
    private let state: Mutex<State>

    init(slots: Int, of lanes: [Int]) {
        self.slots = slots
        self.lanes = lanes
        state = Mutex(State(free: slots))
    }

    var held: Int { state.withLock { $0.held.count } }

    /// How many jobs may be claimed now: free slots, and some ahead while runs are quick.
    func free(ahead: Int, quick: Duration) -> Int {
        state.withLock { state in
            let limit = state.mean < quick ? slots + ahead : slots
            // In sets: asking for every single slot that falls free would make a commit a job.
            let free = limit - state.held.count
            return free >= max(1, limit / 4) ? free : 0
        }
    }
}
