import ArgumentParser
import Engine
import Kit
import Logging
import Server
import ServiceLifecycle
import Store
import Synchronization
import UnixSignals

/// Jobs that do nothing, enqueued, run and recorded by the very parts that serve.
struct BenchJobs: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "jobs", abstract: "Enqueues and runs jobs that do nothing; prints how many a second.")

    @OptionGroup var options: SettingsOptions
    @Option(help: "How long jobs are enqueued; all are run to their end.")
    var seconds = 5
    @Option(help: "Jobs of one transaction.")
    var set = 100

    func run() async throws {
        let rig = try await JobRig.make(options)
        let (seconds, set) = (seconds, set)
        try await rig.run {
            let began = ContinuousClock.now
            let end = began + .seconds(seconds)
            let enqueued = try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<JobRig.enqueuers {
                    group.addTask {
                        var count = 0
                        while ContinuousClock.now < end {
                            try await rig.enqueue((0..<set).map { _ in rig.job(of: "bench") })
                            count += set
                            while rig.backlog > JobRig.backlogMax { try await Task.sleep(for: .milliseconds(1)) }
                        }
                        return count
                    }
                }
                return try await group.reduce(0, +)
            }
            try await rig.drained()
            let took = ContinuousClock.now - began
            say(
                ([
                    "jobs": JSON(enqueued), "microseconds": JSON(took.microseconds),
                    "per_second": JSON(Int(Double(enqueued) / took.inSeconds)),
                ] as JSON).outputLine)
        }
    }
}

/// From the answer of an enqueue to the handler's first line, while nothing else happens.
struct BenchStart: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "start", abstract: "Enqueues single jobs into an idle queue; prints how soon they start.")

    @OptionGroup var options: SettingsOptions
    @Option(help: "Jobs to measure.")
    var count = 300

    func run() async throws {
        let rig = try await JobRig.make(options)
        let count = count
        try await rig.run {
            var delays: [Duration] = []
            for number in 0..<count {
                // Not in step with anything that ticks.
                try await Task.sleep(for: .milliseconds(20 + number * 7 % 61))
                delays.append(try await rig.startDelay(of: "idle"))
            }
            say((["start_delay": Percentiles(delays).json] as JSON).outputLine)
        }
    }
}

/// One job of a user while another's hundred thousand wait.
struct BenchFairness: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fairness",
        abstract: "Enqueues single jobs behind another user's many; prints how soon they start.")

    @OptionGroup var options: SettingsOptions
    @Option(help: "Jobs of the other user.")
    var jobs = 100_000
    @Option(help: "Jobs to measure, while the others wait.")
    var count = 50
    @Option(help: "How long each job of the other user takes.")
    var milliseconds = 5

    func run() async throws {
        let rig = try await JobRig.make(options, working: .milliseconds(milliseconds))
        let (jobs, count) = (jobs, count)
        for _ in 0..<(jobs / 500) { try await rig.enqueue((0..<500).map { _ in rig.job(of: "flood") }) }
        try await rig.run {
            try await Task.sleep(for: .seconds(1))
            var delays: [Duration] = []
            for number in 0..<count where rig.backlog > 1000 {
                try await Task.sleep(for: .milliseconds(20 + number * 7 % 61))
                delays.append(try await rig.startDelay(of: "other-\(number)"))
            }
            say((["start_delay": Percentiles(delays).json, "waiting_still": JSON(rig.backlog)] as JSON).outputLine)
        }
    }
}

/// A job runner as `serve` makes it, with a worker that does nothing.
final class JobRig: Sendable {
    static let enqueuers = 2
    /// More than a claim takes, so that the runner never waits for us.
    static let backlogMax = 4000

    private let database: any Database
    private let ids: Identifiers
    private let time: TimeSource
    private let bell = Bell()
    private let worker: IdleWorker
    private let runner: JobRunner
    private let node: NodeSession
    private let logger: Logger
    private let enqueued = Atomic(0)

    static func make(_ options: SettingsOptions, working: Duration = .zero) async throws -> JobRig {
        Machine.prepare()
        let settings = try options.settings(adding: ["PATCHBAY_MODE": "test"])
        let logger = LogOutput.logger(settings.log)
        do {
            let database = try Instance.open(settings.database, owner: true, logger: logger)
            _ = try await database.migrate(program: Instance.version, at: .system)
            return JobRig(database: database, working: working, logger: logger)
        } catch {
            throw Fault("\(error)", code: 1)
        }
    }

    private init(database: any Database, working: Duration, logger: Logger) {
        self.database = database
        self.logger = logger
        time = .system
        ids = Identifiers(now: time.now)
        worker = IdleWorker(working: working)
        node = NodeSession(
            database: database, ids: ids, time: time, bell: bell, host: Machine.hostName, process: Machine.processID,
            program: Instance.version, logger: logger)
        runner = JobRunner(
            workers: [worker], database: database, node: node, ids: ids, time: time, bell: bell, metrics: Metrics(),
            logger: logger)
    }

    /// Runs the runner while `work` runs.
    func run(_ work: @escaping @Sendable () async throws -> Void) async throws {
        try await node.open()
        try await ServiceGroup(
            configuration: .init(
                services: [
                    .init(service: runner),
                    .init(service: Work(work: work), successTerminationBehavior: .gracefullyShutdownGroup),
                ],
                gracefulShutdownSignals: [.sigterm, .sigint], logger: LogOutput.quiet(from: logger))
        ).run()
        await database.close()
    }

    /// How many jobs have been enqueued and have not started.
    var backlog: Int { enqueued.load(ordering: .relaxed) - worker.started.load(ordering: .relaxed) }

    func job(of owner: String) -> NewJob {
        let (id, now): (ID<JobKind>, Timestamp) = (ids.make(), time.now())
        return NewJob(
            id: id, kind: worker.kind, lane: Lane(owner, .event), dueAt: now, createdAt: now, input: Array(id.text.utf8)
        )
    }

    func enqueue(_ jobs: [NewJob]) async throws {
        try await database.set("enqueue", in: .work) { try $0.enqueue(jobs) }
        enqueued.add(jobs.count, ordering: .relaxed)
        bell.ring()
    }

    /// Enqueues one job and waits for its first line.
    func startDelay(of owner: String) async throws -> Duration {
        let job = job(of: owner)
        worker.watch(job.id.text)
        try await database.set("enqueue", in: .work) { try $0.enqueue([job]) }
        let answered = ContinuousClock.now
        enqueued.add(1, ordering: .relaxed)
        bell.ring()
        while true {
            if let started = worker.watchedStart { return max(.zero, started - answered) }
            try await Task.sleep(for: .milliseconds(1))
        }
    }

    /// Waits until every job has ended and its end is on disk.
    func drained() async throws {
        while backlog > 0 || runner.held > 0 { try await Task.sleep(for: .milliseconds(1)) }
    }

    private struct Work: Service {
        let work: @Sendable () async throws -> Void
        func run() async throws { try await work() }
    }
}

/// Counts, notes when the job starts that somebody waits for, and sleeps as long as it is told.
private final class IdleWorker: JobWorker {
    let kind = "bench.noop"
    let started = Atomic(0)
    private let working: Duration
    private let watched = Mutex<(id: String, start: ContinuousClock.Instant?)>(("", nil))

    init(working: Duration) { self.working = working }

    func watch(_ id: String) { watched.withLock { $0 = (id, nil) } }
    var watchedStart: ContinuousClock.Instant? { watched.withLock { $0.start } }

    func run(_ job: ClaimedJob) async throws -> JobResult {
        let now = ContinuousClock.now
        watched.withLock { if $0.id == job.id.text { $0.start = now } }
        started.add(1, ordering: .relaxed)
        if working > .zero { try await Task.sleep(for: working) }
        return .done
    }
}
