import Kit
import Logging
import Store
import Synchronization

/// Records ends of jobs in sets: what ends while a set is on its way goes with the next one.
///
/// A slot does not wait for the commit of its job's end. The job counts as held until then, which bounds how many ends
/// can wait here. What cannot be written is tried again for as long as the session that claimed it lives: afterwards
/// the job is somebody else's.
final class EndRecorder: Sendable {
    private static let atOnce = 512
    private static let pauseMax: Duration = .seconds(2)

    private struct Waiting: Sendable {
        let ended: EndedJob
        let pool: SlotPool
    }
    private let waiting = Mutex<[Waiting]>([])
    private let arrived = Bell()
    private let database: any Database
    private let node: NodeSession
    private let time: TimeSource
    private let logger: Logger
    private let outcome: @Sendable (ClaimedJob, String) -> Void
    private let freed: @Sendable () -> Void

    /// - Parameters:
    ///   - outcome: told how each run ended, once that is on disk.
    ///   - freed: called when slots' jobs are no longer held.
    init(
        database: any Database, node: NodeSession, time: TimeSource, logger: Logger,
        outcome: @escaping @Sendable (ClaimedJob, String) -> Void, freed: @escaping @Sendable () -> Void
    ) {
        self.database = database
        self.node = node
        self.time = time
        self.logger = logger
        self.outcome = outcome
        self.freed = freed
    }

    func add(_ ended: EndedJob, of pool: SlotPool) {
        waiting.withLock { $0.append(Waiting(ended: ended, pool: pool)) }
        arrived.ring()
    }

    /// Records until it is cancelled; then what waits gets one more try.
    func run() async {
        while true {
            let seen = arrived.rings
            let set = waiting.withLock { waiting in
                defer { waiting.removeFirst(min(Self.atOnce, waiting.count)) }
                return Array(waiting.prefix(Self.atOnce))
            }
            if !set.isEmpty {
                await record(set)
            } else if Task.isCancelled {
                return
            } else {
                await arrived.wait(since: seen)
            }
        }
    }

    private func record(_ set: [Waiting]) async {
        let ends = set.map(\.ended)
        var pause: Duration = .milliseconds(100)
        while true {
            do {
                let recorded = try await database.set("complete", in: .work) { try $0.complete(ends) }
                return settle(set, recorded)
            } catch let error as StoreError where error.isAboutOneRow && set.count > 1 {
                await record(Array(set[..<(set.count / 2)]))
                return await record(Array(set[(set.count / 2)...]))
            } catch {
                logger.warning(
                    "job.end_not_recorded",
                    metadata: ["job_id": "\(ends[0].job.id)", "ends": "\(ends.count)", "problem": "\(error)"])
                if let replaced = unholdable(set, error) { return await record([replaced]) }
                guard !Task.isCancelled, ends.contains(where: isOurs) else { return settle(set, []) }
                try? await time.sleep(pause)  // Cancelled: one more try.
                pause = min(pause * 2, Self.pauseMax)
            }
        }
    }

    /// What to record instead of an end that the database refuses, so that its job does not stay as running.
    private func unholdable(_ set: [Waiting], _ error: any Error) -> Waiting? {
        guard let only = set.first, (error as? StoreError)?.isAboutOneRow == true else { return nil }
        let end = JobEnd.retry(at: time.now() + .minutes(1), error: Self.refused)
        if case .retry(_, Self.refused) = only.ended.end { return nil }
        return Waiting(ended: EndedJob(job: only.ended.job, end: end, at: time.now()), pool: only.pool)
    }
    private static let refused = "The database refused to record how this run ended; the log says why."

    /// Whether the session that claimed the job still lives here.
    private func isOurs(_ ended: EndedJob) -> Bool { node.isLive && node.id == ended.job.node }

    /// - Parameter recorded: for each whether it was; empty when none could be written, and the session that held them
    ///   gives them back.
    private func settle(_ set: [Waiting], _ recorded: [Bool]) {
        for (waiting, isRecorded) in zip(set, recorded) {
            outcome(waiting.ended.job, isRecorded ? waiting.ended.end.word : "fenced")
        }
        for waiting in set { waiting.pool.ended() }
        freed()
    }
}
