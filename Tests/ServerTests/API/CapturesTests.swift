import Engine
import Kit
import Store
import TestSupport
import Testing

@testable import Server

@Suite("Captures in the API and on pages")
struct CapturesTests {
    private struct World: Sendable {
        let api: TestAPI
        let connection: ID<ConnectionKind>
        let call: ID<CallKind>
    }
    private static let vault = Vault(
        keyring: Keyring([(id: "k1", secret: Secret([UInt8](repeating: 5, count: 32)))]))
    private static let kept: JSON = [
        "request": [
            "url": "https://open.tiktokapis.com/v2/user/info/?fields=a",
            "headers": [["name": "Accept", "value": "*/*"]],
            "body": ["kind": "none", "bytes": 0],
        ],
        "answer": [
            "headers": [["name": "Content-Type", "value": "application/json"]],
            "body": ["kind": "json", "bytes": 16, "text": #"{"note":"hello"}"#],
        ],
    ]

    private static func with(
        _ engine: TestEngine = .sqlite, _ body: @escaping @Sendable (World) async throws -> Void
    ) async throws {
        try await TestAPI.with(
            engine,
            assemble: { database, _, clock in
                var hooks = Hooks()
                let time = TimeSource(now: { clock.now }, uptime: { .zero }, sleep: { _ in })
                hooks.captures = Captures(
                    names: [:], secrets: [], database: database, vault: vault, time: time, logger: .quiet)
                return (hooks, [])
            }
        ) { api in
            let (id, now) = (api.app.ids.make(ConnectionKind.self), api.clock.now)
            let new = NewConnection(
                id: id, userID: "user-1", provider: "tiktok", app: ID(stored: "app_00000000000000000000000001"),
                openID: "open-1", name: nil, scopes: [], wanted: [], isPending: false)
            var call = CallRow(
                id: api.app.ids.make(), provider: "tiktok", purpose: "proxy", method: "GET",
                host: "open.tiktokapis.com", path: "/v2/user/info/", at: now + .seconds(1))
            call.connection = id.text
            let capture = CaptureRow(
                id: api.app.ids.make(), provider: "tiktok", connection: nil, beganAt: now, endsAt: now + .seconds(60),
                callsMax: 10, startedBy: "key_1")
            let sealed = try vault.seal(Secret(kept.bytes), in: .init(table: "captured_calls", row: call.id.text))
            call.captured = CapturedCall(capture: capture.id, sealed: sealed.bytes, keyID: sealed.keyID)
            try await api.database.write("captured") { [call] session in
                _ = try session.connect(new, at: now)
                try session.begin(capture)
                try session.insert([call])
            }
            api.clock.advance(.minutes(2))
            try await body(World(api: api, connection: id, call: call.id))
        }
    }

    @Test("begun for a time, listed, ended, and in the audit log", arguments: TestEngine.all)
    func life(engine: TestEngine) async throws {
        try await Self.with(engine) { world in
            let (api, id) = (world.api, world.connection)
            let made = try await api.post(
                "/v1/captures", ["connection_id": JSON(id), "seconds": 600, "calls": 5],
                ["Idempotency-Key": "capture-1"])

            #expect(made.status == 201 && made.json["state"] == "open" && made.json["calls_max"] == 5)
            #expect(made.json["ends_at"] == JSON(api.clock.now + .seconds(600)))
            let capture = made.json["id"]?.text ?? ""
            #expect(try await api.get("/v1/captures?connection_id=\(id)").ids == [capture])
            #expect(try await api.get("/v1/captures").ids.count == 2)
            let ended = try await api.post("/v1/captures/\(capture)/end")
            #expect(ended.json["state"] == "over" && ended.json["ends_at"] == JSON(api.clock.now))
            #expect(try await api.post("/v1/captures/\(capture)/end").code == "wrong_state")
            let audit = try await api.get("/v1/audit?subject=\(id)").data.compactMap { $0["action"]?.text }
            #expect(audit == ["capture.ended", "capture.began"])

            for (body, status) in [
                (["seconds": 60], 422), (["connection_id": JSON(id), "provider": "tiktok"], 422),
                (["provider": "nobody"], 422), (["provider": "tiktok", "seconds": 14_401], 422),
                (["connection_id": JSON(api.app.ids.make(ConnectionKind.self))], 404), (["provider": "stripe"], 201),
            ] as [(JSON, Int)] {
                #expect(try await api.post("/v1/captures", body).status == status, "\(body)")
            }
            let reader = try await TestAPI.makeKey(api.app, ["read"], name: "reader")
            #expect(try await api.post("/v1/captures", ["provider": "stripe"], as: reader).status == 403)
        }
    }

    @Test("bodies are shown to whoever may ask for them, and to nobody else")
    func shown() async throws {
        try await Self.with { world in
            let (api, path) = (world.api, "/v1/calls/\(world.call)")
            #expect(try await api.get(path).json["captured"] == Self.kept)
            let reader = try await TestAPI.makeKey(api.app, ["read"], name: "reader")
            #expect(try await api.get(path, as: reader).json["captured"] == nil)
            #expect(try await api.get("/v1/calls").data.first?["captured"] == nil)

            let browser = try await Browser.signedIn(api)
            let html = try await browser.get("/calls/\(world.call)").html
            for text in ["hello", "fields=a", "Content-Type", "open.tiktokapis.com", "What came back"] {
                #expect(html.contains(text), "\(text)")
            }
            let viewer = try await Browser.signedIn(api, as: .viewer, name: "viewer")
            let seen = try await viewer.get("/calls/\(world.call)").html
            #expect(!seen.contains("hello") && seen.contains("An admin can see them"))
        }
    }

    @Test("a connection's page shows its calls, and begins and ends a capture")
    func pages() async throws {
        try await Self.with { world in
            let path = "/connections/\(world.connection)"
            let browser = try await Browser.signedIn(world.api)
            let before = try await browser.get(path).html
            #expect(before.contains("/calls/\(world.call)") && before.contains("Keep bodies of calls…"))
            #expect(try await browser.get(path + "/capture").html.contains("200 calls at most"))
            #expect(try await browser.act(path + "/capture").location == path + "?note=capture_began")
            let during = try await browser.get(path).html
            #expect(during.contains("0 of 200 so far") && !during.contains("Keep bodies of calls…"))
            #expect(try await browser.act(path + "/capture/end").location == path + "?note=capture_ended")
            #expect(try await browser.get(path).html.contains("Keep bodies of calls…"))
            let viewer = try await Browser.signedIn(world.api, as: .viewer, name: "viewer")
            #expect(try await viewer.act(path + "/capture").status == 403)
        }
    }
}
