import Kit
import Stripe
import Synchronization
import TestSupport
import Testing

@testable import Engine
@testable import Store

/// An event in the platform's list.
struct ListedEvent: Sendable {
    let id: String
    let at: Timestamp
    let isReadable: Bool
    init(_ id: String, at: Timestamp, isReadable: Bool = true) {
        self.id = id
        self.at = at
        self.isReadable = isReadable
    }

    var json: String {
        let type = isReadable ? #""type":"coupon.created","# : ""
        return #"{"id":"\#(id)","object":"event",\#(type)"created":\#(at.seconds),"livemode":false,"#
            + #""data":{"object":{"id":"co_1","object":"coupon"}}}"#
    }
}

/// A gateway, a worker and a platform that lists what it is told to.
final class ReconcilingRig: Sendable {
    private struct State {
        var list: [ListedEvent] = []
        var failAfter: Int?
        var asked: [String] = []
        var status = 200
        var subscription: String?
        var result: JobResult?
        var isHeld = false
        var commitsLeft: Int?
    }
    let database: any Database
    let start: Timestamp = .testNow
    private let ids = Identifiers(now: { .testNow })
    private let gateway: Gateway
    private let app: ID<AppKind>
    private let node: ID<NodeKind>
    private let state = Mutex(State())

    var list: [ListedEvent] {
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

    /// What the platform's list of subscriptions shows.
    var subscription: String? {
        get { state.withLock { $0.subscription } }
        set { state.withLock { $0.subscription = newValue } }
    }
    /// What the last run told its runner.
    var result: JobResult? {
        get { state.withLock { $0.result } }
        set { state.withLock { $0.result = newValue } }
    }
    /// Whether the platform's host is known to fail.
    var isHeld: Bool {
        get { state.withLock { $0.isHeld } }
        set { state.withLock { $0.isHeld = newValue } }
    }

    /// Commits of the run before its process has ended; nil when it lives.
    var commitsLeft: Int? {
        get { state.withLock { $0.commitsLeft } }
        set { state.withLock { $0.commitsLeft = newValue } }
    }

    static func with(_ engine: TestEngine, _ body: (ReconcilingRig) async throws -> Void) async throws {
        try await TestDatabase.with(engine) { database in try await body(try await ReconcilingRig(database)) }
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

    /// The way out, with a circuit that other calls have opened where it is held.
    private func traffic() async -> Traffic {
        let time = TestClock().source
        let circuits = Circuits(database: database, time: time, logger: .quiet)
        for _ in 0..<(isHeld ? Circuit.failuresMin : 0) {
            await circuits.note("api.stripe.com", of: Stripe().about, isFailure: true, reason: "down")
        }
        return Traffic(
            quotas: Quotas(
                book: QuotaBook([]), limiter: Limiter(time: time), keeper: nil, isShared: false, node: { "n" },
                time: time, logger: .quiet), circuits: circuits,
            recorder: CallRecorder(database: database, metrics: Metrics(), time: .system, logger: .quiet), ids: ids,
            time: time)
    }

    private func worker(_ traffic: Traffic? = nil) -> EventReconciling {
        let caller = Caller(
            Stripe(), key: Secret("sk_test_1"), wire: List(rig: self), now: { .testNow }, traffic: traffic)
        return EventReconciling(
            [ListedSource(Stripe(), caller: caller, app: app)], gateway: gateway,
            database: Ending(real: database, rig: self), ids: ids, time: TestClock().source, bells: Bells(),
            logger: .quiet)
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

    /// A delivery of another time, as the gateway keeps it.
    func hear(_ id: String, at moment: Timestamp) async throws {
        let ids = Identifiers(now: { moment })
        let body = Array(ListedEvent(id, at: moment).json.utf8)
        let delivery = Delivery(method: "POST", target: "/", headers: [], body: body, receivedAt: moment)
        let events = try Stripe().webhooks.events(delivery).map {
            ArrivingEvent(id: ids.make(), event: $0, job: nil, change: nil)
        }
        let arrival = Arrival(
            id: ids.make(), provider: "stripe", app: app, receivedAt: moment, method: "POST", target: [], headers: [],
            remote: nil, body: body, checksum: Checksum.of(body), flags: nil, reason: nil, events: events, review: nil)
        _ = try await database.set("hear", in: .ingest) { try $0.keep([arrival]) }
    }

    func job(of kind: String) -> ClaimedJob {
        ClaimedJob(
            id: ids.make(), kind: kind, version: 1, lane: "l", priority: .analytics, input: [], subject: nil,
            attempt: 1, deaths: 0, node: node, fence: 1, createdAt: .testNow, firstFailedAt: nil)
    }

    func begin(_ stream: String = EventReconciling.stream, since: Timestamp? = nil) async throws -> ReconciliationRow {
        let (worker, ready) = (worker(), (id: ids.make(ReconciliationKind.self), job: ids.make(JobKind.self)))
        return try #require(
            try await database.write("begin") {
                try worker.begin("stripe", stream: stream, since: since, askedBy: nil, in: $0, at: .testNow, ids: ready)
            })
    }

    func reconcile(_ stream: String = EventReconciling.stream, since: Timestamp? = nil) async throws
        -> ReconciliationRow
    {
        try await goOn(try await begin(stream, since: since))
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
            result = try await worker(isHeld ? await traffic() : nil).run(job)
            if case .cancelled(let reason)? = result { try await end(.cancelled(reason: reason)) }
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
            if url.contains("/v1/subscriptions") {
                let body = #"{"object":"list","data":[\#(state.subscription ?? "")],"has_more":false}"#
                return Answer(status: 200, headers: [], body: Array(body.utf8))
            }
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
    let rig: ReconcilingRig
    func send(_ request: WireRequest, within deadline: Duration) async throws -> Answer { try rig.answer(request.url) }
}

/// A database that a process reaches until it ends.
private struct Ending: Database {
    let real: any Database
    let rig: ReconcilingRig

    private func commit() throws {
        guard let left = rig.commitsLeft else { return }
        guard left > 0 else { throw StoreError.unavailable("the process has ended") }
        rig.commitsLeft = left - 1
    }

    var dialect: Dialect { real.dialect }
    func set<Value: Sendable>(
        _ name: StaticString, in lane: WriteLane, _ work: @escaping @Sendable (Session) throws -> Value
    ) async throws -> Value {
        try commit()
        return try await real.set(name, in: lane, work)
    }
    func write<Value: Sendable>(
        _ name: StaticString, in lane: WriteLane, _ work: @escaping @Sendable (Session) throws -> Value
    ) async throws -> Value {
        try commit()
        return try await real.write(name, in: lane, work)
    }
    func read<Value: Sendable>(
        _ name: StaticString, _ work: @escaping @Sendable (Session) throws -> Value
    ) async throws -> Value { try await real.read(name, work) }
    func schema<Value: Sendable>(
        _ name: StaticString, _ work: @escaping @Sendable (Session) throws -> Value
    ) async throws -> Value { try await real.schema(name, work) }
    func health() async throws -> StoreHealth { try await real.health() }
    func close() async {}
}

private struct NoApps: AppSecretsSource {
    func secrets(of app: ID<AppKind>, provider: String, scheme: WebhookScheme) async throws -> OwnedSecrets? { nil }
}
