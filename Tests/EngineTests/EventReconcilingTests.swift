import Kit
import TestSupport
import Testing

@testable import Engine
@testable import Store

@Suite("Events that never arrived")
struct EventReconcilingTests {
    @Test("what the platform lists and is not here is let in once; the rest leaves no trace", arguments: TestEngine.all)
    func fillsGaps(engine: TestEngine) async throws {
        try await ReconcilingRig.with(engine) { rig in
            rig.list = (1...250).map { ListedEvent("evt_\($0)", at: rig.start - .minutes(Int64(20 + $0))) }
            for id in ["evt_3", "evt_120", "evt_250"] { try await rig.deliver(id) }

            let row = try await rig.reconcile()

            #expect((row.state, row.matched, row.missingHere) == ("done", 3, 247))
            #expect(try await rig.count("events") == 250)
            #expect(try await rig.count("deliveries WHERE flags LIKE '%listed%'") == 247)
            #expect(try await rig.count("deliveries WHERE verdict = 'duplicate'") == 0)
            #expect(try await rig.count("alerts WHERE kind = 'events_missed' AND state = 'open'") == 1)

            try await rig.deliver("evt_7")
            #expect(try await rig.count("events") == 250, "what arrives after all is a repetition")

            let again = try await rig.reconcile(since: row.since)
            #expect((again.state, again.matched, again.missingHere) == ("done", 250, 0))
            #expect(try await rig.count("alerts WHERE kind = 'events_missed' AND state = 'open'") == 0)
        }
    }

    @Test("a run that stops goes on at its page, whatever was committed", arguments: TestEngine.all)
    func goesOn(engine: TestEngine) async throws {
        try await ReconcilingRig.with(engine) { rig in
            rig.list = (1...250).map { ListedEvent("evt_\($0)", at: rig.start - .minutes(Int64(20 + $0))) }
            rig.failAfter = 2
            await #expect(throws: Failure.self) { _ = try await rig.reconcile() }
            let stopped = try #require(try await rig.latest())
            #expect((stopped.state, stopped.missingHere) == ("running", 200))
            #expect(stopped.problem != nil)

            rig.failAfter = nil
            rig.asked = []
            let row = try await rig.goOn(stopped)

            #expect((row.state, row.missingHere) == ("done", 250))
            #expect(rig.asked.count == 1, "the pages before are not asked for again")
            #expect(try await rig.count("events") == 250)
        }
    }

    @Test("a process that ends after any commit of a run has kept a page with its place", arguments: TestEngine.all)
    func ends(engine: TestEngine) async throws {
        for commits in 0..<3 {
            try await ReconcilingRig.with(engine) { rig in
                rig.list = (1...250).map { ListedEvent("evt_\($0)", at: rig.start - .minutes(Int64(20 + $0))) }
                let begun = try await rig.begin()
                rig.commitsLeft = commits
                await #expect(throws: StoreError.self) { _ = try await rig.goOn(begun) }

                rig.commitsLeft = nil
                let row = try await rig.goOn(begun)

                #expect((row.state, row.matched, row.missingHere) == ("done", 0, 250), "after \(commits)")
                #expect(try await rig.count("events") == 250)
            }
        }
    }

    @Test("a key that may not list ends the run, and a person is told; a run that works ends the alert")
    func refused() async throws {
        try await ReconcilingRig.with(.sqlite) { rig in
            rig.status = 403
            let row = try await rig.reconcile()
            #expect(row.state == "failed")
            #expect(rig.result == .committed, "the run's end and its job's are one commit")
            #expect(try await rig.count("jobs_done WHERE state = 'cancelled'") == 1)
            #expect(try await rig.count("alerts WHERE kind = 'events_not_listed' AND state = 'open'") == 1)

            rig.status = 200
            #expect(try await rig.reconcile().state == "done")
            #expect(try await rig.count("alerts WHERE kind = 'events_not_listed' AND state = 'open'") == 0)
        }
    }

    @Test("what cannot be read is kept for a person, once; the rest comes in", arguments: TestEngine.all)
    func unreadable(engine: TestEngine) async throws {
        try await ReconcilingRig.with(engine) { rig in
            rig.list = (1...120).map {
                ListedEvent("evt_\($0)", at: rig.start - .minutes(Int64(20 + $0)), isReadable: $0 != 7)
            }

            let row = try await rig.reconcile()

            #expect((row.state, row.missingHere) == ("done", 120))
            #expect(try await rig.count("events") == 119)
            #expect(try await rig.count("reviews") == 1)
            #expect(try await rig.count("deliveries WHERE flags = 'listed unreadable' AND reason IS NOT NULL") == 1)

            let again = try await rig.reconcile(since: row.since)
            #expect((again.state, again.matched, again.missingHere) == ("done", 120, 0))
            #expect(try await rig.count("reviews") == 1)
        }
    }

    @Test("an object that stands otherwise is put right, however often within a day", arguments: TestEngine.all)
    func putRight(engine: TestEngine) async throws {
        try await ReconcilingRig.with(engine) { rig in
            rig.subscription = #"""
                {"id":"sub_1","object":"subscription","customer":"cus_1","status":"active","livemode":false,
                "cancel_at_period_end":false,"metadata":{"patchbay_user":"u_1"},"items":{"object":"list","data":[
                {"id":"si_1","current_period_end":1999999999,"price":{"id":"price_1","object":"price"}}]}}
                """#
            let bench = BillingBench(rig.database)
            func run() async throws -> (missing: Int64, differing: Int64, status: String?) {
                let row = try await rig.reconcile("subscriptions")
                let received = try await rig.database.read("received") { session in
                    try session.rows("SELECT id FROM events WHERE state = 'queued' ORDER BY id") { row in
                        try row.id() as ID<EventKind>
                    }
                }
                for event in received { try await bench.run(event) }
                let status = try await bench.subscription("sub_1")?.state?.status
                return (row.missingHere, row.differing, status)
            }
            let first = try await run()
            #expect(first == (1, 0, "active"))
            let again = try await run()
            #expect(again == (0, 0, "active"))

            for _ in 0..<2 {
                try await rig.database.write("drift") { session in
                    try session.run(
                        """
                        UPDATE subscriptions
                           SET status = 'past_due', stated_status = 'past_due', stated_at = stated_at - 3600000000
                        """)
                }
                let righted = try await run()
                #expect(righted == (0, 1, "active"))
            }
        }
    }

    @Test("a quota that is used up holds the run's lane, and counts as no attempt")
    func held() async throws {
        try await ReconcilingRig.with(.sqlite) { rig in
            rig.list = [ListedEvent("evt_1", at: rig.start - .minutes(20))]
            rig.isHeld = true
            let interruption = await #expect(throws: JobInterruption.self) { _ = try await rig.reconcile() }
            guard case .gated(_, let gate, _)? = interruption else { return #expect(Bool(false), "it is gated") }
            #expect(gate == "circuit api.stripe.com")
            let stopped = try #require(try await rig.latest())
            #expect(stopped.state == "running" && stopped.problem != nil)

            rig.isHeld = false
            #expect(try await rig.goOn(stopped).state == "done")
        }
    }

    @Test("a second request while one runs gets that one; one whose job is gone is given up")
    func oneAtATime() async throws {
        try await ReconcilingRig.with(.sqlite) { rig in
            let first = try await rig.begin()
            #expect(try await rig.begin().id == first.id)

            try await rig.database.write("gone") { try $0.run("DELETE FROM jobs") }
            let next = try await rig.begin()
            #expect(next.id != first.id)
            #expect(try await rig.row(first.id)?.state == "failed")
        }
    }

    @Test(
        "silence is told of when it is longer than usual",
        arguments: [
            // Heard every hour for two days, then nothing for so many hours.
            (silent: 1, gaps: 0, told: false), (2, 0, true), (9, 5, false), (10, 5, true), (400, 0, false),
        ])
    func silence(silent: Int, gaps: Int, told: Bool) {
        var heard = Array(repeating: false, count: silent)
        heard += (0..<24).map { _ in true } + Array(repeating: false, count: gaps) + (0..<24).map { _ in true }
        heard = Array(heard.prefix(336))

        #expect((SilenceWorker.silence(in: heard) != nil) == told)
    }

    @Test("a silent platform is told of, and each past hour is looked at once", arguments: TestEngine.all)
    func heardHours(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let (clock, reads) = (TestClock(), Tally())
            let ids = Identifiers(now: { clock.now })
            let counted = HookedDatabase(real: database, reading: { _ in reads.add() }) { _ in }
            let worker = SilenceWorker(["loud", "quiet"], database: counted, ids: ids, time: clock.source)
            var costs: [Int] = []
            for provider in ["loud", "quiet"] {
                let app = ids.make(AppKind.self)
                try await database.write("app") { try $0.addApp(app, provider: provider, name: "a", at: .testNow) }
            }
            // Both are heard every hour for three days, then one falls silent.
            for hour in 0..<80 {
                clock.advance(by: .hours(1))
                for provider in hour < 72 ? ["loud", "quiet"] : ["loud"] {
                    let body = Array("\(hour) \(provider)".utf8)
                    let event = ArrivingEvent(
                        id: ids.make(),
                        event: Event(
                            identity: EventIdentity(day: 1, of: body), type: "a", body: 0..<body.count),
                        job: nil, change: nil)
                    let arrival = Arrival(
                        id: ids.make(), provider: provider, app: ids.make(), receivedAt: clock.now, method: "POST",
                        target: [], headers: [], remote: nil, body: body, checksum: Checksum.of(body), flags: nil,
                        reason: nil, events: [event], review: nil)
                    try await database.set("keep", in: .ingest) { _ = try $0.keep([arrival]) }
                }
                let before = reads.count
                _ = try await worker.run(.sample)
                costs.append(reads.count - before)
            }

            let alerts = try await database.read("alerts") { session in
                try session.rows("SELECT subject FROM alerts WHERE state = 'open'") { try $0.text() }
            }
            #expect(alerts == ["quiet"])
            // Who there is; what is known, the hour that is over, the one that has begun, of two platforms.
            #expect(costs.dropFirst().allSatisfy { $0 <= 7 }, "\(costs)")
        }
    }

    @Test("a silence is over when the platform is heard again: neither by its length nor by what we asked for")
    func silenceEnds() async throws {
        try await ReconcilingRig.with(.sqlite) { rig in
            let clock = TestClock(rig.start + .minutes(1))
            let worker = SilenceWorker(
                ["stripe", "tiktok"], database: rig.database, ids: Identifiers(now: { clock.now }), time: clock.source)
            func look(after hours: Int64) async throws -> Int64 {
                clock.advance(by: .hours(hours))
                _ = try await worker.run(rig.job(of: SilenceWorker.kind))
                return try await rig.count("alerts WHERE kind = 'webhooks_silent' AND state = 'open'")
            }
            for number in 1...48 { try await rig.hear("evt_\(number)", at: rig.start - .hours(Int64(48 - number))) }
            #expect(try await look(after: 1) == 0)
            #expect(try await look(after: 3) == 1)

            rig.list = [ListedEvent("evt_asked", at: rig.start - .minutes(20))]
            #expect(try await rig.reconcile().missingHere == 1)
            #expect(try await look(after: 0) == 1, "what we asked for ourselves is not heard")
            #expect(try await look(after: 15 * 24) == 1, "nothing is usual any more")

            try await rig.hear("evt_49", at: clock.now - .minutes(1))
            #expect(try await look(after: 0) == 0)
        }
    }
}
