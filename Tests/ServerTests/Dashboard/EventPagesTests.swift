import Hummingbird
import Kit
import TestSupport
import Testing

@testable import Server
@testable import Store

@Suite("Now and the pages of events")
struct EventPagesTests {
    private static let hostile = #"<script>alert("1")</script><b onclick='x'>"#

    @Test("what a platform wrote is shown as text, wherever it stands", arguments: TestEngine.all)
    func escaping(engine: TestEngine) async throws {
        try await TestAPI.with(engine) { api in
            let ids = try await api.keep(3, type: Self.hostile) { number in
                #"{"id":"evt_\#(number)","note":"\#(Self.hostile.replacing("\"", with: "\\\""))","a&b<":1}"#
            }
            let browser = try await Browser.signedIn(api)
            let pages = [
                "/", "/events", "/events/\(ids[0])", "/events/\(ids[0])?view=headers", "/events/\(ids[0])/replay",
            ]
            for path in pages + ["/events?q=\(PercentEncoding.encode(Self.hostile))", "/events/\(ids[0])?view=bytes"] {
                let page = try await browser.get(path)
                #expect(page.status == 200, "\(path)")
                #expect(!page.html.contains("<script>alert"), "\(path)")
                #expect(!page.html.contains("<b onclick"), "\(path)")
            }
            let page = try await browser.get("/events/\(ids[0])")
            #expect(page.html.contains("&lt;script&gt;alert"))
            #expect(page.html.contains("a&amp;b&lt;"))
        }
    }

    @Test("the list is walked to its end without a gap or a repetition", arguments: TestEngine.all)
    func paging(engine: TestEngine) async throws {
        try await TestAPI.with(engine) { api in
            let ids = try await api.keep(120)
            let browser = try await Browser.signedIn(api)
            var (seen, path) = ([String](), Optional("/events"))
            while let next = path {
                let html = try await browser.get(next).html
                seen += html.matches(of: /class="mono any row-to" href="\/events\/(evt_\w+)"/).map { String($0.1) }
                path = html.firstMatch(of: /href="([^"]+)" rel="next"/).map {
                    String($0.1).replacing("&amp;", with: "&")
                }
            }
            #expect(seen == ids.reversed())
        }
    }

    @Test("a filter lives in the address; what it cannot use is said; what fits nothing says which filter to drop")
    func filter() async throws {
        try await TestAPI.with { api in
            try await api.keep(3)
            try await api.keep(2, type: "invoice.voided", from: 10)
            let browser = try await Browser.signedIn(api)
            func rows(_ query: String) async throws -> Int {
                try await browser.get("/events?q=\(PercentEncoding.encode(query))").html.ranges(of: "<tr data-row")
                    .count
            }

            #expect(try await rows("type:invoice.voided") == 2)
            #expect(try await rows("invoice.voided provider:stripe since:90m") == 2)
            #expect(try await rows("id:evt_11") == 1)
            #expect(try await rows("evt_2") == 1)
            #expect(try await rows("provider:svix") == 0)
            let none = try await browser.get("/events?q=user%3Anobody")
            #expect(none.html.contains("Nothing fits user:nobody") && none.html.contains("Show all events"))
            let wrong = try await browser.get("/events?q=state%3Alost")
            #expect(wrong.html.contains("There is no state lost"))
            #expect(try await browser.get("/events?q=colour%3Ared").html.contains("colour:red is not known here"))
        }
    }

    @Test(
        "events are found by what their content says, and the page goes on looking where it stopped",
        arguments: TestEngine.all)
    func content(engine: TestEngine) async throws {
        try await TestAPI.with(engine) { api in
            let browser = try await Browser.signedIn(api)
            let kept = try await api.keep(620) { number in
                #"{"data":{"object":{"id":"in_\#(number)","n":\#(number % 3),"lines":[{"sku":"rye"}]}}}"#
            }
            func ids(_ html: String) -> Set<String> {
                Set(html.matches(of: /\/events\/(evt_[0-9a-z]{26})/).map { String($0.1) })
            }
            let one = try await browser.get("/events?q=json%3A%24.data.object.id%3Din_600").html
            #expect(ids(one) == [kept[600]])
            var old = try await browser.get("/events?q=json%3A%24.data.object.id%3Din_5").html
            while ids(old).isEmpty, let next = old.firstMatch(of: /href="(\/events\?[^"]*before=[^"]*)"/)?.1 {
                old = try await browser.get(String(next).replacing("&amp;", with: "&")).html
            }
            #expect(ids(old) == [kept[5]] && old.contains("1 found in 620 events. All is looked through."))
            #expect(
                ids(try await browser.get("/events?q=json%3A%24.data.object.lines%5B0%5D.sku%3Drye").html).count == 50)
            #expect(ids(try await browser.get("/events?q=json%3A%24.data.object.n%3D2").html).contains(kept[617]))
            let wrong = try await browser.get("/events?q=json%3Adata.id").html
            #expect(wrong.contains("json:$.data.object.id=in_1"))
            #expect(
                try await browser.get("/events/replay?q=json%3A%24.a%3Db").html.contains("Choose at least one thing"))
        }
    }

    @Test("rows that came meanwhile are counted, and shown when asked for")
    func fresh() async throws {
        try await TestAPI.with { api in
            try await api.keep(3)
            let browser = try await Browser.signedIn(api)
            let html = try await browser.get("/events").html
            let mark = try #require(html.firstMatch(of: /data-page="([^"]+)"/)?.1)
            let live = String(mark).replacing("&amp;", with: "&")
            try await api.keep(2, from: 20)

            let page = PercentEncoding.encode(live)
            let answer = try await browser.get("/dashboard/fragments?page=\(page)").html
            let fragments = try #require(try JSON.parse(answer)["fragments"])

            #expect(fragments["events-fresh"]?.text?.contains("2 new events, show") == true)
            #expect(fragments["events-rows"]?.text?.ranges(of: "<tr data-row").count == 3)
            #expect(fragments["frame-nav"]?.text?.contains("Events") == true)
        }
    }

    @Test(
        "a search among contents, which reads hundreds of them, stands as it was; nobody's pages are drawn for others")
    func standing() async throws {
        try await TestAPI.with { api in
            try await api.keep(3)
            let (admin, viewer) = (
                try await Browser.signedIn(api), try await Browser.signedIn(api, as: .viewer, name: "mina")
            )
            func fragments(_ browser: Browser, _ page: String) async throws -> Int {
                try await browser.get("/dashboard/fragments?page=" + PercentEncoding.encode(page)).status
            }
            let search = "/events?q=json%3A%24.data.object.n%3D1"
            #expect(try await admin.get(search).html.contains("<span id=\"state\" hidden"))
            #expect(try await fragments(admin, search) == 404)
            #expect(try await fragments(admin, "/events?q=type%3Ainvoice.paid") == 200)
            #expect(try await fragments(viewer, "/events") == 200)
            for page in Pages.all where page.needs == .admin && !page.path.contains("{") {
                #expect(try await fragments(viewer, page.path) == 404, "\(page.path)")
            }
        }
    }

    @Test("a refused delivery has a page that says what it failed at")
    func refused() async throws {
        try await TestAPI.with { api in
            let id: ID<DeliveryKind> = api.app.ids.make()
            let now = api.clock.now
            let rejection = Rejection(
                id: id, provider: "stripe", receivedAt: now, code: "wrong_signature",
                reason: Forged.wrongSignature.reason, method: "POST", target: Array("/webhooks/stripe?key=s".utf8),
                headers: Array("Stripe-Signature: t=1,v1=00\n".utf8), remote: "192.0.2.1", size: 2,
                body: Array("{}".utf8), checksum: Checksum.of(Array("{}".utf8)))
            try await api.database.set("refuse", in: .maintenance) { try $0.keepRejected([rejection]) }
            let browser = try await Browser.signedIn(api)

            #expect(try await browser.get("/events").html.contains("signature differs"))
            #expect(try await browser.get("/").html.contains("1 refused lately") == false)
            let page = try await browser.get("/deliveries/\(id)")
            #expect(page.status == 200)
            #expect(page.html.contains("No active secret made this signature"))
            #expect(!page.html.contains("key=s"))
            let bytes = try await browser.get("/deliveries/\(id)/body")
            #expect(bytes.html == "{}" && bytes.headers[.contentType] == "application/octet-stream")
        }
    }

    @Test("a replay is looked at first, is done once by an admin, and not by a viewer", arguments: TestEngine.all)
    func replay(engine: TestEngine) async throws {
        try await TestAPI.with(engine) { api in
            let ids = try await api.keep(1)
            let path = "/events/\(ids[0])/replay"
            let viewer = try await Browser.signedIn(api, as: .viewer, name: "viewer")
            #expect(try await viewer.act(path).status == 403)

            let browser = try await Browser.signedIn(api)
            let page = try await browser.get(path)
            #expect(page.html.contains("nothing has happened yet"))
            let form = ["csrf": try #require(page.formToken), "once": "0123456789abcdef"]
            #expect(try await browser.post(path, form).location == "/events/\(ids[0])?note=replayed")
            #expect(try await browser.post(path, form).location == "/events/\(ids[0])?note=replayed")

            let audit = try await api.database.read("audit") { session in
                var filter = AuditFilter()
                filter.action = "event.replayed"
                return try session.audit(filter, ListPage(limit: 10))
            }
            #expect(audit.count == 1 && audit.first?.actor.hasPrefix("op_") == true)
        }
    }

    @Test("many are replayed by a plan with their number in it; without a filter there is no plan")
    func plan() async throws {
        try await TestAPI.with { api in
            try await api.keep(4)
            let browser = try await Browser.signedIn(api)

            #expect(try await browser.get("/events/replay").html.contains("Choose at least one thing first"))
            let plan = try await browser.get("/events/replay?q=type%3Ainvoice.paid")
            #expect(plan.html.contains("Plan: replay 4 events") && plan.html.contains("Replay 4"))
            func fields(_ html: String) -> [String: String] {
                let names = html.matches(of: /<input type="hidden" name="(\w+)" value="([^"]*)">/)
                return Dictionary(names.map { (String($0.1), String($0.2)) }) { first, _ in first }
            }
            var old = fields(plan.html)
            api.clock.advance(.minutes(16))
            #expect(try await browser.post("/events/replay", old).html.contains("It is counted anew"))
            old = fields(try await browser.get("/events/replay?q=type%3Ainvoice.paid").html)
            old["count"] = "2"
            #expect(try await browser.post("/events/replay", old).html.contains("It is counted anew"))

            let seen = fields(try await browser.get("/events/replay?q=type%3Ainvoice.paid").html)
            // What comes meanwhile is not of the plan.
            api.clock.advance(.seconds(1))
            try await api.keep(1, from: 4)
            let done = try await browser.post("/events/replay", seen)
            #expect(done.location?.contains("note=replays_queued") == true)
            let jobs = try await api.database.read("jobs") { [now = api.clock.now] in
                try $0.jobs(JobFilter(), ListPage(limit: 10), at: now)
            }
            #expect(jobs.count == 4)
        }
    }

    @Test(
        "an id that is none, and one that is gone, are pages that say so",
        arguments: [
            "/events/x", "/events/evt_01kb2c3d4e5f6g7h8j9k0m1n2p", "/deliveries/dlv_01kb2c3d4e5f6g7h8j9k0m1n2p",
            "/events/evt_01kb2c3d4e5f6g7h8j9k0m1n2p/replay", "/events/%3Cscript%3E",
        ])
    func gone(path: String) async throws {
        try await TestAPI.with { api in
            let page = try await Browser.signedIn(api).get(path)
            #expect(page.status == 404 && page.html.contains("There is nothing at this address"))
        }
    }

    @Test("history counts a quiet minute and estimates a busy one", arguments: TestEngine.all)
    func history(engine: TestEngine) async throws {
        try await TestAPI.with(engine) { api in
            try await api.keep(600)
            let end = api.clock.now + .seconds(1)
            let history = try await api.database.read("history") {
                try $0.traffic(minutes: 3, before: end, of: ["stripe"])
            }
            #expect(history.came.count == 3)
            #expect(history.isEstimate && (history.came.last ?? 0) > 250)
        }
    }

    @Test("the words of a change are its fields before and after")
    func changedFields() {
        let times = Times(words: Words.of(.english), offset: .zero, now: .testNow)
        func change(_ data: String, version: Int64) -> Change {
            Change(
                position: 1, id: ID(stored: "chg_x"), type: "payment.succeeded", subject: "pi_1", version: version,
                userID: nil, connectionID: nil, occurredAt: .testNow, data: Array(data.utf8), payload: nil)
        }
        let rows = ChangedRow.rows(
            of: change(
                #"{"payment_id":"pi_1","status":"succeeded","amount":{"amount":4900,"currency":"eur"}}"#, version: 2),
            earlier: change(#"{"payment_id":"pi_1","status":"open","amount":null}"#, version: 1), times: times)
        #expect(rows.map(\.field) == ["status", "amount"])
        #expect(rows.map(\.before) == ["open", nil])
        #expect(rows.map(\.after) == ["succeeded", "49.00 EUR"])
        #expect(rows.map(\.name) == ["payments / pi_1", ""])
    }
}
