import Kit
import Store
import Synchronization

/// Lines of the call log that go with the next commit of the work that the calls are made for, instead of with commits
/// of their own: an upload of a thousand chunks would be a thousand commits.
final class CallLines: Sendable {
    private let rows = Mutex<[CallRow]>([])

    func add(_ row: CallRow) { rows.withLock { $0.append(row) } }

    /// All that are held, with ids of this moment: the log is in the order in which it is written.
    func take(_ ids: Identifiers) -> [CallRow] {
        let held = rows.withLock { rows in
            defer { rows = [] }
            return rows
        }
        return held.map { row in
            var row = row
            row.id = ids.make()
            return row
        }
    }
}
