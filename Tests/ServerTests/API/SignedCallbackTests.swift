import Instagram
import Kit
import TestSupport
import Testing

@testable import Engine
@testable import Server
@testable import Store

/// Meta's signed requests, from the POST to the page that a person sees.
@Suite("A platform tells what a person asked of it")
struct SignedCallbackTests {
    private static let secret = "0123456789abcdef0123456789abcdef"
    private static let deauthorize = "/callbacks/meta/deauthorize"
    private static let deletion = "/callbacks/meta/data-deletion"
    private static let settings: Settings = {
        var settings = Settings.test
        settings.publicURL = "https://pb.example"
        return settings
    }()

    /// A server that both of Meta's apps are set up at.
    private static func parts(_ database: any Database, _ ids: Identifiers, _ clock: TurningClock) async throws
        -> (Hooks, [OtherRoute])
    {
        let app = try await database.write("app") {
            try $0.settingsApp(of: "instagram", id: ids.make(), at: .testNow)
        }
        let time = TimeSource(now: { clock.now }, uptime: { clock.now - .testNow }, sleep: { clock.advance($0) })
        let keys = try ["another-app-secret-of-32-chars!!", secret].map { try WebhookSecret($0, written: .text) }
        let secrets = WebhookSecrets(
            settings: ["instagram": OwnedSecrets(app: app, secrets: keys, version: 1)],
            source: AppSecrets(database: database, vault: Vault(keyring: Keyring([])), time: time), time: time)
        let gateway = Gateway(
            sources: Providers.webhookSources, secrets: secrets, database: database,
            rejections: RejectionLog(database: database, logger: .quiet), ids: ids, bells: Bells(),
            metrics: GatewayMetrics(metrics: Metrics(), logger: .quiet))
        return (
            Hooks(),
            WebhookRoutes(
                gateway: gateway, aliases: [:], trustedProxies: [], time: time, metrics: Metrics(),
                address: "https://pb.example"
            ).all
        )
    }

    private static func with(
        _ engine: TestEngine = .sqlite, _ body: @Sendable @escaping (TestAPI) async throws -> Void
    ) async throws {
        try await TestAPI.with(engine, settings: settings, assemble: { try await parts($0, $1, $2) }, body)
    }

    /// As Meta writes it.
    private static func request(_ payload: String, secret: String = secret) throws -> String {
        let scheme = try #require(Instagram().callbacks.first?.scheme)
        guard case .proof(let proof) = scheme.verification else { throw Forged.noSecret }
        let draft = WebhookDraft(url: "", headers: [], body: Array(payload.utf8))
        let signed = proof.sign(draft, [try WebhookSecret(secret, written: .text)], .testNow)
        return String(decoding: signed.body, as: UTF8.self)
    }
    private static func wish(of account: String, issued: Int64 = Timestamp.testNow.seconds - 60) throws -> String {
        try request(#"{"user_id":"\#(account)","algorithm":"HMAC-SHA256","issued_at":\#(issued)}"#)
    }

    @Test("only what an active secret signed is believed, written in whatever way that Meta may write it")
    func proof() async throws {
        try await Self.with { api in
            let good = try Self.wish(of: "218471")
            let firstHalf = try #require(good.split(separator: ".").first)
            let now = Timestamp.testNow.seconds
            let refused = [
                good.replacing("signed_request=", with: "signed_request=A"), good + "A", good + "%3D",
                good + "&" + good,
                String(firstHalf), "", "{}",
                try Self.request(#"{"user_id":"218471","algorithm":"none","issued_at":1}"#),
                try Self.request(#"{"user_id":"218471","algorithm":"hmac-sha256","issued_at":1}"#),
                try Self.request(
                    #"{"user_id":"218471","algorithm":"HMAC-SHA256","issued_at":\#(now - 9),"expires":\#(now - 1)}"#),
                try Self.request(#"{"user_id":"218471","algorithm":"HMAC-SHA256"}"#, secret: "0123456789abcdef0000"),
            ]
            for path in [Self.deauthorize, Self.deletion] {
                for body in refused {
                    let reply = try await api.send("POST", path, Array(body.utf8))
                    #expect(reply.status == 401 && reply.code == "invalid_signature", "\(body)")
                }
                #expect(try await api.get(path).status == 405)
                let long = [UInt8](repeating: 65, count: 17 << 10)
                #expect(try await api.send("POST", path, long).status == 413)
            }
            let counts = try await api.database.read("counts") { session in
                try ["events", "erasures"].map { table in
                    try session.row("SELECT count(*) FROM \(SQL(stringLiteral: table))") { try $0.integer() } ?? -1
                }
            }
            #expect(counts == [0, 0])

            let padded = good.replacing(".", with: "%3D.")
            let ends = try Self.request(
                #"{"user_id":218471,"algorithm":"HMAC-SHA256","issued_at":\#(now),"expires":\#(now + 60)}"#)
            for body in [good, padded, ends] {
                #expect(try await api.send("POST", Self.deauthorize, Array(body.utf8)).status == 200)
            }
            let events = try await api.get("/v1/events?provider=instagram")
            #expect(events.data.map { $0["type"]?.text } == ["deauthorize", "deauthorize"])
            #expect(events.data.last?["duplicates"]?.integer == 1)
            #expect(try await api.get("/v1/deliveries?verdict=accepted").data.count == 2)
        }
    }

    @Test("a flipped bit anywhere proves nothing")
    func flipped() throws {
        let scheme = try #require(Instagram().callbacks.first?.scheme)
        let keys = [try WebhookSecret(Self.secret, written: .text)]
        let good = Array(try Self.wish(of: "218471").utf8)
        func isProven(_ body: [UInt8]) -> Bool {
            let delivery = Delivery(
                method: "POST", target: Self.deauthorize, headers: [], body: body, receivedAt: .testNow)
            return (try? scheme.check(delivery, with: keys)) != nil
        }
        #expect(isProven(good))
        // The last character of each half holds bits that stand for nothing.
        let dot = try #require(good.firstIndex(of: UInt8(ascii: ".")))
        for index in good.indices where index != dot - 1 && index != good.count - 1 {
            for bit in 0..<8 {
                var body = good
                body[index] ^= 1 << UInt8(bit)
                #expect(!isProven(body), "byte \(index), bit \(bit)")
            }
        }
    }

    @Test("where no secret is set there is no such address")
    func off() async throws {
        try await TestAPI.with(assemble: { database, ids, clock in
            let time = TestClock().source
            let gateway = Gateway(
                sources: Providers.webhookSources,
                secrets: WebhookSecrets(
                    settings: [:],
                    source: AppSecrets(database: database, vault: Vault(keyring: Keyring([])), time: time), time: time),
                database: database, rejections: RejectionLog(database: database, logger: .quiet), ids: ids,
                bells: Bells(), metrics: GatewayMetrics(metrics: Metrics(), logger: .quiet))
            return (
                Hooks(),
                WebhookRoutes(gateway: gateway, aliases: [:], trustedProxies: [], time: time, metrics: Metrics()).all
            )
        }) { api in
            let reply = try await api.send("POST", Self.deletion, Array(try Self.wish(of: "1").utf8))
            #expect(reply.status == 404)
        }
    }

    @Test(
        "an app of its own has both addresses with its id behind, proven by its secrets alone",
        arguments: TestEngine.all)
    func ofApps(engine: TestEngine) async throws {
        let app = ID<AppKind>(stored: "app_00000000000000000000000001")
        try await TestAPI.with(
            engine, settings: Self.settings,
            assemble: { database, ids, _ in
                let time = TestClock().source
                let vault = Vault(keyring: Keyring([("k1", Secret([UInt8](repeating: 7, count: 32)))]))
                let sealed = try vault.seal(Secret(Self.secret), in: AppSecrets.place("whs_1"))
                try await database.write("add_app") { session in
                    try session.addApp(app, provider: "instagram", name: "second", at: .testNow)
                    try session.addSecret(
                        "whs_1", to: app, purpose: AppSecrets.purpose, sealed: sealed.bytes, keyID: sealed.keyID,
                        expiring: nil, at: .testNow)
                }
                let gateway = Gateway(
                    sources: Providers.webhookSources,
                    secrets: WebhookSecrets(
                        settings: [:], source: AppSecrets(database: database, vault: vault, time: time), time: time),
                    database: database, rejections: RejectionLog(database: database, logger: .quiet), ids: ids,
                    bells: Bells(), metrics: GatewayMetrics(metrics: Metrics(), logger: .quiet))
                return (
                    Hooks(),
                    WebhookRoutes(
                        gateway: gateway, aliases: [:], trustedProxies: [], time: time, metrics: Metrics(),
                        address: "https://pb.example"
                    ).all
                )
            }
        ) { api in
            let wish = Array(try Self.wish(of: "218471").utf8)
            #expect(try await api.send("POST", "\(Self.deauthorize)/\(app)", wish).status == 200)
            let deletion = try await api.send("POST", "\(Self.deletion)/\(app)", wish)
            #expect(deletion.status == 200 && deletion.json["confirmation_code"]?.text?.utf8.count == 32)
            #expect(try await api.get("/v1/events").data.map { $0["type"]?.text } == ["data_deletion", "deauthorize"])
            #expect(try await api.get("/v1/erasures").data.count == 1)

            let payload = #"{"user_id":"218471","algorithm":"HMAC-SHA256"}"#
            let foreign = Array(try Self.request(payload, secret: "another-app-secret-of-32-chars!!").utf8)
            #expect(try await api.send("POST", "\(Self.deletion)/\(app)", foreign).status == 401)
            let unknown = "app_00000000000000000000000002"
            for path in [Self.deletion, "\(Self.deletion)/\(unknown)", "\(Self.deletion)/nobody"] {
                #expect(try await api.send("POST", path, wish).status == 404, "\(path)")
            }
        }
    }

    @Test("a deletion has one code, one erasure and a page that says how far it is", arguments: TestEngine.all)
    func page(engine: TestEngine) async throws {
        try await Self.with(engine) { api in
            let body = Array(try Self.wish(of: "218471").utf8)
            let first = try await api.send("POST", Self.deletion, body)
            let second = try await api.send("POST", Self.deletion, body)
            #expect(first.status == 200 && first.header("Content-Type") == "application/json")
            #expect(first.body == second.body)
            let code = try #require(first.json["confirmation_code"]?.text)
            #expect(first.json["url"]?.text == "https://pb.example/deletion/\(code)" && code.utf8.count == 32)
            let other = try await api.send("POST", Self.deletion, Array(try Self.wish(of: "218472").utf8))
            #expect(other.json["confirmation_code"]?.text != code)

            let erasures = try await api.get("/v1/erasures")
            #expect(erasures.data.count == 2)
            #expect(erasures.data.allSatisfy { $0["provider"]?.text == "instagram" && $0["user"]?.isNull == true })
            let page = try await api.get("/deletion/\(code)", ["Authorization": ""])
            let text = String(decoding: page.body, as: UTF8.self)
            #expect(page.status == 200 && text.contains("is being erased"))
            #expect(!text.contains("218471") && page.header("Cache-Control")?.contains("no-store") == true)
            #expect(page.header("X-Robots-Tag")?.contains("noindex") == true)
            let korean = try await api.get("/deletion/\(code)", ["Accept-Language": "ko", "Authorization": ""])
            #expect(String(decoding: korean.body, as: UTF8.self).contains("삭제하고 있습니다"))
            for unknown in [String(repeating: "0", count: 32), "1", "%00"] {
                #expect(try await api.get("/deletion/\(unknown)", ["Authorization": ""]).status == 404)
            }
        }
    }

    // MARK: What comes of it

    /// Runs the jobs of a kind, as a node does.
    private func run(_ worker: any JobWorker, _ api: TestAPI) async throws {
        let node = api.app.ids.make(NodeKind.self)
        let jobs = try await api.database.set("claim", in: .work) { session in
            try session.openNode(node, host: "test", process: 1, program: "test", at: api.clock.now)
            return try session.claim(50, pools: [0, 1, 2], for: node, at: api.clock.now)
        }.filter { $0.kind == worker.kind }
        #expect(!jobs.isEmpty)
        for job in jobs where try await worker.run(job) == .done {
            try await api.database.set("end", in: .work) { try $0.succeed(job, at: api.clock.now) }
        }
    }

    /// An account that a user has connected, with tokens.
    private func connect(_ user: String, to account: String, scoped: String?, _ api: TestAPI, since: Duration)
        async throws
        -> ID<ConnectionKind>
    {
        let (id, app) = (api.app.ids.make(ConnectionKind.self), api.app.ids.make(AppKind.self))
        let moment = Timestamp.testNow - since
        try await api.database.write("connect") { session in
            let app = try session.settingsApp(of: "instagram", id: app, at: .testNow)
            var new = NewConnection(
                id: id, userID: user, provider: "instagram", app: app, openID: account, name: nil, scopes: [],
                wanted: [], isPending: false)
            new.scopedID = scoped
            _ = try session.connect(new, at: moment)
            try session.run(
                """
                INSERT INTO credentials (id, provider, app_id, open_id, version, sealed, key_id, obtained_at)
                VALUES (\(id), 'instagram', \(app), \(account), 1, \([1] as [UInt8]), 'k1', \(moment))
                """)
            var call = CallRow(
                id: api.app.ids.make(), provider: "instagram", purpose: "t", method: "GET", host: "h", path: "/",
                at: .testNow)
            (call.connection, call.userID) = (id.text, user)
            try session.insert([call])
        }
        return id
    }

    private func column(_ sql: SQL, _ api: TestAPI) async throws -> [String] {
        try await api.database.read("column") { session in try session.rows(sql) { try $0.text() } }
    }

    @Test(
        "whose owner removed the app is disconnected, known by either id; of the unknown it is kept",
        arguments: TestEngine.all)
    func deauthorized(engine: TestEngine) async throws {
        try await Self.with(engine) { api in
            let mine = try await connect("u_1", to: "1784", scoped: "218471", api, since: .days(2))
            let other = try await connect("u_2", to: "1785", scoped: "218472", api, since: .days(2))
            let (time, ids) = (TimeSource(now: { api.clock.now }, uptime: { .zero }, sleep: { _ in }), api.app.ids)
            let handler = GrantHandler(Instagram() as any SignedCallbackSource, ids: ids)
            let applying = EventApplying(
                database: api.database, handlers: ["instagram": handler], ids: ids, time: time, bells: Bells())
            for account in ["218471", "218471", "999"] {
                let body = Array(try Self.wish(of: account).utf8)
                #expect(try await api.send("POST", Self.deauthorize, body).status == 200)
            }
            try await run(applying, api)

            let states = try await column("SELECT state FROM oauth_accounts ORDER BY id", api)
            #expect(states == ["revoked", "active"])
            #expect(try await column("SELECT id FROM credentials", api) == [other.text])
            let told = try await column("SELECT subject FROM changes WHERE type = 'connection.revoked'", api)
            #expect(told == [mine.text])
            let events = try await api.get("/v1/events?provider=instagram")
            #expect(events.data.map { $0["state"]?.text } == ["applied", "applied"])
            let reasons = try await column("SELECT coalesce(state_reason, '-') FROM events ORDER BY id", api)
            #expect(reasons == ["-", "No connection to this account stands here."])
        }
    }

    /// A batch about two accounts, as Meta sends it.
    private func tell(_ accounts: [String], _ api: TestAPI) async throws {
        let entries = accounts.map { account in
            #"{"id":"\#(account)","time":1795859990,"changes":[{"field":"comments","value":{"id":"c\#(account)"}}]}"#
        }
        let body = Array(#"{"object":"instagram","entry":[\#(entries.joined(separator: ","))]}"#.utf8)
        let headers = Instagram().webhooks.sign(
            body, with: [try WebhookSecret(Self.secret, written: .text)], at: .testNow)
        let reply = try await api.send(
            "POST", "/webhooks/instagram", body,
            headers: Dictionary(uniqueKeysWithValues: headers.map { ($0.name, $0.value) }))
        #expect(reply.status == 200)
    }

    @Test(
        "an erasure reaches connection, tokens, bodies, findable values and calls of that account and no other's",
        arguments: TestEngine.all)
    func erased(engine: TestEngine) async throws {
        try await Self.with(engine) { api in
            let mine = try await connect("u_1", to: "1784", scoped: "218471", api, since: .days(2))
            let other = try await connect("u_2", to: "1785", scoped: "218472", api, since: .days(2))
            try await tell(["1784", "1785"], api)
            let time = TimeSource(now: { api.clock.now }, uptime: { .zero }, sleep: { _ in })
            try await api.database.write("terms") { session in
                try session.run("INSERT INTO event_terms (term, event_id) SELECT 1, id FROM events")
            }
            #expect(try await column("SELECT event_id FROM event_terms", api).count == 2)

            let body = Array(try Self.wish(of: "218471").utf8)
            let first = try await api.send("POST", Self.deletion, body)
            let erasing = UserErasing(
                database: api.database,
                accounts: ForsakenAccounts(
                    Providers.syncBook, database: api.database, time: time, logger: .quiet), ids: api.app.ids,
                time: time, bells: Bells(), logger: .quiet)
            try await run(AccountErasing(erasing), api)
            // Once more, afterwards: the same code, nothing new.
            #expect(try await api.send("POST", Self.deletion, body).body == first.body)

            let accounts = try await column("SELECT coalesce(account, '-') FROM events ORDER BY id", api)
            #expect(accounts == ["-", "1785", "-"])
            let bodies = try await api.database.read("bodies") { session in
                try session.rows("SELECT bytes FROM bodies") { String(decoding: try $0.blob(), as: UTF8.self) }
            }
            #expect(bodies.count == 1 && bodies[0].contains("c1785") && !bodies[0].contains("c1784"))
            #expect(try await column("SELECT event_id FROM event_terms", api).count == 1)
            #expect(try await column("SELECT id FROM credentials", api) == [other.text])
            let callers = try await column("SELECT coalesce(connection_id, '-') FROM calls ORDER BY id", api)
            #expect(callers == ["-", other.text])
            let left = try await column(
                "SELECT open_id || coalesce(scoped_id, '') FROM oauth_accounts ORDER BY id", api)
            #expect(left == ["", "1785218472"])
            let told = try await column("SELECT subject FROM changes WHERE type = 'connection.revoked'", api)
            #expect(told == [mine.text])
            // Whatever comes later about it is not kept.
            let names = ["1784", "218471", "1785"].map { ErasedName(account: $0, at: "instagram") }
            #expect(try await api.database.read("names") { try $0.erased(among: names).count } == 2)

            let erasure = try #require(try await api.get("/v1/erasures").data.first)
            #expect(erasure["state"]?.text == "done" && erasure["erased", "connections"]?.integer == 1)
            let audit = try await column("SELECT action FROM audit ORDER BY id", api)
            #expect(audit.suffix(2) == ["account.erasure_begun", "account.erased"])
            let code = first.json["confirmation_code"]?.text ?? ""
            let page = try await api.get("/deletion/\(code)", ["Authorization": ""])
            #expect(String(decoding: page.body, as: UTF8.self).contains("is erased"))
        }
    }

    @Test("what was granted after the wish stands: its owner came back", arguments: TestEngine.all)
    func cameBack(engine: TestEngine) async throws {
        try await Self.with(engine) { api in
            let mine = try await connect("u_1", to: "1784", scoped: "218471", api, since: .zero)
            try await tell(["1784"], api)
            let body = Array(try Self.wish(of: "218471").utf8)
            #expect(try await api.send("POST", Self.deletion, body).status == 200)
            let time = TimeSource(now: { api.clock.now }, uptime: { .zero }, sleep: { _ in })
            let erasing = UserErasing(
                database: api.database,
                accounts: ForsakenAccounts(
                    Providers.syncBook, database: api.database, time: time, logger: .quiet), ids: api.app.ids,
                time: time, bells: Bells(), logger: .quiet)
            try await run(AccountErasing(erasing), api)

            #expect(try await column("SELECT id FROM credentials", api) == [mine.text])
            #expect(
                try await column("SELECT coalesce(account, '-') FROM events ORDER BY id", api) == ["1784", "218471"])
        }
    }
}
