import Kit
import TestSupport
import Testing

@testable import Store

@Suite("Jobs, on both engines")
struct JobsTests {
    let ids = Identifiers(now: { .testNow })

    @Test(
        "one tenant's thousands, in more lanes than a claim looks at, do not hold back another's one",
        arguments: TestEngine.all)
    func fairness(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let node = try await openNode(database)
            for lane in 0..<100 { try await enqueue(60, lane: Lane("a/\(lane)", .event), in: database) }
            // All of them have been served, so that one that wakes is no poorer than they are.
            for _ in 0..<10 { _ = try await claim(50, for: node, in: database) }

            let mine = try await enqueue(1, lane: Lane("b", .event), in: database)
            var claims = 0
            while claims < 20 {
                claims += 1
                if try await claim(50, for: node, in: database).contains(where: { $0.id == mine.first }) { break }
            }

            // Whoever wakes stands beside those that are served now: each of the hundred may come first, once.
            #expect(claims <= 4, "after \(claims * 50) others")
        }
    }

    @Test("one at a time, claims go round: no lane waits for another's end", arguments: TestEngine.all)
    func round(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let node = try await openNode(database)
            for lane in 0..<6 { try await enqueue(20, lane: Lane("round\(lane)", .event), in: database) }

            var taken: [String: Int] = [:]
            for _ in 0..<30 {
                for job in try await claim(1, for: node, in: database) { taken[job.lane, default: 0] += 1 }
            }

            #expect(taken.count == 6)
            #expect(taken.values.allSatisfy { (4...6).contains($0) }, "\(taken)")
        }
    }

    @Test("whoever used least goes first; a lane that slept does not bring its turns back", arguments: TestEngine.all)
    func turns(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let node = try await openNode(database)
            try await enqueue(300, lane: Lane("busy", .event), in: database)
            for _ in 0..<5 { _ = try await claim(40, for: node, in: database) }
            try await enqueue(300, lane: Lane("late", .event), in: database)

            var taken: [String: Int] = [:]
            for _ in 0..<8 {
                for job in try await claim(10, for: node, in: database) { taken[job.lane, default: 0] += 1 }
            }

            let (busy, late) = (taken[Lane("busy", .event).id] ?? 0, taken[Lane("late", .event).id] ?? 0)
            #expect(busy > 0 && late >= busy && busy + late == 80)
        }
    }

    @Test("analytics gets less than events, and something", arguments: TestEngine.all)
    func weights(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let node = try await openNode(database)
            try await enqueue(200, lane: Lane("u", .event), in: database)
            try await enqueue(200, lane: Lane("u", .analytics), in: database)

            var taken: [Priority: Int] = [:]
            for _ in 0..<60 {
                for job in try await claim(1, for: node, in: database) { taken[job.priority, default: 0] += 1 }
            }

            #expect((taken[.event] ?? 0) > 4 * (taken[.analytics] ?? 0))
            #expect((taken[.analytics] ?? 0) > 0)
        }
    }

    @Test("two nodes never get the same job", arguments: TestEngine.all)
    func disjoint(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let nodes = [try await openNode(database), try await openNode(database)]
            try await enqueue(400, lane: Lane("a", .event), in: database)
            try await enqueue(400, lane: Lane("b", .event), in: database)

            let claimed = try await withThrowingTaskGroup(of: [ClaimedJob].self) { group in
                for round in 0..<80 { group.addTask { try await claim(20, for: nodes[round % 2], in: database) } }
                return try await group.reduce(into: []) { $0 += $1 }
            }
            var rest = claimed
            while true {
                let more = try await claim(100, for: nodes[0], in: database)
                if more.isEmpty { break }
                rest += more
            }

            #expect(Set(rest.map(\.id)).count == rest.count)
            #expect(rest.count == 800)
        }
    }

    @Test("a late session is fenced: its end and its effects are refused", arguments: TestEngine.all)
    func fence(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let (slow, quick) = (try await openNode(database), try await openNode(database))
            try await enqueue(1, lane: Lane("a", .event), in: database)
            let job = try #require(try await claim(1, for: slow, in: database).first)

            try await database.write("revoke") { _ = try $0.revoke(slow, at: .testNow) }
            _ = try await database.set("reclaim", in: .work) { try $0.reclaim(100, deathsMax: 3, at: .testNow) }
            let again = try #require(try await claim(1, for: quick, in: database).first)
            #expect(again.id == job.id && again.fence > job.fence && again.deaths == 1)

            let late = try await database.set("late", in: .work) {
                try $0.complete([EndedJob(job: job, end: .succeeded, at: .testNow)])
            }
            #expect(late == [false])
            await #expect(throws: Fenced(job: job.id.text)) {
                try await database.write("late effect") { session in
                    try session.run("INSERT INTO instance (key, value) VALUES ('effect', 'late')")
                    try session.succeed(job, at: .testNow)
                }
            }
            try await database.write("effect") { session in
                try session.hold(again)
                try session.run("INSERT INTO instance (key, value) VALUES ('effect', 'once')")
                try session.succeed(again, at: .testNow)
            }
            let effect = try await database.read("effect") {
                try $0.row("SELECT value FROM instance") { try $0.text() }
            }
            #expect(effect == "once")
        }
    }

    @Test("the third death is the last", arguments: TestEngine.all)
    func deaths(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            try await enqueue(1, lane: Lane("a", .event), in: database)
            for death in 1...3 {
                let node = try await openNode(database)
                let claimed = try await claim(1, for: node, in: database)
                #expect(claimed.count == 1)
                try await database.write("revoke") { _ = try $0.revoke(node, at: .testNow) }
                let (back, dead) = try await database.set("reclaim", in: .work) {
                    try $0.reclaim(100, deathsMax: 3, at: .testNow)
                }
                #expect(back == (death < 3 ? 1 : 0) && dead.count == (death < 3 ? 0 : 1))
            }

            let counts = try await database.read("counts") { try $0.rowCounts(of: ["jobs", "jobs_done"]) }
            #expect(counts == ["jobs": 0, "jobs_done": 1])
        }
    }

    @Test("a unique job asked for while it runs runs once more; while it waits it is one", arguments: TestEngine.all)
    func unique(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let node = try await openNode(database)
            for _ in 0..<3 { try await enqueue(1, lane: Lane("a", .sync), unique: "sync/a", in: database) }
            let first = try await claim(10, for: node, in: database)
            #expect(first.count == 1)

            try await enqueue(1, lane: Lane("a", .sync), unique: "sync/a", in: database)
            _ = try await database.set("done", in: .work) {
                try $0.complete(first.map { EndedJob(job: $0, end: .succeeded, at: .testNow) })
            }
            let second = try await claim(10, for: node, in: database)

            #expect(second.map(\.id) == first.map(\.id) && second.first?.attempt == 1)
        }
    }

    @Test("a gated lane is passed over, its jobs keep their attempts", arguments: TestEngine.all)
    func gates(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let node = try await openNode(database)
            let lane = Lane("a", .event)
            try await enqueue(3, lane: lane, in: database)
            let job = try #require(try await claim(1, for: node, in: database).first)
            try await database.set("gate", in: .work) { session in
                try session.gate(lane, until: .testNow + .seconds(60), by: "quota", reason: "6 a minute")
                _ = try session.complete([EndedJob(job: job, end: .released, at: .testNow)])
            }

            let during = try await claim(10, for: node, in: database)
            let after = try await claim(10, for: node, in: database, at: .testNow + .seconds(61))

            #expect(during.isEmpty)
            #expect(after.count == 3 && after.allSatisfy { $0.attempt == 1 })
        }
    }

    @Test("a schedule that missed a day makes up with one job and keeps its rhythm", arguments: TestEngine.all)
    func schedules(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let schedule = NewSchedule(
                name: "s", kind: "k", lane: Lane("a", .analytics), every: .hours(1), firstAt: .testNow)
            try await database.write("declare") { try $0.declare(schedule) }

            let later = .testNow + .hours(25) + .minutes(10)
            let fresh = (0..<5).map { _ in ids.make(JobKind.self) }
            let fired = try await database.set("fire", in: .work) { try $0.fireSchedules(at: later, ids: fresh) }
            let next = try await database.read("next") { try $0.nextSchedule(at: later) }

            #expect(fired == 1)
            #expect(next == .testNow + .hours(26))
        }
    }

    @Test("a schedule that a wrong clock moved a day ahead fires once the clock is right", arguments: TestEngine.all)
    func schedulesSetBack(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let schedule = NewSchedule(
                name: "s", kind: "k", lane: Lane("a", .analytics), every: .hours(1), firstAt: .testNow)
            try await database.write("declare") { try $0.declare(schedule) }
            let fresh = (0..<5).map { _ in ids.make(JobKind.self) }
            _ = try await database.set("ahead", in: .work) {
                try $0.fireSchedules(at: .testNow + .hours(24), ids: fresh)
            }

            let next = try await database.read("next") { try $0.nextSchedule(at: .testNow) }
            let fired = try await database.set("back", in: .work) { try $0.fireSchedules(at: .testNow, ids: fresh) }
            let after = try await database.read("after") { try $0.nextSchedule(at: .testNow) }

            #expect(next == .testNow)
            #expect(fired == 1)
            #expect(after == .testNow + .hours(1))
        }
    }

    @Test("scheduled jobs come when their time comes", arguments: TestEngine.all)
    func scheduled(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let node = try await openNode(database)
            let job = NewJob(
                id: ids.make(), kind: "k", lane: Lane("a", .event), dueAt: .testNow + .seconds(30), createdAt: .testNow,
                input: [])
            try await database.write("enqueue") { try $0.enqueue([job]) }

            let early = try await claim(10, for: node, in: database)
            let promoted = try await database.set("promote", in: .work) {
                try $0.promoteScheduled(10, at: .testNow + .seconds(30))
            }
            let due = try await claim(10, for: node, in: database, at: .testNow + .seconds(30))

            #expect(early.isEmpty && promoted == 1 && due.map(\.id) == [job.id])
        }
    }

    @Test("lanes that a dead process left asleep are found and woken", arguments: TestEngine.all)
    func forgotten(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let node = try await openNode(database)
            for lane in ["a", "b", "c"] { try await enqueue(5, lane: Lane(lane, .event), in: database) }
            try await database.write("forget") { try $0.run("UPDATE lanes SET active = 0 WHERE id LIKE '%/b'") }
            #expect(try await claim(100, for: node, in: database).count == 10)

            let woken = try await database.set("wake", in: .work) { try $0.wakeForgottenLanes(100) }
            let found = try await claim(100, for: node, in: database)

            #expect(woken == 1 && found.count == 5)
        }
    }

    // MARK: Hands

    private func openNode(_ database: any Database) async throws -> ID<NodeKind> {
        let id: ID<NodeKind> = ids.make()
        try await database.write("node") {
            try $0.openNode(id, host: "test", process: 1, program: "test", at: .testNow)
        }
        return id
    }

    @discardableResult
    private func enqueue(
        _ count: Int, lane: Lane, unique: String? = nil, in database: any Database
    ) async throws -> [ID<JobKind>] {
        let jobs = (0..<count).map { _ in
            NewJob(
                id: ids.make(), kind: "noop", lane: lane, dueAt: .testNow, createdAt: .testNow, input: [],
                uniqueKey: unique)
        }
        try await database.set("enqueue", in: .work) { try $0.enqueue(jobs) }
        return jobs.map(\.id)
    }

    private func claim(
        _ limit: Int, for node: ID<NodeKind>, in database: any Database, at now: Timestamp = .testNow
    ) async throws -> [ClaimedJob] {
        try await database.set("claim", in: .work) { try $0.claim(limit, pools: [0, 1, 2], for: node, at: now) }
    }
}
