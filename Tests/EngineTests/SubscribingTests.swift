import Kit
import Stripe
import Synchronization
import TestSupport
import Testing

@testable import Engine
@testable import Store

/// A Stripe that knows nothing but webhook endpoints: pages of two, a secret in the answer to the POST alone.
private final class FakeEndpoints: Wire {
    struct Endpoint: Sendable {
        let id: String
        var url: String
        var events: [String]
        var version: String?
        var isEnabled = true
        var mark: String?
        let secret: String

        func json(showing secret: String? = nil) -> JSON {
            let shown = secret.map { [JSONMember("secret", .string($0))] } ?? []
            return .object(
                [
                    .init("id", .string(id)), .init("url", .string(url)), .init("api_version", JSON(version)),
                    .init("status", isEnabled ? "enabled" : "disabled"),
                    .init("enabled_events", .array(events.map(JSON.string))),
                    .init("metadata", mark.map { ["patchbay_app": .string($0)] } ?? .object([])),
                ] + shown)
        }
    }
    private struct State {
        var endpoints: [Endpoint] = []
        var made = 0
        var asked: [String] = []
        var status: Int?
    }
    private let state = Mutex(State())
    let mortal: Mortal?

    init(_ mortal: Mortal? = nil) { self.mortal = mortal }

    var endpoints: [Endpoint] {
        get { state.withLock { $0.endpoints } }
        set { state.withLock { $0.endpoints = newValue } }
    }
    /// Method and path of what changes something.
    var changes: [String] { state.withLock { $0.asked.filter { !$0.hasPrefix("GET") } } }
    var made: Int { state.withLock { $0.made } }
    /// What everything is answered with, where it is no success.
    var status: Int? {
        get { state.withLock { $0.status } }
        set { state.withLock { $0.status = newValue } }
    }

    /// As if one more had been made.
    func skip() { state.withLock { $0.made += 1 } }

    func send(_ request: WireRequest, within deadline: Duration) async throws -> Answer {
        try mortal?.pass()
        let answer = answer(request)
        try mortal?.pass()
        return answer
    }

    private func answer(_ request: WireRequest) -> Answer {
        let path = request.url.split(separator: "?").first?.replacing("https://api.stripe.com", with: "") ?? ""
        let id = path.split(separator: "/").dropFirst(2).first.map(String.init)
        let form = FormFields(request.body)
        return state.withLock { state in
            state.asked.append("\(request.method.rawValue) \(path)")
            if let status = state.status { return Answer(status: status, headers: [], body: Array("{}".utf8)) }
            let place = state.endpoints.firstIndex { $0.id == id }
            switch (request.method, place) {
            case (.get, _):
                let after = request.url.split(separator: "starting_after=").dropFirst().first.map(String.init)
                let start = state.endpoints.firstIndex { $0.id == after }.map { $0 + 1 } ?? 0
                let page = state.endpoints[start...].prefix(2)
                return Self.ok([
                    "data": .array(page.map { $0.json() }), "has_more": .bool(start + 2 < state.endpoints.count),
                ])
            case (.post, nil) where id == nil:
                state.made += 1
                let endpoint = Endpoint(
                    id: "we_\(state.made)", url: form?.text("url") ?? "",
                    events: form?.texts("enabled_events[]") ?? [], version: form?.text("api_version"),
                    mark: form?.text("metadata[patchbay_app]"), secret: "whsec_of_endpoint_number_\(state.made)")
                state.endpoints.append(endpoint)
                return Self.ok(endpoint.json(showing: endpoint.secret))
            case (.post, let place?):
                state.endpoints[place].url = form?.text("url") ?? ""
                state.endpoints[place].events = form?.texts("enabled_events[]") ?? []
                state.endpoints[place].mark = form?.text("metadata[patchbay_app]")
                if form?.text("disabled") == "false" { state.endpoints[place].isEnabled = true }
                return Self.ok(state.endpoints[place].json())
            case (.delete, let place?):
                let gone = state.endpoints.remove(at: place)
                return Self.ok(["id": .string(gone.id), "deleted": true])
            default:
                return Answer(status: 404, headers: [], body: Array(#"{"error":{"code":"resource_missing"}}"#.utf8))
            }
        }
    }
    private static func ok(_ json: JSON) -> Answer { Answer(status: 200, headers: [], body: json.bytes) }
}

extension FormFields {
    fileprivate func texts(_ name: String) -> [String] { values(of: name).map { String(decoding: $0, as: UTF8.self) } }
}

/// One app of the settings at Stripe, and what looks after its subscription.
private struct Rig {
    let database: any Database
    let wire: FakeEndpoints
    let app: ID<AppKind>
    let ids = Identifiers(now: { .testNow })
    let secrets: WebhookSecrets
    private let vault = Vault(keyring: Keyring([("k1", Secret([UInt8](repeating: 7, count: 32)))]))
    let time = TestClock().source
    static let address = "https://pb.example/webhooks/stripe"

    init(_ database: any Database, _ wire: FakeEndpoints = FakeEndpoints()) async throws {
        self.database = database
        self.wire = wire
        let fresh = ids.make(AppKind.self)
        let app = try await database.write("app") { try $0.settingsApp(of: "stripe", id: fresh, at: .testNow) }
        self.app = app
        secrets = WebhookSecrets(
            settings: ["stripe": OwnedSecrets(app: app, secrets: [], version: 1)],
            source: AppSecrets(database: database, vault: vault, time: time), time: time, extended: ["stripe"])
    }

    /// What another node has in memory, on a clock of its own.
    func otherNode(_ clock: TestClock) -> WebhookSecrets {
        WebhookSecrets(
            settings: ["stripe": OwnedSecrets(app: app, secrets: [], version: 1)],
            source: AppSecrets(database: database, vault: vault, time: time), time: clock.source, extended: ["stripe"])
    }

    func subscribing(_ wire: any Wire, base: Result<String, Subscribing.Refusal> = .success("https://pb.example"))
        -> Subscribing
    {
        let caller = Caller(Stripe(), key: Secret("sk_test_1"), wire: wire, now: { .testNow })
        return Subscribing([app: .init(Stripe(), caller: caller)], base: base)
    }

    /// Runs the jobs that are due, on a database that may be mortal.
    func work(on other: (any Database)? = nil) async throws {
        let worker = SubscriptionWorker(
            subscribing(wire), credentials: AppCredentials([Stripe()], vault, ids), database: other ?? database,
            ids: ids, time: time, bells: Bells(), logger: .quiet, secretsChanged: { [secrets] in secrets.forget($0) })
        let node = ids.make(NodeKind.self)
        let jobs = try await database.set("claim", in: .work) { session in
            try session.openNode(node, host: "test", process: 1, program: "test", at: .testNow)
            // What a node held that died.
            try session.run("UPDATE jobs SET state = 'available', node = NULL WHERE state = 'running'")
            try session.run("UPDATE lanes SET active = 1")
            return try session.claim(5, pools: [0, 1, 2], for: node, at: .testNow)
        }
        for job in jobs where try await worker.run(job) == .done {
            try await database.set("end", in: .work) { try $0.succeed(job, at: .testNow) }
        }
    }

    func ask(repairs: Bool = true, removes: Bool = false) async throws {
        let job = ids.make(JobKind.self)
        try await database.write("ask") { [app] session in
            if removes {
                _ = try session.setSubscription(of: app, .removing, now: .testNow)
            } else if repairs {
                try session.wantSubscription(of: app, at: "stripe", now: .testNow)
            }
            try session.enqueue([SubscriptionWorker.job(job, app, repairs: repairs, at: .testNow)])
        }
    }

    func row() async throws -> WebhookSubscriptionRow? {
        try await database.read("row") { [app] in try $0.webhookSubscription(of: app) }
    }
    func alerts() async throws -> [String] {
        try await database.read("alerts") { session in
            try session.rows("SELECT kind FROM alerts WHERE state = 'open'") { try $0.text() }
        }
    }
    /// Which endpoints' secrets prove a delivery now, in memory as a running node has them.
    func believed() async throws -> [Bool] {
        let held = try await secrets.of("stripe", owner: nil, scheme: Stripe().webhooks)?.secrets ?? []
        return try (1...max(1, wire.made)).map { number in
            held.contains(try WebhookSecret("whsec_of_endpoint_number_\(number)", written: .text))
        }
    }
}

@Suite("Webhooks ordered by API")
struct SubscribingTests {
    @Test(
        "registered: address, events, version, mark; the secret proves at once; again is nothing",
        arguments: TestEngine.all)
    func registered(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let rig = try await Rig(database)
            let byHand = FakeEndpoints.Endpoint(
                id: "we_hand", url: Rig.address, events: ["*"], version: nil, mark: nil,
                secret: "whsec_by_hand_of_a_person")
            rig.wire.endpoints = [byHand]
            let app = try #require(try await database.read("app") { try $0.app(rig.app) })
            let plan = try await rig.subscribing(rig.wire).plan(app, known: nil)
            #expect(plan.steps == [.register] && plan.duplicates == ["we_hand"] && rig.wire.changes.isEmpty)
            #expect(try await rig.secrets.of("stripe", owner: nil, scheme: Stripe().webhooks) == nil)

            let clock = TestClock()
            let other = rig.otherNode(clock)
            #expect(try await other.of("stripe", owner: nil, scheme: Stripe().webhooks) == nil)
            for _ in 0..<2 {
                try await rig.ask()
                try await rig.work()
            }
            clock.advance(by: .seconds(1))
            #expect(try await other.of("stripe", owner: nil, scheme: Stripe().webhooks)?.secrets.count == 1)

            let made = try #require(rig.wire.endpoints.last)
            #expect(rig.wire.endpoints.count == 2 && rig.wire.made == 1)
            #expect(made.url == Rig.address && made.mark == rig.app.text && made.version == Stripe().about.version)
            #expect(made.events == Stripe().subscribedEvents && made.events.contains("invoice.paid"))
            let row = try #require(try await rig.row())
            #expect(row.state == .registered && row.remoteID == made.id && row.duplicates == ["we_hand"])
            #expect(try await rig.believed() == [true])
            let texts = try await database.read("texts") { session in
                try session.rows("SELECT detail FROM audit UNION ALL SELECT summary FROM alerts") { try $0.text() }
            }
            #expect(!texts.contains { $0.contains("whsec_") })
        }
    }

    @Test(
        "what somebody changed, turned off or deleted is put right; what cannot be changed is made anew",
        arguments: TestEngine.all)
    func repaired(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let rig = try await Rig(database)
            try await rig.ask()
            try await rig.work()

            rig.wire.endpoints[0].url = "https://elsewhere.example/"
            rig.wire.endpoints[0].events = ["*"]
            try await rig.ask(repairs: false)
            try await rig.work()
            #expect(try await rig.row()?.state == .differs)
            #expect(try await rig.row()?.differences == ["url", "events"] && rig.wire.changes.count == 1)

            // The daily look.
            let job = rig.ids.make(JobKind.self)
            try await database.write("daily") { session in
                try session.enqueue([
                    NewJob(
                        id: job, kind: SubscriptionWorker.kind, lane: Lane("t", .event), dueAt: .testNow,
                        createdAt: .testNow, input: [])
                ])
            }
            try await rig.work()
            try await rig.work()
            #expect(rig.wire.endpoints[0].url == Rig.address && rig.wire.made == 1)
            #expect(try await rig.row()?.state == .registered)

            rig.wire.endpoints[0].isEnabled = false
            try await rig.ask()
            try await rig.work()
            #expect(rig.wire.endpoints[0].isEnabled)
            #expect(try await rig.alerts() == ["webhook_subscription"])
            try await rig.ask()
            try await rig.work()
            #expect(try await rig.alerts() == [])

            rig.wire.endpoints[0].version = "2024-06-20"
            try await rig.ask()
            try await rig.work()
            #expect(rig.wire.endpoints.map(\.id) == ["we_2"])
            // What the old one has sent may still be under way.
            #expect(try await rig.believed() == [true, true])

            rig.wire.endpoints = []
            try await rig.ask()
            try await rig.work()
            #expect(rig.wire.endpoints.map(\.id) == ["we_3"])
            #expect(try await rig.row()?.remoteID == "we_3")
        }
    }

    @Test(
        "removed at the platform first, then its secret proves nothing; what others made stays",
        arguments: TestEngine.all)
    func removed(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let rig = try await Rig(database)
            try await rig.ask()
            try await rig.work()
            rig.wire.endpoints.append(
                .init(id: "we_hand", url: Rig.address, events: ["*"], version: nil, mark: nil, secret: "whsec_by_hand"))
            try await rig.ask(removes: true)
            try await rig.work()
            #expect(rig.wire.endpoints.map(\.id) == ["we_hand"])
            #expect(try await rig.row() == nil)
            #expect(try await rig.believed() == [false])
        }
    }

    @Test(
        "a process may end before and after every call and commit: one stands, and its secret is known",
        arguments: TestEngine.all)
    func died(engine: TestEngine) async throws {
        let steps = try await lived(engine, diesAt: nil)
        #expect(steps > 6)
        for step in 0..<steps { _ = try await lived(engine, diesAt: step) }
    }

    private func lived(_ engine: TestEngine, diesAt: Int?) async throws -> Int {
        try await TestDatabase.with(engine) { database in
            let mortal = Mortal(diesAt: diesAt)
            let dying = FakeEndpoints(mortal)
            let rig = try await Rig(database, dying)
            try await rig.ask()
            // To the call, its own process's death is a network that gives no answer.
            do { try await rig.work(on: MortalDatabase(real: database, mortal: mortal)) } catch {
                #expect(diesAt != nil, "\(error)")
            }
            let next = try await Rig(database, FakeEndpoints())
            next.wire.endpoints = dying.endpoints
            let made = dying.made
            for _ in 0..<made { next.wire.skip() }
            try await next.ask()
            try await next.work()
            #expect(next.wire.endpoints.count == 1, "died at \(diesAt ?? -1)")
            let row = try #require(try await next.row())
            #expect(row.state == .registered && row.remoteID == next.wire.endpoints.first?.id)
            let held = try await next.secrets.of("stripe", owner: nil, scheme: Stripe().webhooks)?.secrets ?? []
            let secret = try #require(next.wire.endpoints.first?.secret)
            #expect(held.contains(try WebhookSecret(secret, written: .text)), "died at \(diesAt ?? -1)")
            return mortal.steps
        }
    }

    @Test("a refusal is said with what to do, and over when it works again", arguments: TestEngine.all)
    func refused(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let rig = try await Rig(database)
            rig.wire.status = 403
            try await rig.ask()
            try await rig.work()
            #expect(try await rig.row()?.state == .failed)
            #expect(try await rig.row()?.problem?.contains("permission") == true)
            #expect(try await rig.alerts() == ["webhook_subscription"])
            rig.wire.status = nil
            try await rig.ask()
            try await rig.work()
            #expect(try await rig.row()?.state == .registered)
            #expect(try await rig.alerts() == [])
        }
    }
}
