import Kit
import TestSupport
import Testing

@testable import Engine
@testable import Server
@testable import Store

@Suite("Sending very many changes again", .serialized)
struct RecoveryTests {
    @Test("what is too much for one request is queued by a job", arguments: TestEngine.all)
    func many(engine: TestEngine) async throws {
        try await TestAPI.withEndpoints(engine) { api async throws in
            let made = try await api.post("/v1/endpoints", ["url": "https://app.example.com/"])
            let id = try #require(made.json["id"]?.text)
            for _ in 0..<13 {
                let changes = (0..<400).map { _ in
                    NewChange(
                        id: api.app.ids.make(), type: "a.b", subject: nil, occurredAt: api.clock.now,
                        data: Array("{}".utf8))
                }
                try await api.database.write("changes") { try $0.append(changes) }
            }
            try await api.sequence()
            try await api.advance(id, to: 5200)

            let wish: JSON = ["missing_since": "2020-01-01T00:00:00Z"]
            let reply = try await api.post("/v1/endpoints/\(id)/recover", wish, ["Idempotency-Key": "k"])
            let again = try await api.post("/v1/endpoints/\(id)/recover", wish, ["Idempotency-Key": "k"])

            #expect(reply.status == 202 && reply.json["queued"]?.integer == 5000)
            #expect(reply.header("Location") == "/v1/jobs/\(reply.json["job_id"]?.text ?? "")")
            #expect(again.json == reply.json && again.header("Idempotent-Replayed") == "true")
            let worker = RecoveryWorker(endpoints: try #require(api.app.hooks.endpoints))
            let node = api.app.ids.make(NodeKind.self)
            let jobs = try await api.database.write("claim") { [now = api.clock.now] session in
                try session.openNode(node, host: "test", process: 1, program: "test", at: now)
                return try session.claim(5, pools: [0, 1, 2], for: node, at: now)
            }
            #expect(jobs.map(\.kind) == [RecoveryWorker.kind])
            #expect(try await worker.run(try #require(jobs.first)) == .done)
            let due = try await api.database.read("due") { try $0.countDue(of: ID(stored: id), limit: 10_000) }
            #expect(due == 5200)
        }
    }
}
