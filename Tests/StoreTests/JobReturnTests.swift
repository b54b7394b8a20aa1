import Kit
import TestSupport
import Testing

@testable import Store

@Suite("Jobs that come back")
struct JobReturnTests {
    private let ids = Identifiers(now: { .testNow })

    @Test("nodes that give back a dead one's jobs at once count each death once", arguments: TestEngine.all)
    func reclaimers(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            for _ in 0..<5 {
                let jobs = try await claimed(120, in: database)
                let node = try #require(jobs.first?.node)
                try await database.write("revoke") { _ = try $0.revoke(node, at: .testNow) }

                let back = try await withThrowingTaskGroup(of: Int.self) { group in
                    for _ in 0..<6 {
                        group.addTask {
                            try await database.set("reclaim", in: .work) {
                                try $0.reclaim(1000, deathsMax: 3, at: .testNow).back
                            }
                        }
                    }
                    return try await group.reduce(0, +)
                }

                #expect(back == 120)
                let again = try await claimed(0, in: database)
                #expect(again.count == 120 && again.allSatisfy { $0.deaths == 1 })
                _ = try await database.set("end", in: .work) {
                    try $0.complete(again.map { EndedJob(job: $0, end: .succeeded, at: .testNow) })
                }
            }
        }
    }

    @Test("one of a newer version waits a minute and has tried nothing", arguments: TestEngine.all)
    func deferred(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let job = try #require(try await claimed(1, in: database).first)
            let later = Timestamp.testNow + .minutes(1)
            _ = try await database.set("defer", in: .work) {
                try $0.complete([EndedJob(job: job, end: .deferred(to: later, reason: "newer"), at: .testNow)])
            }

            let early = try await claimed(0, in: database, at: later - .seconds(1))
            let due = try await claimed(0, in: database, at: later)

            #expect(early.isEmpty && due.map(\.id) == [job.id])
            #expect(due.first?.attempt == 1 && due.first?.firstFailedAt == nil)
            #expect(try await database.read("job") { try $0.job(job.id, at: later)?.reason } == "newer")
        }
    }

    @Test(
        "a dead job that is run again keeps its unique key; with a twin at work it stays where it is",
        arguments: TestEngine.all)
    func unique(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let job = try #require(try await claimed(1, unique: "event/1", in: database).first)
            _ = try await database.set("dead", in: .work) {
                try $0.complete([EndedJob(job: job, end: .dead(reason: "r"), at: .testNow)])
            }
            let twin = try #require(try await claimed(1, unique: "event/1", in: database).first)

            let refused = try await retry(job, in: database)
            #expect(refused == .twin(twin.id))
            #expect(try await database.read("job") { try $0.job(job.id, at: .testNow)?.state } == "dead")
            _ = try await database.set("end", in: .work) {
                try $0.complete([EndedJob(job: twin, end: .succeeded, at: .testNow)])
            }
            #expect(try await retry(job, in: database) == .done)

            #expect(try await claimed(1, unique: "event/1", in: database).map(\.id) == [job.id])
        }
    }

    // MARK: -

    private func retry(_ job: ClaimedJob, in database: any Database) async throws -> JobWish {
        try await database.write("retry") { try $0.retry(job.id, applying: "none", at: .testNow) }
    }

    /// All that waits, and so many more, in the hands of a new node.
    private func claimed(
        _ count: Int, unique: String? = nil, in database: any Database, at now: Timestamp = .testNow
    ) async throws -> [ClaimedJob] {
        let node: ID<NodeKind> = ids.make()
        let jobs = (0..<count).map { _ in
            NewJob(
                id: ids.make(), kind: "noop", lane: Lane("a", .event), dueAt: now, createdAt: now, input: [],
                uniqueKey: unique)
        }
        // PostgreSQL wakes the lanes behind the commit.
        try await database.set("enqueue", in: .work) { session in
            try session.openNode(node, host: "test", process: 1, program: "test", at: now)
            try session.enqueue(jobs)
            _ = try session.promoteScheduled(1000, at: now)
        }
        return try await database.set("claim", in: .work) { session in
            try session.claim(1000, pools: [0, 1, 2], for: node, at: now)
        }
    }
}
