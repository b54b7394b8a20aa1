public import Kit
public import Logging
import ServiceLifecycle
public import Store
import Synchronization

/// Claims jobs in sets, runs them in slots, records their ends in sets.
///
/// Urgent work and waiting persons have slots that nothing else may take: one in four each, at least one.
public final class JobRunner: Service {
    /// After SIGTERM running jobs may take so long to end.
    static let drainSeconds: Int64 = 25
    /// Jobs that end at once are claimed ahead, so that a claim's commit is shared by many.
    private static let aheadMax = 256
    private static let quick: Duration = .milliseconds(2)

    private let workers: [String: any JobWorker]
    private let database: any Database
    private let node: NodeSession
    private let ids: Identifiers
    private let time: TimeSource
    private let bell: Bell
    private let logger: Logger
    private let metrics: Metrics
    private let pools: [SlotPool]
    private let completer: Batcher<EndedJob, Bool>

    /// - Parameter slots: jobs that run at the same time, 4 or more.
    public init(
        workers: [any JobWorker], database: any Database, node: NodeSession, ids: Identifiers, time: TimeSource,
        bell: Bell, slots: Int = 32, metrics: Metrics, logger: Logger
    ) {
        self.workers = Dictionary(uniqueKeysWithValues: workers.map { ($0.kind, $0) })
        self.database = database
        self.node = node
        self.ids = ids
        self.time = time
        self.bell = bell
        self.logger = logger
        self.metrics = metrics
        let reserved = max(1, slots / 4)
        pools = [
            SlotPool(slots: reserved, of: [0]), SlotPool(slots: reserved, of: [1]),
            SlotPool(slots: max(1, slots - 2 * reserved), of: [2]),
        ]
        completer = Batcher("complete", in: .work, of: database, perform: { try $0.complete($1) })
    }

    /// Runs until the service group stops: then claims no more, lets running jobs end, and puts back the rest.
    public func run() async throws {
        await cancelWhenGracefulShutdown {
            await withTaskGroup(of: Void.self) { group in
                group.addTask { await self.node.run() }
                group.addTask { await self.promote() }
                for pool in self.pools { group.addTask { await self.serve(pool) } }
            }
        }
        await drain()
        await node.close()
    }

    /// How many jobs run here now.
    public var running: Int { pools.reduce(0) { $0 + $1.held } }

    // MARK: Claiming

    private func serve(_ pool: SlotPool) async {
        while !Task.isCancelled {
            let seen = bell.rings
            do {
                let free = pool.free(ahead: Self.aheadMax, quick: Self.quick)
                let jobs = free > 0 && node.isLive ? try await claim(free, of: pool) : []
                for job in jobs { start(job, in: pool) }
                if jobs.count == free, free > 0 { continue }
            } catch {
                logger.warning("jobs.claim_failed", metadata: ["problem": "\(error)"])
                try? await time.sleep(.milliseconds(500))  // Cancelled: the loop ends.
            }
            await bell.wait(after: seen, atMost: .seconds(1), time: time)
        }
    }

    private func claim(_ limit: Int, of pool: SlotPool) async throws -> [ClaimedJob] {
        let (node, now, lanes) = (node.id, time.now(), pool.lanes)
        return try await database.set("claim", in: .work) { try $0.claim(limit, pools: lanes, for: node, at: now) }
    }

    /// Scheduled jobs whose time has come, and lanes that a dead process forgot to wake.
    private func promote() async {
        var rounds = 0
        while !Task.isCancelled {
            let seen = bell.rings
            var pause: Duration = .seconds(1)
            do {
                let now = time.now()
                let (promoted, next) = try await database.set("promote", in: .work) { try $0.promoteScheduled(500, at: now) }
                if promoted > 0 { bell.ring() }
                if promoted == 500 { continue }
                if let next { pause = min(pause, max(.milliseconds(5), next - time.now())) }
                if rounds % 5 == 0, try await database.set("wake_forgotten", in: .work, { try $0.wakeForgottenLanes(1000) }) > 0 {
                    bell.ring()
                }
                rounds += 1
            } catch {
                logger.warning("jobs.promote_failed", metadata: ["problem": "\(error)"])
            }
            await bell.wait(after: seen, atMost: pause, time: time)
        }
    }

    // MARK: Running

    private func start(_ job: ClaimedJob, in pool: SlotPool) {
        pool.take(job)
        Task {
            await pool.waitForSlot()
            let began = time.uptime()
            await perform(job)
            pool.give(job, took: time.uptime() - began)
            bell.ring()
        }
    }

    private func perform(_ job: ClaimedJob) async {
        guard node.isLive, node.id == job.node else { return }  // Revoked: somebody else has it.
        guard let worker = workers[job.kind], job.version <= worker.version else {
            // A newer program knows it. Held back for a minute, so that it does not turn in a circle here.
            return await record(job, .retry(at: time.now() + .minutes(1), error: "This node does not know \(job.kind) \(job.version); a newer Patchbay does."))
        }
        var logger = logger
        logger[metadataKey: "job_id"] = "\(job.id)"
        do {
            switch try await worker.run(job) {
            case .committed: outcome(job, "succeeded")
            case .done: await record(job, .succeeded)
            case .cancelled(let reason): await record(job, .cancelled(reason: reason))
            }
        } catch let fenced as Fenced {
            outcome(job, "fenced")
            logger.notice("job.fenced", metadata: ["job_id": "\(fenced.job)"])
        } catch let interruption as JobInterruption {
            await record(job, interrupted: interruption)
        } catch let error as StoreError where error.passes {
            // The store is away, not the job at fault: the attempt does not count.
            logger.warning("job.store_away", metadata: ["problem": "\(error)"])
            try? await time.sleep(.milliseconds(200))  // Cancelled: recorded at once.
            await record(job, .released)
        } catch {
            logger.warning("job.failed", metadata: ["kind": "\(job.kind)", "attempt": "\(job.attempt)", "problem": "\(error)"])
            await record(job, failed: "\(error)", policy: worker.retries)
        }
    }

    private func record(_ job: ClaimedJob, interrupted interruption: JobInterruption) async {
        switch interruption {
        case .gated(let until, let gate, let reason):
            let lane = Lane(stored: job.lane, priority: job.priority)
            do {
                try await database.set("gate", in: .work) { try $0.gate(lane, until: until, by: gate, reason: reason) }
            } catch {
                logger.warning("job.gate_failed", metadata: ["job_id": "\(job.id)", "problem": "\(error)"])
            }
            await record(job, .released)
        case .released: await record(job, .released)
        case .later(let at, let reason): await record(job, .retry(at: at, error: reason))
        case .hopeless(let reason): await die(job, reason)
        }
    }

    private func record(_ job: ClaimedJob, failed problem: String, policy: RetryPolicy) async {
        let now = time.now()
        let failingFor = now - (job.firstFailedAt ?? now)
        if let pause = policy.pause(after: job.attempt, failingFor: failingFor, chance: ids.unit()) {
            await record(job, .retry(at: now + pause, error: String(problem.prefix(500))))
        } else {
            await die(job, "Failed \(job.attempt) times, last: \(problem.prefix(400))")
        }
    }

    /// Dead with its reason, and an alert in the same commit: what has no next action is never silent.
    private func die(_ job: ClaimedJob, _ reason: String) async {
        let now = time.now()
        let alert = NewAlert(
            id: ids.make(), kind: "job_dead", subject: job.id.text, summary: "\(job.kind): \(reason)",
            action: "Mend the cause, then: patchbay jobs retry \(job.id)", at: now, changeID: ids.make())
        let event = job.kind == EventApplying.kind ? ID<EventKind>(String(decoding: job.input, as: UTF8.self)) : nil
        do {
            try await database.write("job_dead") { session in
                guard try session.complete([EndedJob(job: job, end: .dead(reason: reason), at: now)]) == [true] else {
                    throw Fenced(job: job.id.text)
                }
                if let event { try session.setState("failed", of: event, reason: reason, at: now) }
                try session.raise(alert)
            }
            outcome(job, "dead")
            logger.error("job.dead", metadata: ["job_id": "\(job.id)", "kind": "\(job.kind)"])
        } catch {
            logger.error("job.death_not_recorded", metadata: ["job_id": "\(job.id)", "problem": "\(error)"])
            await record(job, .retry(at: now + .minutes(1), error: reason))
        }
    }

    private func record(_ job: ClaimedJob, _ end: JobEnd) async {
        for pause in [Duration.milliseconds(100), .milliseconds(500), .seconds(2), .zero] {
            do {
                let recorded = try await completer.submit(EndedJob(job: job, end: end, at: time.now()))
                return outcome(job, recorded ? end.word : "fenced")
            } catch {
                logger.warning("job.end_not_recorded", metadata: ["job_id": "\(job.id)", "problem": "\(error)"])
                try? await time.sleep(pause)  // Cancelled: tried again at once.
            }
        }
        // The session still holds it: it is taken back when this node's session ends.
    }

    private func outcome(_ job: ClaimedJob, _ word: String) {
        metrics.count("patchbay_jobs_ended_total", ["kind": job.kind, "outcome": word], help: "Runs of jobs by how they ended.")
    }

    // MARK: Stopping

    private func drain() async {
        let end = time.uptime() + .seconds(Self.drainSeconds)
        for job in pools.flatMap({ $0.abandonWaiting() }) { await record(job, .released) }
        while pools.contains(where: { $0.held > 0 }), time.uptime() < end {
            try? await time.sleep(.milliseconds(20))  // Cancelled: looked at again at once, until the end.
        }
        if running > 0 { logger.warning("jobs.not_drained", metadata: ["running": "\(running)"]) }
    }
}

extension JobEnd {
    var word: String {
        switch self {
        case .succeeded: "succeeded"
        case .cancelled: "cancelled"
        case .retry: "failed"
        case .released: "released"
        case .dead: "dead"
        }
    }
}
