import Kit
import TestSupport
import Testing

@testable import Server
@testable import Store

@Suite("Trace")
struct TraceTests {
    @Test("an event's story: delivery, event, change, job, attempt, in the order of time", arguments: TestEngine.all)
    func story(engine: TestEngine) async throws {
        try await TestAPI.with(engine) { api async throws in
            let event = try #require(try await api.keep(1).first)
            let subject = try #require(ID<EventKind>(event))
            let change = NewChange(
                id: api.app.ids.make(), type: "payment.succeeded", subject: "pi_1", occurredAt: api.clock.now,
                data: Array(#"{"event_id":"\#(event)"}"#.utf8))
            let updated = NewChange(
                id: api.app.ids.make(), type: "user.subscription_updated", subject: "rye", userID: "rye",
                occurredAt: api.clock.now, data: Array("{}".utf8))
            let told = NewChange(
                id: api.app.ids.make(), type: "event.received", subject: event, occurredAt: api.clock.now,
                data: Array("{}".utf8))
            let job = NewJob(
                id: api.app.ids.make(), kind: "event.apply", lane: Lane("x", .event), dueAt: api.clock.now,
                createdAt: api.clock.now, input: Array(event.utf8), subject: event, uniqueKey: nil)
            let endpoint: ID<EndpointKind> = api.app.ids.make()
            let attempt = Attempt(
                id: api.app.ids.make(), endpoint: endpoint, position: 1, change: told.id, type: told.type, number: 1,
                at: api.clock.now, latency: .milliseconds(12), outcome: .failed, status: 503, problem: nil, answer: nil,
                nextAt: api.clock.now + .seconds(5))
            let now = api.clock.now
            try await api.database.set("story", in: .work) { session in
                try session.append([told, change, updated])
                try session.enqueue([job])
                try session.insert([attempt])
                try session.setState("applied", of: subject, userID: "rye", at: now)
            }
            try await api.sequence()

            let trace = try await api.get("/v1/trace/\(event)").json

            let steps = trace["steps"]?.elements ?? []
            #expect(trace["kind"]?.text == "event" && trace["complete"]?.boolean == true)
            #expect(trace["live_job"]?.text == job.id.text)
            #expect(
                steps.compactMap { $0["kind"]?.text }
                    == ["delivery", "event", "job", "change", "change", "change", "attempt"])
            let times = steps.compactMap { $0["at"]?.text }
            #expect(times == times.sorted())
            #expect(steps.last?["sentence"]?.text?.contains("answered 503 in 12.0 ms; again at") == true)
            for id in ["evt_0", job.id.text, change.id.text, told.id.text, attempt.id.text, "rye"] {
                let other = try await api.get("/v1/trace/\(id)").json["steps"]?.elements ?? []
                #expect(other.contains { $0["id"]?.text == event }, "\(id)")
            }
            let delivery = try #require(steps.first?["id"]?.text)
            #expect(try await api.get("/v1/trace/\(delivery)").json["steps"]?.elements?.count == 7)
        }
    }

    @Test("what nobody knows, and a key that may not read everything")
    func refused() async throws {
        try await TestAPI.with { api async throws in
            let narrow = try await TestAPI.makeKey(api.app, ["events:read"])

            #expect(try await api.get("/v1/trace/nobody").code == "not_found")
            #expect(try await api.get("/v1/trace/\(api.app.ids.make(EventKind.self))").code == "not_found")
            #expect(try await api.get("/v1/trace/nobody", as: narrow).code == "insufficient_scope")
        }
    }
}
