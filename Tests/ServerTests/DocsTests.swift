import Foundation
import Kit
import Stripe
import Testing

@testable import Server
@testable import Store

@Suite("The documentation that a server serves")
struct DocsTests {
    /// Without an end; with a file; with a platform to be asked: other tests' business.
    private static let others: Set<String> = [
        "/v1/changes/stream", "/v1/objects/{key}/content", "/v1/uploads/{id}", "/v1/connections/{id}/posting",
    ]

    private func withSeed(_ settings: Settings = .test, _ body: @Sendable @escaping (TestAPI) async throws -> Void)
        async throws
    {
        try await TestAPI.with(
            settings: settings,
            makeHooks: { database, ids in
                var hooks = TestAPI.endpointHooks(database, ids)
                hooks.deciders = [:]
                hooks.eventSchemas = ["event.received": ["description": "A platform told us something."]]
                return hooks
            }
        ) { api in
            try await SchemathesisServer.seed(api.app)
            try await Self.seedMore(api)
            try await body(api)
        }
    }

    /// What the ids of the examples name, beyond what the contract's tests need.
    private static func seedMore(_ api: TestAPI) async throws {
        let (now, tail) = (api.clock.now, SchemathesisServer.tail)
        try await api.send("PUT", "/v1/users/user-42", Array(#"{"email":"rye@example.com"}"#.utf8))
        try await api.database.write("seed_docs") { session in
            try session.addApp(ID(stored: "app_" + tail), provider: "svix", name: "Acme", at: now)
            try session.insert([
                CallRow(
                    id: ID(stored: "call_" + tail), provider: "stripe", purpose: "subscription", method: "GET",
                    host: "api.stripe.com", path: "/v1/subscriptions/{}", at: now)
            ])
            try session.begin(
                NewReconciliation(
                    id: ID(stored: "recon_" + tail), provider: "stripe", app: ID(stored: "app_" + tail),
                    stream: "events", job: ID(stored: "job_" + tail), askedBy: nil, since: now, until: now), at: now)
            let connection = NewConnection(
                id: ID(stored: "conn_" + tail), userID: "user-42", provider: "tiktok", app: ID(stored: "app_" + tail),
                openID: "open-1", name: Personal("Rye"), scopes: ["video.list"], wanted: ["video.list"],
                isPending: false)
            _ = try session.connect(connection, at: now)
            try session.add(
                ObjectRow(
                    id: ID(stored: "obj_" + tail), facts: MediaFacts(.mp4), contentType: "video/mp4", size: 1,
                    sha256: [1], name: nil, userID: nil, createdAt: now, expiresAt: nil))
            try session.add(
                PublicationRow(
                    id: ID(stored: "pub_" + tail), content: ["text": "Rye"], media: [], publishAt: nil,
                    createdBy: "key", version: 1, createdAt: now, updatedAt: now))
            try session.begin(
                CaptureRow(
                    id: ID(stored: "cap_" + tail), provider: "tiktok", connection: connection.id, beganAt: now,
                    endsAt: now + .minutes(15), callsMax: 10, startedBy: "key"))
            try session.add(
                NewSync(
                    id: ID(stored: "sync_" + tail), connection: connection.id, provider: "tiktok", account: "open-1",
                    stream: "videos", reason: .manual, listsAll: false, since: nil, job: ID(stored: "job_" + tail),
                    askedBy: nil), at: now)
            try session.add(
                NewConnectSession(
                    id: ID(stored: "cs_" + tail), linkHash: [1], userID: "user-42", provider: "tiktok",
                    app: ID(stored: "app_" + tail), scopes: ["video.list"], returnURL: nil, confirms: false,
                    wantedConnection: nil, madeBy: "key", createdAt: now, expiresAt: now))
            _ = try session.run(
                """
                INSERT INTO erasures (id, who, state, asked_by, asked_at, position, counts)
                VALUES (\("era_" + tail), 'a', 'running', 'key', \(now), '', '{}')
                """)
        }
    }

    @Test("every example of a GET is answered as its page says")
    func examples() async throws {
        try await withSeed { api in
            var count = 0
            for route in Routes.all where route.method == "GET" && !Self.others.contains(route.template) {
                let example = DocsExample(route)
                let reply = try await api.get(example.path)
                #expect(
                    reply.status == example.status, "\(example.path): \(String(decoding: reply.body, as: UTF8.self))")
                #expect(example.curl.contains("$PATCHBAY_URL\(example.path)"))
                count += 1
            }
            #expect(count > 30)
        }
    }

    @Test("every answer and body shown is of the form that is described", arguments: Routes.all.map(\.action.name))
    func samples(name: String) throws {
        let route = try #require(Routes.all.first { $0.action.name == name })
        for schema in route.action.answers.compactMap(\.schema) { #expect(schema.problems(in: schema.sample) == []) }
        if let body = route.action.body { #expect(body.problems(in: body.sample) == []) }
    }

    @Test("no page needs another host, a style of its own or, but to send, a script; every link leads somewhere")
    func pages() async throws {
        var settings = Settings.test
        settings.mode = .live
        try await withSeed(settings) { api in
            var waiting: Set<String> = ["/docs"]
            var seen: Set<String> = []
            while let path = waiting.popFirst() {
                seen.insert(path)
                let reply = try await api.get(path)
                #expect(reply.status == 200, "\(path)")
                guard reply.header("Content-Type")?.hasPrefix("text/html") == true else { continue }
                let html = String(decoding: reply.body, as: UTF8.self)
                #expect(reply.body.count < 100_000, "\(path): \(reply.body.count) bytes")
                #expect(reply.header("Content-Security-Policy")?.contains("unsafe") == false)
                for word in ["<script", "<style", "style=", "onclick", "src="] {
                    #expect(!html.contains(word), "\(path)")
                }
                let links = html.components(separatedBy: "href=\"").dropFirst().compactMap {
                    $0.split(separator: "\"").first
                }
                for link in links where link.hasPrefix("/") && !link.hasPrefix("//") {
                    let page = String(link.prefix { $0 != "#" })
                    if !seen.contains(page) { waiting.insert(page) }
                }
            }
            #expect(seen.count > 50)
            for type in ProblemType.all { #expect(seen.contains(DocsErrors.path(type))) }
        }
    }

    @Test("in test mode a page sends what it shows, by one script of this server; in live mode it only shows")
    func sending() async throws {
        for mode in [Settings.Mode.test, .live] {
            var settings = Settings.test
            settings.mode = mode
            try await withSeed(settings) { api in
                let reply = try await api.get("/docs/events")
                let html = String(decoding: reply.body, as: UTF8.self)
                #expect(
                    html.contains("data-method=\"GET\" data-path=\"/v1/events?limit=2\" data-key") == (mode == .test))
                #expect(html.ranges(of: "<script").count == (mode == .test ? 1 : 0))
                #expect(html.contains("curl "), "what it sends can be read without script")
                let policy = try #require(reply.header("Content-Security-Policy"))
                #expect(policy.contains("script-src 'self'") && policy.contains("connect-src 'self'"))
                #expect(!policy.contains("unsafe"))
                let stream = String(decoding: try await api.get("/docs/changes").body, as: UTF8.self)
                #expect(!stream.contains("data-path=\"/v1/changes/stream\""), "it has no end")
                if mode == .test {
                    let path = try #require(html.split(separator: "<script src=\"").last?.prefix { $0 != "\"" })
                    #expect(
                        try await api.get(String(path)).header("Content-Type")?.hasPrefix("text/javascript") == true)
                }
            }
        }
    }

    @Test("an error's page says what happened, who acts and what to do; its type leads there")
    func errorPage() async throws {
        try await withSeed { api in
            let problem = try await api.get("/v1/events/nothing")
            let path = try #require(problem.json["type"]?.text)
            #expect(path == "/docs/errors/not_found")
            let html = String(decoding: try await api.get(path).body, as: UTF8.self)
            for words in ["There is no such thing", "You, the caller", "fails again", "/v1/events/{id}"] {
                #expect(html.contains(words), "\(words)")
            }
        }
    }

    @Test("Stripe's page has the strings of this server")
    func stripePage() async throws {
        var settings = Settings.test
        settings.publicURL = "https://hooks.example.com"
        try await withSeed(settings) { api in
            let html = String(decoding: try await api.get("/docs/providers/stripe").body, as: UTF8.self)
            #expect(html.contains("https://hooks.example.com/webhooks/stripe"))
            #expect(html.contains("STRIPE_WEBHOOK_SECRET"))
            #expect(html.contains("patchbay doctor"))
            #expect(!html.contains("PATCHBAY_PUBLIC_URL is not set"))
            for event in Stripe().setUp.events { #expect(html.contains(event)) }
        }
    }

    @Test("the events to select are those that are acted upon")
    func selected() {
        let scheme = Stripe().webhooks
        for event in Stripe().setUp.events { #expect(scheme.handles(event), "\(event)") }
        #expect(Set(Stripe().setUp.events).count == Stripe().setUp.events.count)
    }

    @Test("what a page shows of others is escaped")
    func escaping() {
        let hostile = "<b onload=\"x\">&'"
        let html: Markup = "<p>\(hostile)</p>\(Markup.prose("see `\(hostile)`"))"
        let shown = "&lt;b onload=&quot;x&quot;&gt;&amp;&#39;"
        #expect(html.text == "<p>\(shown)</p>see <code>\(shown)</code>")
    }
}
