import Hummingbird
import Kit
import TestSupport
import Testing

@testable import Server
@testable import Store

@Suite("Connecting an account, from link to connection")
struct ConnectFlowTests {
    @Test(
        "a person allows it: the connection is active, its tokens sealed, and followers hear of it",
        arguments: TestEngine.all)
    func whole(engine: TestEngine) async throws {
        try await ConnectWorld.with(engine) { world in
            let (id, link) = try await world.session()
            let page = try await world.connect(link)

            #expect(page.status == 200 && page.text.contains("Rye &amp; Salt is connected"))
            let session = try await world.api.get("/v1/connect-sessions/\(id)")
            #expect(session.json["state"] == "connected")
            let connection = try await world.api.get("/v1/connections/\(session.json["connection_id"]?.text ?? "")")
            #expect(connection.json["state"] == "active" && connection.json["account_id"] == "open-1")
            #expect(connection.json["name"] == "Rye & Salt" && connection.json["missing_scopes"] == [])
            #expect(connection.json["refresh_at"]?.text != nil && connection.json["ends_at"]?.text != nil)
            try await world.api.sequence()
            let changes = try await world.api.get("/v1/changes?after=0")
            #expect(changes.data.compactMap { $0["type"]?.text } == ["connection.connected"])
            // What the platform was asked for, in its own manner.
            let form = try #require(world.platform.requests.first)
            #expect(form["client_key"] == "aw_demo" && form["client_secret"] == "s3cr3t")
            #expect(form["redirect_uri"] == "https://patchbay.example.com/callback/tiktok")
            #expect(form["code"]?.hasSuffix("*!") == true && form["code_verifier"] == nil)
            // Nothing of the tokens stands anywhere in clear.
            let rows = try await world.api.database.read("all") { session in
                try session.rows("SELECT sealed FROM credentials") { try $0.blob() }
            }
            #expect(rows.count == 1 && rows.allSatisfy { !String(decoding: $0, as: UTF8.self).contains("act.") })
        }
    }

    @Test("with a return_url the connection waits until the application confirms who it was", arguments: TestEngine.all)
    func confirmed(engine: TestEngine) async throws {
        try await ConnectWorld.with(engine) { world in
            let (id, link) = try await world.session([.init("return_url", "https://app.example.com/back?x=1")])
            let page = try await world.connect(link)

            #expect(
                page.status == 303
                    && page.location?.hasPrefix("https://app.example.com/back?x=1&connect_session=\(id)&code=") == true)
            #expect(page.headers[.referrerPolicy] == "no-referrer" && page.headers[.cacheControl] == "no-store")
            let code = try #require(page.query("code"))
            let pending = try await world.api.get("/v1/connections?user_id=user-42")
            #expect(pending.data.first?["state"] == "pending")
            let wrong = try await world.api.post(
                "/v1/connect-sessions/\(id)/confirm", ["code": "nonsense", "user_id": "user-42"])
            #expect(wrong.status == 422)
            let done = try await world.api.post(
                "/v1/connect-sessions/\(id)/confirm", ["code": .string(code), "user_id": "user-42"])
            #expect(done.status == 200 && done.json["state"] == "connected")
            let active = try await world.api.get("/v1/connections?user_id=user-42")
            #expect(active.data.first?["state"] == "active")
            // Once more does no harm.
            let again = try await world.api.post(
                "/v1/connect-sessions/\(id)/confirm", ["code": .string(code), "user_id": "user-42"])
            #expect(again.status == 200)
        }
    }

    @Test("another user than the one who began: the connection is taken back", arguments: TestEngine.all)
    func handedOver(engine: TestEngine) async throws {
        try await ConnectWorld.with(engine) { world in
            let (id, link) = try await world.session([.init("return_url", "https://app.example.com/back")])
            let code = try #require(try await world.connect(link).query("code"))

            let reply = try await world.api.post(
                "/v1/connect-sessions/\(id)/confirm", ["code": .string(code), "user_id": "victim"])

            #expect(reply.status == 409 && reply.code == "wrong_state")
            #expect(try await world.api.get("/v1/connections").data.isEmpty)
            #expect(try await world.api.get("/v1/connect-sessions/\(id)").json["code"] == "wrong_user")
            let late = try await world.api.post(
                "/v1/connect-sessions/\(id)/confirm", ["code": .string(code), "user_id": "user-42"])
            #expect(late.status == 409)
        }
    }

    @Test("consent in two tabs: both end well, the code of the second is not used")
    func twoTabs() async throws {
        try await ConnectWorld.with { world in
            let (_, link) = try await world.session()
            let browser = world.browser()
            let (first, second) = (try await browser.leave(link), try await browser.leave(link))
            #expect(first != second)

            let one = try await browser.get("/callback/tiktok?code=\(world.code())&state=\(first)")
            let two = try await browser.get("/callback/tiktok?code=\(world.code())&state=\(second)")

            #expect(one.status == 200 && two.status == 200)
            #expect(world.platform.requests.count { $0["grant_type"] == "authorization_code" } == 1)
            #expect(try await world.api.get("/v1/connections").data.count == 1)
        }
    }

    @Test("two sessions in one browser at the same time do not disturb each other")
    func twoSessions() async throws {
        try await ConnectWorld.with { world in
            let browser = world.browser()
            let (one, two) = (try await world.session(), try await world.session(user: "user-43"))
            let (first, second) = (try await browser.leave(one.link), try await browser.leave(two.link))

            let pages = [
                try await browser.get("/callback/tiktok?code=\(world.code("open-2"))&state=\(second)"),
                try await browser.get("/callback/tiktok?code=\(world.code("open-1"))&state=\(first)"),
            ]

            #expect(pages.allSatisfy { $0.status == 200 })
            let rows = try await world.api.get("/v1/connections?order=asc").data
            #expect(rows.compactMap { $0["user_id"]?.text } == ["user-43", "user-42"])
        }
    }

    @Test("connected again: the same connection, new tokens, and another account is refused", arguments: TestEngine.all)
    func again(engine: TestEngine) async throws {
        try await ConnectWorld.with(engine) { world in
            try await world.connect(try await world.session().link)
            let id = try #require(try await world.api.get("/v1/connections").ids.first)

            let (other, link) = try await world.session([.init("connection_id", .string(id))])
            let wrong = try await world.connect(link, as: "open-9")
            #expect(wrong.status == 400 && wrong.text.contains("This is another TikTok account"))
            #expect(try await world.api.get("/v1/connect-sessions/\(other)").json["code"] == "wrong_account")

            let right = try await world.connect(try await world.session([.init("connection_id", .string(id))]).link)
            #expect(right.status == 200)
            #expect(try await world.api.get("/v1/connections").ids == [id])
            let version = try await world.api.database.read("version") {
                try $0.credential(of: ID(stored: id))?.version
            }
            #expect(version == 2)
        }
    }

    @Test("a permission that was not given is named, and can be asked for in the same session")
    func missing() async throws {
        try await ConnectWorld.with { world in
            let (_, link) = try await world.session()
            let browser = world.browser()
            let page = try await world.connect(link, in: browser, scopes: "user.info.basic,video.list")

            #expect(page.text.contains("TikTok gave 2 of 6 permissions") && page.text.contains("video.publish"))
            let row = try #require(try await world.api.get("/v1/connections").data.first)
            #expect(row["missing_scopes"]?.elements?.count == 4)
            let again = try #require(page.text.firstMatch(of: /\/connect\/again\/cs_[a-z0-9]+/).map { String($0.0) })
            world.api.clock.advance(.seconds(1))
            let away = try await browser.get(again)
            let state = try #require(away.query("state"))
            let scopes = "user.info.basic,user.info.profile,user.info.stats,video.list,video.upload,video.publish"
            let done = try await browser.get("/callback/tiktok?code=\(world.code("open-1", scopes))&state=\(state)")
            #expect(done.status == 200 && done.text.contains("is connected"))
            #expect(try await world.api.get("/v1/connections").data.first?["missing_scopes"] == [])
        }
    }

    @Test("paused, resumed, refreshed by hand, disconnected", arguments: TestEngine.all)
    func acts(engine: TestEngine) async throws {
        try await ConnectWorld.with(engine) { world in
            try await world.connect(try await world.session().link)
            let path = "/v1/connections/" + (try await world.api.get("/v1/connections").ids.first ?? "")

            let paused = try await world.api.send("PATCH", path, Array(#"{"state":"paused"}"#.utf8))
            #expect(paused.json["state"] == "paused")
            #expect(try await world.api.get("/v1/connections?state=paused").data.count == 1)
            let resumed = try await world.api.send("PATCH", path, Array(#"{"state":"active"}"#.utf8))
            #expect(resumed.json["state"] == "active")
            let refreshed = try await world.api.post(path + "/refresh")
            #expect(refreshed.status == 200 && world.platform.refreshes == 1)
            let gone = try await world.api.send("DELETE", path)
            #expect(gone.status == 204)
            let tomb = try await world.api.get(path)
            #expect(tomb.json["state"] == "revoked" && tomb.json["account_id"] == .null && tomb.json["name"] == .null)
            #expect(try await world.api.get("/v1/connections").data.isEmpty)
            #expect(try await world.api.send("DELETE", path).status == 404)
        }
    }
}
