import Kit
import TestSupport
import Testing

@testable import Engine
@testable import Server
@testable import Store

/// Runs over many things whose job ends, or whose worker comes late.
extension WorkPagesTests {
    @Test(
        "a run whose job was cancelled or gave up says so, goes on where that job runs again, and is forgotten in time",
        arguments: ["cancelled", "dead"])
    func stopped(end: String) async throws {
        try await TestAPI.with { api in
            let browser = try await Browser.signedIn(api)
            _ = try await dead(api, 3)
            let fields = hidden(try await browser.get("/jobs/plan?act=retry&all=1&q=state:dead").html)
            let path = try #require(try await browser.post("/jobs/plan", fields).location)
            let id = try #require(ID<BulkRunKind>(String(path.dropFirst("/runs/".count))))
            let job = try await runJob(api)
            #expect(try await browser.get(path).html.contains("You may leave this page"))

            try await api.database.write("end") { [now = api.clock.now] session in
                _ = try session.end(job, as: end, reason: "So it was.", at: now)
            }
            let page = try await browser.get(path).html
            #expect(page.contains("stopped") && page.contains("/jobs?q=subject%3A\(id)"))
            #expect(!page.contains("/cancel") && !page.contains("You may leave this page"))

            _ = try await browser.act("/jobs/\(job)/retry")
            try await workOnRuns(api)
            #expect(try await browser.get(path).html.contains("3 are done."))
        }
    }

    @Test(
        "a run that stopped is forgotten in time like one that ended; one that goes on is not",
        arguments: TestEngine.all)
    func sweptRuns(engine: TestEngine) async throws {
        try await TestAPI.with(engine) { api in
            let browser = try await Browser.signedIn(api)
            _ = try await dead(api, 3)
            let fields = hidden(try await browser.get("/jobs/plan?act=retry&all=1&q=state:dead").html)
            _ = try await browser.post("/jobs/plan", fields)
            let job = try await runJob(api)
            api.clock.advance(.days(91))
            let sweep: () async throws -> Int = {
                try await api.database.set("sweep", in: .maintenance) { [now = api.clock.now] session in
                    try session.sweepBulkRuns(before: now - App.bulkRunLife, 200)
                }
            }
            #expect(try await sweep() == 0)
            try await api.database.write("end") { [now = api.clock.now] session in
                _ = try session.end(job, as: "dead", reason: "So it was.", at: now)
            }
            #expect(try await sweep() == 1)
        }
    }

    @Test("a worker that is late writes nothing down: another works on the run by now", arguments: TestEngine.all)
    func lateWorker(engine: TestEngine) async throws {
        try await TestAPI.with(engine, makeHooks: Self.deciders) { api in
            let browser = try await Browser.signedIn(api)
            let (questions, now) = ((0..<2).map { review(api, $0) }, api.clock.now)
            for question in questions { try await api.database.write("review") { try $0.open(question) } }
            var fields = hidden(try await browser.get("/review/plan?kind=event_without_user").html)
            fields["choice"] = "dismiss"
            let path = try #require(try await browser.post("/review/plan", fields).location)
            let id = try #require(ID<BulkRunKind>(String(path.dropFirst("/runs/".count))))
            let late = try #require(try await claimed(api).first { $0.kind == BulkJob.kind })
            try await api.database.write("reclaim") { session in
                _ = try session.revoke(late.node, at: now)
                _ = try session.reclaim(100, deathsMax: 3, at: now)
            }
            // What it would find is its end: all was decided by others.
            for question in questions {
                _ = try await browser.act("/review/\(question.id)/decide", ["decision": "dismiss"])
            }
            try await workOnHeld(api)

            await #expect(throws: Fenced.self) { _ = try await bulkWorker(api).run(late) }
            let run = try await api.database.read("run") { try $0.bulkRun(id) }
            #expect(run?.state == .running && run?.position == "")
        }
    }
}
