import Engine
import Kit
import Store

/// How jobs are spoken of.
enum JobWords {
    static func state(_ state: String) -> LampState {
        switch state {
        case "scheduled": .todo
        case "running": .running
        case "succeeded": .ok
        case "cancelled": .paused
        case "dead": .failed
        default: .waiting
        }
    }

    static func pill(_ row: JobRow, _ gate: LaneGate?, _ request: PageRequest, isBare: Bool = false) -> Pill {
        let time: TimeModel? =
            switch row.state {
            case "scheduled": row.dueAt.map(request.times.moment)
            case "waiting": gate.map { request.times.moment($0.until) }
            default: nil
            }
        return Pill(state(row.state), request.words("jobs.state.\(row.state)"), time: time, isBare: isBare)
    }

    /// Why it is as it is, in a line.
    static func why(_ row: JobRow, _ gate: LaneGate?, _ request: PageRequest) -> String {
        let words = request.words
        switch row.state {
        case "scheduled": return row.reason ?? words(row.attempts > 0 ? "jobs.why.again" : "jobs.why.schedule")
        case "waiting": return gate?.reason ?? gate?.name ?? words("jobs.why.gate")
        case "available": return words("jobs.why.turn")
        case "running":
            let age = row.startedAt.map(request.times.age) ?? "?"
            return words(row.isCancelled ? "jobs.why.stopping" : "jobs.why.running", ["age": age])
        default: return row.reason ?? words("jobs.why.\(row.state)")
        }
    }

    /// `3 of 20`.
    static func attempts(_ row: JobRow, _ words: Words) -> String {
        guard row.state != "succeeded" else { return words.number(row.attempts) }
        return words(
            "jobs.attempt_of", ["n": words.number(row.attempts), "m": words.number(RetryPolicy.usual.attemptsMax)])
    }
}
