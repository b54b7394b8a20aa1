import Kit
import TestSupport
import Testing

@testable import Server
@testable import Store

@Suite("Jobs, replays, reviews, alerts", .serialized)
struct JobsTests {
    private func job(_ api: TestAPI, lane: String = "a", due: Duration = .zero, kind: String = "test.kind") -> NewJob {
        api.clock.advance(.milliseconds(2))
        return NewJob(
            id: api.app.ids.make(), kind: kind, lane: Lane(lane, .event), dueAt: api.clock.now + due,
            createdAt: api.clock.now,
            input: Array(#"{"n":1}"#.utf8), subject: "evt_x")
    }

    @Test("live and ended jobs are one list; a gate makes available jobs wait", arguments: TestEngine.all)
    func list(engine: TestEngine) async throws {
        try await TestAPI.with(engine) { api async throws in
            let jobs = [job(api), job(api, lane: "b"), job(api, due: .seconds(60)), job(api), job(api)]
            try await api.database.write("add") { [now = api.clock.now] session in
                try session.enqueue(jobs)
                try session.end(jobs[3].id, as: "dead", reason: "It was too much.", at: now)
                try session.end(jobs[4].id, as: "succeeded", reason: "", at: now)
            }
            try await api.database.write("gate") { [now = api.clock.now] session in
                try session.gate(
                    jobs[1].lane, until: now + .seconds(30), by: "quota", reason: "Stripe takes 100 a second.")
            }

            try await api.sequence()
            api.clock.advance(.seconds(3))
            #expect(try await api.get("/v1/jobs?order=asc").ids == jobs.map(\.id.text))
            let paged = try await api.get("/v1/jobs?limit=2")
            #expect(
                paged.ids + (try await api.get("/v1/jobs?cursor=\(paged.cursor ?? "")").ids)
                    == jobs.map(\.id.text).reversed())
            for (state, index) in [("available", 0), ("waiting", 1), ("scheduled", 2), ("dead", 3), ("succeeded", 4)] {
                #expect(try await api.get("/v1/jobs?state=\(state)").ids == [jobs[index].id.text], "\(state)")
            }
            #expect(try await api.get("/v1/jobs?state=running").ids == [])
            #expect(try await api.get("/v1/jobs?kind=test.kind&subject=evt_x&limit=1").data.count == 1)
            let one = try await api.get("/v1/jobs/\(jobs[1].id)").json
            #expect(one["state"]?.text == "waiting" && one["input", "n"]?.integer == 1)

            let why = try await api.get("/v1/jobs/\(jobs[1].id)/why").json
            #expect(why["waits_for"]?.text == "gate" && why["sentence"]?.text == "Stripe takes 100 a second.")
            #expect(try await api.get("/v1/jobs/\(jobs[2].id)/why").json["waits_for"]?.text == "time")
            #expect(try await api.get("/v1/jobs/\(jobs[0].id)/why").json["waits_for"]?.text == "turn")
            #expect(try await api.get("/v1/jobs/\(jobs[3].id)/why").json["waits_for"]?.text == "nothing")
            #expect(try await api.get("/v1/jobs/\(api.app.ids.make(JobKind.self))/why").status == 404)
        }
    }

    @Test("place in line is counted to a thousand", arguments: TestEngine.all)
    func line(engine: TestEngine) async throws {
        try await TestAPI.with(engine) { api async throws in
            let jobs = (0..<1010).map { _ in job(api) }
            for start in stride(from: 0, to: 1010, by: 101) {
                try await api.database.write("add") { try $0.enqueue(Array(jobs[start..<start + 101])) }
            }

            #expect(try await api.get("/v1/jobs/\(jobs[7].id)/why").json["ahead"]?.integer == 7)
            #expect(try await api.get("/v1/jobs/\(jobs[1009].id)/why").json["ahead"]?.integer == 1001)
        }
    }

    @Test(
        "a dead job runs again under its id; a waiting one is cancelled, a running one told", arguments: TestEngine.all)
    func wishes(engine: TestEngine) async throws {
        try await TestAPI.with(engine) { api async throws in
            let jobs = [job(api), job(api), job(api), job(api, due: .seconds(60))]
            let node = api.app.ids.make(NodeKind.self)
            try await api.database.write("add") { [now = api.clock.now] session in
                try session.enqueue(jobs)
                try session.end(jobs[0].id, as: "dead", reason: "x", at: now)
                try session.end(jobs[1].id, as: "succeeded", reason: "x", at: now)
            }

            let retried = try await api.post("/v1/jobs/\(jobs[0].id)/retry")
            #expect(
                retried.status == 202 && retried.json["state"]?.text == "available"
                    && retried.json["attempts"]?.integer == 0)
            #expect(try await api.post("/v1/jobs/\(jobs[1].id)/retry").code == "wrong_state")
            #expect(try await api.post("/v1/jobs/\(jobs[3].id)/retry").json["state"]?.text == "available")
            #expect(try await api.post("/v1/jobs/\(api.app.ids.make(JobKind.self))/retry").status == 404)

            #expect(try await api.post("/v1/jobs/\(jobs[0].id)/cancel").json["state"]?.text == "cancelled")
            #expect(try await api.post("/v1/jobs/\(jobs[0].id)/cancel").status == 202)
            #expect(try await api.post("/v1/jobs/\(jobs[1].id)/cancel").code == "wrong_state")

            let claimed = try await api.database.set("claim", in: .work) { [now = api.clock.now] in
                try $0.claim(10, pools: [2], for: node, at: now)
            }
            #expect(claimed.count == 2)
            let told = try await api.post("/v1/jobs/\(claimed[0].id)/cancel")
            #expect(told.json["state"]?.text == "running" && told.json["cancelling"]?.boolean == true)
            #expect(try await api.post("/v1/jobs/\(claimed[0].id)/retry").code == "wrong_state")
        }
    }

    @Test("the alert about a dead job is over when somebody runs the job again", arguments: TestEngine.all)
    func alertOver(engine: TestEngine) async throws {
        try await TestAPI.with(engine) { api async throws in
            let dead = job(api)
            let alert = NewAlert(
                id: api.app.ids.make(), kind: .jobDead, subject: dead.id.text, summary: "It died.",
                action: "Look at it.", at: api.clock.now, changeID: api.app.ids.make())
            try await api.database.write("add") { [now = api.clock.now] session in
                try session.enqueue([dead])
                try session.end(dead.id, as: "dead", reason: "x", at: now)
                _ = try session.raise(alert)
            }

            #expect(try await api.post("/v1/jobs/\(dead.id)/retry").status == 202)

            #expect(try await api.get("/v1/alerts").data.first?["state"]?.text == "resolved")
            try await api.sequence()
            let told = try await api.get("/v1/changes").data.compactMap { $0["type"]?.text }
            #expect(told == ["alert.raised", "alert.resolved"])
        }
    }

    @Test("a replay queues one job an event; a dry run changes nothing", arguments: TestEngine.all)
    func replay(engine: TestEngine) async throws {
        try await TestAPI.with(engine) { api async throws in
            let kept = try await api.keep(3)
            try await api.keep(2, type: "customer.created", from: 100)

            let dry = try await api.post("/v1/events/replay", ["filter": ["type": "invoice.paid"], "dry_run": true])
            #expect(dry.status == 200 && dry.json["matches"]?.integer == 3)
            #expect(dry.json["first"]?.elements?.compactMap { $0["id"]?.text } == kept)
            #expect(try await api.get("/v1/jobs").data.isEmpty)

            let one = try await api.post("/v1/events/\(kept[0])/replay")
            #expect(
                one.status == 202 && one.json["kind"]?.text == "event.apply" && one.json["subject"]?.text == kept[0])
            let again = try await api.post("/v1/events/\(kept[0])/replay")
            #expect(again.json["id"] == one.json["id"])

            let many = try await api.post("/v1/events/replay", ["filter": ["type": "invoice.paid"]])
            #expect(many.status == 202 && many.json["matches"]?.integer == 3)
            #expect(try await api.get("/v1/jobs").data.count == 3)
            #expect(try await api.post("/v1/events/replay", ["filter": [:]]).code == "invalid_fields")
        }
    }

    @Test("more than 500 events are replayed by a job, in pieces", arguments: TestEngine.all)
    func replayMany(engine: TestEngine) async throws {
        try await TestAPI.with(engine) { api async throws in
            try await api.keep(620)

            let reply = try await api.post("/v1/events/replay", ["filter": ["provider": "stripe"]])
            let jobID = try #require(reply.json["job_id"]?.text)
            #expect(reply.json["matches"]?.integer == 620)
            var input: [UInt8]? = try await api.get("/v1/jobs/\(jobID)").json["input"]?.bytes
            var rounds = 0
            while let left = input {
                let ids = (0..<250).map { _ in api.app.ids.make(JobKind.self) }
                input = try await api.database.write("chunk") { [now = api.clock.now] session in
                    try Replay.chunk(left, ids: ids, job: Replay.job, at: now, in: session)
                }
                rounds += 1
            }

            #expect(rounds == 3)
            let jobs = try await api.database.read("jobs") { [now = api.clock.now] session in
                var filter = JobFilter()
                filter.kind = "event.apply"
                return try session.jobs(filter, ListPage(limit: 1000), at: now).count
            }
            #expect(jobs == 620)
        }
    }

    @Test("a replay with a pace has each event's job due in its turn, over all pieces", arguments: TestEngine.all)
    func replayPaced(engine: TestEngine) async throws {
        try await TestAPI.with(engine) { api async throws in
            let kept = try await api.keep(501)
            let began = api.clock.now
            let reply = try await api.post(
                "/v1/events/replay", ["filter": ["provider": "stripe"], "per_second": 10])
            let jobID = try #require(reply.json["job_id"]?.text)
            var input: [UInt8]? = try await api.get("/v1/jobs/\(jobID)").json["input"]?.bytes
            while let left = input {
                let ids = (0..<250).map { _ in api.app.ids.make(JobKind.self) }
                input = try await api.database.write("chunk") { [now = api.clock.now] session in
                    try Replay.chunk(left, ids: ids, job: Replay.job, at: now, in: session)
                }
            }
            let due = try await api.database.read("due") { session in
                try session.rows("SELECT subject, due_at FROM jobs WHERE kind = 'event.apply' ORDER BY due_at") {
                    (try $0.text(), try $0.time())
                }
            }
            #expect(due.map(\.0) == kept)
            #expect(due.map { ($0.1 - began).microseconds } == (0..<501).map { Int64($0) * 100_000 })
        }
    }

    @Test("Prefer: wait answers with the ended job", arguments: TestEngine.all)
    func waits(engine: TestEngine) async throws {
        try await TestAPI.with(engine) { api async throws in
            let kept = try await api.keep(2)
            async let reply = api.post("/v1/events/\(kept[0])/replay", nil, ["Prefer": "wait=30"])
            var ended = false
            while !ended {
                ended = try await api.database.write("end") { [now = api.clock.now] session in
                    guard let job = try session.liveJob(uniqueKey: "event/\(kept[0])") else { return false }
                    return try session.end(job, as: "succeeded", reason: "", at: now)
                }
            }

            let answer = try await reply
            // The test's clock runs with every pause, so that the wait may be over first.
            #expect(answer.status == 200 && answer.json["state"]?.text == "succeeded" || answer.status == 202)
            #expect(try await api.post("/v1/events/\(kept[1])/replay", nil, ["Prefer": "wait=1"]).status == 202)
        }
    }

    @Test("a decision has its effect, its audit entry and its change, or none of them", arguments: TestEngine.all)
    func reviews(engine: TestEngine) async throws {
        var hooks = Hooks()
        hooks.deciders["event_without_user"] = Assign()
        try await TestAPI.with(engine, hooks: hooks) { api async throws in
            let review = NewReview(
                id: api.app.ids.make(), kind: "event_without_user", subject: "stripe/cus_1",
                question: "Whose customer is cus_1?",
                evidence: #"{"customer":"cus_1"}"#, choices: ["assign", "ignore"], provider: "stripe",
                openedAt: api.clock.now,
                changeID: api.app.ids.make())
            try await api.database.write("open") { _ = try $0.open(review) }
            let path = "/v1/reviews/\(review.id)"

            #expect(try await api.get("/v1/reviews?state=open&kind=event_without_user").ids == [review.id.text])
            #expect(try await api.post(path + "/claim").json["state"]?.text == "claimed")
            let other = try await TestAPI.makeKey(api.app, ["write"], name: "other")
            #expect(try await api.post(path + "/claim", as: other).code == "wrong_state")
            #expect(try await api.post(path + "/decision", ["decision": "burn"]).code == "invalid_fields")
            #expect(try await api.post(path + "/decision", ["decision": "assign"]).code == "invalid_fields")
            #expect(
                try await api.post(path + "/decision", ["decision": "assign", "input": ["user_id": 7]]).code
                    == "invalid_fields")
            #expect(
                try await api.post(path + "/decision", ["decision": "assign", "input": ["user_id": "broken"]]).status
                    == 409)
            #expect(try await api.get(path).json["state"]?.text == "claimed")

            let decided = try await api.post(
                path + "/decision", ["decision": "assign", "note": "He called.", "input": ["user_id": "u1"]])
            #expect(decided.json["state"]?.text == "decided" && decided.json["decision"]?.text == "assign")
            #expect(try await api.post(path + "/decision", ["decision": "ignore"]).code == "wrong_state")
            #expect(try await api.database.read("fact") { try $0.instanceFact("assigned") } == "u1")
            try await api.sequence()
            #expect(
                try await api.get("/v1/changes").data.compactMap { $0["type"]?.text } == [
                    "review.opened", "review.decided",
                ])
            #expect(try await api.get("/v1/audit?action=review.decided").data.count == 1)
            #expect(try await api.get("/v1/reviews/\(api.app.ids.make(ReviewKind.self))").status == 404)
        }
    }

    @Test("an alert counts, is silenced, wakes and is resolved", arguments: TestEngine.all)
    func alerts(engine: TestEngine) async throws {
        try await TestAPI.with(engine) { api async throws in
            let alert = NewAlert(
                id: api.app.ids.make(), kind: .quotaHigh, subject: "job_1", summary: "A job died.",
                action: "Look at it.",
                at: api.clock.now, changeID: api.app.ids.make())
            let same = NewAlert(
                id: api.app.ids.make(), kind: .quotaHigh, subject: "job_1", summary: "It died again.",
                action: "Look at it.",
                at: api.clock.now, changeID: api.app.ids.make())
            let isNew = try await api.database.write("raise") { session in
                (try session.raise(alert), try session.raise(same))
            }
            #expect(isNew == (true, false))
            let until = (api.clock.now + .hours(1)).rfc3339
            let path = "/v1/alerts/\(alert.id)/silence"

            #expect(try await api.get("/v1/alerts?state=open").data.first?["count"]?.integer == 2)
            #expect(try await api.post(path, ["until": .string(until)]).json["state"]?.text == "silenced")
            #expect(try await api.post(path, ["until": "2020-01-01T00:00:00Z"]).code == "invalid_fields")
            api.clock.advance(.hours(2))
            try await api.app.sweep(hourly: false)
            #expect(try await api.get("/v1/alerts?state=open").ids == [alert.id.text])
            try await api.database.write("resolve") { [ids = api.app.ids, now = api.clock.now] in
                try $0.resolve(.quotaHigh, "job_1", changeID: ids.make(), at: now)
            }
            #expect(
                try await api.post(path, ["until": .string((api.clock.now + .hours(1)).rfc3339)]).code == "wrong_state")
            #expect(
                try await api.post(
                    "/v1/alerts/\(api.app.ids.make(AlertKind.self))/silence",
                    ["until": .string((api.clock.now + .hours(1)).rfc3339)]
                ).status == 404)
            try await api.sequence()
            #expect(
                try await api.get("/v1/changes").data.compactMap { $0["type"]?.text } == [
                    "alert.raised", "alert.resolved",
                ])
        }
    }
}

/// Assigns a customer, as far as a test needs.
private struct Assign: ReviewDecider {
    var input: Schema? { .object([.required("user_id", .line(), "The user.")]) }
    func effect(of decision: Decision, on review: Review) async throws -> @Sendable (Session, Review) throws -> Void {
        guard decision.choice == "assign" else { return { _, _ in } }
        guard let user = decision.input["user_id"]?.text else {
            throw Problem(.invalidFields, "input.user_id: is missing.")
        }
        return { session, _ in
            _ = try session.settleInstanceFact("assigned", user)
            if user == "broken" { throw Problem(.wrongState, "There is no such user.") }
        }
    }
}
