public import Kit
public import Logging
public import ServiceLifecycle
public import Store
import Synchronization

/// Claims jobs in sets, runs them in slots, records their ends in sets.
///
/// Urgent work and waiting persons have slots that nothing else may take: one in four each, at least one.
public final class JobRunner: Service {
    /// After SIGTERM running jobs may take so long to end.
    static let drainSeconds: Int64 = 25
    private let workers: [String: any JobWorker]
    private let database: any Database
    private let node: NodeSession
    private let ids: Identifiers
    private let time: TimeSource
    private let bell: Bell
    private let logger: Logger
    private let metrics: Metrics
    private let pools: [SlotPool]
    private let ends: EndRecorder

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
            SlotPool(0, slots: reserved), SlotPool(1, slots: reserved),
            SlotPool(2, slots: max(1, slots - 2 * reserved)),
        ]
        ends = EndRecorder(
            database: database, node: node, time: time, logger: logger,
            outcome: { Self.count($0, $1, in: metrics) }, freed: { bell.ring() })
    }

    /// Runs until the service group stops: then claims no more, lets running jobs end, and puts back the rest.
    public func run() async throws {
        await withTaskGroup(of: Void.self) { runners in
            for pool in pools {
                for _ in 0..<pool.slots { runners.addTask { await self.serve(pool) } }
            }
            runners.addTask { await self.ends.run() }
            await cancelWhenGracefulShutdown {
                await withTaskGroup(of: Void.self) { group in
                    group.addTask { await self.node.run() }
                    group.addTask { await self.promote() }
                    group.addTask { await self.claim() }
                }
            }
            for pool in pools {
                for job in pool.close() { ends.add(EndedJob(job: job, end: .released, at: time.now()), of: pool) }
            }
            await withTaskGroup(of: Void.self) { ending in
                ending.addTask { await self.drained() }
                ending.addTask { try? await self.time.sleep(.seconds(Self.drainSeconds)) }  // Whichever comes first.
                await ending.next()
                ending.cancelAll()
            }
            runners.cancelAll()
        }
        await node.close()
    }

    /// How many jobs are claimed here and have not ended.
    public var held: Int { pools.reduce(0) { $0 + $1.held } }

    // MARK: Claiming

    /// One loop for all pools, so that a node claims with one commit.
    private func claim() async {
        var isPoll = false
        while !Task.isCancelled {
            let seen = bell.rings
            do {
                let found = try await claimOnce(looking: isPoll)
                isPoll = false
                if found { continue }
            } catch {
                logger.warning("jobs.claim_failed", metadata: ["problem": "\(error)"])
                try? await time.sleep(.milliseconds(500))  // Cancelled: the loop ends.
            }
            await bell.wait(after: seen, atMost: .seconds(1), time: time)
            isPoll = bell.rings == seen
            // Slots fall free one by one; a moment later there are several for one commit.
            // An idle pool says nothing about it: it has room all the time.
            let busy = pools.filter { $0.held > 0 }
            if !isPoll, !busy.isEmpty, !busy.contains(where: \.isHungry) {
                try? await time.sleep(.milliseconds(1))  // Cancelled: the loop ends.
            }
        }
    }

    /// - Parameter looking: reads first whether anything is due, since a claim costs a commit.
    private func claimOnce(looking: Bool) async throws -> Bool {
        let wanted = pools.map { ($0.number, $0.free) }.filter { $0.1 > 0 }
        guard !wanted.isEmpty, node.isLive else { return false }
        let (node, now) = (node.id, time.now())
        if looking, try await !database.read("due", { try $0.hasDueLane(at: now) }) { return false }
        let claimed = try await database.set("claim", in: .work) { session in
            try wanted.map { pool, limit in try session.claim(limit, pools: [pool], for: node, at: now) }
        }
        for ((number, _), jobs) in zip(wanted, claimed) { pools[number].add(jobs) }
        return claimed.contains { !$0.isEmpty }
    }

    /// Makes scheduled jobs available when their time comes, and wakes lanes that a dead process left asleep.
    private func promote() async {
        var rounds = 0
        while !Task.isCancelled {
            let seen = bell.rings
            var pause: Duration = .seconds(1)
            do {
                let next = try await database.read("next_scheduled") { try $0.nextScheduled() }
                if let next, next <= time.now() { try await promoteOnce() }
                if let next, next > time.now() { pause = min(pause, max(.milliseconds(5), next - time.now())) }
                let now = time.now()
                let schedule = try await database.read("next_schedule") { try $0.nextSchedule(at: now) }
                if let schedule, schedule <= now { try await fireSchedules() }
                if rounds % 5 == 0 { try await wakeForgotten() }
                rounds += 1
            } catch {
                logger.warning("jobs.promote_failed", metadata: ["problem": "\(error)"])
            }
            await bell.wait(after: seen, atMost: pause, time: time)
        }
    }

    private func promoteOnce() async throws {
        let now = time.now()
        if try await database.set("promote", in: .work, { try $0.promoteScheduled(500, at: now) }) > 0 { bell.ring() }
    }

    private func fireSchedules() async throws {
        let (now, fresh) = (time.now(), (0..<50).map { _ in ids.make(JobKind.self) })
        if try await database.set("fire_schedules", in: .work, { try $0.fireSchedules(at: now, ids: fresh) }) > 0 {
            bell.ring()
        }
    }

    private func wakeForgotten() async throws {
        guard try await database.read("forgotten", { try $0.forgottenLanes(1000) }).isEmpty == false else { return }
        if try await database.set("wake_forgotten", in: .work, { try $0.wakeForgottenLanes(1000) }) > 0 { bell.ring() }
    }

    // MARK: Running

    private func serve(_ pool: SlotPool) async {
        while let job = await pool.next() {
            let began = time.uptime()
            let end = await perform(job)
            pool.ran(for: time.uptime() - began)
            if let end {
                ends.add(EndedJob(job: job, end: end, at: time.now()), of: pool)
            } else {
                pool.ended()
                bell.ring()
            }
        }
    }

    /// Answers how the run ended, to be recorded; nil where that is on disk already, or no longer ours to say.
    private func perform(_ job: ClaimedJob) async -> JobEnd? {
        guard node.isLive, node.id == job.node else { return nil }  // Revoked: somebody else has it.
        guard let worker = workers[job.kind], job.version <= worker.version else {
            // A newer program knows it. Held back for a minute, so that it does not turn in a circle here.
            logger.notice("job.unknown_here", metadata: ["kind": "\(job.kind)", "version": "\(job.version)"])
            return .deferred(
                to: time.now() + .minutes(1),
                reason: "This node does not know \(job.kind) \(job.version); a newer Patchbay does.")
        }
        do {
            switch try await worker.run(job) {
            case .committed:
                outcome(job, "succeeded")
                return nil
            case .done: return .succeeded
            case .cancelled(let reason): return .cancelled(reason: reason)
            }
        } catch let fenced as Fenced {
            outcome(job, "fenced")
            logger.notice("job.fenced", metadata: ["job_id": "\(fenced.job)"])
            return nil
        } catch let interruption as JobInterruption {
            return await end(of: job, interrupted: interruption)
        } catch is CancellationError {
            return .released
        } catch let error as StoreError where error.passes {
            // The store is away, not the job at fault: the attempt does not count.
            logger.warning("job.store_away", metadata: ["problem": "\(error)"])
            try? await time.sleep(.milliseconds(200))  // Cancelled: recorded at once.
            return .released
        } catch {
            logger.warning(
                "job.failed", metadata: ["kind": "\(job.kind)", "attempt": "\(job.attempt)", "problem": "\(error)"])
            return await end(of: job, failed: "\(error)", policy: worker.retries)
        }
    }

    private func end(of job: ClaimedJob, interrupted interruption: JobInterruption) async -> JobEnd? {
        switch interruption {
        case .gated(let until, let gate, let reason):
            let lane = Lane(stored: job.lane, job.priority)
            do {
                try await database.set("gate", in: .work) { try $0.gate(lane, until: until, by: gate, reason: reason) }
            } catch {
                logger.warning("job.gate_failed", metadata: ["job_id": "\(job.id)", "problem": "\(error)"])
            }
            return .released
        case .released: return .released
        case .postponed(let until): return .postponed(to: until)
        case .later(let at, let reason): return .retry(at: at, error: reason)
        case .hopeless(let reason): return await die(job, reason)
        }
    }

    private func end(of job: ClaimedJob, failed problem: String, policy: RetryPolicy) async -> JobEnd? {
        let now = time.now()
        let failingFor = now - (job.firstFailedAt ?? now)
        if let pause = policy.pause(after: job.attempt, failingFor: failingFor, chance: ids.unit()) {
            return .retry(at: now + pause, error: String(problem.prefix(500)))
        }
        return await die(job, "Failed \(job.attempt) times, last: \(problem.prefix(400))")
    }

    /// Dead with its reason, and an alert in the same commit: what has no next action is never silent.
    private func die(_ job: ClaimedJob, _ reason: String) async -> JobEnd? {
        let now = time.now()
        let alert = NewAlert(
            id: ids.make(), kind: .jobDead, subject: job.id.text, summary: "\(job.kind): \(reason)",
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
            return nil
        } catch {
            logger.error("job.death_not_recorded", metadata: ["job_id": "\(job.id)", "problem": "\(error)"])
            return .retry(at: now + .minutes(1), error: reason)
        }
    }

    private func outcome(_ job: ClaimedJob, _ word: String) { Self.count(job, word, in: metrics) }
    private static func count(_ job: ClaimedJob, _ word: String, in metrics: Metrics) {
        metrics.count(
            "patchbay_jobs_ended_total", ["kind": job.kind, "outcome": word], help: "Runs of jobs by how they ended.")
    }

    // MARK: Stopping

    private func drained() async {
        while held > 0, !Task.isCancelled {
            try? await time.sleep(.milliseconds(20))  // Cancelled: the loop ends.
        }
    }
}

extension JobEnd {
    var word: String {
        switch self {
        case .succeeded: "succeeded"
        case .cancelled: "cancelled"
        case .retry: "failed"
        case .released: "released"
        case .deferred: "deferred"
        case .postponed: "postponed"
        case .dead: "dead"
        }
    }
}
