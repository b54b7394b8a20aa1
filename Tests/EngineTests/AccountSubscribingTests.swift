import Kit
import Synchronization
import TestSupport
import Testing

@testable import Engine
@testable import Store

/// A platform of the test's own that sends an account's events only where the account's token asked for them.
private struct Posts: AccountSubscriptionSource {
    let about = About(id: "sample", name: "Sample", version: "1", documentation: "https://sample.example")
    let oauth = SamplePlatform(rotation: .none).oauth
    let accountHost = "https://api.sample.example"
    var changeable: Set<SubscriptionAspect> = [.disabled, .events]

    var webhooks: WebhookScheme {
        WebhookScheme(
            .proof(
                WebhookProof(
                    "none", headers: [], prove: { _, _ throws(Forged) -> Timestamp? in throw .noSecret },
                    sign: { draft, _, _ in draft })),
            secrets: .text, tolerance: nil, repeatsFor: .days(1), handled: .none
        ) { _ throws(Unreadable) in [] }
    }

    func failure(in answer: Answer, at now: Timestamp) -> Failure? {
        switch answer.status {
        case 200..<300: nil
        case 401: Failure(.unauthorized, "Sample does not accept the token.")
        case 403: Failure(.forbidden, "Sample lacks a permission. Let the owner connect again.")
        case 404: Failure(.notFound, "Sample does not know it.")
        default: Failure(.unavailable(retryAfter: nil), "Sample is not available.")
        }
    }

    func subscription(of account: String) -> any SubscriptionDeclaration {
        Declaration(account: account, changeableAspects: changeable)
    }

    private struct Declaration: SubscriptionDeclaration {
        let account: String
        let changeableAspects: Set<SubscriptionAspect>
        let subscribedEvents = ["comments", "messages"]
        let subscribedVersion: String? = nil

        func subscriptions(after cursor: String?) -> Call<SubscriptionPage> {
            Call(Outgoing(.get, "/\(account)/subscriptions?after=\(cursor ?? "")")) { answer throws(Unreadable) in
                let json = try? JSON.parse(answer.body)
                var page: [RemoteSubscription] = []
                for one in json?["data"]?.elements ?? [] { page.append(try Self.read(one)) }
                return SubscriptionPage(page, next: json?["next"]?.text)
            }
        }
        func subscribe(_ wanted: WantedSubscription) -> Call<RemoteSubscription> {
            write(.post, "/\(account)/subscriptions", wanted)
        }
        func change(_ id: String, to wanted: WantedSubscription) -> Call<RemoteSubscription> {
            write(.put, "/\(account)/subscriptions/\(id)", wanted)
        }
        func unsubscribe(_ id: String) -> Call<Bool> {
            Call(Outgoing(.delete, "/\(account)/subscriptions/\(id)", repeating: .always)) { _ in true }
        }

        private func write(
            _ method: Outgoing.Method, _ path: Path, _ wanted: WantedSubscription
        ) -> Call<RemoteSubscription> {
            let json: JSON = ["url": .string(wanted.url), "events": .array(wanted.events.map(JSON.string))]
            return Call(Outgoing(method, path, json: json)) { answer throws(Unreadable) in
                try Self.read((try? JSON.parse(answer.body)) ?? .null)
            }
        }
        private static func read(_ json: JSON) throws(Unreadable) -> RemoteSubscription {
            guard let id = json["id"]?.text else { throw Unreadable("It has no id.") }
            return RemoteSubscription(
                id: id, url: json["url"]?.text ?? "", events: json["events"]?.elements?.compactMap(\.text) ?? [],
                version: nil, isEnabled: json["on"]?.boolean ?? true, mark: nil)
        }
    }
}

/// What stands there for one account, two a page.
private final class PostsWire: Wire {
    struct Order: Sendable, Equatable {
        let id: String
        var url: String
        var events: [String]
        var isOn = true
    }
    private struct State {
        var orders: [Order] = []
        var asked: [String] = []
        var status: Int?
        var made = 0
    }
    private struct Lost: Error {}
    private let state = Mutex(State())
    private let accepts: @Sendable (Secret) -> Bool
    private let mortal: Mortal?

    init(_ mortal: Mortal? = nil, accepts: @escaping @Sendable (Secret) -> Bool) {
        self.mortal = mortal
        self.accepts = accepts
    }

    var orders: [Order] {
        get { state.withLock { $0.orders } }
        set { state.withLock { $0.orders = newValue } }
    }
    var status: Int? {
        get { state.withLock { $0.status } }
        set { state.withLock { $0.status = newValue } }
    }
    /// Method and path of what changes something.
    var changes: [String] { state.withLock { $0.asked.filter { !$0.hasPrefix("GET") } } }

    func send(_ request: WireRequest, within deadline: Duration) async throws -> Answer {
        try mortal?.pass()
        let token = request.authorization.reveal { Secret(Array($0.dropFirst("Bearer ".count))) }
        let isAccepted = accepts(token)
        let answer = state.withLock { state in
            isAccepted ? self.answer(request, &state) : Answer(status: 401, headers: [], body: [])
        }
        try mortal?.pass()
        return answer
    }

    private func answer(_ request: WireRequest, _ state: inout State) -> Answer {
        let target = request.url.replacing("https://api.sample.example", with: "")
        let path = target.prefix { $0 != "?" }
        state.asked.append("\(request.method.rawValue) \(path)")
        if let status = state.status { return Answer(status: status, headers: [], body: []) }
        guard path.hasPrefix("/open%2D1/") || path.hasPrefix("/open-1/") else {
            return Answer(status: 404, headers: [], body: [])
        }
        let id = path.split(separator: "/").dropFirst(2).first.map(String.init)
        let place = state.orders.firstIndex { $0.id == id }
        let body = (try? JSON.parse(request.body)) ?? .null
        let (url, events) = (body["url"]?.text ?? "", body["events"]?.elements?.compactMap(\.text) ?? [])
        switch (request.method, place) {
        case (.get, _):
            let after = Int(target.split(separator: "after=").dropFirst().first ?? "0") ?? 0
            let page = state.orders.dropFirst(after).prefix(2)
            let next: JSON = after + 2 < state.orders.count ? .string(String(after + 2)) : .null
            return Self.ok(["data": .array(page.map(Self.json)), "next": next])
        case (.post, _):
            state.made += 1
            state.orders.append(Order(id: "s\(state.made)", url: url, events: events))
            return Self.ok(state.orders.last.map(Self.json) ?? .null)
        case (.put, let place?):
            state.orders[place] = Order(id: state.orders[place].id, url: state.orders[place].url, events: events)
            return Self.ok(Self.json(state.orders[place]))
        case (.delete, let place?):
            state.orders.remove(at: place)
            return Self.ok(.null)
        default: return Answer(status: 404, headers: [], body: [])
        }
    }
    private static func json(_ order: Order) -> JSON {
        [
            "id": .string(order.id), "url": .string(order.url), "events": .array(order.events.map(JSON.string)),
            "on": .bool(order.isOn),
        ]
    }
    private static func ok(_ json: JSON) -> Answer { Answer(status: 200, headers: [], body: json.bytes) }
}

/// One connection, and what orders its account's webhooks.
private struct OrderRig: Sendable {
    let database: any Database
    let rig: RefreshRig
    let wire: PostsWire
    let clock: SleepersClock
    let posts: Posts
    static let address = "https://pb.example/webhooks/sample/\(RefreshRig.app)"

    init(_ database: any Database, _ posts: Posts = Posts(), _ mortal: Mortal? = nil) async throws {
        let clock = SleepersClock()
        let platform = FakePlatform(rotation: .none, now: { clock.now })
        self.clock = clock
        self.database = database
        self.posts = posts
        rig = try await RefreshRig(database, platform, rotation: .none, time: clock.source)
        wire = PostsWire(mortal) { platform.accepts($0) }
        try await database.write("app") {
            try $0.addApp(RefreshRig.app, provider: "sample", name: "n", at: .testNow)
        }
    }

    func subscribing(on store: any Database) async throws -> AccountSubscribing {
        let (time, connections) = (clock.source, try await rig.node().connections)
        let traffic = Traffic(
            quotas: Quotas(
                book: QuotaBook([]), limiter: Limiter(time: time), keeper: nil, isShared: false, node: { "n" },
                time: time, logger: .quiet),
            circuits: Circuits(database: database, time: time, logger: .quiet),
            recorder: CallRecorder(database: database, metrics: Metrics(), time: .system, logger: .quiet),
            ids: rig.ids, time: time)
        let caller = ConnectionCaller(platforms: ["sample": .init(posts)], traffic: traffic, wire: wire) {
            id, refused in
            let held = try await connections.credential(of: ID(stored: id), refusing: refused)
            return Proxying.Credential(token: held.access, version: held.version)
        }
        return AccountSubscribing([posts], caller: caller, base: .success("https://pb.example"))
    }

    func enqueue() async throws {
        let (job, now) = (rig.ids.make(JobKind.self), clock.now)
        try await database.write("ask") { [connection = rig.connection] session in
            try session.enqueue([AccountSubscriptionWorker.job(job, connection, at: now)])
        }
    }

    /// Runs what is due of these kinds, and what comes of it.
    func work(on other: (any Database)? = nil) async throws {
        let store = other ?? database
        let subscribing = try await subscribing(on: store)
        let own = ConnectionApps.OfSettings(app: RefreshRig.app, id: "c", secret: Secret("s"), address: nil)
        let workers: [any JobWorker] = [
            AccountSubscriptionWorker(
                subscribing, database: store, ids: rig.ids, time: clock.source, bells: Bells()),
            RevokeWorker(
                platforms: ["sample": rig.sample],
                apps: ConnectionApps(settings: ["sample": own], database: store, vault: rig.vault, time: rig.time),
                desk: TokenDesk(wire: rig.platform, now: rig.time.now), subscribing: subscribing, database: store,
                vault: rig.vault, time: rig.time, logger: .quiet),
        ]
        for _ in 0..<10 {
            let (node, now) = (rig.ids.make(NodeKind.self), clock.now)
            let jobs = try await database.set("claim", in: .work) { session in
                try session.openNode(node, host: "t", process: 1, program: "t", at: now)
                // What a node held that died.
                try session.run("UPDATE jobs SET state = 'available', node = NULL WHERE state = 'running'")
                try session.run("UPDATE lanes SET active = 1")
                return try session.claim(5, pools: [0, 1, 2], for: node, at: now)
            }
            guard !jobs.isEmpty else { return }
            for job in jobs {
                guard let worker = workers.first(where: { $0.kind == job.kind }) else {
                    try await database.set("end", in: .work) { try $0.succeed(job, at: now) }
                    continue
                }
                if try await worker.run(job) != .committed {
                    try await database.set("end", in: .work) { try $0.succeed(job, at: now) }
                }
            }
        }
    }

    /// The schedule's own job.
    func sweep() async throws {
        let worker = AccountSubscriptionWorker(
            try await subscribing(on: database), database: database, ids: rig.ids, time: clock.source, bells: Bells())
        _ = try await worker.run(.sample(input: []))
        try await work()
    }

    func row() async throws -> AccountSubscriptionRow? {
        try await database.read("row") { [connection = rig.connection] in try $0.accountSubscription(of: connection) }
    }
}

@Suite("Webhooks ordered for each account")
struct AccountSubscribingTests {
    @Test("ordered with the account's token once, and looked at every day", arguments: TestEngine.all)
    func ordered(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let desk = try await OrderRig(database)
            try await desk.enqueue()
            try await desk.work()
            #expect(desk.wire.orders == [.init(id: "s1", url: OrderRig.address, events: ["comments", "messages"])])
            let row = try #require(try await desk.row())
            #expect(row.state == .registered && row.remoteID == "s1" && row.problem == nil)

            try await desk.sweep()
            #expect(desk.wire.changes.count == 1, "it was looked at today")
            desk.clock.advance(.hours(25))
            desk.wire.orders[0].events = ["comments"]
            try await desk.sweep()
            #expect(desk.wire.orders[0].events == ["comments", "messages"] && desk.wire.changes.count == 2)
            desk.clock.advance(.hours(25))
            desk.wire.orders = []
            try await desk.sweep()
            #expect(desk.wire.orders.map(\.id) == ["s2"])
            #expect(try await desk.row()?.remoteID == "s2")
        }
    }

    @Test("what cannot be changed is made anew, what stands already is taken over, one too many is removed")
    func repaired() async throws {
        try await TestDatabase.with(.sqlite) { database in
            let desk = try await OrderRig(database)
            desk.wire.orders = ["a", "b", "c"].map {
                .init(id: $0, url: OrderRig.address, events: ["comments", "messages"])
            }
            try await desk.enqueue()
            try await desk.work()
            #expect(desk.wire.orders.map(\.id) == ["a"])
            #expect(try await desk.row()?.remoteID == "a")

            desk.wire.orders[0].url = "https://elsewhere.example/"
            try await desk.enqueue()
            try await desk.work()
            #expect(desk.wire.orders == [.init(id: "s1", url: OrderRig.address, events: ["comments", "messages"])])
            #expect(desk.wire.changes.suffix(2).map { $0.prefix { $0 != " " } } == ["DELETE", "POST"])
        }
    }

    @Test(
        "removed with the grant that is taken back, before it; while the platform is away neither",
        arguments: TestEngine.all)
    func removed(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let desk = try await OrderRig(database)
            try await desk.enqueue()
            try await desk.work()
            desk.wire.status = 503
            #expect(try await desk.rig.node().connections.disconnect(desk.rig.connection, reason: "t", by: "t"))
            await #expect(throws: (any Error).self) { try await desk.work() }
            #expect(desk.wire.orders.count == 1 && desk.rig.platform.revocations == 0)
            #expect(try await desk.row() != nil)
            desk.wire.status = nil
            try await desk.work()
            #expect(desk.wire.orders == [] && desk.rig.platform.revocations == 1)
            #expect(try await desk.row() == nil)
        }
    }

    @Test("a refusal is said with what to do, and over when it works again", arguments: TestEngine.all)
    func refused(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let desk = try await OrderRig(database)
            desk.wire.status = 403
            try await desk.enqueue()
            try await desk.work()
            #expect(try await desk.row()?.state == .failed)
            #expect(try await desk.row()?.problem?.contains("permission") == true)
            #expect(try await desk.rig.openAlerts() == ["webhook_subscription"])
            desk.wire.status = nil
            try await desk.enqueue()
            try await desk.work()
            #expect(try await desk.row()?.state == .registered)
            #expect(try await desk.rig.openAlerts() == [])
        }
    }

    @Test("a process may end before and after every call and commit: one stands, and its id is known")
    func died() async throws {
        let steps = try await lived(diesAt: nil)
        #expect(steps >= 5)
        for step in 0..<steps { _ = try await lived(diesAt: step) }
    }

    private func lived(diesAt: Int?) async throws -> Int {
        try await TestDatabase.with(.sqlite) { database in
            let mortal = Mortal(diesAt: diesAt)
            let desk = try await OrderRig(database, Posts(), mortal)
            try await desk.enqueue()
            do { try await desk.work(on: MortalDatabase(real: database, mortal: mortal)) } catch {
                #expect(diesAt != nil, "\(error)")
            }
            let steps = mortal.steps
            mortal.revive()
            try await desk.enqueue()
            try await desk.work()
            #expect(desk.wire.orders.count == 1, "died at \(diesAt ?? -1)")
            #expect(try await desk.row()?.remoteID == desk.wire.orders.first?.id)
            return steps
        }
    }
}
