import Kit
import Store

/// A run in a table.
struct RunRow: Sendable {
    let pill: Pill
    let stream: String
    let account: String
    let href: String
    let reason: String
    let counts: String
    let problem: String?
    let at: TimeModel

    init(_ row: SyncRow, _ connection: ConnectionRow?, _ request: PageRequest) {
        let (words, times) = (request.words, request.times)
        let state: LampState =
            switch row.state {
            case .waiting: .waiting
            case .running: .running
            case .succeeded: .ok
            case .failed: .failed
            case .cancelled: .paused
            }
        pill = Pill(state, words("sync.state.\(row.state.rawValue)"), isBare: true)
        stream = row.stream
        account = connection.map { ConnectionWords.name($0, words) } ?? words("connections.gone")
        href = "/connections/\(row.connection)"
        reason = words(row.listsAll ? "sync.reason.\(row.reason.rawValue)_all" : "sync.reason.\(row.reason.rawValue)")
        counts = words(
            "sync.counts",
            [
                "rows": words.number(row.rowsRead), "new": words.number(row.rowsNew),
                "changed": words.number(row.rowsChanged), "gone": words.number(row.rowsDeleted),
            ])
        problem = row.problem
        at = times.moment(row.endedAt ?? row.startedAt ?? row.createdAt)
    }
}
