import Kit
import Logging
import TestSupport
import Testing

@testable import Engine
@testable import Server
@testable import Store

@Suite("Endpoints, and the live feed", .serialized)
struct EndpointsTests {
    @Test("made with a secret that is shown once, changed, rotated, deleted", arguments: TestEngine.all)
    func life(engine: TestEngine) async throws {
        try await TestAPI.withEndpoints(engine) { api async throws in
            let body: JSON = ["url": "https://app.example.com/hooks", "types": ["user.*"], "ordered_by": "user"]
            let made = try await api.post("/v1/endpoints", body, ["Idempotency-Key": "k"])
            let id = try #require(made.json["id"]?.text)
            #expect(
                made.status == 201 && made.json["secret"]?.text?.hasPrefix("whsec_") == true
                    && made.header("ETag") == "\"1\"")
            #expect(try await api.post("/v1/endpoints", body, ["Idempotency-Key": "k"]).code == "already_shown")

            let path = "/v1/endpoints/\(id)"
            #expect(try await api.get(path).json["secret"] == nil)
            #expect(try await api.get("/v1/endpoints?state=active").ids == [id])
            let changed = try await api.send(
                "PATCH", path, (["types": ["payment.failed"], "description": "x"] as JSON).bytes,
                headers: ["If-Match": "\"1\""])
            #expect(
                changed.json["types"] == ["payment.failed"]
                    && changed.json["url"]?.text == "https://app.example.com/hooks")
            #expect(
                try await api.send("PATCH", path, Array("{}".utf8), headers: ["If-Match": "\"1\""]).code
                    == "precondition_failed")
            #expect(
                try await api.send("PATCH", path, Array(#"{"description":null,"state":"disabled"}"#.utf8)).json[
                    "state"]?.text == "disabled")

            let rotated = try await api.post(path + "/rotate-secret")
            #expect(rotated.json["secret"]?.text != made.json["secret"]?.text && rotated.json["secret"]?.text != nil)
            #expect(try await api.send("DELETE", path).status == 204)
            #expect(try await api.send("DELETE", path).code == "not_found")
            #expect(try await api.get("/v1/audit?action=endpoint.secret_rotated").data.count == 1)
        }
    }

    @Test(
        "an address that may not be dialled, a pattern that is none",
        arguments: [
            (["url": "http://127.0.0.1/x"], "url"), (["url": "https://10.0.0.1/"], "url"), (["url": "ftp://x"], "url"),
            (["url": "https://a.example", "types": ["*.x"]], "types[0]"),
            (["url": "https://a.example", "ordered_by": "time"], "ordered_by"),
        ] as [(JSON, String)])
    func refused(body: JSON, field: String) async throws {
        try await TestAPI.withEndpoints(.sqlite) { api async throws in
            let reply = try await api.post("/v1/endpoints", body)
            #expect(
                reply.code == "invalid_fields" && reply.json["errors"]?.elements?.first?["field"]?.text == field,
                "\(reply.json)")
        }
    }

    @Test("tested, its attempts listed, what failed and what is missing sent again", arguments: TestEngine.all)
    func attempts(engine: TestEngine) async throws {
        try await TestAPI.withEndpoints(engine) { api async throws in
            let id = try #require(
                try await api.post("/v1/endpoints", ["url": "https://app.example.com/"]).json["id"]?.text)
            let path = "/v1/endpoints/\(id)"

            let test = try await api.post(path + "/test")
            #expect(
                test.json["outcome"]?.text == "dead" && test.json["status"]?.integer == 500
                    && test.json["answer"]?.text == "no")
            #expect(try await api.get(path + "/attempts").ids == [test.json["id"]?.text])
            #expect(try await api.get(path + "/attempts?outcome=delivered").ids == [])

            try await api.keep(3)
            try await api.sequence()
            try await api.advance(id, to: 3)
            let missing = try await api.post(
                path + "/recover", ["missing_since": "2020-01-01T00:00:00Z"], ["Idempotency-Key": "r"])
            #expect(missing.json["queued"]?.integer == 3)
            #expect(
                try await api.post(
                    path + "/recover", ["missing_since": "2020-01-01T00:00:00Z"], ["Idempotency-Key": "r"]
                ).header("Idempotent-Replayed") == "true")
            #expect(
                try await api.post(path + "/recover", ["failed_since": "2020-01-01T00:00:00Z"]).json["queued"]?.integer
                    == 0)
            let change = try #require(try await api.get("/v1/changes").data.first?["id"])
            #expect(try await api.post(path + "/recover", ["change_id": change]).json["queued"]?.integer == 1)
            #expect(try await api.post(path + "/recover", [:]).code == "invalid_fields")
            #expect(try await api.post("/v1/endpoints/\(api.app.ids.make(EndpointKind.self))/test").status == 404)
        }
    }

    @Test("a node without keys says why it makes no endpoints")
    func off() async throws {
        try await TestAPI.with { api async throws in
            #expect(try await api.post("/v1/endpoints", ["url": "https://a.example"]).code == "unavailable")
        }
    }

    @Test("a change carries the platform's bytes as they are, and whom it is about")
    func change() async throws {
        try await TestAPI.with { api async throws in
            let change = NewChange(
                id: api.app.ids.make(), type: "event.received", subject: "evt_1", version: 2, userID: "u1",
                occurredAt: api.clock.now,
                data: Array(#"{"id":"evt_1"}"#.utf8), body: BodyRange(body: "b", offset: 0, length: 6))
            try await api.database.write("change") { session in
                try session.run(
                    "INSERT INTO bodies (id, bytes, encoding, checksum) VALUES ('b', \(Array("[1.10]".utf8)), 'raw', 0)"
                )
                try session.append([change])
            }

            let reply = try await api.get("/v1/changes")
            #expect(
                String(decoding: reply.body, as: UTF8.self).contains(
                    #""occurred_at":"2026-11-28T10:00:00.000000Z","data":{"id":"evt_1","payload":[1.10]}}"#
                ))
        }
    }

    @Test("the live feed resumes after a position; what is gone is 410")
    func stream() async throws {
        try await TestAPI.withEndpoints(.sqlite) { api async throws in
            try await api.keep(3)
            try await api.removeFeed(before: 2)
            #expect(try await api.get("/v1/changes/stream?after=0").code == "position_gone")
            #expect(try await api.get("/v1/changes/stream?types=*.x").code == "invalid_query")
            #expect(try await api.get("/v1/changes/stream", ["Last-Event-ID": "x"]).code == "invalid_query")

            let hub = try #require(api.app.hooks.hub)
            var seen: [Int64] = []
            for try await item in hub.subscribe(after: 1) {
                seen.append(item.position)
                if seen.count == 2 { break }
            }
            #expect(seen == [2, 3])
        }
    }
}

extension TestAPI {
    static func withEndpoints(_ engine: TestEngine, _ body: @Sendable @escaping (TestAPI) async throws -> Void)
        async throws
    {
        try await with(engine, makeHooks: endpointHooks, body)
    }

    static let vault = Vault(keyring: Keyring([("k1", Secret([UInt8](repeating: 7, count: 32)))]))

    /// Endpoints over a wire that answers everything with 500, and a live feed.
    @Sendable static func endpointHooks(_ database: any Database, _ ids: Identifiers) -> Hooks {
        var hooks = Hooks()
        hooks.endpoints = Endpoints(
            database: database, wire: Refusing(),
            vault: vault, identifiers: ids,
            policy: AddressPolicy(), time: .system, changed: Bell(), program: "test")
        hooks.hub = ChangeHub(database: database, placed: Bell(), time: .system, logger: .quiet)
        return hooks
    }

    /// What the sender does when it has sent up to a position.
    func advance(_ endpoint: String, to position: Int64) async throws {
        try await database.write("advance") {
            _ = try $0.run("UPDATE endpoints SET position = \(position) WHERE id = \(endpoint)")
        }
    }
}

/// Answers everything with 500.
private struct Refusing: OutsideWire {
    func post(_ request: OutsideRequest) async throws(WireFailure) -> WireAnswer {
        WireAnswer(status: 500, headers: [], body: Array("no".utf8))
    }
}
