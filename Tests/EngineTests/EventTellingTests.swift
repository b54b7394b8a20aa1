import Kit
import Stripe
import TestSupport
import Testing

@testable import Engine
@testable import Store

@Suite("Followers hear of an event once")
struct EventTellingTests {
    @Test(
        "one that waited for its user is told when it waits, and not once more when it is released",
        arguments: TestEngine.all)
    func released(engine: TestEngine) async throws {
        try await with(engine) { rig in
            try await rig.run(.done, state: "waiting_review")
            #expect(try await rig.told == 1)
            let released = try await rig.database.write("release") { session in
                try session.release(waitingFor: "cus_1", at: "stripe", limit: 10, now: .testNow)
            }
            #expect(released == [rig.event])

            try await rig.run(.done)

            #expect(try await rig.told == 1)
            #expect(try await rig.state == "applied")
        }
    }

    @Test(
        "one whose question stays open is told with what is known, and not once more with the answer",
        arguments: TestEngine.all)
    func asked(engine: TestEngine) async throws {
        try await with(engine) { rig in
            try await rig.run(.retry(reason: "Busy."), state: "queued")
            try await rig.run(.done)
            #expect(try await rig.told == 1)
        }
    }

    @Test("one on which its job gave up is told when the job is run again, whoever runs it", arguments: TestEngine.all)
    func retried(engine: TestEngine) async throws {
        try await with(engine) { rig in
            let job = try await rig.claimed()
            try await rig.database.write("dead") { session in
                _ = try session.complete([EndedJob(job: job, end: .dead(reason: "r"), at: .testNow)])
                try session.setState("failed", of: rig.event, reason: "r", at: .testNow)
            }
            let wish = try await rig.database.write("retry") { session in
                try session.retry(job.id, applying: EventApplying.kind, at: .testNow)
            }
            #expect(wish == .done)
            #expect(try await rig.told == 0)
            #expect(try await rig.state == "queued")

            _ = try await rig.worker(.done, "applied").run(try await rig.claimed(adding: false))

            #expect(try await rig.told == 1)
            #expect(try await rig.state == "applied")
        }
    }

    @Test("two jobs of one event that run side by side tell once", arguments: TestEngine.all)
    func twins(engine: TestEngine) async throws {
        try await with(engine) { rig in
            let jobs = [try await rig.claimed(), try await rig.claimed()]
            try await withThrowingTaskGroup(of: Void.self) { group in
                for job in jobs { group.addTask { _ = try await rig.worker(.done, "applied").run(job) } }
                try await group.waitForAll()
            }
            #expect(try await rig.told == 1)
        }
    }

    @Test("one that nothing acts on was told as it came, or never: a replay tells nobody", arguments: TestEngine.all)
    func ignored(engine: TestEngine) async throws {
        try await with(engine, isActedOn: false) { rig in
            try await rig.run(.done)
            #expect(try await rig.told == 0)
        }
    }

    // MARK: -

    private func with(
        _ engine: TestEngine, isActedOn: Bool = true, _ body: @Sendable @escaping (Rig) async throws -> Void
    ) async throws {
        try await TestDatabase.with(engine) { database in
            try await body(try await Rig(database, isActedOn: isActedOn))
        }
    }
}

/// An event that was kept, and whoever applies it.
private struct Rig: Sendable {
    let database: any Database
    let event: ID<EventKind>
    private let ids = Identifiers(now: { .testNow })

    init(_ database: any Database, isActedOn: Bool) async throws {
        self.database = database
        let body = Array(
            (#"{"id":"evt_1","object":"event","type":"invoice.paid","created":1795850000,"livemode":false,"#
                + #""data":{"object":{"id":"in_1","object":"invoice","customer":"cus_1"}}}"#).utf8)
        let delivery = Delivery(method: "POST", target: "/", headers: [], body: body, receivedAt: .testNow)
        let fact = try #require(try Stripe().webhooks.events(delivery).first)
        let (event, ids) = (ids.make(EventKind.self), ids)
        self.event = event
        let job = EventApplying.job(ids.make(), for: event, lane: Lane("u", .event), at: .testNow)
        let arrival = Arrival(
            id: ids.make(), provider: "stripe", app: ids.make(), receivedAt: .testNow, method: "POST", target: [],
            headers: [], remote: nil, body: body, checksum: Checksum.of(body), flags: nil, reason: nil,
            events: [ArrivingEvent(id: event, event: fact, job: isActedOn ? job : nil, change: nil)], review: nil)
        try await database.set("keep", in: .ingest) { session in
            _ = try session.keep([arrival])
            // Each test has its own.
            try session.run("DELETE FROM jobs")
        }
    }

    var told: Int64 {
        get async throws {
            let sql: SQL = "SELECT count(*) FROM changes WHERE type = 'event.received'"
            return try await database.read("told") { try $0.row(sql) { try $0.integer() } } ?? -1
        }
    }
    var state: String? { get async throws { try await database.read("event") { try $0.event(event)?.state } } }

    func worker(_ next: EventEffect.Next, _ state: String) -> EventApplying {
        EventApplying(
            database: database, handlers: ["stripe": Ending(next: next, state: state)], ids: ids,
            time: TestClock().source, bells: Bells())
    }

    func run(_ next: EventEffect.Next, state: String = "applied") async throws {
        #expect(try await worker(next, state).run(try await claimed()) == .committed)
    }

    /// A job of the event in the hands of a node.
    func claimed(adding: Bool = true) async throws -> ClaimedJob {
        let (node, id): (ID<NodeKind>, ID<JobKind>) = (ids.make(), ids.make())
        // PostgreSQL wakes the lanes behind the commit.
        try await database.set("enqueue", in: .work) { session in
            try session.openNode(node, host: "test", process: 1, program: "test", at: .testNow)
            guard adding else { return }
            try session.enqueue([
                NewJob(
                    id: id, kind: EventApplying.kind, lane: Lane("u", .event), dueAt: .testNow, createdAt: .testNow,
                    input: Array(event.text.utf8), subject: event.text)
            ])
        }
        let jobs = try await database.set("claim", in: .work) {
            try $0.claim(10, pools: [0, 1, 2], for: node, at: .testNow)
        }
        return try #require(jobs.first)
    }
}

/// Leaves an event in this state, and has this for its job.
private struct Ending: EventHandler {
    let next: EventEffect.Next
    let state: String
    func plan(_ event: StoredEvent) async throws -> any EventPlan { Plan(event: event.id, next: next, state: state) }

    private struct Plan: EventPlan {
        let event: ID<EventKind>
        let next: EventEffect.Next
        let state: String
        func apply(_ session: Session, at now: Timestamp) throws -> EventEffect {
            try session.setState(state, of: event, at: now)
            return EventEffect(next)
        }
    }
}
