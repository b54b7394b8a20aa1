import Kit
import Logging
import PayPal
import Store
import Synchronization
import TestSupport
import Testing

@testable import Engine

@Suite("Deliveries that only their platform can prove", .serialized)
struct AskedDeliveryTests {
    @Test("what the platform calls its own is kept, once; what it denies is refused", arguments: TestEngine.all)
    func word(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let desk = try await AskedDesk(database)
            #expect(await desk.receive(desk.sent("WH-1")) == .kept(Kept(new: 1, duplicates: 0)))
            #expect(await desk.receive(desk.sent("WH-1")) == .kept(Kept(new: 0, duplicates: 1)))
            #expect(desk.platform.questions == 1, "the same again asks nobody")
            #expect(await desk.receive(desk.sent("WH-2")) == .kept(Kept(new: 1, duplicates: 0)))
            #expect(await desk.receive(desk.forged("WH-3")) == .refused(.denied))
            #expect(await desk.receive(desk.forged("WH-3")) == .refused(.denied))
            #expect(desk.platform.questions == 3)
            #expect(desk.platform.tokensGiven == 1 && desk.platform.clients == ["live-app:live-secret"])
            #expect(try await desk.counts()["events"] == 2)
        }
    }

    @Test("a question that the platform cannot make sense of proves nothing")
    func senseless() async throws {
        try await TestDatabase.with(.sqlite) { database in
            let desk = try await AskedDesk(database)
            desk.platform.fail(.status(400))
            #expect(await desk.receive(desk.sent("WH-1")) == .refused(.denied))
        }
    }

    @Test(
        "while the platform does not answer nothing is kept and nothing refused: it sends again",
        arguments: TestEngine.all)
    func away(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let desk = try await AskedDesk(database)
            let faults: [AskedPlatform.Fault] = [
                .status(500), .status(503), .status(429), .status(403), .status(404), .status(302), .lost,
                .body("<html>"), .body(#"{"verification_status":"success"}"#), .body("{}"),
            ]
            for fault in faults {
                desk.platform.fail(fault)
                #expect(await desk.receive(desk.sent("WH-1")) == .unavailable, "\(fault)")
            }
            #expect(try await desk.counts().values.allSatisfy { $0 == 0 })
            desk.clock.advance(by: .minutes(1))
            #expect(await desk.receive(desk.sent("WH-1")) == .kept(Kept(new: 1, duplicates: 0)))
        }
    }

    // MARK: What goes out

    @Test("the event goes out byte for byte as it came, with what the headers say of it")
    func bytes() async throws {
        try await TestDatabase.with(.sqlite) { database in
            let desk = try await AskedDesk(database)
            let bodies = [
                #"  { "id" : "a", "n":1.10, "n":1e400,"s":"\u0000\/é\ud83e\udd56 \ud800", "big":1234567890123456789 }"#
                    + "\r\n",
                #"{"id":"b","event_type":"X","resource":{"amount":{"value":"19.99"}}}"#,
            ]
            for body in bodies {
                _ = await desk.receive(desk.sent("x", body: body))
                let question = try #require(desk.platform.last)
                let head =
                    #"{"auth_algo":"SHA256withRSA","cert_url":"https://api.paypal.com/v1/notifications/certs/CERT-1","#
                    + #""transmission_id":"t-x","transmission_sig":"c2ln","#
                    + #""transmission_time":"\#(Timestamp.testNow.rfc3339)","#
                    + #""webhook_id":"1JE4291016473214C","webhook_event":"#
                #expect(question.body == Array((head + body + "}").utf8))
                #expect(question.url == "https://api-m.paypal.com/v1/notifications/verify-webhook-signature")
                #expect(question.headers["Content-Type"] == "application/json" && question.method == .post)
            }
        }
    }

    @Test("a body that would end our question and name another webhook is refused, and nobody is asked")
    func injected() async throws {
        try await TestDatabase.with(.sqlite) { database in
            let desk = try await AskedDesk(database)
            let bodies = [
                #"{"id":"e"},"webhook_id":"THEIRS""#, #"{"id":"e"},"webhook_id":"THEIRS","x":{}"#, #"{"id":"e"}}"#,
                #"[{"id":"e"}]"#, #""e""#, "1", "", #"{"id":"e""#, "\u{FEFF}{}",
            ]
            for body in bodies {
                guard case .refused(.malformedBody) = await desk.receive(desk.sent("x", body: body)) else {
                    Issue.record("\(body)")
                    continue
                }
            }
            #expect(desk.platform.questions == 0 && desk.platform.tokensGiven == 0)
        }
    }

    @Test("what its headers or its time refuse is asked of nobody")
    func unasked() async throws {
        try await TestDatabase.with(.sqlite) { database in
            let desk = try await AskedDesk(database)
            let good = desk.sent("WH-1")
            for header in good.headers {
                let rest = good.headers.filter { $0.name != header.name }
                let others = [
                    rest, good.headers + [header], rest + [Field(header.name, "§")],
                    rest + [Field(header.name, "https://evil.example/v1/notifications/certs/CERT-1")],
                ]
                for headers in others {
                    guard header.name != "Paypal-Transmission-Id" || headers.count != good.headers.count else {
                        continue
                    }
                    let delivery = desk.desk.delivery(headers, good.body)
                    guard case .refused(let forged) = await desk.receive(delivery), forged != .denied else {
                        Issue.record("\(header.name) \(headers.count)")
                        continue
                    }
                }
            }
            for offset in [Duration.days(4), .zero - .hours(3)] {
                desk.clock.jump(by: offset)
                let moved = desk.desk.delivery(good.headers, good.body)
                desk.clock.jump(by: .zero - offset)
                guard case .refused = await desk.receive(moved) else {
                    Issue.record("\(offset)")
                    continue
                }
            }
            #expect(desk.platform.questions == 0)
        }
    }

    // MARK: Tokens

    @Test("a token that the platform refuses is replaced once, and before its end too")
    func tokens() async throws {
        try await TestDatabase.with(.sqlite) { database in
            let desk = try await AskedDesk(database)
            #expect(await desk.receive(desk.sent("WH-1")) == .kept(Kept(new: 1, duplicates: 0)))
            desk.clock.advance(by: .minutes(1))
            desk.platform.endTokens()
            #expect(await desk.receive(desk.sent("WH-2")) == .kept(Kept(new: 1, duplicates: 0)))
            #expect(desk.platform.tokensGiven == 2)
            // Nine hours; at nine tenths of them.
            desk.clock.advance(by: .hours(8))
            #expect(await desk.receive(desk.sent("WH-3")) == .kept(Kept(new: 1, duplicates: 0)))
            #expect(desk.platform.tokensGiven == 2)
            desk.clock.advance(by: .minutes(10))
            #expect(await desk.receive(desk.sent("WH-4")) == .kept(Kept(new: 1, duplicates: 0)))
            #expect(desk.platform.tokensGiven == 3 && desk.platform.questions == 5)
        }
    }

    @Test("a platform that refuses every token, or the app, is not asked for more of them than one in ten seconds")
    func hopelessTokens() async throws {
        try await TestDatabase.with(.sqlite) { database in
            for isAppRefused in [true, false] {
                let desk = try await AskedDesk(database)
                // A sender that has proven something, so that nothing but the token stands in the way.
                #expect(await desk.receive(desk.sent("WH-\(isAppRefused)")) != .unavailable)
                desk.clock.advance(by: .minutes(1))
                desk.platform.endTokens()
                desk.platform.refuse(isAppRefused ? .client : .token)
                for number in 0..<40 {
                    #expect(await desk.receive(desk.sent("\(isAppRefused) \(number)")) == .unavailable)
                }
                #expect(desk.platform.tokensAsked == 2)
                desk.clock.advance(by: .seconds(11))
                desk.platform.refuse(nil)
                #expect(await desk.receive(desk.sent("\(isAppRefused) 41")) == .kept(Kept(new: 1, duplicates: 0)))
            }
        }
    }

    @Test(
        "an app that was added later asks with its own client id; one without is no forger's fault",
        arguments: TestEngine.all)
    func apps(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let desk = try await AskedDesk(database)
            let ids = Identifiers(now: { .testNow })
            let credentials = AppCredentials([PayPal()], desk.desk.vault, ids)
            var apps: [ID<AppKind>] = []
            for client in ["own-app", nil] {
                let app: ID<AppKind> = ids.make()
                var ready = try credentials.seal(["OTHERWEBHOOK"], for: "paypal")
                if client != nil { ready.append(try credentials.seal(client: Secret("own-secret"))) }
                try await database.write("app") { [ready] session in
                    try session.addApp(app, provider: "paypal", name: "Second", clientID: client, at: .testNow)
                    for secret in ready {
                        try session.addSecret(
                            secret.id.text, to: app, purpose: secret.purpose, sealed: secret.sealed.bytes,
                            keyID: secret.sealed.keyID, expiring: nil, at: .testNow)
                    }
                }
                apps.append(app)
            }
            let delivery = desk.sent("WH-1", webhook: "OTHERWEBHOOK")
            #expect(await desk.receive(delivery, owner: apps[0].text) == .kept(Kept(new: 1, duplicates: 0)))
            #expect(desk.platform.clients == ["own-app:own-secret"])
            #expect(await desk.receive(delivery, owner: apps[1].text) == .unavailable)
            #expect(await desk.receive(delivery) == .refused(.denied), "another webhook's, at the settings' address")
        }
    }

    // MARK: Floods

    @Test(
        "ten thousand forgeries cause sixty questions, of one sender ten; who has proven something goes through"
    )
    func flood() async throws {
        try await TestDatabase.with(.sqlite) { database in
            let desk = try await AskedDesk(database)
            _ = await desk.receive(desk.sent("WH-0"), from: "198.51.100.7")
            var replies: [String: Int] = [:]
            for number in 0..<10_000 {
                let reply = await desk.receive(
                    desk.forged("f\(number)"), from: "10.\(number / 250).\(number % 250).9")
                replies["\(reply)".prefix { $0 != "(" }.description, default: 0] += 1
            }
            #expect(desk.platform.questions == 60 && replies == ["refused": 59, "unavailable": 9941])
            #expect(
                await desk.receive(desk.sent("WH-1"), from: "198.51.100.7") == .kept(Kept(new: 1, duplicates: 0)))
            desk.clock.advance(by: .minutes(2))
            let before = desk.platform.questions
            for number in 0..<1000 { _ = await desk.receive(desk.forged("o\(number)"), from: "203.0.113.5") }
            #expect(desk.platform.questions == before + 10)
            #expect(try await desk.counts()["events"] == 2)
        }
    }

    @Test("a sender that has proven something may fail sixty times a minute; what it proves costs it nothing")
    func failures() async throws {
        try await TestDatabase.with(.sqlite) { database in
            let desk = try await AskedDesk(database)
            for number in 0..<200 {
                #expect(await desk.receive(desk.sent("g\(number)")) == .kept(Kept(new: 1, duplicates: 0)))
            }
            let before = desk.platform.questions
            for number in 0..<1000 { _ = await desk.receive(desk.forged("f\(number)")) }
            #expect(desk.platform.questions == before + 60)
            guard case .limited = await desk.receive(desk.sent("g200")) else {
                Issue.record("not known to be genuine")
                return
            }
            desk.clock.advance(by: .seconds(2))
            #expect(await desk.receive(desk.sent("g200")) == .kept(Kept(new: 1, duplicates: 0)))
        }
    }

    @Test("strangers have sixteen questions at once; whoever has proven something has others, and a line")
    func places() async throws {
        try await TestDatabase.with(.sqlite) { database in
            let desk = try await AskedDesk(database)
            _ = await desk.receive(desk.sent("WH-0"))
            let gate = Gate()
            desk.platform.hold(at: gate)
            try await withThrowingTaskGroup(of: Gateway.Reply.self) { group in
                for number in 0..<20 {
                    let delivery = desk.forged("f\(number)")
                    group.addTask { await desk.receive(delivery, from: "10.0.\(number).9") }
                }
                for number in 0..<50 {
                    let delivery = desk.sent("g\(number)")
                    group.addTask { await desk.receive(delivery) }
                }
                while desk.platform.waiting < 32 { await Task.yield() }
                #expect(desk.platform.waiting == 32, "sixteen of each")
                gate.open()
                var replies: [String: Int] = [:]
                for try await reply in group { replies["\(reply)".prefix { $0 != "(" }.description, default: 0] += 1 }
                #expect(replies == ["kept": 50, "refused": 16, "unavailable": 4])
            }
        }
    }

    @Test("eight of the same at once ask once")
    func together() async throws {
        try await TestDatabase.with(.sqlite) { database in
            let desk = try await AskedDesk(database)
            let delivery = desk.sent("WH-1")
            let new = await withTaskGroup(of: Int.self) { group in
                for _ in 0..<8 {
                    group.addTask {
                        if case .kept(let kept) = await desk.receive(delivery) { Int(kept.new) } else { 100 }
                    }
                }
                return await group.reduce(0, +)
            }
            #expect(new == 1 && desk.platform.questions == 1 && desk.platform.tokensGiven == 1)
        }
    }
}

/// A gateway that asks PayPal about its webhooks, and the PayPal that it asks.
private struct AskedDesk: Sendable {
    let desk: KeyedDesk
    let platform = AskedPlatform()
    let clock = TestClock()

    init(_ database: any Database) async throws {
        let settings: [String: String] = [
            "PAYPAL_WEBHOOK_ID": "1JE4291016473214C", "PAYPAL_VERIFICATION": "api", "PAYPAL_CLIENT_ID": "live-app",
            "PAYPAL_CLIENT_SECRET": "live-secret",
        ]
        let scheme = try #require(try PayPal.routes(OperatorSettings { settings[$0] }).first).scheme
        let vault = Vault(keyring: Keyring([("k1", Secret([UInt8](repeating: 7, count: 32)))]))
        let apps = ConnectionApps(settings: [:], database: database, vault: vault, time: clock.source)
        let asking = PlatformAsking(
            [PayPal()], clients: { try await apps.credentials(of: $0, at: $1) }, wire: platform, tokens: platform,
            traffic: nil, time: clock.source, metrics: Metrics(), logger: .quiet)
        desk = try await KeyedDesk(
            database, PayPal(), secrets: "1JE4291016473214C", by: scheme, asking: asking, clock: clock)
    }

    /// One that the platform sends.
    func sent(_ id: String, webhook: String = "1JE4291016473214C", body: String? = nil) -> Delivery {
        let delivery = delivery(id, body)
        platform.send(delivery, to: webhook)
        return delivery
    }
    func forged(_ id: String) -> Delivery { delivery(id, nil) }

    private func delivery(_ id: String, _ body: String?) -> Delivery {
        let body = body ?? #"{"id":"\#(id)","event_type":"PAYMENT.CAPTURE.COMPLETED","resource":{"id":"c"}}"#
        return desk.delivery(
            [
                Field("Paypal-Transmission-Id", "t-\(id)"),
                Field("Paypal-Transmission-Time", clock.now.rfc3339), Field("Paypal-Transmission-Sig", "c2ln"),
                Field("Paypal-Cert-Url", "https://api.paypal.com/v1/notifications/certs/CERT-1"),
                Field("Paypal-Auth-Algo", "SHA256withRSA"),
            ], Array(body.utf8))
    }

    func receive(
        _ delivery: Delivery, owner: String? = nil, from address: String = "192.0.2.7"
    ) async -> Gateway.Reply {
        await desk.receive(delivery, owner: owner, from: address)
    }
    func counts() async throws -> [String: Int] { try await desk.counts() }
}

/// PayPal, as far as it is asked about webhooks: it knows what it sent, byte for byte.
private final class AskedPlatform: Wire, TokenWire {
    /// What happens to the next question instead of its answer.
    enum Fault: Sendable {
        case status(Int)
        case body(String)
        case lost
    }
    enum Refused: Sendable { case client, token }

    private struct Lost: Error {}
    private struct State {
        /// Of each transmission and webhook the event.
        var sent: [String: [UInt8]] = [:]
        var tokens: Set<String> = []
        var faults: [Fault] = []
        var refused: Refused?
        var gate: Gate?
        var questions: [WireRequest] = []
        var clients: [String] = []
        var tokensGiven = 0
        var waiting = 0
    }
    private let state = Mutex(State())

    var questions: Int { state.withLock { $0.questions.count } }
    var last: WireRequest? { state.withLock { $0.questions.last } }
    var tokensGiven: Int { state.withLock { $0.tokensGiven } }
    var tokensAsked: Int { state.withLock { $0.clients.count } }
    /// As whom tokens were asked for: `id:secret`.
    var clients: [String] { state.withLock { $0.clients } }
    var waiting: Int { state.withLock { $0.waiting } }

    func send(_ delivery: Delivery, to webhook: String) {
        let id = delivery.headers["Paypal-Transmission-Id"] ?? ""
        state.withLock { $0.sent["\(id) \(webhook)"] = delivery.body }
    }
    func fail(_ fault: Fault) { state.withLock { $0.faults.append(fault) } }
    func refuse(_ what: Refused?) { state.withLock { $0.refused = what } }
    func endTokens() { state.withLock { $0.tokens = [] } }
    func hold(at gate: Gate) { state.withLock { $0.gate = gate } }

    func send(_ request: TokenRequest, within deadline: Duration) async -> TokenExchange {
        let basic = request.authorization?.reveal { String(decoding: $0, as: UTF8.self) } ?? ""
        let client = Base64.decode(Array(basic.dropFirst("Basic ".count).utf8)) ?? []
        #expect(request.url == "https://api-m.paypal.com/v1/oauth2/token")
        #expect(request.body?.reveal { String(decoding: $0, as: UTF8.self) } == "grant_type=client_credentials")
        return state.withLock { state in
            state.clients.append(String(decoding: client, as: UTF8.self))
            guard state.refused != .client else {
                return .answered(Answer(status: 401, headers: [], body: Array(#"{"error":"invalid_client"}"#.utf8)))
            }
            state.tokensGiven += 1
            let token = "A21AA\(state.tokensGiven)"
            state.tokens.insert(token)
            let json: JSON = ["access_token": .string(token), "token_type": "Bearer", "expires_in": 32400]
            return .answered(Answer(status: 200, headers: [], body: json.bytes))
        }
    }

    func send(_ request: WireRequest, within deadline: Duration) async throws -> Answer {
        if let gate = state.withLock({ state in
            state.waiting += state.gate == nil ? 0 : 1
            return state.gate
        }) {
            await gate.wait()
        }
        return try state.withLock { state in
            state.questions.append(request)
            let token = request.authorization.reveal { String(decoding: $0, as: UTF8.self).dropFirst("Bearer ".count) }
            guard state.tokens.contains(String(token)), state.refused != .token else {
                return Answer(status: 401, headers: [], body: Array(#"{"error":"invalid_token"}"#.utf8))
            }
            if !state.faults.isEmpty {
                switch state.faults.removeFirst() {
                case .status(let status): return Answer(status: status, headers: [], body: [])
                case .body(let text): return Answer(status: 200, headers: [], body: Array(text.utf8))
                case .lost: throw Lost()
                }
            }
            let isOwn = Self.isOwn(request.body, state.sent)
            let json: JSON = ["verification_status": isOwn ? "SUCCESS" : "FAILURE"]
            return Answer(status: 200, headers: [], body: json.bytes)
        }
    }

    /// By the bytes behind `webhook_event`, which stands last.
    private static func isOwn(_ body: [UInt8], _ sent: [String: [UInt8]]) -> Bool {
        guard let json = try? JSON.parse(body), let id = json["transmission_id"]?.text,
            let webhook = json["webhook_id"]?.text
        else { return false }
        if webhook == "THEIRS" { return true }
        guard let event = sent["\(id) \(webhook)"] else { return false }
        return body.suffix(event.count + 17).elementsEqual(Array(#""webhook_event":"#.utf8) + event + Array("}".utf8))
    }
}
