import Kit
import Store

/// Long work as steps: when it was asked for, when it began, what came of it.
extension Story {
    static func steps(_ row: SyncRow) -> [TraceStep] {
        func step(_ at: Timestamp, _ state: String, _ sentence: String) -> TraceStep {
            TraceStep(at: at, kind: "sync", id: row.id.text, state: state, sentence: sentence)
        }
        let what = "\(row.stream) of \(row.provider), connection \(row.connection)"
        var steps = [step(row.createdAt, "created", "\(what): to be read (\(row.reason.rawValue)).")]
        if let started = row.startedAt { steps.append(step(started, "started", "The first question left.")) }
        if let ended = row.endedAt {
            let counts =
                "\(row.pages) pages, \(row.rowsRead) rows: \(row.rowsNew) new, \(row.rowsChanged) changed, "
                + "\(row.rowsDeleted) deleted"
            steps.append(
                step(ended, row.state.rawValue, "\(counts).\(row.problem.map { " \($0)" } ?? "")"))
        }
        return steps
    }

    static func steps(_ row: ReconciliationRow) -> [TraceStep] {
        func step(_ at: Timestamp, _ state: String, _ sentence: String) -> TraceStep {
            TraceStep(at: at, kind: "reconciliation", id: row.id.text, state: state, sentence: sentence)
        }
        let by = row.askedBy.map { ", asked by \($0)" } ?? ", by itself"
        var steps = [
            step(
                row.startedAt, "started",
                "\(row.stream) of \(row.provider) are compared with the platform\(by)\(row.isDryRun ? ", dry" : "").")
        ]
        if let ended = row.endedAt {
            steps.append(
                step(
                    ended, row.state,
                    "\(row.matched) matched, \(row.missingHere) missing here, \(row.missingThere) missing there, "
                        + "\(row.differing) differing.\(row.problem.map { " \($0)" } ?? "")"))
        }
        return steps
    }

    static func step(_ row: PublicationRow, targets: [TargetRow]) -> TraceStep {
        let when = row.publishAt.map { "at \($0.rfc3339)" } ?? "at once"
        return TraceStep(
            at: row.createdAt, kind: "publication", id: row.id.text, state: "created",
            sentence: "\(row.createdBy) wants it published \(when), to \(targets.count) accounts.")
    }

    /// As it stands: what it went through say the changes.
    static func step(_ row: TargetRow) -> TraceStep {
        let reason = row.reason.map { " \($0)" } ?? ""
        let next = row.nextAction.map { " Next: \($0)\(row.nextAt.map { " at \($0.rfc3339)" } ?? "")." } ?? ""
        return TraceStep(
            at: row.updatedAt, kind: "target", id: row.id.text, state: row.state.rawValue,
            sentence: "\(row.provider), connection \(row.connection): \(row.state.rawValue).\(reason)\(next)")
    }
}
