import Foundation
import Kit
import Synchronization
import TestSupport
import Testing

@testable import Store

/// Closures beside sets, and both beside themselves, from several tasks at once. PostgreSQL keeps closures apart from
/// each other only: what a set commits beside one it does not see as a conflict.
@Suite("Racing: what holds whoever comes first")
struct RacingTests {
    private static let isTorture = ProcessInfo.processInfo.environment["PATCHBAY_TORTURE"] == "1"
    private static let rounds = isTorture ? 20 : 1
    private static let old = Timestamp.testNow - .days(500)

    private let ids = Identifiers(now: { .testNow })
    private let oldIDs = Identifiers(now: { RacingTests.old })

    @Test("keep and erase: each event once, and nothing of the erased is left", arguments: TestEngine.all)
    func keepAndErase(engine: TestEngine) async throws {
        try await racing(engine) { database, app in
            for user in 0..<8 { try await addUser("u\(user)", customer: "cus_\(user)", to: database) }
            try await together { group in
                for sender in 0..<4 {
                    group.addTask {
                        for part in 0..<20 {
                            // Everything comes twice, from two senders.
                            let numbers = (0..<8).map { (sender / 2 * 20 + part) * 8 + $0 }
                            let arrivals = numbers.shuffled().map { arrival($0, app, subject: "cus_\($0 % 8)") }
                            _ = try await insisting(database, isSet: true) { try $0.keep(arrivals) }
                        }
                    }
                }
                for user in 0..<4 {
                    let (erasure, walk): (ID<ErasureKind>, Bool) = (ids.make(), user % 2 == 0)
                    group.addTask {
                        let new = NewErasure(
                            id: erasure, user: "u\(user)", who: "who", askedBy: "key", at: .testNow, bodies: [])
                        let erased = try await insisting(database) { try $0.erase(new) }
                        #expect(erased != nil)
                        if walk { try await eraseEvents(in: database) }
                    }
                }
            }
            try await eraseEvents(in: database)  // What came later goes as soon as somebody looks.

            let (counts, subjects, doubled, bodies) = try await database.read("seen") { session in
                (
                    try session.rowCounts(of: ["events", "deliveries", "event_identities", "jobs"]),
                    try session.rows("SELECT DISTINCT subject FROM events WHERE subject IS NOT NULL ORDER BY subject") {
                        try $0.text()
                    },
                    try session.row("SELECT sum(duplicates) FROM events") { try $0.integer() },
                    try session.rows("SELECT bytes, encoding FROM bodies") { try $0.optionalStoredBytes() ?? [] }
                )
            }
            #expect(counts == ["events": 320, "deliveries": 640, "event_identities": 320, "jobs": 320])
            #expect(doubled == 320)
            #expect(subjects == (4..<8).map { "cus_\($0)" })
            let ends = Set(bodies.map { String(decoding: $0, as: UTF8.self).suffix(5) })
            #expect(bodies.count == 160 && ends == ["cus_4", "cus_5", "cus_6", "cus_7"])
        }
    }

    @Test("keep and retention: what is young stays whole, what is old goes", arguments: TestEngine.all)
    func keepAndRetention(engine: TestEngine) async throws {
        try await racing(engine) { database, app in
            let before = (0..<60).map { arrival($0, app, ids: oldIDs, at: Self.old) }
            _ = try await database.set("old", in: .ingest) { try $0.keep(before) }
            let isOver = Shared(false)
            try await together { group in
                for _ in 0..<2 {
                    group.addTask {
                        while !isOver.withLock({ $0 }) { try await expire(in: database) }
                    }
                }
                group.addTask {
                    try await together { group in
                        for sender in 0..<4 {
                            group.addTask {
                                for part in 0..<20 {
                                    let young = (0..<5).map { arrival(1000 + (sender / 2 * 20 + part) * 5 + $0, app) }
                                    // The platform says some of the old once more.
                                    let again = (0..<3).map { arrival((part * 3 + $0) % 60, app, at: Self.old) }
                                    _ = try await insisting(database, isSet: true) {
                                        try $0.keep((young + again).shuffled())
                                    }
                                }
                            }
                        }
                    }
                    isOver.withLock { $0 = true }
                }
            }
            try await expire(in: database)

            let (counts, whole, doubled, repeated) = try await database.read("seen") { session in
                (
                    try session.rowCounts(of: ["events", "bodies", "event_identities"]),
                    try session.row("SELECT count(*) FROM events e JOIN bodies b ON b.id = e.body_id") {
                        try $0.integer()
                    },
                    try session.row("SELECT sum(duplicates) FROM events") { try $0.integer() },
                    try session.row("SELECT count(*) FROM deliveries WHERE verdict = 'duplicate'") { try $0.integer() }
                )
            }
            #expect(counts == ["events": 200, "bodies": 200, "event_identities": 260])
            #expect(whole == 200 && doubled == 200)
            // On an event that has gone nobody can count; of the young all have a line.
            #expect((200...440).contains(repeated ?? 0))
        }
    }

    @Test("claim, end and reclaim: each job ends once, by whoever holds it then", arguments: TestEngine.all)
    func claimAndReclaim(engine: TestEngine) async throws {
        try await racing(engine) { database, _ in
            let jobs = (0..<240).map { newJob(lane: "l\($0 % 6)") }
            try await database.set("jobs", in: .work) { try $0.enqueue(jobs) }
            let nodes = Shared<[ID<NodeKind>]>([])
            let ended = Shared<[String: Int]>([:])
            let isOver: @Sendable () -> Bool = { ended.withLock { $0.count } == 240 }
            for _ in 0..<3 { try await openNode(nodes, in: database) }
            try await together { group in
                for worker in 0..<3 {
                    group.addTask {
                        while !isOver() {
                            let node = nodes.withLock { $0[worker] }
                            for job in try await claim(8, for: node, in: database) {
                                guard try await end(job, byClosure: worker > 0, in: database) else { continue }
                                ended.withLock { $0[job.id.text, default: 0] += 1 }
                            }
                        }
                    }
                }
                group.addTask {  // Sessions end while they hold jobs.
                    for round in 0..<30 where !isOver() {
                        let node = nodes.withLock { $0[round % 3] }
                        _ = try await insisting(database) { try $0.revoke(node, at: .testNow) }
                        try await openNode(nodes, at: round % 3, in: database)
                    }
                }
                for _ in 0..<2 {
                    group.addTask {
                        while !isOver() {
                            _ = try await insisting(database, isSet: true) {
                                try $0.reclaim(5, deathsMax: 10_000, at: .testNow)
                            }
                            _ = try await insisting(database, isSet: true) { try $0.wakeForgottenLanes(10) }
                        }
                    }
                }
            }

            let (counts, done, effects) = try await database.read("seen") { session in
                (
                    try session.rowCounts(of: ["jobs", "jobs_done"]),
                    try session.row("SELECT count(DISTINCT id) FROM jobs_done WHERE state = 'succeeded'") {
                        try $0.integer()
                    },
                    try session.row("SELECT count(*) FROM instance WHERE key LIKE 'effect/%'") { try $0.integer() }
                )
            }
            #expect(counts == ["jobs": 0, "jobs_done": 240] && done == 240)
            #expect(ended.withLock { $0.values.allSatisfy { $0 == 1 } })
            #expect(effects == 240)
        }
    }

    @Test("append and sequence: every change has one place, and none is empty", arguments: TestEngine.all)
    func appendAndSequence(engine: TestEngine) async throws {
        try await racing(engine) { database, _ in
            let isOver = Shared(false)
            try await together { group in
                for _ in 0..<2 {
                    group.addTask {
                        while !isOver.withLock({ $0 }) {
                            _ = try await insisting(database, isSet: true) { try $0.sequence(7) }
                        }
                    }
                }
                group.addTask {
                    try await together { group in
                        for writer in 0..<8 {
                            group.addTask {
                                for number in 0..<25 {
                                    let changes = (0..<3).map { change(about: "w\(writer)", version: number * 3 + $0) }
                                    let fails = number % 5 == 4
                                    do {
                                        try await insisting(database, isSet: writer % 2 == 0) { session in
                                            try session.append(changes)
                                            if fails { throw Undone() }
                                        }
                                    } catch is Undone {}
                                }
                            }
                        }
                    }
                    isOver.withLock { $0 = true }
                }
            }
            while try await database.set("rest", in: .work, { try $0.sequence(100) }).placed > 0 {}

            let (head, feed) = try await database.read("feed") { session in
                (try session.feedHead(), try session.changes(after: 0, limit: 1000))
            }
            #expect(head == 480 && feed.map(\.position) == Array(1...480))
            #expect(Set(feed.map(\.id)).count == 480)
            // What one writer committed one after the other stands in that order.
            for writer in 0..<8 {
                let versions = feed.filter { $0.subject == "w\(writer)" }.map(\.version)
                #expect(versions == versions.sorted() && versions.count == 60)
            }
        }
    }

    @Test("replay and keep: each event is applied, and once more for each replay", arguments: TestEngine.all)
    func replayAndKeep(engine: TestEngine) async throws {
        try await racing(engine) { database, app in
            let nodes = Shared<[ID<NodeKind>]>([])
            try await openNode(nodes, in: database)
            let replays = Shared(0)
            let isOver = Shared(false)
            try await together { group in
                group.addTask {
                    while !isOver.withLock({ $0 }) { try await work(nodes, in: database) }
                }
                group.addTask {
                    try await together { group in
                        for sender in 0..<4 {
                            group.addTask {
                                for part in 0..<15 {
                                    let arrivals = (0..<4).map { arrival((sender / 2 * 15 + part) * 4 + $0, app) }
                                    _ = try await insisting(database, isSet: true) { try $0.keep(arrivals.shuffled()) }
                                }
                            }
                        }
                        for _ in 0..<2 {
                            group.addTask {
                                for _ in 0..<20 {
                                    let fresh = (0..<10).map { _ in ids.make(JobKind.self) }
                                    let count = try await insisting(database) { try replay(fresh, in: $0) }
                                    replays.withLock { $0 += count }
                                }
                            }
                        }
                    }
                    isOver.withLock { $0 = true }
                }
            }
            _ = try await database.set("wake", in: .work) { try $0.wakeForgottenLanes(1000) }
            while try await work(nodes, in: database) > 0 {}

            let (counts, applied) = try await database.read("seen") { session in
                (
                    try session.rowCounts(of: ["events", "jobs", "jobs_done"]),
                    try session.row("SELECT count(DISTINCT subject) FROM jobs_done") { try $0.integer() }
                )
            }
            #expect(counts == ["events": 120, "jobs": 0, "jobs_done": 120 + replays.withLock { $0 }])
            #expect(applied == 120)
        }
    }

    // MARK: Hands

    private func racing(
        _ engine: TestEngine, _ body: (any Database, ID<AppKind>) async throws -> Void
    ) async throws {
        for _ in 0..<Self.rounds {
            try await TestDatabase.with(engine) { database in
                let fresh: ID<AppKind> = ids.make()
                try await body(
                    database,
                    try await database.write("app") { try $0.settingsApp(of: "stripe", id: fresh, at: .testNow) })
            }
        }
    }

    private func together(_ body: (inout ThrowingTaskGroup<Void, any Error>) async throws -> Void) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            try await body(&group)
            try await group.waitForAll()
        }
    }

    /// Closures that met too often are sent again, as callers are told to.
    @discardableResult
    private func insisting<Value: Sendable>(
        _ database: any Database, isSet: Bool = false, _ work: @escaping @Sendable (Session) throws -> Value
    ) async throws -> Value {
        while true {
            do {
                return isSet
                    ? try await database.set("race", in: .work, work)
                    : try await database.write("race", in: .work, work)
            } catch StoreError.conflict {
                await Task.yield()
            }
        }
    }

    private func arrival(
        _ number: Int, _ app: ID<AppKind>, subject: String? = nil, ids: Identifiers? = nil, at now: Timestamp = .testNow
    ) -> Arrival {
        let ids = ids ?? self.ids
        let body = Array("event \(number) of \(subject ?? "")".utf8)
        let id: ID<EventKind> = ids.make()
        let event = Event(
            identity: EventIdentity(day: now.day, of: "evt_\(number)".utf8), providerEventID: "evt_\(number)",
            type: "invoice.paid", subject: subject, occurredAt: now, body: 0..<body.count)
        return Arrival(
            id: ids.make(), provider: "stripe", app: app, receivedAt: now, method: "POST", target: [], headers: [],
            remote: nil, body: body, checksum: Checksum.of(body), flags: nil, reason: nil,
            events: [
                ArrivingEvent(id: id, event: event, job: newJob(lane: "l\(number % 5)", about: id.text), change: nil)
            ], review: nil)
    }

    private func newJob(lane: String, about subject: String? = nil) -> NewJob {
        NewJob(
            id: ids.make(), kind: "noop", lane: Lane(lane, .event), dueAt: .testNow, createdAt: .testNow, input: [],
            subject: subject)
    }

    private func change(about subject: String, version: Int) -> NewChange {
        NewChange(
            id: ids.make(), type: "race.run", subject: subject, version: Int64(version), occurredAt: .testNow,
            data: Array("{}".utf8))
    }

    private func addUser(_ user: String, customer: String, to database: any Database) async throws {
        try await database.write("user") { session in
            try session.run(
                """
                INSERT INTO users (id, metadata, version, first_seen_at, updated_at) VALUES (\(user), '{}', 1, 0, 0)
                """)
            try session.run(
                """
                INSERT INTO customers (provider, customer, user_id, source, stated_at, linked_at)
                VALUES ('stripe', \(customer), \(user), 'application', 0, 0)
                """)
        }
    }

    private func eraseEvents(in database: any Database) async throws {
        var step = ErasedStep()
        repeat {
            let last = step.last ?? ""
            step = try await insisting(database) {
                try $0.eraseEvents(after: last, window: 50, most: 20, at: .testNow)
            }
        } while step.hasMore
    }

    /// Everything that is too old, a few rows at a time.
    private func expire(in database: any Database) async throws {
        for what in [Retained.bodies, .deliveries, .events, .changes, .jobs] {
            while try await insisting(
                database,
                {
                    try $0.expire(what, limits: RetentionLimits(), at: .testNow, limit: 7)
                }) == 7
            {}
        }
    }

    private func openNode(
        _ nodes: Shared<[ID<NodeKind>]>, at place: Int? = nil, in database: any Database
    ) async throws {
        let id: ID<NodeKind> = ids.make()
        try await insisting(database) {
            try $0.openNode(id, host: "test", process: 1, program: "test", at: .testNow)
        }
        nodes.withLock { nodes in
            if let place { nodes[place] = id } else { nodes.append(id) }
        }
    }

    private func claim(_ limit: Int, for node: ID<NodeKind>, in database: any Database) async throws -> [ClaimedJob] {
        try await insisting(database, isSet: true) { try $0.claim(limit, pools: [2], for: node, at: .testNow) }
    }

    /// Ends a job with an effect that can be there once: in one transaction, or in a set of its own.
    private func end(_ job: ClaimedJob, byClosure: Bool, in database: any Database) async throws -> Bool {
        let key = "effect/\(job.id)"
        do {
            try await insisting(database, isSet: !byClosure) { session in
                if byClosure { try session.hold(job) }
                try session.succeed(job, at: .testNow)
                try session.run("INSERT INTO instance (key, value) VALUES (\(key), '')")
            }
            return true
        } catch is Fenced {
            return false
        }
    }

    /// Does a few jobs. How many.
    @discardableResult
    private func work(_ nodes: Shared<[ID<NodeKind>]>, in database: any Database) async throws -> Int {
        let node = nodes.withLock { $0[0] }
        let jobs = try await claim(50, for: node, in: database)
        let ends = jobs.map { EndedJob(job: $0, end: .succeeded, at: .testNow) }
        let recorded = try await insisting(database, isSet: true) { try $0.complete(ends) }
        #expect(recorded == jobs.map { _ in true })
        return jobs.count
    }

    /// Queues some of the kept events once more. How many.
    private func replay(_ fresh: [ID<JobKind>], in session: Session) throws -> Int {
        let events = try session.rows("SELECT id FROM events ORDER BY id DESC LIMIT \(fresh.count)") { try $0.text() }
        try session.enqueue(
            zip(fresh, events).map { id, event in
                NewJob(
                    id: id, kind: "noop", lane: Lane("replay", .event), dueAt: .testNow, createdAt: .testNow, input: [],
                    subject: event)
            })
        return events.count
    }
}

private struct Undone: Error {}

/// What several tasks change.
private final class Shared<Value: Sendable>: Sendable {
    private let value: Mutex<Value>
    init(_ value: Value) { self.value = Mutex(value) }
    func withLock<Result: Sendable>(_ body: (inout Value) -> Result) -> Result { value.withLock { body(&$0) } }
}
