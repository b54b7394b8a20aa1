import Engine
import Kit
import Logging
import StandardWebhooks
import Stripe
import TestSupport
import Testing

@testable import Store

@Suite("What is answered 200 is kept, once", .serialized)
struct GatewayTests {
    @Test("a believed delivery leaves delivery, body, identity, event and job", arguments: TestEngine.all)
    func kept(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let desk = try await Desk(database)

            let reply = await desk.receive(desk.stripe("evt_1", type: "invoice.paid"))

            #expect(reply == .kept(Kept(new: 1, duplicates: 0)))
            let counts = try await desk.counts()
            #expect(
                counts == ["deliveries": 1, "bodies": 1, "event_identities": 1, "events": 1, "jobs": 1, "changes": 0])
        }
    }

    @Test("a type that nothing acts on is logged and told, without a job", arguments: TestEngine.all)
    func ignored(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let desk = try await Desk(database)

            _ = await desk.receive(desk.stripe("evt_1", type: "price.created"))

            let counts = try await desk.counts()
            #expect(counts["events"] == 1 && counts["jobs"] == 0 && counts["changes"] == 1)
        }
    }

    @Test("a repetition is answered alike, counted, and keeps no second body", arguments: TestEngine.all)
    func repeated(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let desk = try await Desk(database)
            let delivery = desk.stripe("evt_1", type: "invoice.paid")

            _ = await desk.receive(delivery)
            let second = await desk.receive(delivery)

            #expect(second == .kept(Kept(new: 0, duplicates: 1)))
            let counts = try await desk.counts()
            #expect(counts["deliveries"] == 2 && counts["bodies"] == 1 && counts["events"] == 1 && counts["jobs"] == 1)
        }
    }

    @Test("eight repetitions at once, in one set or several: one event", arguments: TestEngine.all)
    func concurrent(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let desk = try await Desk(database)
            let deliveries = (0..<50).flatMap { number in
                Array(repeating: desk.stripe("evt_\(number)", type: "invoice.paid"), count: 8)
            }.shuffled()

            let new = await withTaskGroup(of: Int.self) { group in
                for delivery in deliveries {
                    group.addTask {
                        guard case .kept(let kept) = await desk.receive(delivery) else { return -1000 }
                        return kept.new
                    }
                }
                return await group.reduce(0, +)
            }

            #expect(new == 50)
            let counts = try await desk.counts()
            #expect(
                counts["events"] == 50 && counts["jobs"] == 50 && counts["bodies"] == 50 && counts["deliveries"] == 400)
        }
    }

    @Test("the same event for another app is another event", arguments: TestEngine.all)
    func scoped(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let desk = try await Desk(database)
            let other = try await desk.addApp(provider: "stripe", secret: "whsec_other_0123456789")

            _ = await desk.receive(desk.stripe("evt_1", type: "invoice.paid"))
            let reply = await desk.receive(
                desk.stripe("evt_1", type: "invoice.paid", secret: "whsec_other_0123456789"), owner: other.text)

            #expect(reply == .kept(Kept(new: 1, duplicates: 0)))
        }
    }

    @Test("a forged delivery is refused, its reason kept, no event made", arguments: TestEngine.all)
    func forged(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let desk = try await Desk(database)

            let reply = await desk.receive(desk.stripe("evt_1", type: "invoice.paid", secret: "whsec_wrong_0123456789"))

            #expect(reply == .refused(.wrongSignature))
            let kept = try await eventually { try await desk.counts()["deliveries"] == 1 }
            #expect(kept)
            let counts = try await desk.counts()
            #expect(counts["events"] == 0 && counts["jobs"] == 0)
        }
    }

    @Test("a route whose secret is not set is off")
    func off() async throws {
        try await TestDatabase.with(.sqlite) { database in
            let desk = try await Desk(database)

            let reply = await desk.receive(desk.stripe("evt_1", type: "invoice.paid"), provider: "standard-webhooks")

            #expect(reply == .unknown)
        }
    }

    @Test("believed bytes that no database likes are kept and answered well", arguments: TestEngine.all)
    func poison(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let desk = try await Desk(database)
            let bodies = [
                #"""
                {"id":"evt_\u0000a","object":"event","type":"invoice.paid","created":1,\#
                "data":{"object":{"customer":"c\u0000"}}}
                """#,
                #"{"id":"evt_b","object":"event","type":"\ud800.paid","created":1e400}"#,
                #"{"id":"evt_c","object":"event","type":"invoice.paid","created":99999999999999999999,"n":1e400}"#,
                #"{"id":"evt_d","id":"evt_e","object":"event","type":"invoice.paid","created":-9223372036854775808}"#,
                "not json at all", "", "[]", "{\"id\":17}",
            ]
            for body in bodies {
                let reply = await desk.receive(desk.signed(Array(body.utf8)))
                switch reply {
                case .kept, .unreadable: break
                default: Issue.record("\(body): \(reply)")
                }
            }
            let invalid = Array(#"{"id":"evt_f","type":""#.utf8) + ([0xFF, 0xC0, 0x00] as [UInt8]) + Array(#""}"#.utf8)
            let reply = await desk.receive(desk.signed(invalid))
            #expect(reply == .unreadable)
            #expect(try await desk.counts()["deliveries"] == bodies.count + 1)
        }
    }

    @Test("a disk that is full is told as 503, never as 200, and service resumes", arguments: [10, 40, 70])
    func fullDisk(room: Int) async throws {
        let empty = try await TestDatabase.with(.sqlite) { database in
            try await database.read("pages") { try $0.row("PRAGMA page_count") { Int(try $0.integer()) } }
        }
        try await TestDatabase.with(.sqlite, pagesMax: try #require(empty) + room) { database in
            let desk = try await Desk(database)
            var kept = 0
            var away = 0
            for round in 0..<20 {
                let replies = await withTaskGroup(of: Gateway.Reply.self) { group in
                    for number in 0..<32 {
                        group.addTask {
                            await desk.receive(
                                desk.stripe("evt_\(round)_\(number)", type: "invoice.paid", padding: 3000))
                        }
                    }
                    return await group.reduce(into: []) { $0.append($1) }
                }
                kept += replies.filter { $0 == .kept(Kept(new: 1, duplicates: 0)) }.count
                away += replies.filter { $0 == .unavailable }.count
                let strange = replies.filter { $0 != .unavailable && $0 != .kept(Kept(new: 1, duplicates: 0)) }
                #expect(strange == [])
            }

            #expect(away > 0)
            let counts = try await desk.counts()
            for table in ["deliveries", "bodies", "event_identities", "events", "jobs"] {
                #expect(counts[table] == kept, "\(table)")
            }

            try await database.write("more room") { try $0.limitPages(100_000) }
            let after = await desk.receive(desk.stripe("evt_after", type: "invoice.paid"))
            #expect(after == .kept(Kept(new: 1, duplicates: 0)))
        }
    }
}

/// A gateway with what it needs, and a hand that signs as Stripe does.
struct Desk: Sendable {
    static let secret = "whsec_desk_0123456789abcdef"
    let database: any Database
    let gateway: Gateway
    let ids: Identifiers
    let app: ID<AppKind>
    let vault: Vault
    let metrics = Metrics()

    init(_ database: any Database) async throws {
        self.database = database
        let ids = Identifiers(now: { .testNow })
        self.ids = ids
        let keyring = Keyring([("k1", Secret([UInt8](repeating: 7, count: 32)))])
        vault = Vault(keyring: keyring)
        let fresh: ID<AppKind> = ids.make()
        app = try await database.write("app") { try $0.settingsApp(of: "stripe", id: fresh, at: .testNow) }
        let secrets = WebhookSecrets(
            settings: [
                "stripe": OwnedSecrets(app: app, secrets: try Stripe().webhooks.secrets(in: Self.secret), version: 1)
            ],
            source: AppSecrets(database: database, vault: vault, time: TestClock().source), time: TestClock().source)
        gateway = Gateway(
            sources: [Stripe(), StandardWebhooks()], secrets: secrets, database: database,
            rejections: RejectionLog(database: database, logger: .quiet), ids: ids, bells: Bells(),
            metrics: GatewayMetrics(metrics: metrics, logger: .quiet))
    }

    func receive(
        _ delivery: Delivery, provider: String = "stripe", owner: String? = nil, from remote: String = "192.0.2.7"
    ) async -> Gateway.Reply {
        await gateway.receive(delivery, for: provider, owner: owner, from: remote)
    }

    func stripe(_ id: String, type: String, secret: String = Desk.secret, padding: Int = 0) -> Delivery {
        let body = """
            {"id":"\(id)","object":"event","type":"\(type)","created":1795859990,"livemode":false,\
            "data":{"object":{"id":"in_1","customer":"cus_\(id)","note":"\(String(repeating: "x", count: padding))"}}}
            """
        return signed(Array(body.utf8), secret: secret)
    }

    func signed(_ body: [UInt8], secret: String = Desk.secret, at now: Timestamp = .testNow) -> Delivery {
        let scheme = Stripe().webhooks
        let headers = (try? scheme.secrets(in: secret)).map { scheme.sign(body, with: $0, id: "", at: now) } ?? []
        return Delivery(method: "POST", target: "/webhooks/stripe", headers: headers, body: body, receivedAt: now)
    }

    func addApp(provider: String, secret: String) async throws -> ID<AppKind> {
        let (app, secretID): (ID<AppKind>, String) = (ids.make(), "whs_1")
        let sealed = try vault.seal(Secret(secret), in: AppSecrets.place(secretID))
        try await database.write("add_app") { session in
            try session.addApp(app, provider: provider, name: "second", at: .testNow)
            try session.addSecret(
                secretID, to: app, purpose: AppSecrets.purpose, sealed: sealed.bytes, keyID: sealed.keyID,
                expiring: nil,
                at: .testNow)
        }
        return app
    }

    func counts() async throws -> [String: Int] {
        try await database.read("counts") { session in
            try session.rowCounts(of: ["deliveries", "bodies", "event_identities", "events", "jobs", "changes"])
        }
    }
}

/// Asks again until it is so, for at most a minute: the bound says only that it hangs.
func eventually(_ condition: () async throws -> Bool) async throws -> Bool {
    for _ in 0..<6000 {
        if try await condition() { return true }
        try await Task.sleep(for: .milliseconds(10))
    }
    return false
}
