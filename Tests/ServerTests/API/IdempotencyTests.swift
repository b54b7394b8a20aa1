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

    @Test("what fails is not stored", arguments: TestEngine.all)
    func failures(engine: TestEngine) async throws {
        try await TestAPI.with(engine) { api async throws in
            let missing = api.app.ids.make(EventKind.self)
            #expect(try await api.post("/v1/events/\(missing)/replay", nil, ["Idempotency-Key": "a"]).status == 404)

            let stored = try await api.database.read("record") { session in
                try session.idempotencyRecord(owner: "test", operation: "POST /v1/events/\(missing)/replay", key: "a")
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
