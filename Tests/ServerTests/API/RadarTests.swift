import Engine
import Kit
import Store
import TestSupport
import Testing

@testable import Server

@Suite("The radar in the API and on its page")
struct RadarAPITests {
    @Test(
        "what ends is listed by days, with use and whose it is; X's older events have no day", arguments: TestEngine.all
    )
    func listed(engine: TestEngine) async throws {
        try await TestAPI.with(engine) { api in
            api.clock.advance(Day(2028, 2, 1).start - .testNow)
            try await api.database.write("call") { [ids = api.app.ids, now = api.clock.now] session in
                var row = CallRow(
                    id: ids.make(), provider: "instagram", purpose: "proxy", method: "GET", host: "graph.instagram.com",
                    path: "/v25.0/{}/media", at: now)
                row.connection = "conn_01kb2c3d4e5f6g7h8j9k0m1n2p"
                try session.insert([row])
            }
            api.clock.advance(.minutes(5))
            let worker = RadarWorker(
                Radar(Providers.ageing, database: api.database, ids: api.app.ids),
                time: TimeSource(now: { api.clock.now }, uptime: { .zero }, sleep: { _ in }), written: {})
            try await worker.lookAround()

            let rows = try await api.get("/v1/radar").data
            #expect(rows.map { $0["id"]?.text } == ["instagram/graph-v25.0", "x/account-activity"])
            let first = try #require(rows.first)
            #expect(first["ends_on"]?.text == "2028-02-18" && first["days_left"]?.integer == 17)
            #expect(first["stage"]?.text == "within_30_days" && first["uses"]?.integer == 1)
            #expect(first["used_by"]?.elements?.first?["connection_id"]?.text == "conn_01kb2c3d4e5f6g7h8j9k0m1n2p")
            #expect(rows.last?["ends_on"] == .null && rows.last?["uses"]?.integer == 0)
            #expect(try await api.get("/v1/alerts").data.map { $0["kind"]?.text } == ["provider_ending"])

            let browser = try await Browser.signedIn(api)
            let page = try await browser.get("/system/radar").html
            #expect(page.contains("v25.0") && page.contains("Ends about 2028-02-18, in 17 days. Used once in 30 days."))
            #expect(page.contains("/connections/conn_01kb2c3d4e5f6g7h8j9k0m1n2p"))
            #expect(page.contains("The platform names no day yet. Not used in the last 30 days."))
        }
    }

    @Test("every declaration has a name of its own, a source and what to do")
    func declared() {
        let endings = Providers.ageing.flatMap { platform in platform.endings.map { (platform.about.id, $0) } }
        #expect(Set(endings.map { "\($0.0)/\($0.1.id)" }).count == endings.count && !endings.isEmpty)
        for (_, ending) in endings {
            #expect(ending.source.hasPrefix("https://") && ending.instead.hasSuffix("."))
        }
    }
}
