import Kit
import Store
import Synchronization

/// The runs of this node, by endpoint.
final class EndpointRuns: Sendable {
    private struct Entry {
        let control: RunControl
        var version: Int64
    }
    private struct State {
        var runs: [ID<EndpointKind>: Entry] = [:]
        var isStopping = false
    }
    private let state = Mutex(State())
    private let bell = Bell()

    var isStopping: Bool { state.withLock { $0.isStopping } }

    /// Makes a place for a run. False when there is one, or none may begin.
    func begin(_ head: EndpointHead) -> Bool {
        state.withLock { state in
            guard !state.isStopping, state.runs[head.id] == nil else { return false }
            state.runs[head.id] = Entry(control: RunControl(), version: head.version)
            return true
        }
    }

    func control(of id: ID<EndpointKind>) -> RunControl? { state.withLock { $0.runs[id]?.control } }

    func end(_ id: ID<EndpointKind>) {
        state.withLock { state in _ = state.runs.removeValue(forKey: id) }
        bell.ring()
    }

    /// Tells each run what has changed: its settings, or what is due.
    func compare(with heads: [EndpointHead], at now: Timestamp) {
        let known = Dictionary(uniqueKeysWithValues: heads.map { ($0.id, $0) })
        state.withLock { state in
            for (id, entry) in state.runs {
                guard let head = known[id], head.version == entry.version else {
                    state.runs[id]?.version = known[id]?.version ?? 0
                    entry.control.reload()
                    continue
                }
                if let due = head.nextDueAt, due <= now { entry.control.lookForDue() }
            }
        }
    }

    func ring() {
        for control in state.withLock({ $0.runs.values.map(\.control) }) { control.bell.ring() }
    }

    func stop() {
        let controls = state.withLock { state in
            state.isStopping = true
            return state.runs.values.map(\.control)
        }
        for control in controls { control.stop() }
    }

    /// Returns when no run is left.
    func ended() async {
        while !Task.isCancelled {
            let seen = bell.rings
            if state.withLock({ $0.runs.isEmpty }) { return }
            await bell.wait(since: seen)
        }
    }
}
