import Engine
import Kit
import Logging
import ServiceLifecycle
import Store
import Synchronization
import TestSupport
import Testing

@Suite("Job runner, on both engines")
struct JobRunnerTests {
    @Test("what ended while the store was away is recorded later, and not run again", arguments: TestEngine.all)
    func storeAway(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { real in
            let database = TroubledDatabase(real, refusing: "complete", times: 3)
            let worker = CountingWorker { _ in .done }
            let jobs = try await run(worker, jobs: 40, on: database)

            #expect(worker.runs.values.allSatisfy { $0 == 1 } && worker.runs.count == 40)
            #expect(try await Self.states(of: jobs, in: real) == ["succeeded": 40])
            #expect(database.refused == 3)
        }
    }

    @Test("an end that the database refuses harms only its own job, which comes again", arguments: TestEngine.all)
    func refusedEnd(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { real in
            let database = TroubledDatabase(real, refusing: "complete", times: 0)
            let worker = CountingWorker { job in
                guard job.input == [7] else { return .done }
                database.refuses(theEndOf: job.id)
                return .cancelled(reason: "poison")
            }
            let jobs = try await run(worker, jobs: 40, on: database, inputs: { $0 == 20 ? [7] : [1] })

            let states = try await Self.states(of: jobs, in: real)
            #expect(states == ["succeeded": 39, "scheduled": 1])
        }
    }

    @Test("a job of a newer version waits for a newer program: no attempt counts and nothing has failed")
    func newer() async throws {
        try await TestDatabase.with(.sqlite) { database in
            let job = NewJob(
                id: Identifiers(now: { Timestamp.system }).make(), kind: "test.count", version: 2,
                lane: Lane("u", .event), dueAt: .system, createdAt: .system, input: [])
            let worker = CountingWorker { _ in .done }
            _ = try await run(worker, jobs: 1, besides: [job], on: database)

            #expect(worker.runs.count == 1)
            let row = try #require(try await database.read("job") { try $0.job(job.id, at: .system) })
            #expect(row.state == "scheduled" && row.attempts == 0 && row.reason?.contains("newer Patchbay") == true)
            let failures = try await database.read("failures") { try $0.failures(of: job.id) }
            #expect(failures.isEmpty)
        }
    }

    // MARK: Running

    /// Enqueues, runs until so many are done and nothing is held, stops as SIGTERM would.
    private func run(
        _ worker: CountingWorker, jobs count: Int, besides others: [NewJob] = [], on database: any Database,
        inputs: (Int) -> [UInt8] = { _ in [1] }
    ) async throws -> [ID<JobKind>] {
        let ids = Identifiers(now: { Timestamp.system })
        let bell = Bell()
        let logger = Logger.quiet
        let jobs = (0..<count).map { number in
            NewJob(
                id: ids.make(), kind: worker.kind, lane: Lane("u", .event), dueAt: .system, createdAt: .system,
                input: inputs(number))
        }
        let node = NodeSession(
            database: database, ids: ids, time: .system, bell: bell, host: "h", process: 1, program: "test",
            logger: logger)
        let runner = JobRunner(
            workers: [worker], database: database, node: node, ids: ids, time: .system, bell: bell, metrics: Metrics(),
            logger: logger)
        try await database.set("enqueue", in: .work) { try $0.enqueue(others + jobs) }
        try await node.open()
        let group = ServiceGroup(
            configuration: .init(services: [.init(service: runner)], gracefulShutdownSignals: [], logger: logger))
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            for _ in 0..<9000 where worker.runs.count < count || runner.held > 0 {
                try await Task.sleep(for: .milliseconds(10))
            }
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
        }
        return jobs.map(\.id)
    }

    private static func states(of jobs: [ID<JobKind>], in database: any Database) async throws -> [String: Int] {
        var counts: [String: Int] = [:]
        for id in jobs {
            let job = try #require(try await database.read("job") { try $0.job(id, at: .system) })
            counts[job.state, default: 0] += 1
        }
        return counts
    }
}

private final class CountingWorker: JobWorker {
    let kind = "test.count"
    private let counts = Mutex<[String: Int]>([:])
    private let answer: @Sendable (ClaimedJob) -> JobResult

    init(_ answer: @escaping @Sendable (ClaimedJob) -> JobResult) { self.answer = answer }

    /// How often each job ran, by id.
    var runs: [String: Int] { counts.withLock { $0 } }

    func run(_ job: ClaimedJob) async throws -> JobResult {
        counts.withLock { $0[job.id.text, default: 0] += 1 }
        return answer(job)
    }
}

/// A database that refuses a named set: a number of times as if it were away, or wherever it would cancel one job.
private final class TroubledDatabase: Database {
    private let real: any Database
    private let name: String
    private let left: Mutex<Int>
    private let times: Int
    private let poison = Mutex<ID<JobKind>?>(nil)

    init(_ real: any Database, refusing name: String, times: Int) {
        self.real = real
        self.name = name
        self.times = times
        left = Mutex(times)
    }

    func refuses(theEndOf job: ID<JobKind>) { poison.withLock { $0 = job } }

    var refused: Int { times - left.withLock { $0 } }
    var dialect: Dialect { real.dialect }

    func set<Value: Sendable>(
        _ name: StaticString, in lane: WriteLane, _ work: @escaping @Sendable (Session) throws -> Value
    ) async throws -> Value {
        guard "\(name)" == self.name else { return try await real.set(name, in: lane, work) }
        if let poison = poison.withLock({ $0 }) {
            return try await real.set(name, in: lane) { session in
                let value = try work(session)
                if try session.job(poison, at: .system)?.state == "cancelled" { throw StoreError.constraint("refused") }
                return value
            }
        }
        let refuses = left.withLock { left in
            defer { left = max(0, left - 1) }
            return left > 0
        }
        if refuses { throw StoreError.unavailable("away") }
        return try await real.set(name, in: lane, work)
    }

    func read<Value: Sendable>(
        _ name: StaticString, _ work: @escaping @Sendable (Session) throws -> Value
    ) async throws -> Value { try await real.read(name, work) }
    func write<Value: Sendable>(
        _ name: StaticString, in lane: WriteLane, _ work: @escaping @Sendable (Session) throws -> Value
    ) async throws -> Value { try await real.write(name, in: lane, work) }
    func schema<Value: Sendable>(
        _ name: StaticString, _ work: @escaping @Sendable (Session) throws -> Value
    ) async throws -> Value { try await real.schema(name, work) }
    func health() async throws -> StoreHealth { try await real.health() }
    func close() async {}
}
