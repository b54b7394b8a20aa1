import Kit
import Stripe
import TestSupport
import Testing

@testable import Engine
@testable import Store

@Suite("An event that waits for a platform")
struct EventHoldTests {
    private let ids = Identifiers(now: { .testNow })
    private let hold = Hold(
        until: .testNow + .minutes(1), gate: .quota("stripe/reads"), reason: "Stripe takes 100 reads a second.")

    @Test(
        "its job goes back as it was and its lane is gated; what is known of it is kept", arguments: TestEngine.all)
    func held(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let (event, job) = try await claimed(in: database)

            let result = try await worker(database, .held(hold)).run(job)

            #expect(result == .committed)
            let place = try #require(try await database.read("place") { try $0.place(of: job.id, at: .testNow) })
            #expect(place.job.attempts == 0, "waiting is no attempt")
            #expect(place.gatedUntil == hold.until && place.gate == "quota stripe/reads")
            #expect(place.gateReason == hold.reason)
            #expect(try await database.read("event") { try $0.event(event)?.state } == "applied")
            let early = try await claim(in: database, at: .testNow + .seconds(59))
            let later = try await claim(in: database, at: hold.until)
            #expect(early.isEmpty && later.map(\.id) == [job.id] && later.first?.attempt == 1)
        }
    }

    @Test("a question that stays open after the last attempt ends its job as dead, never as done")
    func givenUp() async throws {
        try await TestDatabase.with(.sqlite) { database in
            let (_, job) = try await claimed(in: database, attempts: RetryPolicy.usual.attemptsMax)

            await #expect(throws: JobInterruption.self) {
                _ = try await worker(database, .retry(reason: "Stripe gave no answer.")).run(job)
            }
            #expect(try await database.read("alive") { try $0.isAlive(job.id) })
        }
    }

    @Test("what the platform asks to wait is obeyed by the job")
    func asked() async throws {
        try await TestDatabase.with(.sqlite) { database in
            let job = try await claimed(in: database).job
            _ = try await worker(database, .retry(reason: "Busy.", wait: .minutes(10))).run(job)

            let early = try await claim(in: database, at: .testNow + .minutes(9))
            let later = try await claim(in: database, at: .testNow + .minutes(10))
            #expect(early.isEmpty && later.map(\.id) == [job.id])
        }
    }

    // MARK: Parts

    private func worker(_ database: any Database, _ next: EventEffect.Next) -> EventApplying {
        EventApplying(
            database: database, handlers: ["stripe": Ending(next: next)], ids: ids, time: TestClock().source,
            bells: Bells())
    }

    /// An event, and its job in the hands of a node.
    private func claimed(in database: any Database, attempts: Int = 1) async throws
        -> (event: ID<EventKind>, job: ClaimedJob)
    {
        let bench = BillingBench(database)
        let event = try await bench.receive(
            #"{"id":"evt_1","object":"event","type":"coupon.created","created":1795850000,"livemode":false,"#
                + #""data":{"object":{"id":"co_1","object":"coupon"}}}"#)
        let new = NewJob(
            id: ids.make(), kind: EventApplying.kind, lane: Lane("u", .event), dueAt: .testNow, createdAt: .testNow,
            input: Array(event.text.utf8), subject: event.text)
        try await database.set("job", in: .work) { session in
            try session.enqueue([new])
            try session.run("UPDATE jobs SET attempts = \(attempts - 1)")
        }
        return (event, try #require(try await claim(in: database, at: .testNow).first))
    }

    private func claim(in database: any Database, at now: Timestamp) async throws -> [ClaimedJob] {
        let node: ID<NodeKind> = ids.make()
        return try await database.set("claim", in: .work) { session in
            try session.openNode(node, host: "test", process: 1, program: "test", at: now)
            _ = try session.promoteScheduled(10, at: now)
            return try session.claim(10, pools: [0, 1, 2], for: node, at: now)
        }
    }
}

/// Applies an event, and has this for its job.
private struct Ending: EventHandler {
    let next: EventEffect.Next
    func plan(_ event: StoredEvent) async throws -> any EventPlan { Plan(event: event.id, next: next) }

    private struct Plan: EventPlan {
        let event: ID<EventKind>
        let next: EventEffect.Next
        func apply(_ session: Session, at now: Timestamp) throws -> EventEffect {
            try session.setState("applied", of: event, reason: nil, at: now)
            return EventEffect(next)
        }
    }
}
