import Kit
import Logging
import StandardWebhooks
import Stripe
import TestSupport
import Testing

@testable import Engine
@testable import Server
@testable import Store

@Suite("App credentials", .serialized)
struct AppsTests {
    private static let first = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    private static let second = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"

    private func wish(_ secrets: [String], provider: String = "standard-webhooks") -> JSON {
        [
            "provider": .string(provider), "name": "Acme",
            "secrets": ["webhook_secret": .array(secrets.map(JSON.string))],
        ]
    }

    @Test(
        "made, and its address takes what its secret signed, once; the secret is never shown", arguments: TestEngine.all
    )
    func delivered(engine: TestEngine) async throws {
        try await TestAPI.withApps(engine) { api async throws in
            let made = try await api.post("/v1/apps", wish([Self.first]), ["Idempotency-Key": "k"])
            let path = try #require(made.json["webhook_path"]?.text)

            let replies = [
                try await api.deliver("msg_1", to: path, Self.first),
                try await api.deliver("msg_1", to: path, Self.first),
                try await api.deliver("msg_2", to: path, Self.second),
                try await api.deliver("msg_3", to: "/webhooks/standard-webhooks", Self.first),
            ]

            #expect(made.status == 201 && path == "/webhooks/standard-webhooks/\(made.json["id"]?.text ?? "")")
            #expect(replies == [200, 200, 401, 404])
            let again = try await api.post("/v1/apps", wish([Self.first]), ["Idempotency-Key": "k"])
            #expect(again.json == made.json)
            let events = try await api.get("/v1/events")
            #expect(events.data.compactMap { $0["provider_event_id"]?.text } == ["msg_1"])
            #expect(events.data.first?["duplicates"]?.integer == 1)
            let shown = try await api.get("/v1/apps")
            #expect(!String(decoding: made.body + shown.body, as: UTF8.self).contains("whsec_"))
            #expect(try await api.get("/v1/audit?action=app.created").data.count == 1)
        }
    }

    @Test("a rotation accepts both secrets while they overlap, and then the new one", arguments: TestEngine.all)
    func rotated(engine: TestEngine) async throws {
        try await TestAPI.withApps(engine) { api async throws in
            let made = try await api.post("/v1/apps", wish([Self.first])).json
            let (id, path) = (try #require(made["id"]?.text), try #require(made["webhook_path"]?.text))
            let change: JSON = ["secrets": ["webhook_secret": [.string(Self.second)]], "overlap_seconds": 3600]

            let changed = try await api.send("PATCH", "/v1/apps/\(id)", change.bytes, headers: ["If-Match": "\"2\""])
            let stale = try await api.send("PATCH", "/v1/apps/\(id)", change.bytes, headers: ["If-Match": "\"2\""])
            let during = [
                try await api.deliver("msg_1", to: path, Self.first),
                try await api.deliver("msg_2", to: path, Self.second),
            ]
            api.clock.advance(.seconds(3601))
            let after = [
                try await api.deliver("msg_3", to: path, Self.first),
                try await api.deliver("msg_4", to: path, Self.second),
            ]

            #expect(changed.json["secrets"]?.elements?.count == 2 && stale.code == "precondition_failed")
            #expect(during == [200, 200] && after == [401, 200])
        }
    }

    @Test("disabled, it is off at once; a removed secret proves nothing", arguments: TestEngine.all)
    func disabled(engine: TestEngine) async throws {
        try await TestAPI.withApps(engine) { api async throws in
            let made = try await api.post("/v1/apps", wish([Self.first, Self.second])).json
            let (id, path) = (try #require(made["id"]?.text), try #require(made["webhook_path"]?.text))
            let secrets = (made["secrets"]?.elements ?? []).compactMap { $0["id"]?.text }
            #expect(try await api.deliver("msg_1", to: path, Self.first) == 200)

            let off = try await api.send("PATCH", "/v1/apps/\(id)", (["state": "disabled"] as JSON).bytes)
            #expect(off.json["state"]?.text == "disabled")
            #expect(try await api.deliver("msg_2", to: path, Self.first) == 404)
            _ = try await api.send("PATCH", "/v1/apps/\(id)", (["state": "active"] as JSON).bytes)
            #expect(try await api.deliver("msg_2", to: path, Self.first) == 200)

            for secret in secrets {
                #expect(try await api.send("DELETE", "/v1/apps/\(id)/secrets/\(secret)").status == 204)
            }
            #expect(try await api.deliver("msg_3", to: path, Self.first) == 404)
            #expect(try await api.send("DELETE", "/v1/apps/\(id)/secrets/\(secrets[0])").code == "not_found")
        }
    }

    @Test("another node's change is heard within a second", arguments: TestEngine.all)
    func elsewhere(engine: TestEngine) async throws {
        try await TestAPI.withApps(engine) { api async throws in
            let made = try await api.post("/v1/apps", wish([Self.first])).json
            let (id, path) = (try #require(made["id"]?.text), try #require(made["webhook_path"]?.text))
            #expect(try await api.deliver("msg_1", to: path, Self.first) == 200)

            try await api.database.write("elsewhere") {
                _ = try $0.updateApp(ID(stored: id), AppPatch(isDisabled: true), at: .testNow)
            }
            let atOnce = try await api.deliver("msg_2", to: path, Self.first)
            api.clock.advance(.seconds(1))

            #expect(atOnce == 200)
            #expect(try await api.deliver("msg_3", to: path, Self.first) == 404)
        }
    }

    @Test("a secret proves deliveries of its own platform only, also after it has proven one")
    func foreignPlatform() async throws {
        try await TestAPI.withApps(.sqlite) { api async throws in
            let made = try await api.post("/v1/apps", wish([Self.first])).json
            let path = try #require(made["webhook_path"]?.text)
            #expect(try await api.deliver("msg_1", to: path, Self.first) == 200)

            let foreign = path.replacing("/standard-webhooks/", with: "/stripe/")

            #expect(try await api.deliver("msg_2", to: foreign, Self.first) == 404)
        }
    }

    @Test("platforms are told in the form of every other problem, with a page that explains it")
    func problems() async throws {
        try await TestAPI.withApps(.sqlite) { api async throws in
            let path = try #require(try await api.post("/v1/apps", wish([Self.first])).json["webhook_path"]?.text)

            let forged = try await api.send("POST", path, Array("{}".utf8), headers: ["Webhook-Id": "1"])
            let off = try await api.send("POST", "/webhooks/stripe", Array("{}".utf8))

            for (reply, code) in [(forged, "invalid_signature"), (off, "webhook_route_off")] {
                #expect(Problem.schema.problems(in: reply.json) == [] && reply.code == code)
                #expect(try await api.get(reply.json["type"]?.text ?? "").status == 200)
            }
        }
    }

    @Test("deleted before it has proven anything, refused afterwards", arguments: TestEngine.all)
    func deleted(engine: TestEngine) async throws {
        try await TestAPI.withApps(engine) { api async throws in
            let unused = try #require(try await api.post("/v1/apps", wish([Self.first])).json["id"]?.text)
            let made = try await api.post("/v1/apps", wish([Self.second])).json
            let (used, path) = (try #require(made["id"]?.text), try #require(made["webhook_path"]?.text))
            _ = try await api.deliver("msg_1", to: path, Self.second)

            #expect(try await api.send("DELETE", "/v1/apps/\(unused)").status == 204)
            #expect(try await api.send("DELETE", "/v1/apps/\(used)").code == "wrong_state")
            #expect(try await api.get("/v1/apps?source=api").ids == [used])
        }
    }

    @Test(
        "what cannot be used is named with its place",
        arguments: [
            (["whsec_c2hvcnQ="], "secrets.webhook_secret[0]"), ([first, "whsk_x"], "secrets.webhook_secret[1]"),
            ([first + "," + second], "secrets.webhook_secret[0]"), ([","], "secrets.webhook_secret[0]"),
            ([], "secrets.webhook_secret"),
        ] as [([String], String)])
    func refused(secrets: [String], field: String) async throws {
        try await TestAPI.withApps(.sqlite) { api async throws in
            let reply = try await api.post("/v1/apps", wish(secrets))
            #expect(reply.code == "invalid_fields" && reply.json["errors"]?.elements?.first?["field"]?.text == field)
            let elsewhere = try await api.post("/v1/apps", wish([Self.first], provider: "nowhere"))
            #expect(elsewhere.json["errors"]?.elements?.first?["field"]?.text == "provider")
        }
    }

    @Test("what the settings hold is listed and changed there only")
    func settings() async throws {
        try await TestAPI.withApps(.sqlite) { api async throws in
            let id = ID<AppKind>(stored: "app_00000000000000000000000001")
            try await api.database.write("app") { _ = try $0.settingsApp(of: "stripe", id: id, at: .testNow) }

            #expect(try await api.get("/v1/apps/\(id)").json["webhook_path"]?.text == "/webhooks/stripe")
            #expect(try await api.send("PATCH", "/v1/apps/\(id)", Array(#"{"name":"x"}"#.utf8)).code == "wrong_state")
            #expect(try await api.send("DELETE", "/v1/apps/\(id)").code == "wrong_state")
        }
    }
}

extension TestAPI {
    /// With a gateway that knows the apps of the API.
    static func withApps(_ engine: TestEngine, _ body: @Sendable @escaping (TestAPI) async throws -> Void) async throws
    {
        try await with(engine, assemble: gateway([StandardWebhooks(), Stripe()]), body)
    }

    /// The webhook routes over a gateway that knows the apps of the API and those of the settings given.
    static func gateway(_ sources: [any WebhookSource], settings: [String: OwnedSecrets] = [:])
        -> @Sendable (any Database, Identifiers, TurningClock) -> (
            Hooks, [OtherRoute]
        )
    {
        { database, ids, clock in
            let time = TimeSource(now: { clock.now }, uptime: { clock.now - .testNow }, sleep: { clock.advance($0) })
            let vault = Vault(keyring: Keyring([("k1", Secret([UInt8](repeating: 7, count: 32)))]))
            let secrets = WebhookSecrets(
                settings: settings, source: AppSecrets(database: database, vault: vault, time: time), time: time)
            let gateway = Gateway(
                sources: sources, secrets: secrets, database: database,
                rejections: RejectionLog(database: database, logger: .quiet), ids: ids, bells: Bells(),
                metrics: GatewayMetrics(metrics: Metrics(), logger: .quiet))
            var hooks = Hooks()
            hooks.apps = AppCredentials(sources, vault, ids)
            hooks.appChanged = { secrets.forget($0) }
            hooks.deciders = Hooks.deciders(ids: ids, database: database, read: gateway.reread)
            let routes = WebhookRoutes(
                gateway: gateway, aliases: [:], trustedProxies: [], time: time, metrics: Metrics())
            return (hooks, routes.all)
        }
    }

    /// What a sender of Standard Webhooks would send.
    func deliver(_ id: String, to path: String, _ secret: String, body: String = #"{"type":"a.b"}"#) async throws -> Int
    {
        let fields = StandardSignature.sign(
            Array(body.utf8), id: id, at: clock.now, with: [try WebhookSecret(secret, written: .standard)])
        let headers = Dictionary(uniqueKeysWithValues: fields.map { ($0.name, $0.value) })
        return try await send("POST", path, Array(body.utf8), headers: headers).status
    }
}
