import Kit
import TestSupport
import Testing

@testable import Server
@testable import Store

@Suite("Trace")
struct TraceTests {
    /// A sync, a comparison, a publication to one account, with a job and a call of it.
    private struct Work {
        let sync: ID<SyncKind>, comparison: ID<ReconciliationKind>, publication: ID<PublicationKind>

        static func make(in api: TestAPI) async throws -> Work {
            let (ids, now) = (api.app.ids, api.clock.now)
            let work = Work(sync: ids.make(), comparison: ids.make(), publication: ids.make())
            let (sync, comparison, publication) = (work.sync, work.comparison, work.publication)
            let (target, connection) = (ids.make(TargetKind.self), ids.make(ConnectionKind.self))
            var call = CallRow(
                id: ids.make(), provider: "tiktok", purpose: "publish", method: "POST", host: "h", path: "/v2/x",
                at: now)
            call.subject = target.text
            let job = NewJob(
                id: ids.make(), kind: "publish", lane: Lane("x", .person), dueAt: now, createdAt: now, input: [],
                subject: publication.text, uniqueKey: nil)
            try await api.database.set("work", in: .work) { [call] session in
                try session.run(
                    """
                    INSERT INTO syncs (id, connection_id, provider, account_id, stream, reason, state, lists_all,
                                       job_id, phase, pages, rows_read, created_at, started_at, ended_at, problem)
                    VALUES (\(sync), \(connection), 'tiktok', 'a', 'videos', 'manual', 'failed', 0, 'job', 'list', 2,
                            40, \(now), \(now), \(now), 'The list turns in a circle.')
                    """)
                try session.run(
                    """
                    INSERT INTO reconciliations (id, provider, app_id, stream, state, job_id, since, until, matched,
                                                 missing_here, differing, dry_run, started_at, ended_at)
                    VALUES (\(comparison), 'stripe', 'app', 'events', 'done', 'job', \(now), \(now), 7, 1, 0, 1,
                            \(now), \(now))
                    """)
                try session.run(
                    """
                    INSERT INTO publications (id, content, media, created_by, version, created_at, updated_at)
                    VALUES (\(publication), '{}', '[]', 'key_1', 1, \(now), \(now))
                    """)
                try session.run(
                    """
                    INSERT INTO publication_targets (id, publication_id, connection_id, provider, account_id, options,
                                                     state, reason, source, version, created_at, updated_at)
                    VALUES (\(target), \(publication), \(connection), 'tiktok', 'a', '{}', 'waiting', 'A limit.',
                            'file', 1, \(now), \(now))
                    """)
                try session.insert([call])
                try session.enqueue([job])
            }
            return work
        }
    }

    @Test(
        "long work has a story, too: a sync, a comparison, a publication with its targets", arguments: TestEngine.all)
    func work(engine: TestEngine) async throws {
        try await TestAPI.with(engine) { api in
            let work = try await Work.make(in: api)
            func steps(_ id: String) async throws -> (kind: String?, sentences: [String]) {
                let trace = try await api.get("/v1/trace/\(id)").json
                return (trace["kind"]?.text, (trace["steps"]?.elements ?? []).compactMap { $0["sentence"]?.text })
            }

            let read = try await steps(work.sync.text)
            #expect(read.kind == "sync" && read.sentences.count == 3)
            #expect(read.sentences.last?.hasPrefix("2 pages, 40 rows: ") == true)
            #expect(read.sentences.last?.hasSuffix("The list turns in a circle.") == true)
            let compared = try await steps(work.comparison.text)
            #expect(compared.kind == "reconciliation")
            #expect(compared.sentences.last == "7 matched, 1 missing here, 0 missing there, 0 differing.")
            let published = try await steps(work.publication.text)
            #expect(published.kind == "publication")
            for words in ["publish is to be done", "POST h/v2/x", "to 1 accounts", "waiting. A limit."] {
                #expect(published.sentences.contains { $0.contains(words) }, "\(words): \(published.sentences)")
            }
            let browser = try await Browser.signedIn(api)
            #expect(try await browser.get("/search?q=\(work.sync)").location == "/trace/\(work.sync)")
            #expect(try await browser.get("/trace/\(work.sync)").html.contains("The list turns in a circle."))
        }
    }

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
