import Engine
import Kit
import TestSupport
import Testing

@testable import Server
@testable import Store

@Suite("Metrics page")
struct ScrapeTests {
    @Test("jobs by state, the oldest's age, the feed, and what the process knows", arguments: TestEngine.all)
    func gauges(engine: TestEngine) async throws {
        try await TestAPI.with(engine) { api async throws in
            func job(_ dueIn: Duration) -> NewJob {
                NewJob(
                    id: api.app.ids.make(), kind: "x", lane: Lane("a", .event), dueAt: api.clock.now + dueIn,
                    createdAt: api.clock.now, input: [], subject: nil, uniqueKey: nil)
            }
            let jobs = [job(.zero), job(.zero), job(.hours(1))]
            try await api.database.set("jobs", in: .work) { try $0.enqueue(jobs) }
            try await api.keep(3)
            try await api.sequence()
            let clock = TestSupport.TestClock(api.clock.now + .seconds(30))
            let scrape = Scrape(metrics: Metrics(), database: api.database, time: clock.source, logger: .quiet)

            let page = await scrape.exposition()

            for line in [
                #"patchbay_jobs{state="available"} 2"#, #"patchbay_jobs{state="scheduled"} 1"#,
                #"patchbay_jobs{state="dead"} 0"#, "patchbay_feed_position 3", "patchbay_database_up 1",
            ] {
                #expect(page.contains(line + "\n"), "\(line)")
            }
            let age = page.split(separator: "\n").first { $0.hasPrefix("patchbay_job_age_seconds ") }?.split(
                separator: " ")
            #expect(age?.last.flatMap { Double($0) }.map { $0 >= 30 && $0 < 31 } == true)
            #expect(page.contains("patchbay_process_resident_bytes ") && page.contains("patchbay_database_bytes "))

            try await api.database.set("more", in: .work) { [extra = job(.zero)] in try $0.enqueue([extra]) }
            #expect(await scrape.exposition() == page)
            clock.advance(by: .seconds(2))
            #expect(await scrape.exposition().contains(#"patchbay_jobs{state="available"} 3"#))
        }
    }

    @Test("without a database it says so, and answers")
    func withoutDatabase() async throws {
        try await TestDatabase.withAddress(.sqlite) { url in
            let database = try TestDatabase.open(url, .sqlite)
            await database.close()
            let scrape = Scrape(
                metrics: Metrics(), database: database, time: TestSupport.TestClock().source, logger: .quiet)

            #expect(await scrape.exposition().contains("patchbay_database_up 0\n"))
        }
    }
}
