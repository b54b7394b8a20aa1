import Kit
import TestSupport
import Testing

@testable import Server
@testable import Store

/// PROMISES: state, PKCE, mix-up and open redirects; each refused, each with a page of its own.
@Suite("Connecting an account: what is refused")
struct ConnectRefusalTests {
    /// Nothing was made, and no code went to the platform.
    private func isUntouched(_ world: ConnectWorld) async throws -> Bool {
        try await world.api.get("/v1/connections").data.isEmpty && world.platform.requests.isEmpty
    }

    @Test("a state that nobody gave, none, and two of them")
    func unknownState() async throws {
        try await ConnectWorld.with { world in
            let (_, link) = try await world.session()
            let browser = world.browser()
            let state = try await browser.leave(link)
            for query in ["state=\(String(repeating: "A", count: 43))", "", "state=\(state)&state=\(state)", "state="] {
                let page = try await browser.get("/callback/tiktok?code=\(world.code())&\(query)")
                #expect(page.status == 400 && page.text.contains("has no beginning"), "\(query)")
            }
            #expect(try await isUntouched(world))
        }
    }

    @Test("a state that came before: one goes on, whatever came with the other", arguments: TestEngine.all)
    func reused(engine: TestEngine) async throws {
        try await ConnectWorld.with(engine) { world in
            let (_, link) = try await world.session()
            let browser = world.browser()
            let state = try await browser.leave(link)
            _ = try await browser.get("/callback/tiktok?code=\(world.code())&state=\(state)")

            let again = try await browser.get("/callback/tiktok?code=\(world.code())&state=\(state)")

            #expect(again.status == 410 && again.text.contains("This was done already"))
            #expect(world.platform.requests.count { $0["grant_type"] == "authorization_code" } == 1)
        }
    }

    @Test("another browser than the one that began, and one without a cookie")
    func foreignBrowser() async throws {
        try await ConnectWorld.with { world in
            let (_, link) = try await world.session()
            let (mine, other) = (world.browser(), world.browser())
            let state = try await mine.leave(link)
            _ = try await other.leave(try await world.session(user: "other").link)
            for browser in [other, world.browser()] {
                let page = try await browser.get("/callback/tiktok?code=\(world.code())&state=\(state)")
                #expect(page.status == 400 && page.text.contains("opened in another browser"))
            }
            #expect(try await isUntouched(world))
            // It is not used up: the right browser goes on.
            let page = try await mine.get("/callback/tiktok?code=\(world.code())&state=\(state)")
            #expect(page.status == 200)
        }
    }

    @Test("a link and a state that are too old")
    func expired() async throws {
        try await ConnectWorld.with { world in
            let (id, link) = try await world.session()
            let browser = world.browser()
            let state = try await browser.leave(link)
            world.api.clock.advance(.minutes(10))

            let back = try await browser.get("/callback/tiktok?code=\(world.code())&state=\(state)")
            let away = try await browser.get(link)

            #expect(back.status == 410 && back.text.contains("good for 10 minutes") && away.status == 410)
            #expect(try await world.api.get("/v1/connect-sessions/\(id)").json["state"] == "expired")
            #expect(try await isUntouched(world))
        }
    }

    @Test("the answer of another platform (mix-up), and of another issuer")
    func mixedUp() async throws {
        try await ConnectWorld.with(
            .sqlite,
            { settings in
                settings.generic = GenericSample.generic
                settings.clients["generic"] = ClientSettings(id: "cid", secret: Secret("csec"), address: nil)
            }
        ) { world in
            let browser = world.browser()
            let state = try await browser.leave(try await world.session().link)
            let swapped = try await browser.get("/callback/generic?code=\(world.code())&state=\(state)")
            #expect(swapped.status == 400 && swapped.text.contains("wrong platform answered"))

            let body: JSON = ["user_id": "user-42", "provider": "generic"]
            let url = try await world.api.post("/v1/connect-sessions", body).json["url"]?.text ?? ""
            let away = try await browser.consent(
                try await browser.get(String(url.dropFirst(ConnectWorld.publicURL.count))))
            let own = try #require(away.query("state"))
            #expect(away.query("code_challenge_method") == "S256" && away.query("code_challenge")?.count == 43)
            let issued = try await browser.get(
                "/callback/generic?code=x&state=\(own)&iss=https%3A%2F%2Fevil.example")
            #expect(issued.status == 400 && issued.text.contains("wrong platform answered"))
            #expect(try await isUntouched(world))
        }
    }

    @Test(
        "what a platform says instead of a code has a page, a word for the application, and stores nothing",
        arguments: [
            ("access_denied", "access_denied", 400, "You said no at TikTok"),
            ("invalid_scope", "invalid_scope", 400, "does not allow what was asked for"),
            ("server_error", "server_error", 502, "TikTok is not well"),
            ("temporarily_unavailable", "server_error", 502, "TikTok is not well"),
            ("unauthorized_client", "app_refused", 503, "does not accept this application"),
            ("<script>alert(1)</script>", "app_refused", 503, "does not accept this application"),
        ])
    func said(error: String, code: String, status: Int, text: String) async throws {
        try await ConnectWorld.with { world in
            let (id, link) = try await world.session()
            let browser = world.browser()
            let state = try await browser.leave(link)
            let page = try await browser.get(
                "/callback/tiktok?error=\(PercentEncoding.encode(error))&error_description=%3Cb%3Ehi&state=\(state)")
            #expect(page.status == status && page.text.contains(text))
            #expect(!page.text.contains("<script>alert") && !page.text.contains("<b>hi"))
            #expect(try await world.api.get("/v1/connect-sessions/\(id)").json["code"] == .string(code))
            #expect(try await isUntouched(world))

            let (other, back) = try await world.session([.init("return_url", "https://app.example.com/back")])
            let second = try await browser.leave(back)
            let returned = try await browser.get(
                "/callback/tiktok?error=\(PercentEncoding.encode(error))&state=\(second)")
            #expect(returned.location == "https://app.example.com/back?connect_session=\(other)&error=\(code)")
        }
    }

    @Test(
        "a code that brings no tokens: each cause has its page, and the code is not sent again",
        arguments: [
            (FakePlatform.Fault.appliedUnheard, "TikTok does not answer"), (.notSent, "TikTok does not answer"),
            (.status(503), "TikTok is not well"),
            (.answer(200, #"{"error":"invalid_grant"}"#), "no longer accepts this"),
            (.answer(401, #"{"error":"invalid_client"}"#), "does not accept this application"),
            (.answer(200, "<html>"), "TikTok is not well"),
        ])
    func noTokens(fault: FakePlatform.Fault, text: String) async throws {
        try await ConnectWorld.with { world in
            let (_, link) = try await world.session()
            world.platform.fail(fault)
            let page = try await world.connect(link)
            #expect(page.status >= 400 && page.text.contains(text))
            #expect(world.platform.requests.count == 1)
            #expect(try await world.api.get("/v1/connections").data.isEmpty)
        }
    }

    @Test(
        "nobody is sent to an address that the operator has not named",
        arguments: [
            "https://evil.example/back", "https://app.example.com.evil.example/",
            "https://app.example.com@evil.example/",
            "http://app.example.com/", "https://app.example.com:444/", "//app.example.com/", "javascript:alert(1)",
            #"https://app.example.com\@evil.example/"#, "https://app.example.com/#x", "https://xn--pp-1ia.example.com/",
        ])
    func openRedirect(url: String) async throws {
        try await ConnectWorld.with { world in
            let reply = try await world.api.post(
                "/v1/connect-sessions", ["user_id": "u", "provider": "tiktok", "return_url": .string(url)])
            #expect(reply.status == 422 && reply.json["errors"]?.elements?.first?["field"] == "return_url")
        }
    }

    @Test("a link that nobody gave, in both languages")
    func unknownLink() async throws {
        try await ConnectWorld.with { world in
            let browser = world.browser()
            let english = try await browser.get("/connect/nothing")
            let korean = try await browser.get("/connect/nothing", language: "ko")
            #expect(english.status == 404 && english.text.contains("This link is not known"))
            #expect(korean.text.contains("알 수 없는 링크입니다"))
        }
    }

    @Test("sessions that cannot be: unknown platform, no app, foreign connection, many permissions in one")
    func badSessions() async throws {
        try await ConnectWorld.with { world in
            let bodies: [(JSON, Int)] = [
                (["user_id": "u", "provider": "stripe"], 422),
                (["user_id": "u", "provider": "tiktok", "scopes": ["a,b"]], 422),
                (["user_id": "u", "provider": "tiktok", "confirm": true], 422),
                (["user_id": "u", "provider": "tiktok", "connection_id": "conn_01kb2c3d4e5f6g7h8j9k0m1n2p"], 404),
                (["user_id": "u", "provider": "tiktok", "app_id": "app_01kb2c3d4e5f6g7h8j9k0m1n2p"], 409),
            ]
            for (body, status) in bodies {
                let reply = try await world.api.post("/v1/connect-sessions", body)
                #expect(reply.status == status, "\(body)")
            }
        }
        try await ConnectWorld.with(.sqlite, { $0.clients = [:] }) { world in
            let reply = try await world.api.post("/v1/connect-sessions", ["user_id": "u", "provider": "tiktok"])
            #expect(reply.status == 409 && reply.json["detail"]?.text?.contains("TIKTOK_CLIENT_KEY") == true)
        }
    }
}
