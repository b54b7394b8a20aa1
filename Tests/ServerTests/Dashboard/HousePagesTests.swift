import Kit
import TestSupport
import Testing

@testable import Engine
@testable import Server
@testable import Store

@Suite("Pages of endpoints and the system", .serialized)
struct HousePagesTests {
    private let fields = [
        "url": "https://app.example.com/hooks", "t.user.subscription_updated": "1", "patterns": "payment.*",
    ]

    @Test(
        "made with a secret that is shown once; edited, tested, rotated, disabled, deleted", arguments: TestEngine.all)
    func endpoint(engine: TestEngine) async throws {
        try await TestAPI.withEndpoints(engine) { api in
            let browser = try await Browser.signedIn(api)
            #expect(try await browser.get("/endpoints").html.contains("patchbay endpoints create"))
            let wrong = try await browser.act("/endpoints/new", ["url": "http://127.0.0.1/x"])
            #expect(wrong.status == 422 && wrong.html.contains("http://127.0.0.1/x"))

            let form = fields.merging(hidden(try await browser.get("/endpoints/new").html)) { own, _ in own }
            let made = try await browser.post("/endpoints/new", form)
            #expect(made.html.contains("whsec_") && made.html.contains("You will not see it again"))
            #expect(try await browser.post("/endpoints/new", form).status == 409, "the same form again shows nothing")
            let id = try #require(try await api.get("/v1/endpoints").ids.first)
            #expect(
                try await api.get("/v1/endpoints/\(id)").json["types"] == ["user.subscription_updated", "payment.*"])

            let path = "/endpoints/\(id)"
            let page = try await browser.get(path)
            #expect(page.html.contains("Nothing was sent to it yet.") && !page.html.contains("whsec_"))
            let tested = try await browser.act(path + "/test")
            let attempt = try #require(tested.location)
            #expect(attempt.hasPrefix("/attempts/att_"))
            let shown = try await browser.get(attempt)
            #expect(shown.html.contains("endpoint.test") && shown.html.contains("webhook-signature"))
            #expect(try await browser.get(path).html.contains("500"))

            #expect(try await browser.get(path + "/rotate").html.contains("Both sign for 24 hours"))
            let rotated = try await browser.act(path + "/rotate")
            #expect(rotated.html.contains("whsec_") && rotated.html.contains("signs beside it until"))
            #expect(try await browser.act(path + "/disable").location == path + "?note=endpoint_disabled")
            #expect(try await browser.get(path).html.contains("Nothing is sent to it since"))
            #expect(try await browser.act(path + "/enable").status == 303)
            #expect(
                try await browser.act(path + "/edit", ["url": "https://b.example/", "patterns": "*.x"]).status == 422)
            #expect(try await browser.act(path + "/edit", ["url": "https://b.example/"]).status == 303)
            #expect(try await browser.act(path + "/delete").location == "/endpoints?note=endpoint_deleted")
            #expect(try await browser.get(path).status == 404)
            let acts = try await api.get("/v1/audit?limit=50").data.compactMap { $0["actor"]?.text }
            #expect(!acts.isEmpty && acts.allSatisfy { $0.hasPrefix("op_") || $0.hasPrefix("key_") || $0 == "cli" })
        }
    }

    @Test("what failed and what is missing is counted before it is sent again", arguments: TestEngine.all)
    func replay(engine: TestEngine) async throws {
        try await TestAPI.withEndpoints(engine) { api in
            let browser = try await Browser.signedIn(api)
            _ = try await browser.act("/endpoints/new", ["url": "https://app.example.com/hooks"])
            let id = try #require(try await api.get("/v1/endpoints").ids.first)
            try await api.keep(6)
            try await api.sequence()
            let head = try await api.database.read("head") { try $0.feedHead() }
            try await api.advance(id, to: head)

            let plan = try await browser.get("/endpoints/\(id)/replay?what=missing&hours=24")
            let fields = hidden(plan.html)
            #expect(fields["count"] == "6", "\(fields)")
            #expect(plan.html.contains("nothing has happened yet"))
            let started = try await browser.post("/endpoints/\(id)/replay", fields)
            #expect(started.location?.hasPrefix("/runs/run_") == true)
            let failed = try await browser.get("/endpoints/\(id)/replay?what=failed&hours=24")
            #expect(failed.html.contains("Send 0 events again"))
            let all = try await browser.get("/endpoints/\(id)/replay?what=all&hours=24")
            #expect(all.html.contains("those that arrived included"))
            #expect(try await browser.get("/endpoints/\(id)/replay?what=nothing").status == 404)
        }
    }

    @Test("a key is shown once and revoked; settings name their source and show no secret")
    func system() async throws {
        var settings = Settings.test
        settings.given = [
            "STRIPE_SECRET_KEY": GivenSetting(source: "environment", value: nil),
            "PATCHBAY_LISTEN": GivenSetting(source: "/etc/patchbay.env", value: "127.0.0.1:9000"),
        ]
        try await TestAPI.with(settings: settings) { api in
            let browser = try await Browser.signedIn(api)
            let made = try await browser.act(
                "/system/keys", ["name": "shop", "scope.read": "1", "further": "events:write"], on: "/system/keys")
            #expect(made.html.contains("pb_test_") && made.html.contains("You will not see it again"))
            #expect(try await browser.act("/system/keys", ["name": "", "scope.read": "1"]).status == 422)
            #expect(try await browser.act("/system/keys", ["name": "x", "further": "events:nonsense"]).status == 422)
            let key = try #require(try await api.get("/v1/keys?name=shop").ids.first)
            #expect(try await browser.get("/system/keys/\(key)/revoke").html.contains("Revoke the key shop?"))
            #expect(try await browser.act("/system/keys/\(key)/revoke").location == "/system/keys?note=key_revoked")
            #expect(try await api.get("/v1/keys/\(key)").json["state"]?.text == "revoked")

            let shown = try await browser.get("/system/settings")
            #expect(shown.html.contains("‹secret›") && shown.html.contains("/etc/patchbay.env"))
            #expect(try await browser.get("/system/audit?q=action:key.created").html.contains("ops"))
            #expect(try await browser.get("/system/audit?q=nonsense:x").status == 200)
        }
    }

    @Test("a session of another operator is ended from the system's page")
    func sessions() async throws {
        try await TestAPI.with { api in
            let browser = try await Browser.signedIn(api)
            let other = try await Browser.signedIn(api, as: .viewer, name: "mina")
            let page = try await browser.get("/system/operators")
            #expect(page.html.contains("mina"))
            #expect(page.html.ranges(of: "last used").count == 2)
            let seen = try await other.get("/system/operators").html
            #expect(seen.contains("ops") && seen.ranges(of: "last used").count == 1, "a viewer sees their own only")
            let path = try #require(
                page.html.matches(of: /\/system\/operators\/op_[0-9a-z]+\/sessions\/ses_[0-9a-z]+\/end/).map {
                    String($0.0)
                }
                .last)
            #expect(try await browser.act(path).location == "/system/operators?note=ended")
            let gone = try await [other.get("/jobs").status, browser.get("/jobs").status].sorted()
            #expect(gone == [200, 303])
        }
    }

    @Test("an endpoint's query, which may hold secrets, is for those who may change it")
    func secretAddress() async throws {
        try await TestAPI.withEndpoints(.sqlite) { api in
            let admin = try await Browser.signedIn(api)
            _ = try await admin.act("/endpoints/new", ["url": "https://app.example.com/hooks?token=canary-7"])
            let id = try #require(try await api.get("/v1/endpoints").ids.first)
            let viewer = try await Browser.signedIn(api, as: .viewer, name: "mina")
            for path in ["/endpoints", "/endpoints/\(id)", "/search?q=app.example.com", "/audit", "/"] {
                let html = try await viewer.get(path).html
                #expect(!html.contains("canary-7"), "\(path)")
            }
            #expect(try await admin.get("/endpoints/\(id)").html.contains("token=canary-7"))
        }
    }

    @Test(
        "an address is shown without its secrets",
        arguments: [
            ("https://app.example/hooks?token=s", "https://app.example/hooks"),
            ("https://u:p@app.example/hooks#x", "https://app.example/hooks"),
            ("https://app.example?token=s", "https://app.example"), ("https://u:p@h:8443/", "https://h:8443/"),
            ("nonsense", "nonsense"),
        ])
    func addresses(url: String, shown: String) {
        #expect(EndpointWords.address(url) == shown)
        #expect(!Hosts.of(url).contains("token") && !Hosts.of(url).contains("@"))
    }

    @Test(
        "money is written exactly",
        arguments: [
            (4900, "eur", "49.00 EUR"), (5, "usd", "0.05 USD"), (49_000, "krw", "49,000 KRW"), (1, "kwd", "0.001 KWD"),
            (-123_456, "eur", "−1,234.56 EUR"), (Int64.min, "eur", "−92,233,720,368,547,758.08 EUR"),
        ] as [(Int64, String, String)])
    func money(minor: Int64, currency: String, text: String) {
        #expect(MoneyText.of(minor, currency, Words.of(.english)) == text)
    }

    @Test(
        "what an advice tells to run is there to be copied",
        arguments: [
            ("Make a key and keep a copy apart from the database: patchbay vault key", "patchbay vault key"),
            ("Make the disk larger, or keep less: PATCHBAY_RETENTION_BODIES=7d", "PATCHBAY_RETENTION_BODIES=7d"),
            ("Use a local disk, or PostgreSQL.", nil),
        ] as [(String, String?)])
    func advice(advice: String, command: String?) { #expect(HealthPage.command(in: advice) == command) }
}
