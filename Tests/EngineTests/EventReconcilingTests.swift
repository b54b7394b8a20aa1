import Kit
import Stripe
import Synchronization
import TestSupport
import Testing

@testable import Engine
@testable import Store

@Suite("Events that never arrived")
struct EventReconcilingTests {
    @Test("what the platform lists and is not here is let in once; the rest leaves no trace", arguments: TestEngine.all)
    func fillsGaps(engine: TestEngine) async throws {
        try await Rig.with(engine) { rig in
            rig.list = (1...250).map { Listed("evt_\($0)", at: rig.start - .minutes(Int64(20 + $0))) }
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
        try await Rig.with(engine) { rig in
            rig.list = (1...250).map { Listed("evt_\($0)", at: rig.start - .minutes(Int64(20 + $0))) }
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

    @Test("a key that may not list ends the run, and a person is told; a run that works ends the alert")
    func refused() async throws {
        try await Rig.with(.sqlite) { rig in
            rig.status = 403
            let row = try await rig.reconcile()
            #expect(row.state == "failed")
            #expect(try await rig.count("alerts WHERE kind = 'events_not_listed' AND state = 'open'") == 1)

            rig.status = 200
            #expect(try await rig.reconcile().state == "done")
            #expect(try await rig.count("alerts WHERE kind = 'events_not_listed' AND state = 'open'") == 0)
        }
    }

    @Test("a second request while one runs gets that one; one whose job is gone is given up")
    func oneAtATime() async throws {
        try await Rig.with(.sqlite) { rig in
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
            // What stands, the hour that is over, the one that has begun; of two platforms.
            #expect(costs.dropFirst().allSatisfy { $0 <= 6 }, "\(costs)")
        }
    }
}

/// An event in the platform's list.
private struct Listed: Sendable {
    let id: String
    let at: Timestamp
    init(_ id: String, at: Timestamp) {
        self.id = id
        self.at = at
    }

    var json: String {
        #"{"id":"\#(id)","object":"event","type":"coupon.created","created":\#(at.seconds),"livemode":false,"#
            + #""data":{"object":{"id":"co_1","object":"coupon"}}}"#
    }
}

/// A gateway, a worker and a platform that lists what it is told to.
private final class Rig: Sendable {
    private struct State {
        var list: [Listed] = []
        var failAfter: Int?
        var asked: [String] = []
        var status = 200
    }
    let database: any Database
    let start: Timestamp = .testNow
    private let ids = Identifiers(now: { .testNow })
    private let gateway: Gateway
    private let app: ID<AppKind>
    private let node: ID<NodeKind>
    private let state = Mutex(State())

    var list: [Listed] {
        get { state.withLock { $0.list } }
        set { state.withLock { $0.list = newValue } }
    }
    /// Answers before the platform is away.
    var failAfter: Int? {
        get { state.withLock { $0.failAfter } }
        set { state.withLock { $0.failAfter = newValue } }
    }
    var asked: [String] {
        get { state.withLock { $0.asked } }
        set { state.withLock { $0.asked = newValue } }
    }
    var status: Int {
        get { state.withLock { $0.status } }
        set { state.withLock { $0.status = newValue } }
    }

    static func with(_ engine: TestEngine, _ body: (Rig) async throws -> Void) async throws {
        try await TestDatabase.with(engine) { database in try await body(try await Rig(database)) }
    }

    private init(_ database: any Database) async throws {
        self.database = database
        let (fresh, time) = (ids.make(AppKind.self), TestClock().source)
        app = try await database.write("app") { try $0.settingsApp(of: "stripe", id: fresh, at: .testNow) }
        let secret = try Stripe().webhooks.secrets(in: "whsec_0123456789abcdef")
        gateway = Gateway(
            sources: [Stripe()],
            secrets: WebhookSecrets(
                settings: ["stripe": OwnedSecrets(app: app, secrets: secret, version: 1)], source: NoApps(),
                time: time), database: database, rejections: RejectionLog(database: database, logger: .quiet),
            ids: ids, bells: Bells(), metrics: GatewayMetrics(metrics: Metrics(), logger: .quiet))
        node = ids.make()
        let node = node
        try await database.write("node") { session in
            try session.openNode(node, host: "test", process: 1, program: "test", at: .testNow)
        }
    }

    private var worker: EventReconciling {
        let caller = Caller(Stripe(), key: Secret("sk_test_1"), wire: List(rig: self), now: { .testNow })
        return EventReconciling(
            [ListedSource(Stripe(), caller: caller, app: app)], gateway: gateway, database: database, ids: ids,
            time: TestClock().source, bells: Bells(), logger: .quiet)
    }

    func deliver(_ id: String) async throws {
        guard let event = list.first(where: { $0.id == id }) else { return }
        let body = Array(event.json.utf8)
        let secrets = try Stripe().webhooks.secrets(in: "whsec_0123456789abcdef")
        let headers = Stripe().webhooks.sign(body, with: secrets, at: .testNow)
        let delivery = Delivery(
            method: "POST", target: "/webhooks/stripe", headers: headers, body: body, receivedAt: .testNow)
        let reply = await gateway.receive(delivery, for: "stripe", owner: nil, from: nil)
        guard case .kept = reply else { throw Unreadable("not kept: \(reply)") }
    }

    func begin(since: Timestamp? = nil) async throws -> ReconciliationRow {
        let (worker, ready) = (worker, (id: ids.make(ReconciliationKind.self), job: ids.make(JobKind.self)))
        return try #require(
            try await database.write("begin") {
                try worker.begin("stripe", since: since, askedBy: nil, in: $0, at: .testNow, ids: ready)
            })
    }

    func reconcile(since: Timestamp? = nil) async throws -> ReconciliationRow {
        try await goOn(try await begin(since: since))
    }

    /// Runs the run's job, as a node that claimed it would.
    func goOn(_ row: ReconciliationRow) async throws -> ReconciliationRow {
        let node = node
        let jobs = try await database.set("claim", in: .work) { session in
            try session.claim(10, pools: [0, 1, 2], for: node, at: .testNow)
        }
        let job = try #require(jobs.first { $0.id == row.job })
        func end(_ end: JobEnd) async throws {
            _ = try await database.set("end", in: .work) {
                try $0.complete([EndedJob(job: job, end: end, at: .testNow)])
            }
        }
        do {
            if case .cancelled(let reason) = try await worker.run(job) { try await end(.cancelled(reason: reason)) }
        } catch {
            try await end(.released)
            throw error
        }
        return try #require(try await self.row(row.id))
    }

    func row(_ id: ID<ReconciliationKind>) async throws -> ReconciliationRow? {
        try await database.read("row") { try $0.reconciliation(id) }
    }
    func latest() async throws -> ReconciliationRow? {
        let app = app
        return try await database.read("latest") { try $0.latestReconciliation(of: app, stream: "events") }
    }
    func count(_ what: String) async throws -> Int64 {
        try await database.read("count") { session in
            try session.row(SQL(stringLiteral: "SELECT count(*) FROM \(what)")) { try $0.integer() } ?? 0
        }
    }

    /// Stripe's list of events: newest first, 100 a page.
    fileprivate func answer(_ url: String) throws -> Answer {
        try state.withLock { state in
            state.asked.append(url)
            if let failAfter = state.failAfter, state.asked.count > failAfter { throw WireProblem.gone }
            guard state.status == 200 else {
                return Answer(status: state.status, headers: [], body: Array(#"{"error":{"type":"x"}}"#.utf8))
            }
            func value(_ name: String) -> String? {
                url.split(separator: "?").last?.split(separator: "&").first { $0.hasPrefix(name + "=") }
                    .map { String($0.dropFirst(name.count + 1)) }
            }
            let since = value("created%5Bgte%5D").flatMap { Int64($0) } ?? 0
            let until = value("created%5Blte%5D").flatMap { Int64($0) } ?? .max
            var fit = state.list.filter { (since...until).contains($0.at.seconds) }.sorted { $0.at > $1.at }
            if let after = value("starting_after"), let place = fit.firstIndex(where: { $0.id == after }) {
                fit = Array(fit[(place + 1)...])
            }
            let page = fit.prefix(100).map(\.json).joined(separator: ",")
            let body = #"{"object":"list","data":[\#(page)],"has_more":\#(fit.count > 100)}"#
            return Answer(status: 200, headers: [], body: Array(body.utf8))
        }
    }
}

private enum WireProblem: Error { case gone }

private struct List: Wire {
    let rig: Rig
    func send(_ request: WireRequest, within deadline: Duration) async throws -> Answer { try rig.answer(request.url) }
}

private struct NoApps: AppSecretsSource {
    func secrets(of app: ID<AppKind>, provider: String, scheme: WebhookScheme) async throws -> OwnedSecrets? { nil }
}
