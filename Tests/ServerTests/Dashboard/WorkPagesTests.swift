import Kit
import TestSupport
import Testing

@testable import Engine
@testable import Server
@testable import Store

@Suite("Pages of jobs, reviews, users", .serialized)
struct WorkPagesTests {
    private static let hostile = #"<script>alert(1)</script>"><img src=x onerror=alert(1)>"#

    private func job(_ api: TestAPI, _ number: Int = 0, kind: String = "event.apply") -> NewJob {
        api.clock.advance(.milliseconds(2))
        return NewJob(
            id: api.app.ids.make(), kind: kind, lane: Lane("a", .event), dueAt: api.clock.now,
            createdAt: api.clock.now, input: Array(#"{"event":"x"}"#.utf8), subject: Self.hostile + String(number))
    }

    /// Jobs that gave up.
    func dead(_ api: TestAPI, _ count: Int) async throws -> [ID<JobKind>] {
        let jobs = (0..<count).map { job(api, $0) }
        try await api.database.write("dead") { [now = api.clock.now] session in
            try session.enqueue(jobs)
            for job in jobs { try session.end(job.id, as: "dead", reason: Self.hostile, at: now) }
        }
        return jobs.map(\.id)
    }

    func review(_ api: TestAPI, _ number: Int) -> NewReview {
        api.clock.advance(.milliseconds(2))
        return NewReview(
            id: api.app.ids.make(), kind: "event_without_user", subject: "stripe/cus_\(number)",
            question: Self.hostile, evidence: (["customer": .string(Self.hostile), "event_id": "evt_x"] as JSON).line,
            choices: ["link", "dismiss"], provider: "stripe", openedAt: api.clock.now,
            changeID: api.app.ids.make())
    }

    @Sendable static func deciders(_ database: any Database, _ ids: Identifiers) -> Hooks {
        var hooks = Hooks()
        hooks.deciders = Hooks.deciders(ids: ids, database: database) { _ throws(Unreadable) in throw Unreadable("no") }
        return hooks
    }

    /// What waits, for a node of its own.
    func claimed(_ api: TestAPI) async throws -> [ClaimedJob] {
        let (node, now) = (api.app.ids.make(NodeKind.self), api.clock.now)
        return try await api.database.write("claim") { session in
            try session.openNode(node, host: "test", process: 1, program: "test", at: now)
            return try session.claim(100, pools: [0, 1, 2], for: node, at: now)
        }
    }

    /// The job of the only run.
    func runJob(_ api: TestAPI) async throws -> ID<JobKind> {
        var filter = JobFilter()
        filter.kind = BulkJob.kind
        let jobs = try await api.database.read("jobs") { [filter, now = api.clock.now] in
            try $0.jobs(filter, ListPage(limit: 10), at: now)
        }
        return try #require(jobs.first).id
    }

    /// Claims what waits and works on the runs among it, as `serve` does.
    func workOnRuns(_ api: TestAPI) async throws {
        let worker = bulkWorker(api)
        for job in try await claimed(api) where job.kind == BulkJob.kind { _ = try await worker.run(job) }
    }

    func bulkWorker(_ api: TestAPI) -> BulkWorker {
        BulkWorker(
            database: api.database, ids: api.app.ids,
            time: TimeSource(now: { api.clock.now }, uptime: { .zero }, sleep: { _ in }),
            bells: Bells(), deciders: api.app.hooks.deciders, endpoints: api.app.hooks.endpoints, logger: .quiet)
    }

    /// Lets the time of held decisions pass and works on them, as `serve` does.
    func workOnHeld(_ api: TestAPI) async throws {
        api.clock.advance(.seconds(11))
        let (node, now) = (api.app.ids.make(NodeKind.self), api.clock.now)
        try await api.database.write("promote") { session in
            try session.openNode(node, host: "test", process: 1, program: "test", at: now)
            _ = try session.promoteScheduled(100, at: now)
        }
        let claimed = try await api.database.write("claim") { session in
            try session.claim(100, pools: [0, 1, 2], for: node, at: now)
        }
        let worker = HeldDecisions(
            database: api.database, ids: api.app.ids,
            time: TimeSource(now: { api.clock.now }, uptime: { .zero }, sleep: { _ in }), bells: Bells(),
            deciders: api.app.hooks.deciders)
        for job in claimed where job.kind == HeldDecision.kind { #expect(try await worker.run(job) == .committed) }
    }

    // MARK: Jobs

    @Test("what came from outside is shown as text, nowhere as markup")
    func hostile() async throws {
        try await TestAPI.with(makeHooks: Self.deciders) { api in
            let browser = try await Browser.signedIn(api)
            let jobs = try await dead(api, 3)
            let review = review(api, 1)
            try await api.database.write("review") { try $0.open(review) }
            try await api.put(
                "/v1/users/\(PercentEncoding.encode(Self.hostile))", ["display_name": .string(Self.hostile)])
            let user = Places.user(Self.hostile)
            for path in [
                "/jobs", "/jobs?q=\(PercentEncoding.encode(Self.hostile))", "/jobs/\(jobs[0])", "/review/\(review.id)",
                "/users", user, user + "/erase", "/system/audit", "/search?q=\(PercentEncoding.encode("<b>x"))",
                "/trace/\(jobs[0])",
            ] {
                let page = try await browser.get(path)
                #expect(page.status == 200, "\(path): \(page.status)")
                #expect(!page.html.contains("<img src=x") && !page.html.contains("alert(1)</script>"), "\(path)")
                #expect(!page.html.contains("<b>x"), "\(path)")
            }
        }
    }

    @Test("many jobs run again: first a plan, then a run that does it, once", arguments: TestEngine.all)
    func bulk(engine: TestEngine) async throws {
        try await TestAPI.with(engine) { api in
            let browser = try await Browser.signedIn(api)
            let jobs = try await dead(api, 70)

            let list = try await browser.get("/jobs?q=state:dead")
            #expect(list.html.contains("gave up") && list.html.contains("all=1"))
            let path = "/jobs/plan?act=retry&all=1&q=state:dead"
            let plan = try await browser.get(path)
            #expect(plan.html.contains("Run 70 jobs again") && plan.html.contains("nothing has happened yet"))
            #expect(try await api.get("/v1/jobs?state=dead").data.count == 20)

            let fields = hidden(plan.html)
            let started = try await browser.post("/jobs/plan", fields)
            let run = try #require(started.location)
            #expect(started.status == 303 && run.hasPrefix("/runs/run_"))
            #expect(try await browser.post("/jobs/plan", fields).location == run, "the same form twice is one run")
            #expect(try await browser.get(run).html.contains("0 of 70"))

            try await workOnRuns(api)
            let done = try await browser.get(run)
            #expect(done.html.contains("70 are done."))
            let first = try #require(jobs.first)
            let revived = try await api.get("/v1/jobs/\(first)").json["state"]?.text
            #expect(revived == "running" || revived == "available")
            #expect(try await api.get("/v1/jobs?state=dead").data.isEmpty)
            #expect(try await api.get("/v1/audit?action=bulk.started").data.count == 1)
        }
    }

    @Test("a plan that is old, or about other things by now, is shown anew instead of done")
    func stale() async throws {
        try await TestAPI.with { api in
            let browser = try await Browser.signedIn(api)
            _ = try await dead(api, 10)
            let path = "/jobs/plan?act=retry&all=1&q=state:dead"
            let fields = hidden(try await browser.get(path).html)
            api.clock.advance(.minutes(16))
            let anew = try await browser.post("/jobs/plan", fields)
            #expect(anew.status == 200 && anew.html.contains("It is counted anew"))
            #expect(try await api.get("/v1/jobs?state=dead").data.count == 10)

            var wrong = hidden(try await browser.get(path).html)
            wrong["count"] = "3"
            #expect(try await browser.post("/jobs/plan", wrong).html.contains("It is counted anew"))
            #expect(try await browser.get("/jobs/plan?act=retry&all=1").status == 400)
            #expect(try await browser.get("/jobs/plan?act=retry").status == 400)
        }
    }

    @Test("why earlier attempts failed stays: the last ten, on the page and in the API", arguments: TestEngine.all)
    func failures(engine: TestEngine) async throws {
        try await TestAPI.with(engine) { api in
            let (browser, new) = (try await Browser.signedIn(api), job(api, 0))
            let node: ID<NodeKind> = api.app.ids.make()
            try await api.database.write("enqueue") { [now = api.clock.now] session in
                try session.openNode(node, host: "h", process: 1, program: "p", at: now)
                try session.enqueue([new])
            }
            for number in 1...12 {
                api.clock.advance(.seconds(1))
                let now = api.clock.now
                let claimed = try await api.database.set("claim", in: .work) { session in
                    _ = try session.promoteScheduled(10, at: now)
                    return try session.claim(1, pools: [0, 1, 2], for: node, at: now)
                }
                let job = try #require(claimed.first)
                let end = EndedJob(job: job, end: .retry(at: now, error: "Reason \(number) <b>"), at: now)
                #expect(try await api.database.set("retry", in: .work) { try $0.complete([end]) } == [true])
            }

            let json = try await api.get("/v1/jobs/\(new.id)").json
            let problems = json["failures"]?.elements?.compactMap { $0["problem"]?.text }
            #expect(problems == (3...12).map { "Reason \($0) <b>" })
            let page = try await browser.get("/jobs/\(new.id)").html
            #expect(page.contains("Reason 3 &lt;b&gt;") && page.contains("Reason 12 &lt;b&gt;"))
            #expect(!page.contains("Reason 2 ") && page.contains("Failed for the first time"))
            _ = try await api.database.write("expire") { [now = api.clock.now] session in
                let limits = RetentionLimits()
                try session.end(new.id, as: "dead", reason: "r", at: now)
                return try session.expire(.deadJobs, limits: limits, at: now + .days(100), limit: 10)
            }
            #expect(try await api.database.read("left") { try $0.failures(of: new.id) }.isEmpty)
        }
    }

    @Test("alerts and reviews speak the reader's language")
    func languages() async throws {
        try await TestAPI.with { api in
            let browser = try await Browser.signedIn(api)
            let new = review(api, 7)
            try await api.database.write("open") { session in
                _ = try session.open(new)
                try session.raise(
                    NewAlert(
                        id: api.app.ids.make(), kind: .endpointFailing, subject: "ep_1",
                        summary: "https://app.example/hook has taken nothing since 10:00.", action: "Do it.",
                        at: api.clock.now, changeID: api.app.ids.make()))
            }
            for path in ["/", "/system/alerts"] {
                let page = try await browser.get(path).html
                #expect(page.contains("app.example has taken nothing for an hour or more."))
            }
            browser.cookies["language"] = "ko"
            for path in ["/", "/system/alerts"] {
                let page = try await browser.get(path).html
                #expect(page.contains("app.example에서 한 시간 넘게 아무것도 받지 않습니다."))
            }
            #expect(try await browser.get("/review").html.contains("cus_7 고객은 어느 사용자인가요?"))
        }
    }

    @Test("a run is cancelled between two steps: what is done stays")
    func cancel() async throws {
        try await TestAPI.with { api in
            let browser = try await Browser.signedIn(api)
            _ = try await dead(api, 5)
            let fields = hidden(try await browser.get("/jobs/plan?act=retry&all=1&q=state:dead").html)
            let run = try #require(try await browser.post("/jobs/plan", fields).location)
            #expect(try await browser.act(run + "/cancel", on: run).location == run)
            try await workOnRuns(api)
            #expect(try await browser.get(run).html.contains("cancelled"))
            #expect(try await api.get("/v1/jobs?state=dead").data.count == 5)
        }
    }

    @Test("a question that somebody else works on is not held; a decision is taken back whole, and remembered")
    func claimedByAnother() async throws {
        try await TestAPI.with(makeHooks: Self.deciders) { api in
            let (mina, jun) = (
                try await Browser.signedIn(api, name: "mina"), try await Browser.signedIn(api, name: "jun")
            )
            let question = review(api, 1)
            try await api.database.write("review") { try $0.open(question) }
            let path = "/review/\(question.id)"
            func state() async throws -> String? {
                try await api.get("/v1/reviews/\(question.id)").json["state"]?.text
            }

            _ = try await mina.act(path + "/claim")
            let refused = try await jun.act(path + "/decide", ["decision": "dismiss"])
            #expect(refused.status == 409 && refused.html.contains("works on it"))

            #expect(try await mina.act(path + "/decide", ["decision": "dismiss"]).status == 303)
            #expect(try await state() == "claimed")
            #expect(try await jun.act(path + "/undo").status == 303)
            #expect(try await state() == "open")
            let entries = try await api.database.read("audit") { session in
                var filter = AuditFilter()
                filter.action = "review.taken_back"
                return try session.audit(filter, ListPage(limit: 10))
            }
            #expect(entries.count == 1 && entries.first?.subject == question.id.text)
        }
    }

    @Test(
        "more than a page shows is counted all the same, and no kind is hidden by the many of another",
        arguments: TestEngine.all)
    func manyNeeds(engine: TestEngine) async throws {
        try await TestAPI.with(engine) { api in
            let browser = try await Browser.signedIn(api)
            let (ids, now) = (api.app.ids, api.clock.now)
            try await api.database.set("open", in: .work) { session in
                for number in 0..<25 {
                    try session.raise(
                        NewAlert(
                            id: ids.make(), kind: .jobDead, subject: "job_\(number)", summary: "It died.",
                            action: "Look.", at: now, changeID: ids.make()))
                }
                for number in 0...Session.reviewsMax { try session.open(review(api, number)) }
                try session.open(
                    NewReview(
                        id: ids.make(), kind: "unreadable_delivery", subject: "dlv_1", question: "What is it?",
                        evidence: "{}", choices: ["dismiss"], provider: "stripe", openedAt: now,
                        changeID: ids.make()))
            }
            let page = try await browser.get("/").html
            #expect(page.contains("27 things need you.") && page.contains("1,000+ items wait for review"))
            let queue = try await browser.get("/review").html
            #expect(queue.contains("1,001+ wait") && queue.contains("Delivery that cannot be read"))
        }
    }

    @Test("one job: why it waits, run again, closed with a reason")
    func one() async throws {
        try await TestAPI.with { api in
            let browser = try await Browser.signedIn(api)
            let jobs = try await dead(api, 2)
            let page = try await browser.get("/jobs/\(jobs[0])")
            #expect(page.html.contains("Gave up after") && page.html.contains("patchbay jobs why \(jobs[0])"))

            #expect(try await browser.act("/jobs/\(jobs[0])/retry").location == "/jobs/\(jobs[0])?note=job_retried")
            #expect(try await browser.get("/jobs/\(jobs[0])").html.contains("It runs when a worker is free."))
            let closed = try await browser.act("/jobs/\(jobs[1])/close", ["reason": "Known since\nTuesday"])
            #expect(closed.status == 303)
            let json = try await api.get("/v1/jobs/\(jobs[1])").json
            #expect(json["state"]?.text == "cancelled" && json["reason"]?.text == "Known since Tuesday")
            #expect(try await browser.get("/jobs/job_nonsense").status == 404)
        }
    }

    @Test("who may only look sees no buttons, and no form of theirs acts; nor does one from elsewhere")
    func viewer() async throws {
        try await TestAPI.with { api in
            let jobs = try await dead(api, 2)
            let browser = try await Browser.signedIn(api, as: .viewer)
            let list = try await browser.get("/jobs")
            #expect(!list.html.contains("type=\"checkbox\""))
            #expect(!(try await browser.get("/jobs/\(jobs[0])")).html.contains("/retry"))
            for path in Pages.all.filter({ $0.needs == .admin && !$0.path.contains("{") }).map(\.path) {
                #expect(try await browser.get(path).status == 403, "\(path)")
            }
            for form in Pages.forms where form.needs == .admin {
                let path = form.path.replacing("{id}", with: jobs[0].text).replacing("{session}", with: "ses_x")
                #expect(try await browser.act(path).status == 403, "\(path)")
            }
            let admin = try await Browser.signedIn(api, name: "admin")
            #expect(try await admin.post("/jobs/\(jobs[0])/retry").status == 403)
            let token = try #require(try await admin.get("/account").formToken)
            #expect(try await admin.post("/jobs/\(jobs[0])/retry", ["csrf": token], from: "cross-site").status == 403)
            #expect(try await api.get("/v1/jobs?state=dead").data.count == 2)
        }
    }

    // MARK: Review

    @Test("a question is decided, and the next one is shown; many together by a plan", arguments: TestEngine.all)
    func reviews(engine: TestEngine) async throws {
        try await TestAPI.with(engine, makeHooks: Self.deciders) { api in
            let browser = try await Browser.signedIn(api)
            #expect(try await browser.get("/review").html.contains("Nothing to review"))
            let reviews = (0..<4).map { review(api, $0) }
            for review in reviews { try await api.database.write("review") { try $0.open(review) } }

            let page = try await browser.get("/review")
            #expect(page.html.contains("Decide all 4 together") && page.html.contains("data-key=\"a\""))
            let first = try await browser.act(
                "/review/\(reviews[0].id)/decide",
                ["decision": "link", "user_id": "rye", "note": "He said so.", "next": reviews[1].id.text])
            #expect(first.location == "/review/\(reviews[1].id)?held=\(reviews[0].id)")
            #expect(try await api.get("/v1/users/rye").status == 404, "it has not taken effect yet")
            let held = try await browser.get(try #require(first.location)).html
            #expect(held.contains("/review/\(reviews[0].id)/undo") && held.contains("data-key=\"u\""))
            #expect(!(try await browser.get("/review/\(reviews[0].id)").html.contains("name=\"decision\"")))
            let twice = try await browser.act("/review/\(reviews[0].id)/decide", ["decision": "dismiss"])
            #expect(twice.status == 409)

            // Taken back, it is as it was; and once it has taken effect it cannot be taken back.
            #expect(
                try await browser.act("/review/\(reviews[0].id)/undo").location
                    == "/review/\(reviews[0].id)?note=undone")
            #expect(try await api.get("/v1/reviews/\(reviews[0].id)").json["state"]?.text == "open")
            _ = try await browser.act(
                "/review/\(reviews[0].id)/decide", ["decision": "link", "user_id": "rye", "note": "He said so."])
            try await workOnHeld(api)
            #expect(try await api.get("/v1/users/rye").status == 200)
            #expect(try await browser.act("/review/\(reviews[0].id)/undo").status == 409)
            #expect(try await browser.act("/review/\(reviews[1].id)/decide", ["decision": "nonsense"]).status == 422)

            let plan = try await browser.get("/review/plan?kind=event_without_user")
            #expect(plan.html.contains("value=\"dismiss\"") && !plan.html.contains("value=\"link\""))
            var fields = hidden(plan.html)
            fields["choice"] = "dismiss"
            let run = try #require(try await browser.post("/review/plan", fields).location)
            try await workOnRuns(api)
            #expect(try await browser.get(run).html.contains("3 are done."))
            #expect(try await api.get("/v1/reviews?state=open").data.isEmpty)
            let decided = try await api.get("/v1/reviews/\(reviews[3].id)").json
            #expect(decided["decision"]?.text == "dismiss" && decided["decided_by"]?.text?.hasPrefix("op_") == true)
        }
    }

    // MARK: Users, search

    @Test("a user's customer is linked by a person; erasing asks for the id; the receipt is shown")
    func user() async throws {
        try await TestAPI.with { api in
            let browser = try await Browser.signedIn(api)
            try await api.put("/v1/users/rye", ["email": "rye@example.com"])
            #expect(try await browser.get("/users?q=ry").html.contains("/users/rye"))
            #expect(
                try await browser.act("/users/rye/link", ["provider": "stripe", "customer": " cus_7 "]).location
                    == "/users/rye?note=linked")
            #expect(try await browser.get("/users/rye").html.contains("cus_7"))
            #expect(try await browser.get("/users?q=customer:cus_7").location == "/users/rye")
            #expect(try await browser.act("/users/rye/link", ["provider": "nobody", "customer": "c"]).status == 422)

            let export = try await browser.act("/users/rye/export")
            #expect(export.status == 200 && export.html.contains("\"customer\":\"cus_7\""))
            #expect(try await browser.act("/users/rye/erase", ["typed": "salt"]).status == 422)
            let erased = try await browser.act("/users/rye/erase", ["typed": "rye"])
            let receipt = try #require(erased.location)
            #expect(receipt.hasPrefix("/erasures/era_"))
            #expect(try await browser.get(receipt).html.contains("What stays, and why"))
            #expect(try await browser.get("/users/rye").status == 404)
        }
    }

    @Test("an id goes to its page; other words are grouped, and suggested while one types", arguments: TestEngine.all)
    func search(engine: TestEngine) async throws {
        try await TestAPI.with(engine) { api in
            let browser = try await Browser.signedIn(api)
            try await api.put("/v1/users/rye", ["stripe_customer_id": "cus_7"])
            try await api.put("/v1/users/rye2", [:])
            let events = try await api.keep(2, type: "invoice.paid")
            #expect(try await browser.get("/search?q=\(events[0])").location == "/events/\(events[0])")
            #expect(try await browser.get("/search?q=rye2").location == "/users/rye2")
            #expect(try await browser.get("/search?q=cus_7").location == "/users/rye")
            let both = try await browser.get("/search?q=ry")
            #expect(both.html.contains("/users/rye\"") && both.html.contains("/users/rye2\""))
            #expect(try await browser.get("/search?q=invoice").html.contains("invoice.paid"))
            #expect(try await browser.get("/search?q=nothing-at-all").html.contains("Nothing is known by this name"))

            let suggested = try JSON.parse(try await browser.get("/search/suggestions?q=ry").html)
            let hrefs = suggested["hits"]?.elements?.compactMap { $0["href"]?.text }
            #expect(hrefs == ["/users/rye", "/users/rye2"])
            #expect(try await Browser(api).get("/search/suggestions?q=ry").status == 403)
        }
    }
}

/// The hidden fields of a page's last form.
func hidden(_ html: String) -> [String: String] {
    var fields: [String: String] = [:]
    let main = html.split(separator: "<main", maxSplits: 1).last ?? ""
    for match in main.matches(of: /<input type="hidden" name="([a-z_]+)" value="([^"]*)">/) {
        fields[String(match.1)] = String(match.2).replacing("&quot;", with: "\"").replacing("&amp;", with: "&")
    }
    return fields
}
