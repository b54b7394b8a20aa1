import Engine
import Kit
import Store

/// Works through a replay of more events than one request queues: 500 at a time, oldest first, each step with the job's
/// end in one transaction.
struct ReplayWorker: JobWorker {
    let kind = Replay.kind
    let database: any Database
    let ids: Identifiers
    let time: TimeSource
    let bells: Bells

    private static let step = 250

    func run(_ job: ClaimedJob) async throws -> JobResult {
        let now = time.now()
        let (jobIDs, next) = ((0..<Self.step).map { _ in ids.make(JobKind.self) }, ids.make(JobKind.self))
        try await database.write("replay_step", in: .maintenance) { session in
            try session.hold(job)
            let left = try Replay.chunk(job.input, ids: jobIDs, job: Replay.job, at: now, in: session)
            try session.succeed(job, at: now)
            guard let left else { return }
            try session.enqueue([Replay.chunksJob(next, left, at: now)])
        }
        bells.jobs.ring()
        return .committed
    }
}
