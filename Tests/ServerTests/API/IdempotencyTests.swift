import Kit
import Store
import Synchronization
import TestSupport
import Testing

@testable import Server

@Suite("Idempotency keys", .serialized)
struct IdempotencyTests {
    @Test("1,000 twins at once: one effect; the others get its answer or 409", arguments: TestEngine.all)
    func twins(engine: TestEngine) async throws {
        try await TestAPI.with(engine) { api async throws in
            let id = try await api.keep(1)[0]

            let replies = try await withThrowingTaskGroup(of: Reply.self) { group in
                for _ in 0..<1000 {
                    group.addTask { try await api.post("/v1/events/\(id)/replay", nil, ["Idempotency-Key": "twin"]) }
                }
                return try await group.reduce(into: [Reply]()) { $0.append($1) }
            }

            let first = replies.filter { $0.status == 202 && $0.header("Idempotent-Replayed") == nil }
            let replayed = replies.filter { $0.header("Idempotent-Replayed") == "true" }
            let refused = replies.filter { $0.status == 409 }
            #expect(first.count == 1)
            #expect(first.count + replayed.count + refused.count == 1000)
            #expect(replayed.allSatisfy { $0.body == first.first?.body && $0.status == 202 })
            #expect(refused.allSatisfy { $0.code == "twin_running" && $0.header("Retry-After") == "1" })
            #expect(try await api.get("/v1/audit?action=event.replayed").data.count == 1)
            #expect(try await api.get("/v1/jobs").data.count == 1)
        }
    }

    @Test("the same key with another request is refused, with the same it is answered again", arguments: TestEngine.all)
    func reuse(engine: TestEngine) async throws {
        try await TestAPI.with(engine) { api async throws in
            let ids = try await api.keep(2)
            let body: JSON = ["filter": ["state": "ignored"]]

            let first = try await api.post("/v1/events/replay", body, ["Idempotency-Key": "a"])
            let again = try await api.post("/v1/events/replay", body, ["Idempotency-Key": "a"])
            let other = try await api.post(
                "/v1/events/replay", ["filter": ["state": "failed"]], ["Idempotency-Key": "a"])

            #expect(first.status == 202 && again.status == 202 && again.body == first.body)
            #expect(
                again.header("Idempotent-Replayed") == "true" && again.header("Location") == first.header("Location"))
            #expect(other.status == 422 && other.code == "key_reused")
            // Another operation is another scope.
            #expect(try await api.post("/v1/events/\(ids[0])/replay", nil, ["Idempotency-Key": "a"]).status == 202)
            #expect(try await api.post("/v1/events/\(ids[0])/replay", nil, ["Idempotency-Key": ""]).status == 202)
            #expect(
                try await api.post("/v1/events/\(ids[0])/replay", nil, ["Idempotency-Key": "no blanks"]).code
                    == "invalid_header")
        }
    }

    @Test("two applications whose keys have one name do not get each other's answers", arguments: TestEngine.all)
    func owners(engine: TestEngine) async throws {
        try await TestAPI.with(engine) { api async throws in
            let id = try await api.keep(1)[0]
            let (mine, theirs) = (
                try await TestAPI.makeKey(api.app, ["write"], name: "shop"),
                try await TestAPI.makeKey(api.app, ["write"], name: "shop")
            )
            let wish: (String) async throws -> Reply = { key in
                try await api.post("/v1/events/\(id)/replay", nil, ["Idempotency-Key": "order-17"], as: key)
            }

            #expect(try await wish(mine).header("Idempotent-Replayed") == nil)
            #expect(try await wish(theirs).header("Idempotent-Replayed") == nil)
            #expect(try await wish(mine).header("Idempotent-Replayed") == "true")
        }
    }

    @Test("a key that was made of another by rotation gets its answers", arguments: TestEngine.all)
    func rotated(engine: TestEngine) async throws {
        try await TestAPI.with(engine) { api async throws in
            let id = try await api.keep(1)[0]
            let made = try await api.post("/v1/keys", ["name": "shop", "scopes": ["write"]]).json
            let (old, oldID) = (try #require(made["key"]?.text), try #require(made["id"]?.text))
            let wish: (String) async throws -> Reply = { key in
                try await api.post("/v1/events/\(id)/replay", nil, ["Idempotency-Key": "order-17"], as: key)
            }
            #expect(try await wish(old).status == 202)

            let new = try #require(try await api.post("/v1/keys/\(oldID)/rotate", [:]).json["key"]?.text)

            #expect(try await wish(new).header("Idempotent-Replayed") == "true")
        }
    }

    @Test("an answer over 64 KiB is not stored; who repeats is told that it is done", arguments: TestEngine.all)
    func large(engine: TestEngine) async throws {
        try await TestAPI.with(engine) { api async throws in
            let fingerprint = [UInt8](repeating: 1, count: 32)
            let large = IdempotencyRecord(
                fingerprint: fingerprint, status: 201, location: "/v1/things/1",
                answer: [UInt8](repeating: 32, count: IdempotencyRecord.answerMax + 1), heldSecret: false)
            let just = IdempotencyRecord(
                fingerprint: fingerprint, status: 201, location: nil,
                answer: [UInt8](repeating: 32, count: IdempotencyRecord.answerMax), heldSecret: false)
            let (first, second) = try await api.database.write("records", in: .work) { session in
                try session.record(large, owner: "o", operation: "POST /v1/things", key: "a", at: .testNow)
                try session.record(just, owner: "o", operation: "POST /v1/things", key: "b", at: .testNow)
                return (
                    try session.idempotencyRecord(owner: "o", operation: "POST /v1/things", key: "a"),
                    try session.idempotencyRecord(owner: "o", operation: "POST /v1/things", key: "b")
                )
            }

            #expect(first == large && first?.answer == [] && first?.wasTooLarge == true)
            #expect(second == just && second?.answer.count == IdempotencyRecord.answerMax)
            let told = #expect(throws: Problem.self) { try APIRequest.replay(large, of: fingerprint) }
            #expect(told?.type == .answerNotKept && told?.detail.contains("/v1/things/1") == true)
        }
    }

    @Test("what fails is not stored", arguments: TestEngine.all)
    func failures(engine: TestEngine) async throws {
        try await TestAPI.with(engine) { api async throws in
            let missing = api.app.ids.make(EventKind.self)
            #expect(try await api.post("/v1/events/\(missing)/replay", nil, ["Idempotency-Key": "a"]).status == 404)

            let owner = try #require(try await api.get("/v1/keys").ids.first)
            let stored = try await api.database.read("record") { session in
                try session.idempotencyRecord(owner: owner, operation: "POST /v1/events/\(missing)/replay", key: "a")
            }
            #expect(stored == nil)
        }
    }

    @Test("records are forgotten after seven days", arguments: TestEngine.all)
    func life(engine: TestEngine) async throws {
        try await TestAPI.with(engine) { api async throws in
            let id = try await api.keep(1)[0]
            try await api.post("/v1/events/\(id)/replay", nil, ["Idempotency-Key": "a"])

            api.clock.advance(.days(7) - .seconds(1))
            try await api.app.sweep(hourly: true)
            #expect(
                try await api.post("/v1/events/\(id)/replay", nil, ["Idempotency-Key": "a"]).header(
                    "Idempotent-Replayed") == "true")
            api.clock.advance(.seconds(2))
            try await api.app.sweep(hourly: true)
            #expect(
                try await api.post("/v1/events/\(id)/replay", nil, ["Idempotency-Key": "a"]).header(
                    "Idempotent-Replayed") == nil)
        }
    }
}
