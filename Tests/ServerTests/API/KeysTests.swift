import Kit
import Store
import TestSupport
import Testing

@testable import Server

@Suite("API keys", .serialized)
struct KeysTests {
    @Test("a key is checked, tied to its mode, and never printed")
    func text() {
        let ids = Identifiers(now: { .testNow })
        let key = KeyText.make(.live, ids)
        let text = key.reveal { String(decoding: $0, as: UTF8.self) }

        #expect(text.hasPrefix("pb_live_") && text.count == 8 + 32 + 6)
        #expect(KeyText.read(key, in: .live) == .key)
        #expect(KeyText.read(key, in: .test) == .otherMode(.live))
        #expect("\(key)" == "‹secret›")
        for index in text.indices {
            var wrong = text
            wrong.replaceSubrange(index...index, with: text[index] == "0" ? "1" : "0")
            #expect(KeyText.read(Secret(wrong), in: .live) == .mistyped)
        }
        #expect(KeyText.read(Secret(""), in: .live) == .mistyped)
    }

    @Test(
        "scopes: each level holds those below, for all or one resource",
        arguments: [
            ("read", Scope.Level.read, "events", true), ("read", .write, "events", false),
            ("write", .read, "jobs", true),
            ("admin", .write, "jobs", true), ("events:read", .read, "events", true),
            ("events:read", .read, "jobs", false),
            ("events:write", .admin, "events", false),
        ])
    func scopes(text: String, level: Scope.Level, resource: String, allowed: Bool) throws {
        #expect(try #require(Scope(text)).allows(level, resource) == allowed)
    }

    @Test("words that are no scope", arguments: ["", "root", "x:read", "events:admin", "a:b:c", "events:"])
    func noScope(text: String) { #expect(Scope(text) == nil) }

    @Test(
        "without a key, with a wrong one, one of the other mode, a revoked one, a weak one", arguments: TestEngine.all)
    func refused(engine: TestEngine) async throws {
        try await TestAPI.with(engine) { api async throws in
            let reader = try await TestAPI.makeKey(api.app, ["read"])
            let live = try await TestAPI.makeKey(api.app, ["admin"], mode: .live)
            let unknown = KeyText.make(.test, api.app.ids).reveal { String(decoding: $0, as: UTF8.self) }

            #expect(try await api.get("/v1/events", ["Authorization": ""]).code == "missing_key")
            #expect(try await api.get("/v1/events", ["Authorization": ""]).header("WWW-Authenticate") != nil)
            #expect(try await api.get("/v1/events", as: "nonsense").code == "invalid_key")
            #expect(try await api.get("/v1/events", as: unknown).code == "invalid_key")
            #expect(try await api.get("/v1/events", as: live).code == "wrong_mode")
            #expect(try await api.get("/v1/events", as: reader).status == 200)
            #expect(try await api.get("/v1/keys", as: reader).code == "insufficient_scope")
            #expect(try await api.post("/v1/events/replay", ["filter": ["state": "failed"]], as: reader).status == 403)
        }
    }

    @Test("made, shown once, listed, replaced, revoked", arguments: TestEngine.all)
    func life(engine: TestEngine) async throws {
        try await TestAPI.with(engine) { api async throws in
            let made = try await api.post(
                "/v1/keys", ["name": "shop", "scopes": ["events:read", "read"]], ["Idempotency-Key": "k1"])
            #expect(made.status == 201)
            let key = try #require(made.json["key"]?.text)
            let id = try #require(made.json["id"]?.text)
            #expect(made.header("Location") == "/v1/keys/\(id)")

            let again = try await api.post(
                "/v1/keys", ["name": "shop", "scopes": ["events:read", "read"]], ["Idempotency-Key": "k1"])
            #expect(again.status == 409 && again.code == "already_shown")

            #expect(try await api.get("/v1/events", as: key).status == 200)
            try await api.app.keys.noteUses()
            let shown = try await api.get("/v1/keys/\(id)")
            #expect(shown.json["key"] == nil && shown.json["last_used_at"]?.text != nil)
            #expect(try await api.get("/v1/keys?name=shop").ids == [id])

            let rotated = try await api.post("/v1/keys/\(id)/rotate", ["overlap_seconds": 60])
            let new = try #require(rotated.json["key"]?.text)
            #expect(try await api.post("/v1/keys/\(id)/rotate", [:]).code == "wrong_state")
            #expect(try await api.get("/v1/events", as: key).status == 200)
            api.clock.advance(.seconds(61))
            #expect(try await api.get("/v1/events", as: key).code == "invalid_key")
            #expect(try await api.get("/v1/events", as: new).status == 200)

            let newID = try #require(rotated.json["id"]?.text)
            #expect(try await api.send("DELETE", "/v1/keys/\(newID)").status == 204)
            #expect(try await api.get("/v1/events", as: new).code == "invalid_key")
            let acts = try await api.get("/v1/audit?limit=100").data.compactMap { $0["action"]?.text }
            #expect(acts == ["key.revoked", "key.rotated", "key.created"])
        }
    }

    @Test("no table holds a key", arguments: TestEngine.all)
    func atRest(engine: TestEngine) async throws {
        try await TestAPI.with(engine) { api async throws in
            let made = try await api.post("/v1/keys", ["name": "shop", "scopes": ["read"]], ["Idempotency-Key": "k"])
            let key = try #require(made.json["key"]?.text)

            let owner = try #require(
                try await api.get("/v1/keys").data.first { $0["name"]?.text == "test" }?["id"]?.text)
            let stored = try await api.database.read("all") { session in
                try session.idempotencyRecord(owner: owner, operation: "POST /v1/keys", key: "k")
            }

            #expect(stored?.answer == [] && stored?.heldSecret == true)
            #expect(
                !"\(try await api.database.read("keys") { try $0.keys(KeyFilter(), ListPage(limit: 9)) })".contains(
                    key.dropLast(4)))
        }
    }
}
