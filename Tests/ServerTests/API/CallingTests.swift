import Engine
import Kit
import Store
import TestSupport
import Testing

@testable import Server

@Suite("Calls and quotas in the API")
struct CallingTests {
    private static let day = Quota("uploads", 5, per: .rolling(.days(1)), of: "uploads", for: .connection)
    private struct Platform: Limited {
        let about = About(id: "plain", name: "Plain", version: "1", documentation: "https://example.com")
        let quotas = [CallingTests.day]
    }

    @Test("quotas show limit, share, budget, use and when the next is free", arguments: TestEngine.all)
    func quotas(_ engine: TestEngine) async throws {
        try await TestAPI.with(
            engine,
            assemble: { database, _, clock in
                let time = TimeSource(now: { clock.now }, uptime: { clock.now - .testNow }, sleep: { _ in })
                let quotas = Quotas(
                    book: QuotaBook([Platform()]), limiter: Limiter(time: time),
                    keeper: DatabaseKeeper(database: database, now: { clock.now }, usesServerClock: false),
                    isShared: true, node: { "n" }, time: time, logger: .quiet)
                var context = CallContext("upload", as: Claimant("lane", .person))
                context.connection = "conn_1"
                _ = try await quotas.take(
                    quotas.needs([Spending(2, of: "uploads")], of: "plain", "/", context), as: context.claimant)
                var hooks = Hooks()
                hooks.quotas = quotas
                return (hooks, [])
            }
        ) { api in
            let row = try #require(try await api.get("/v1/quotas").json["data"]?.elements?.first)
            #expect(row["id"]?.text == "plain/uploads/conn_1/0" && row["limit"]?.integer == 5)
            #expect(row["budget"]?.integer == 4 && row["share"]?.integer == 5 && row["used"]?.integer == 2)
            #expect(row["in_flight"]?.integer == 2 && row["window"]?.text == "a day")
            #expect(try await api.get("/v1/quotas?provider=stripe").json["data"]?.elements?.isEmpty == true)
        }
    }

    @Test("calls are listed, found by what they were for, and part of the story of an event")
    func calls() async throws {
        try await TestAPI.with { api in
            let ids = api.app.ids
            var rows = (0..<3).map { number in
                CallRow(
                    id: ids.make(), provider: "stripe", purpose: "subscription", method: "GET", host: "api.stripe.com",
                    path: "/v1/subscriptions/{}", at: api.clock.now + .seconds(Int64(number)))
            }
            rows[1].outcome = "unavailable"
            rows[1].status = 503
            rows[2].userID = "user_1"
            try await api.database.write("calls") { [rows] in try $0.insert(rows) }

            #expect(try await api.get("/v1/calls").json["data"]?.elements?.count == 3)
            #expect(try await api.get("/v1/calls?outcome=failed").json["data"]?.elements?.count == 1)
            #expect(try await api.get("/v1/calls?user_id=user_1").json["data"]?.elements?.count == 1)
            #expect(try await api.get("/v1/calls/\(rows[1].id)").json["status"]?.integer == 503)
            let story = try await api.get("/v1/trace/\(rows[1].id)").json
            #expect(story["kind"]?.text == "call")
            #expect(
                story["steps"]?.elements?.first?["sentence"]?.text
                    == "GET api.stripe.com/v1/subscriptions/{}: answered 503 in 0 µs.")
        }
    }

    @Test("circuits that are open are listed with their next try")
    func circuits() async throws {
        try await TestAPI.with { api in
            let now = api.clock.now
            try await api.database.write("open") {
                try $0.open(
                    CircuitRow(
                        host: "api.stripe.com", provider: "stripe", openedAt: now, probeAt: now + .seconds(30),
                        reason: "Stripe gave no answer."))
            }
            let row = try #require(try await api.get("/v1/circuits").json["data"]?.elements?.first)
            #expect(row["host"]?.text == "api.stripe.com" && row["state"]?.text == "open")
        }
    }
}
