import Kit
import Store

/// A story as steps in the order of time. Pure.
extension Story {
    var steps: [TraceStep] {
        var steps = deliveries.map(Self.step)
        steps += events.flatMap(Self.steps)
        steps += jobs.flatMap(Self.steps)
        steps += calls.map(Self.step)
        steps += changes.map(Self.step)
        let urls = Dictionary(uniqueKeysWithValues: endpoints.map { ($0.id, $0.url) })
        steps += endpoints.map(Self.step)
        steps += attempts.map { Self.step($0, url: urls[$0.endpoint]) }
        steps += reviews.flatMap(Self.steps)
        steps += alerts.flatMap(Self.steps)
        steps += syncs.flatMap(Self.steps)
        steps += reconciliations.flatMap(Self.steps)
        steps += publications.map { Self.step($0, targets: targets) } + targets.map(Self.step)
        // What is of the same moment stands as listed here: cause before effect.
        return steps.enumerated().sorted { ($0.element.at, $0.offset) < ($1.element.at, $1.offset) }.map(\.element)
    }

    // MARK: Inbound

    private static func step(_ row: DeliveryRow) -> TraceStep {
        let target = OutsideText.bounded(row.target.prefix { $0 != UInt8(ascii: "?") }, 200)
        let what = "\(row.method) \(target) from \(row.remote ?? "?"), \(row.size) bytes"
        let why: String
        switch row.verdict {
        case "rejected": why = "not believed: \(row.reason ?? row.code ?? "?")"
        case "duplicate": why = "believed, and had come before"
        default: why = "believed: a secret of \(row.appID ?? "?") proves it\(row.reason.map { "; \($0)" } ?? "")"
        }
        let flags = row.flags.isEmpty ? "" : " (\(row.flags.joined(separator: ", ")))"
        return TraceStep(
            at: row.receivedAt, kind: "delivery", id: row.id.text, state: row.verdict,
            sentence: "\(what), \(why)\(flags).")
    }

    private static func steps(_ row: EventRow) -> [TraceStep] {
        let name = row.providerEventID.map { " \($0)" } ?? ""
        let whose = row.userID.map { ", for user \($0)" } ?? row.subject.map { ", about \($0)" } ?? ""
        let state = row.state + (row.stateReason.map { ": \($0)" } ?? "")
        var steps = [
            TraceStep(
                at: row.receivedAt, kind: "event", id: row.id.text, state: row.state,
                sentence: "\(row.type)\(name) of \(row.provider)\(whose). Now \(state).")
        ]
        if let last = row.lastDuplicateAt {
            let differed = row.bytesDiffered ? ", once with other bytes" : ""
            steps.append(
                TraceStep(
                    at: last, kind: "event", id: row.id.text, state: "duplicate",
                    sentence: "Delivered again; repetitions so far: \(row.duplicates)\(differed)."))
        }
        return steps
    }

    // MARK: Work

    private static func steps(_ row: JobRow) -> [TraceStep] {
        func step(_ at: Timestamp, _ state: String, _ sentence: String) -> TraceStep {
            TraceStep(at: at, kind: "job", id: row.id.text, state: state, sentence: sentence)
        }
        var steps = [step(row.createdAt, "created", "\(row.kind) is to be done, in lane \(row.lane).")]
        if let started = row.startedAt {
            steps.append(step(started, "started", "\(row.kind) began run \(row.attempts)."))
        }
        let reason = row.reason.map { ": \($0)" } ?? ""
        if let finished = row.finishedAt {
            steps.append(step(finished, row.state, "\(row.kind): \(row.state) in run \(row.attempts)\(reason)"))
        } else if row.state == "scheduled", let due = row.dueAt {
            steps.append(step(due, "scheduled", "\(row.kind) runs \(row.attempts > 0 ? "again" : "then")\(reason)"))
        }
        return steps
    }

    private static func step(_ row: CallRow) -> TraceStep {
        let answer = row.status.map { "answered \($0)" } ?? "no answer"
        let again = row.attempt > 1 ? ", try \(row.attempt)" : ""
        return TraceStep(
            at: row.at, kind: "call", id: row.id.text, state: row.outcome,
            sentence: "\(row.method) \(row.host)\(row.path)\(again): \(answer) in \(Amount.duration(row.latency)).")
    }

    /// At the time when it was written; `occurred_at` is the platform's own.
    private static func step(_ change: Change) -> TraceStep {
        let place = change.position > 0 ? "at position \(change.position)" : "waiting for its position"
        let subject = change.subject.map { " about \($0)" } ?? ""
        return TraceStep(
            at: change.id.madeAt ?? change.occurredAt, kind: "change", id: change.id.text,
            state: change.position > 0 ? "placed" : "pending",
            sentence: "\(change.type)\(subject), \(place) of the feed.")
    }

    // MARK: Outward

    private static func step(_ endpoint: Endpoint) -> TraceStep {
        let reason = endpoint.stateReason.map { ": \($0)" } ?? ""
        return TraceStep(
            at: endpoint.createdAt, kind: "endpoint", id: endpoint.id.text, state: endpoint.state.rawValue,
            sentence:
                "\(host(endpoint.url)), now \(endpoint.state.rawValue)\(reason), has reached position "
                + "\(endpoint.position)."
        )
    }

    private static func step(_ attempt: Attempt, url: String?) -> TraceStep {
        let answer = attempt.status.map { "answered \($0)" } ?? attempt.problem ?? "no answer"
        let next = attempt.nextAt.map { "; again at \($0.rfc3339)" } ?? ""
        let place = url.map(host) ?? attempt.endpoint.text
        return TraceStep(
            at: attempt.at, kind: "attempt", id: attempt.id.text, state: attempt.outcome.rawValue,
            sentence: "\(attempt.type) to \(place), try \(attempt.number): \(attempt.outcome.rawValue), \(answer) in "
                + "\(Amount.duration(attempt.latency))\(next).")
    }

    /// An address without path and query, which may hold secrets.
    private static func host(_ url: String) -> String {
        let parts = url.split(separator: "/", maxSplits: 3, omittingEmptySubsequences: false)
        guard parts.count >= 3 else { return "an address" }
        return parts[2].split(separator: "@").last.map(String.init) ?? "an address"
    }

    // MARK: People

    private static func steps(_ row: Review) -> [TraceStep] {
        var steps = [
            TraceStep(
                at: row.openedAt, kind: "review", id: row.id.text, state: "opened",
                sentence: "A person is asked: \(row.question)")
        ]
        if let decided = row.decidedAt {
            steps.append(
                TraceStep(
                    at: decided, kind: "review", id: row.id.text, state: "decided",
                    sentence: "\(row.decidedBy ?? "Somebody") decided: \(row.decision ?? "?")."))
        }
        return steps
    }

    private static func steps(_ row: AlertRow) -> [TraceStep] {
        var steps = [
            TraceStep(
                at: row.openedAt, kind: "alert", id: row.id.text, state: "opened",
                sentence: "\(row.summary) \(row.action)")
        ]
        if let resolved = row.resolvedAt {
            steps.append(
                TraceStep(at: resolved, kind: "alert", id: row.id.text, state: "resolved", sentence: "It is over."))
        }
        return steps
    }
}
