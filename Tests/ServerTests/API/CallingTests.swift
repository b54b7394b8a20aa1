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

    @Test("calls stand in the order in which they ended, and a page's times are those: an upload takes hours")
    func order() async throws {
        try await TestAPI.with { api in
            let ids = api.app.ids
            func call(_ purpose: String, took: Duration) -> CallRow {
                var row = CallRow(
                    id: ids.make(), provider: "p", purpose: purpose, method: "GET", host: "h", path: "/",
                    at: api.clock.now - took)
                row.latency = took
                return row
            }
            var rows: [CallRow] = []
            for (purpose, took) in [("one", Duration.zero), ("upload", .hours(3)), ("two", .zero)] {
                api.clock.advance(.hours(1))
                rows.append(call(purpose, took: took))
            }
            let (kept, middle) = (rows, rows[1].at + .hours(3))
            try await api.database.write("calls") { try $0.insert(kept) }
            func list(_ query: String) async throws -> [String] {
                try await api.get("/v1/calls?\(query)").data.compactMap { $0["purpose"]?.text }
            }
            func text(_ moment: Timestamp) -> String { moment.rfc3339.replacing(":", with: "%3A") }

            #expect(try await list("created_after=\(text(middle - .minutes(30)))") == ["two", "upload"])
            #expect(try await list("created_before=\(text(middle - .minutes(30)))") == ["one"])
            api.clock.advance(.seconds(10))
            #expect(try await list("order=asc") == ["one", "upload", "two"])
            let late = call("late", took: .hours(5))
            try await api.database.write("calls") { try $0.insert([late]) }
            #expect(try await list("order=asc") == ["one", "upload", "two"], "what may still change is not at its end")
            #expect(try await list("order=desc").first == "late")
        }
    }

    @Test("calls for a user are part of the user's export, and nameless once the user is erased")
    func personal() async throws {
        try await TestAPI.with { api in
            let said: JSON = ["email": "rye@example.com"]
            try await api.send("PUT", "/v1/users/rye", said.bytes)
            let ids = api.app.ids
            let rows = (0..<3).map { number in
                var row = CallRow(
                    id: ids.make(), provider: "tiktok", purpose: "proxy", method: "GET", host: "open.tiktokapis.com",
                    path: "/v2/user/info/", at: api.clock.now)
                row.userID = number == 1 ? "ada" : "rye"
                return row
            }
            try await api.database.write("calls") { try $0.insert(rows) }

            let export = try await api.get("/v1/users/rye/export").json
            #expect(export["calls"]?.elements?.compactMap { $0["id"]?.text } == [rows[0].id.text, rows[2].id.text])

            let begun = try await api.send("DELETE", "/v1/users/rye")
            #expect(begun.json["erased", "calls"]?.integer == 2)
            let left = try await api.get("/v1/calls").data
            #expect(left.count == 3 && left.compactMap { $0["user_id"]?.text } == ["ada"])
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
