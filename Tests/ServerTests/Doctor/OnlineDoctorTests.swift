import Engine
import Kit
import Store
import Synchronization
import TestSupport
import Testing

@testable import Server

/// Answers what a test says, by the beginning of the path, and remembers what was sent.
private final class CannedWire: Wire {
    typealias Reply = @Sendable (WireRequest) throws -> Kit.Answer
    private let replies: [(start: String, reply: Reply)]
    let sent = Mutex<[WireRequest]>([])

    init(_ replies: (String, Reply)...) { self.replies = replies.map { (start: $0.0, reply: $0.1) } }

    func send(_ request: WireRequest, within deadline: Duration) async throws -> Kit.Answer {
        sent.withLock { $0.append(request) }
        let path = "/" + request.url.split(separator: "/", maxSplits: 2).dropFirst(2).joined(separator: "/")
        guard let found = replies.first(where: { path.hasPrefix($0.start) }) else { throw WireFailure.unresolvable }
        return try found.reply(request)
    }
}

/// What Stripe lists.
private enum Listed {
    static let address = "https://pb.example.com/webhooks/stripe"

    static func endpoint(_ url: String = address, _ status: String = "enabled", _ types: String = "*") -> String {
        #"{"data":[{"url":"https://other.example/x","status":"enabled","enabled_events":["*"]},"#
            + #"{"url":"\#(url)","status":"\#(status)","enabled_events":["\#(types)"]}]}"#
    }
}

@Suite("Doctor, online")
struct OnlineDoctorTests {
    private static let secretKey = "sk_test_canary0123456789"

    private func settings(_ more: [String: String] = [:]) throws -> Settings {
        try Settings.load(
            environment: [
                "PATCHBAY_MODE": "test", "PATCHBAY_PUBLIC_URL": "https://pb.example.com",
                "STRIPE_SECRET_KEY": Self.secretKey,
            ].merging(more) { $1 })
    }

    private func ask(_ wire: CannedWire, _ settings: Settings) async -> [Finding] {
        let clock = TestClock()
        return await OnlineDoctor(
            settings: settings, prober: Prober(wire: wire, traffic: nil, time: clock.source), wire: wire,
            database: nil, vault: Vault(keyring: Keyring([])), ids: Identifiers(now: { clock.now }),
            now: { clock.now }
        ).examine()
    }

    private static func json(_ text: String, _ status: Int = 200, date: Timestamp? = nil) -> CannedWire.Reply {
        { _ in
            Kit.Answer(
                status: status, headers: date.map { [Field("Date", $0.httpDate)] } ?? [], body: Array(text.utf8))
        }
    }

    @Test(
        "a key that is accepted, a restricted one, one that is not",
        arguments: [
            (200, #"{"id":"acct_1"}"#, Finding.Verdict.ok, "of the account acct_1"),
            (403, #"{"error":{"type":"invalid_request_error"}}"#, .ok, "a restricted key"),
            (401, #"{"error":{"type":"invalid_request_error"}}"#, .failed, "does not accept STRIPE_SECRET_KEY"),
            (503, "<html>", .warning, "not available"),
        ])
    func key(status: Int, body: String, verdict: Finding.Verdict, words: String) async throws {
        let wire = CannedWire(("/v1/account", Self.json(body, status)))
        let findings = await ask(wire, try settings())

        let finding = try #require(findings.first { $0.name == "online.stripe.key" })
        #expect(finding.verdict == verdict && finding.sentence.contains(words), "\(finding)")
        #expect(verdict != .failed || finding.advice?.contains("Set STRIPE_SECRET_KEY") == true)
        #expect(findings.allSatisfy { !$0.text.contains("canary") }, "no secret is shown")
        let sent = wire.sent.withLock { $0 }
        #expect(sent.allSatisfy { $0.method == .get && $0.body.isEmpty }, "nothing that changes anything")
    }

    @Test(
        "what Stripe would send to is compared with the public address",
        arguments: [
            (Listed.endpoint(), Finding.Verdict.ok, "sends to"),
            (Listed.endpoint(Listed.address, "disabled"), .failed, "has disabled"),
            (Listed.endpoint("https://else.example/webhooks/stripe"), .failed, "no webhook endpoint for"),
            (Listed.endpoint(Listed.address, "enabled", "invoice.paid"), .warning, "but not: "),
            (#"{"data":[]}"#, .failed, "It has none."),
        ])
    func webhooks(list: String, verdict: Finding.Verdict, words: String) async throws {
        let wire = CannedWire(("/v1/webhook_endpoints", Self.json(list)))

        let finding = try #require(
            await ask(wire, try settings()).first { $0.name == "online.stripe.webhooks" })

        #expect(finding.verdict == verdict && finding.sentence.contains(words), "\(finding)")
        #expect(finding.sentence.contains(Listed.address) || list.count < 20)
    }

    @Test(
        "TikTok's id and secret belong together, or not; the secret goes in the form and nowhere else",
        arguments: [
            (#"{"access_token":"clt.1","expires_in":7200}"#, 200, Finding.Verdict.ok),
            (#"{"error":"invalid_client","error_description":"…"}"#, 200, .failed),
            (#"{"error":"invalid_client"}"#, 400, .failed),
        ])
    func client(body: String, status: Int, verdict: Finding.Verdict) async throws {
        let wire = CannedWire(("/v2/oauth/token/", Self.json(body, status)))
        let settings = try settings(["TIKTOK_CLIENT_KEY": "ttkey", "TIKTOK_CLIENT_SECRET": "tt-canary-secret"])

        let findings = await ask(wire, settings)

        #expect(findings.first { $0.name == "online.tiktok.app" }?.verdict == verdict)
        #expect(findings.allSatisfy { !$0.text.contains("canary") })
        let form = try #require(wire.sent.withLock { $0.first { $0.method == .post } })
        let text = String(decoding: form.body, as: UTF8.self)
        #expect(text.contains("grant_type=client_credentials") && text.contains("client_secret=tt-canary-secret"))
        #expect(!form.url.contains("canary"))
    }

    @Test(
        "why a host cannot be reached is a sentence of its own",
        arguments: [
            (WireFailure.unresolvable, "127.0.0.1:1: The host name has no address."),
            (.connect("the host refuses it"), "127.0.0.1:1: No connection: the host refuses it."),
            (.timeout, "127.0.0.1:1: No answer in time."),
            (.tls("the certificate is for another host"), "127.0.0.1:1: No secure connection: the certificate is for"),
        ])
    func unreached(fault: WireFailure, words: String) async throws {
        // The look at a certificate goes to a port where nobody listens.
        let settings = try settings([
            "STRIPE_BASE_URL": "https://127.0.0.1:1", "PATCHBAY_PUBLIC_URL": "https://127.0.0.1:1",
        ])
        let wire = CannedWire(("/", { _ in throw fault }))

        let findings = await ask(wire, settings)

        let keys = findings.filter { $0.name.hasPrefix("online.stripe") }
        #expect(keys.count == 2 && keys.allSatisfy { $0.verdict == .failed && $0.advice != nil }, "\(keys)")
        #expect(keys.allSatisfy { $0.sentence.hasPrefix(words) }, "\(keys)")
        #expect(findings.first { $0.name == "online.address" }?.verdict == .failed)
        #expect(findings.first { $0.name == "online.clock" }?.verdict == .off)
    }

    @Test(
        "clocks that differ: by seconds, by more, by more than a webhook may be old",
        arguments: [
            (0, Finding.Verdict.ok, "agrees with that of api.stripe.com"), (-20, .ok, "agrees"),
            (90, .warning, "behind that of"), (-90, .warning, "ahead of that of"), (400, .failed, "all would be"),
        ] as [(Int64, Finding.Verdict, String)])
    func clocks(seconds: Int64, verdict: Finding.Verdict, words: String) async throws {
        let wire = CannedWire(("/v1/account", Self.json("{}", date: .testNow + .seconds(seconds))))

        let finding = try #require(await ask(wire, try settings()).first { $0.name == "online.clock" })

        #expect(finding.verdict == verdict && finding.sentence.contains(words), "\(finding)")
    }

    @Test("one clock that differs from the others' is theirs")
    func oddClock() {
        let clocks = [("a", 0), ("b", 1), ("c", 300)].map {
            OnlineDoctor.Clock(host: $0.0, skew: .seconds($0.1))
        }
        let finding = OnlineRules.clock(clocks, tolerance: .minutes(5))
        #expect(finding.verdict == .warning && finding.sentence == "The clock of c differs from the others'.")
    }

    @Test("certificates that have ended, or have not begun, are said to")
    func certificates() {
        let day = Duration.days(1)
        func says(_ from: Duration, _ until: Duration) -> String? {
            OnlineRules.certificate(from: .testNow + from, until: .testNow + until, at: .testNow)?.sentence
        }
        #expect(says(.zero - day * 9, .zero - day)?.hasPrefix("Its certificate ended on ") == true)
        #expect(says(day, day * 9)?.contains("begins on") == true)
        #expect(says(.zero - day, day) == nil)
    }

    @Test("the public address leads here, to another instance, elsewhere, to something else, nowhere")
    func address() async throws {
        try await TestDatabase.with(.sqlite) { database in
            let ids = Identifiers(now: { .testNow })
            let (ours, settings) = (AddressProof(database: database, ids: ids), try settings())
            func look(_ reply: @escaping @Sendable (String) async -> Kit.Answer) async -> Finding {
                let wire = AskedWire(reply)
                return await AddressLook(
                    settings: settings, wire: wire, database: database, ids: ids, now: { .testNow }
                ).finding()
            }
            @Sendable func answer(_ status: Int, _ body: String, _ headers: [Field] = []) -> Kit.Answer {
                Kit.Answer(status: status, headers: headers, body: Array(body.utf8))
            }

            let here = await look { answer(200, #"{"status":"ok","proof":"\#(await ours.answer(to: $0) ?? "")"}"#) }
            #expect(here.verdict == .ok && here.sentence.contains("with a certificate that is trusted"))
            let other = await look { _ in
                answer(200, #"{"status":"ok","proof":"\#(String(repeating: "0", count: 64))"}"#)
            }
            #expect(other.verdict == .failed && other.sentence.hasPrefix("Another instance of Patchbay"))
            let elsewhere = await look { _ in answer(301, "", [Field("Location", "https://www.example.com/livez")]) }
            #expect(elsewhere.sentence.contains("(301 to www.example.com)"))
            let nginx = await look { _ in answer(404, "<html>", [Field("Server", "nginx")]) }
            #expect(nginx.sentence == "Something else answers at https://pb.example.com: 404, by nginx.")
            #expect(await look { _ in answer(200, #"{"status":"ok"}"#) }.verdict == .failed, "no proof")
            #expect(await look { _ in answer(502, "") }.sentence.contains("does not reach this server (502)"))
        }
    }

    private struct AskedWire: Wire {
        let reply: @Sendable (String) async -> Kit.Answer
        init(_ reply: @escaping @Sendable (String) async -> Kit.Answer) { self.reply = reply }
        func send(_ request: WireRequest, within deadline: Duration) async throws -> Kit.Answer {
            await reply(request.url.split(separator: "=").last.map(String.init) ?? "")
        }
    }

    @Test("permissions that were asked for and not granted, by connection", arguments: TestEngine.all)
    func scopes(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let ids = Identifiers(now: { .testNow })
            for (name, granted) in [("a", ["x", "y"]), ("b", ["x"])] {
                let new = NewConnection(
                    id: ids.make(), userID: "u", provider: "tiktok", app: ids.make(), openID: name, name: nil,
                    scopes: granted, wanted: ["x", "y"], isPending: false)
                try await database.write("connect") { _ = try $0.connect(new, at: .testNow) }
            }
            let rows = try await database.read("rows") { try $0.connections(ConnectionFilter(), ListPage(limit: 10)) }

            let findings = OnlineRules.scopes(rows)

            #expect(findings.count == 1 && findings.first?.verdict == .warning)
            #expect(findings.first?.sentence.hasSuffix("(tiktok) lacks: y.") == true)
            #expect(OnlineRules.scopes(rows.filter { $0.missing.isEmpty }).first?.verdict == .ok)
        }
    }

    @Test("/livez proves which instance answers, to whoever asks, and is short without being asked")
    func livez() async throws {
        try await TestAPI.with { api in
            #expect(try await api.get("/livez").json == ["status": "ok"])
            let nonce = "0123456789abcdef"
            let proof = try await api.get("/livez?nonce=\(nonce)").json["proof"]?.text
            let expected = try await AddressProof.expected(for: nonce, in: api.database)
            #expect(proof != nil && proof == expected)
            #expect(try await api.get("/livez?nonce=short").status == 400)
        }
    }

    @Test("the page Health asks by a button, and shows what is said; nobody else may ask")
    func page() async throws {
        let asked = Mutex(0)
        var hooks = Hooks()
        hooks.askPlatforms = {
            asked.withLock { $0 += 1 }
            return [Finding("online.stripe.key", .failed, "Stripe does not accept it.", advice: "Set another.")]
        }
        try await TestAPI.with(hooks: hooks) { api in
            let browser = try await Browser.signedIn(api)
            let before = try await browser.get("/system").html
            #expect(before.contains("Ask the platforms") && before.contains("Nobody has asked them"))
            #expect(asked.withLock { $0 } == 0)

            #expect(try await browser.act("/system/ask").status == 303)
            var html = ""
            for _ in 0..<1000 where !html.contains("Stripe does not accept it.") {
                html = try await browser.get("/system").html
            }
            #expect(html.contains("Stripe does not accept it.") && html.contains("Set another."))
            let viewer = try await Browser.signedIn(api, as: .viewer, name: "mina")
            #expect(try await viewer.get("/system").html.contains("Ask the platforms") == false)
            #expect(try await viewer.act("/system/ask").status == 403)
            #expect(asked.withLock { $0 } == 1)
        }
    }
}
