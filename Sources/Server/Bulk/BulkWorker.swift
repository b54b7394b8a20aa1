import Engine
import Kit
import Logging
import Store

/// Works through a run in steps. Each step's effects and how far the run is are one transaction where the database
/// does the work, so that a kill between two steps repeats nothing.
struct BulkWorker: JobWorker {
    let kind = BulkJob.kind
    let database: any Database
    let ids: Identifiers
    let time: TimeSource
    let bells: Bells
    let deciders: [String: any ReviewDecider]
    /// Nil where this node sends no webhooks.
    let endpoints: Endpoints?
    let logger: Logger

    /// Jobs and reviews of one transaction: each touches a few rows, and 500 are its bound.
    private static let jobsStep = 50

    func run(_ job: ClaimedJob) async throws -> JobResult {
        let id = ID<BulkRunKind>(stored: (try? JSON.parse(job.input))?["run"]?.text ?? "")
        while !Task.isCancelled {
            guard let run = try await database.read("bulk_run", { try $0.bulkRun(id) }), run.state == .running else {
                return .done
            }
            guard let work = BulkWork(run.what, stored: run.selection) else {
                throw JobInterruption.hopeless("This version does not know the work \(run.what).")
            }
            try await step(work, run, job)
            bells.jobs.ring()
            bells.written.ring()
        }
        throw JobInterruption.released
    }

    private func step(_ work: BulkWork, _ run: BulkRun, _ job: ClaimedJob) async throws {
        switch work {
        case .jobs(let act, let selection): try await stepJobs(act, selection, run, job)
        case .reviews(let kind, let choice, let note, let until):
            try await stepReview(kind, choice, note, until, run, job)
        case .endpoint(let endpoint, let recovery): try await stepEndpoint(endpoint, recovery, run, job)
        }
    }

    // MARK: Jobs

    private func stepJobs(
        _ act: BulkWork.JobAct, _ selection: JobSelection, _ run: BulkRun, _ job: ClaimedJob
    ) async throws {
        let (now, size) = (time.now(), Self.jobsStep)
        let changes = (0..<size).map { _ in ids.make(ChangeKind.self) }
        try await database.write("bulk_jobs", in: .work) { session in
            try session.hold(job)
            let found = try selection.next(after: run.position, size, at: now, in: session)
            var step = BulkStep(position: found.last?.text ?? run.position, isLast: found.count < size)
            for (id, change) in zip(found, changes) {
                guard id != job.id else { continue }  // Not the very job that does it.
                let wish =
                    switch act {
                    case .retry: try session.retry(id, applying: EventApplying.kind, at: now)
                    case .cancel: try session.cancel(id, reason: "Cancelled by a person, with others.", at: now)
                    }
                switch wish {
                case .done:
                    step.done += 1
                    try session.resolve(.jobDead, id.text, changeID: change, at: now)
                case .unknown: (step.refused, step.reason) = (step.refused + 1, "It is no longer kept.")
                case .refused(let state): (step.refused, step.reason) = (step.refused + 1, "It is \(state).")
                case .twin(let twin):
                    (step.refused, step.reason) = (step.refused + 1, "It is queued already, as \(twin).")
                }
            }
            guard try session.advance(run.id, by: step, at: now) else { throw Fenced(job: job.id.text) }
        }
    }

    // MARK: Reviews

    /// One review a step: what its decision does is worked out before the transaction.
    private func stepReview(
        _ kind: String, _ choice: String, _ note: String?, _ until: Timestamp, _ run: BulkRun, _ job: ClaimedJob
    ) async throws {
        let now = time.now()
        let found = try await database.read("bulk_review") { session in
            try session.openReviews(of: kind, after: run.position, until: until, limit: 1).first
        }
        guard let review = found else { return try await finish(run, job, at: now) }
        let deciding = DecidingReview(deciders: deciders, ids: ids)
        var step = BulkStep(position: review.id.text)
        do {
            let act = try await deciding.act(
                Decision(
                    review: review.id, choice: choice, note: note, input: .null, actor: run.askedBy, at: now),
                on: review)
            step.done = 1
            try await database.write("bulk_decide", in: .work) { [step] session in
                try session.hold(job)
                try act(session)
                guard try session.advance(run.id, by: step, at: now) else { throw Fenced(job: job.id.text) }
            }
        } catch let problem as Problem {
            (step.done, step.refused, step.reason) = (0, 1, problem.detail)
            try await noteDown(step, of: run, job, at: now)
        }
    }

    // MARK: Endpoints

    private func stepEndpoint(
        _ id: ID<EndpointKind>, _ recovery: Endpoints.Recovery, _ run: BulkRun, _ job: ClaimedJob
    ) async throws {
        guard let endpoints else {
            throw JobInterruption.hopeless("This node sends no webhooks: PATCHBAY_ENCRYPTION_KEYS is not set.")
        }
        // Queueing a change that is queued already changes nothing, so the step may come before its note.
        guard
            let step = try await endpoints.recover(
                recovery, at: id, after: Int64(run.position), already: Int(run.done))
        else {
            return try await finish(run, job, at: time.now())
        }
        var noted = BulkStep(position: String(step.position), isLast: step.isLast)
        noted.done = step.queued
        try await noteDown(noted, of: run, job, at: time.now())
    }

    // MARK: Notes

    /// - Throws: `Fenced` where another works on the run by now: it has notes of its own.
    private func noteDown(_ step: BulkStep, of run: BulkRun, _ job: ClaimedJob, at now: Timestamp) async throws {
        try await database.write("bulk_note", in: .work) { session in
            try session.hold(job)
            _ = try session.advance(run.id, by: step, at: now)
        }
    }
    private func finish(_ run: BulkRun, _ job: ClaimedJob, at now: Timestamp) async throws {
        try await noteDown(BulkStep(position: run.position, isLast: true), of: run, job, at: now)
    }
}
