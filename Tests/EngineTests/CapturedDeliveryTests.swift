import Engine
import Kit
import Logging
import StandardWebhooks
import Store
import Stripe
import TestSupport
import Testing
import TikTok

@Suite("R19 a captured delivery that somebody sends again", .serialized)
struct CapturedDeliveryTests {
    @Test("seen before: a repetition, whatever its age", arguments: Recorded.all, TestEngine.all)
    func seen(_ recorded: Recorded, engine: TestEngine) async throws {
        try await CaptureDesk.with(recorded, engine) { desk in
            let captured = try desk.delivery(["fact_1"])
            let first = await desk.receive(captured, after: .zero)
            #expect(first == .kept(Kept(new: 1, duplicates: 0)))

            for age in [recorded.window + .seconds(1), recorded.lateness + .seconds(1), .days(1), .days(30)] {
                let reply = await desk.receive(captured, after: age)
                #expect(reply == .kept(Kept(new: 0, duplicates: 1)), "\(age)")
            }

            let facts = try await desk.facts()
            #expect(facts.events == 1 && facts.duplicates == 4)
            #expect(facts.verdicts == ["accepted", "duplicate", "duplicate", "duplicate", "duplicate"])
            #expect(facts.flags.filter { $0.contains("late") }.count == 4)
        }
    }

    @Test("unseen and too old: refused, nothing is kept of it", arguments: Recorded.all, TestEngine.all)
    func unseen(_ recorded: Recorded, engine: TestEngine) async throws {
        try await CaptureDesk.with(recorded, engine) { desk in
            let captured = try desk.delivery(["fact_1"])

            for age in [recorded.lateness + .seconds(1), .days(4), .days(30)] {
                let reply = await desk.receive(captured, after: age)
                #expect(reply == .refused(.tooOld(by: age, allowed: recorded.lateness)))
            }

            let facts = try await desk.facts()
            #expect(facts.events == 0 && facts.identities == 0)
            #expect(!facts.verdicts.contains("accepted") && !facts.verdicts.contains("duplicate"))
            // Its time has not spoiled it: what comes with a signature of now is new.
            let fresh = try desk.delivery(["fact_1"], signedAt: .testNow + .days(31))
            #expect(await desk.receive(fresh, after: .days(31)) == .kept(Kept(new: 1, duplicates: 0)))
        }
    }

    @Test(
        "unseen, past the window, within the time in which the platform repeats: kept as late",
        arguments: Recorded.all.filter { $0.lateness > $0.window }, TestEngine.all)
    func late(_ recorded: Recorded, engine: TestEngine) async throws {
        try await CaptureDesk.with(recorded, engine) { desk in
            let within = await desk.receive(try desk.delivery(["fact_1"]), after: recorded.window)
            let past = await desk.receive(try desk.delivery(["fact_2"]), after: recorded.window + .seconds(1))
            let last = await desk.receive(try desk.delivery(["fact_3"]), after: recorded.lateness)

            #expect([within, past, last] == Array(repeating: .kept(Kept(new: 1, duplicates: 0)), count: 3))
            #expect(try await desk.facts().flags == ["", "late", "late"])
        }
    }

    @Test(
        "its age is forgiven, nothing else: neither a changed byte, another's secret, nor the future",
        arguments: Recorded.all, TestEngine.all)
    func forged(_ recorded: Recorded, engine: TestEngine) async throws {
        try await CaptureDesk.with(recorded, engine) { desk in
            let captured = try desk.delivery(["fact_1"])
            _ = await desk.receive(captured, after: .zero)
            var changed = captured.body
            changed[changed.count - 1] ^= 1

            let forgeries = [
                Delivery(
                    method: "POST", target: "/", headers: captured.headers, body: changed,
                    receivedAt: captured.receivedAt), try desk.delivery(["fact_1"], secret: recorded.foreignSecret),
            ]

            for forgery in forgeries {
                #expect(await desk.receive(forgery, after: .days(1)) == .refused(.wrongSignature))
            }
            let ahead = await desk.receive(captured, after: .zero - .seconds(301))
            #expect(ahead == .refused(.tooFarAhead(by: .seconds(301), allowed: .seconds(300))))
            #expect(try await desk.facts().duplicates == 0)
        }
    }

    @Test(
        "what nobody can read is kept once, whatever its age; unseen and too old it is refused",
        arguments: Recorded.all.filter { $0.source is Stripe || $0.source is TikTok }, TestEngine.all)
    func unreadable(_ recorded: Recorded, engine: TestEngine) async throws {
        try await CaptureDesk.with(recorded, engine) { desk in
            let captured = try desk.delivery(["fact_1"], body: Array("nothing that anyone can read".utf8))
            let old = recorded.lateness + .seconds(1)

            #expect(await desk.receive(captured, after: old) == .refused(.tooOld(by: old, allowed: recorded.lateness)))
            for age in [.zero, .seconds(1), recorded.window, old, .days(30)] {
                #expect(await desk.receive(captured, after: age) == .unreadable, "\(age)")
            }

            let facts = try await desk.facts()
            #expect(facts.events == 0 && facts.identities == 1 && facts.verdicts == ["accepted"])
        }
    }

    @Test("only the owner of the secret that proved it has seen it", arguments: Recorded.all, TestEngine.all)
    func scoped(_ recorded: Recorded, engine: TestEngine) async throws {
        try await CaptureDesk.with(recorded, engine) { desk in
            let (other, age) = (try await desk.addApp(), recorded.lateness + .seconds(1))
            _ = await desk.receive(try desk.delivery(["fact_1"]), after: .zero)

            let theirs = try desk.delivery(["fact_1"], secret: recorded.foreignSecret)
            let reply = await desk.receive(theirs, after: age, owner: other)

            #expect(reply == .refused(.tooOld(by: age, allowed: recorded.lateness)))
        }
    }

    @Test("of several facts all must be known: a new one makes it refused whole", arguments: TestEngine.all)
    func partlyKnown(engine: TestEngine) async throws {
        try await CaptureDesk.with(.lines, engine) { desk in
            let age = Recorded.lines.lateness + .seconds(1)
            _ = await desk.receive(try desk.delivery(["fact_1", "fact_2"]), after: .zero)

            let partly = await desk.receive(try desk.delivery(["fact_1", "fact_3"]), after: age)
            let wholly = await desk.receive(try desk.delivery(["fact_2", "fact_1"]), after: age)

            #expect(partly == .refused(.tooOld(by: age, allowed: Recorded.lines.lateness)))
            #expect(wholly == .kept(Kept(new: 0, duplicates: 2)))
            let facts = try await desk.facts()
            #expect(facts.events == 2 && facts.duplicates == 2)
        }
    }

    @Test(
        "eight at once, old and new together: one event, each other a repetition",
        arguments: Recorded.all, TestEngine.all)
    func crowd(_ recorded: Recorded, engine: TestEngine) async throws {
        try await CaptureDesk.with(recorded, engine) { desk in
            let captured = try desk.delivery(["fact_1"])
            _ = await desk.receive(captured, after: .zero)

            let duplicates = await withTaskGroup(of: Int.self) { group in
                for number in 0..<8 {
                    let age: Duration = number % 2 == 0 ? .seconds(1) : .days(2)
                    group.addTask {
                        guard case .kept(let kept) = await desk.receive(captured, after: age) else { return -100 }
                        return kept.duplicates
                    }
                }
                return await group.reduce(0, +)
            }

            #expect(duplicates == 8)
            #expect(try await desk.facts().events == 1)
        }
    }

    @Test(
        "identities are known for as long as their scheme says, and forgotten then",
        arguments: Recorded.all, TestEngine.all)
    func forgotten(_ recorded: Recorded, engine: TestEngine) async throws {
        try await CaptureDesk.with(recorded, engine) { desk in
            let captured = try desk.delivery(["fact_1"])
            _ = await desk.receive(captured, after: .zero)
            let scheme = recorded.source.webhooks
            // What has no day of its own is kept for 400 days.
            let life = try scheme.events(captured).allSatisfy { $0.identity.day > 0 } ? scheme.identityLife : .days(400)

            try await desk.retain(at: .testNow + life - .days(1))
            let before = await desk.receive(captured, after: life - .days(1))
            try await desk.retain(at: .testNow + life + .days(2))
            let after = await desk.receive(captured, after: life + .days(2))

            #expect(before == .kept(Kept(new: 0, duplicates: 1)))
            #expect(after == .refused(.tooOld(by: life + .days(2), allowed: recorded.lateness)))
        }
    }
}

/// A scheme with what it takes to make one of its deliveries.
struct Recorded: Sendable, CustomTestStringConvertible {
    let source: any WebhookSource
    let secret: String
    let foreignSecret: String
    let body: @Sendable ([String]) -> String

    var testDescription: String { source.about.id }
    var window: Duration { source.webhooks.tolerance?.past ?? .zero }
    /// As far as anything is believed.
    var lateness: Duration { source.webhooks.tolerance?.late ?? window }

    static let all = [
        Recorded(source: Stripe(), secret: "whsec_replay_0123456789", foreignSecret: "whsec_foreign_0123456789") {
            let created = Timestamp.testNow.seconds - 10
            return #"{"id":"\#($0[0])","object":"event","type":"price.created","created":\#(created)}"#
        },
        Recorded(
            source: StandardWebhooks(), secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            foreignSecret: "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"
        ) { #"{"type":"\#($0[0])"}"# },
        Recorded(
            source: Svix(), secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            foreignSecret: "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"
        ) { #"{"type":"\#($0[0])"}"# },
        Recorded(source: TikTok(), secret: "tiktok_secret_0123456789", foreignSecret: "tiktok_foreign_0123456789") {
            let created = Timestamp.testNow.seconds - 10
            return #"{"event":"video.upload.failed","create_time":\#(created),"user_openid":"\#($0[0])","content":""}"#
        }, lines,
    ]
    static let lines = Recorded(
        source: LinesSource(), secret: "lines_secret_0123456789", foreignSecret: "lines_foreign_0123456789",
        body: { $0.joined(separator: "\n") })
}

/// A platform that repeats a delivery for three days without signing it anew, and tells several facts at once.
struct LinesSource: WebhookSource {
    let about = About(id: "lines", name: "Lines", version: "1", documentation: "https://lines.example")

    var webhooks: WebhookScheme {
        WebhookScheme(
            .hmac(
                HMACScheme(
                    "Lines-Signature", .pairs(timestamp: "t", signature: "s"), .sha256, .hex,
                    over: [.timestamp, .text("."), .body])),
            secrets: .text, tolerance: .init(late: .hours(72)), repeatsFor: .hours(72), handled: .none,
            events: { delivery throws(Unreadable) in
                delivery.body.split(separator: UInt8(ascii: "\n")).map { line in
                    Event(
                        identity: EventIdentity(day: Timestamp.testNow.day, of: line), type: "line",
                        body: line.startIndex..<line.endIndex)
                }
            })
    }
}

/// A gateway for one scheme, whose deliveries come when a test says so.
private struct CaptureDesk: Sendable {
    struct Facts: Sendable {
        let events: Int?
        let identities: Int?
        let duplicates: Int64
        /// Of what was believed, in order.
        let verdicts: [String]
        let flags: [String]
    }

    let recorded: Recorded
    let database: any Database
    let gateway: Gateway
    let ids: Identifiers
    let vault: Vault
    let app: ID<AppKind>
    private var name: String { recorded.source.about.id }

    static func with(
        _ recorded: Recorded, _ engine: TestEngine, _ body: (CaptureDesk) async throws -> Void
    ) async throws {
        try await TestDatabase.with(engine) { try await body(CaptureDesk(recorded, $0)) }
    }

    private init(_ recorded: Recorded, _ database: any Database) async throws {
        let (ids, clock) = (Identifiers(now: { .testNow }), TestClock())
        let vault = Vault(keyring: Keyring([("k1", Secret([UInt8](repeating: 7, count: 32)))]))
        let (name, fresh): (String, ID<AppKind>) = (recorded.source.about.id, ids.make())
        app = try await database.write("app") { try $0.settingsApp(of: name, id: fresh, at: .testNow) }
        let owned = OwnedSecrets(
            app: app, secrets: try recorded.source.webhooks.secrets(in: recorded.secret), version: 1)
        gateway = Gateway(
            sources: [recorded.source],
            secrets: WebhookSecrets(
                settings: [name: owned],
                source: AppSecrets(database: database, vault: vault, time: clock.source), time: clock.source),
            database: database, rejections: RejectionLog(database: database, logger: .quiet), ids: ids, bells: Bells(),
            metrics: GatewayMetrics(metrics: Metrics(), logger: .quiet))
        (self.recorded, self.database, self.ids, self.vault) = (recorded, database, ids, vault)
    }

    func delivery(
        _ facts: [String], signedAt time: Timestamp = .testNow, secret: String? = nil, body: [UInt8]? = nil
    ) throws -> Delivery {
        let (scheme, body) = (recorded.source.webhooks, body ?? Array(recorded.body(facts).utf8))
        let secrets = try scheme.secrets(in: secret ?? recorded.secret)
        return Delivery(
            method: "POST", target: "/webhooks/x",
            headers: scheme.sign(body, with: secrets, id: facts.joined(separator: "-"), at: time), body: body,
            receivedAt: time)
    }

    /// What comes of the delivery so long after the beginning.
    func receive(_ delivery: Delivery, after age: Duration, owner: ID<AppKind>? = nil) async -> Gateway.Reply {
        let sent = Delivery(
            method: delivery.method, target: delivery.target, headers: delivery.headers, body: delivery.body,
            receivedAt: .testNow + age)
        return await gateway.receive(sent, for: name, owner: owner?.text, from: "192.0.2.7")
    }

    /// Another owner of the same platform, with the secret that the first does not know.
    func addApp() async throws -> ID<AppKind> {
        let (app, secretID, name): (ID<AppKind>, String, String) = (ids.make(), "whs_1", name)
        let sealed = try vault.seal(Secret(recorded.foreignSecret), in: AppSecrets.place(secretID))
        try await database.write("add_app") { session in
            try session.addApp(app, provider: name, name: "second", at: .testNow)
            try session.addSecret(
                secretID, to: app, purpose: AppSecrets.purpose, sealed: sealed.bytes, keyID: sealed.keyID,
                expiring: nil, at: .testNow)
        }
        return app
    }

    /// What retention does to identities at that time.
    func retain(at now: Timestamp) async throws {
        let (app, life) = (app, recorded.source.webhooks.identityLife)
        try await database.write("retain") { _ = try $0.expireIdentities(of: app, life: life, at: now, limit: 500) }
    }

    func facts() async throws -> Facts {
        try await database.read("facts") { session in
            let counts = try session.rowCounts(of: ["events", "event_identities"])
            let events = try session.events(EventFilter(), ListPage(limit: 100))
            let believed = try session.deliveries(DeliveryFilter(), ListPage(limit: 100, ascending: true))
                .filter { $0.verdict != "rejected" }
            return Facts(
                events: counts["events"], identities: counts["event_identities"],
                duplicates: events.map(\.duplicates).reduce(0, +), verdicts: believed.map(\.verdict),
                flags: believed.map { $0.flags.joined(separator: " ") })
        }
    }
}
