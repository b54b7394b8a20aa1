import Kit
import TestSupport
import Testing

@testable import Server
@testable import Store

@Suite("Pages of connections", .serialized)
struct ConnectionPagesTests {
    @Test("a link is made and shown once; the account stands in the list and has a page", arguments: TestEngine.all)
    func connects(engine: TestEngine) async throws {
        try await ConnectWorld.with(engine) { world in
            let browser = try await Browser.signedIn(world.api)
            #expect(try await browser.get("/connections").html.contains("patchbay connections connect tiktok"))
            let choice = try await browser.get("/connections/new").html
            #expect(choice.contains("TikTok") && choice.contains("Make a link"))
            let made = try await browser.act("/connections/new", ["user_id": "user-42", "provider": "tiktok"])
            let link = try #require(made.html.firstMatch(of: /\/connect\/[A-Za-z0-9_-]{43}/).map { String($0.0) })
            try await world.connect(link, scopes: "user.info.basic,video.list")

            let list = try await browser.get("/connections").html
            #expect(
                list.contains("Rye &amp; Salt") && list.contains("TikTok · user-42") && list.contains("365 days left"))
            let id = try #require(try await world.api.get("/v1/connections").ids.first)
            let page = try await browser.get("/connections/\(id)").html
            for words in ["Rye &amp; Salt", "open-1", "video.publish", "Four permissions", "renews itself", "aw_demo"] {
                #expect(page.contains(words), "\(words)")
            }
            #expect(!page.contains("act.") && !page.contains("rft."))
        }
    }

    @Test("refreshed, paused, resumed, connected again, disconnected; a viewer may only look")
    func acts() async throws {
        try await ConnectWorld.with { world in
            try await world.connect(try await world.session().link)
            let id = try #require(try await world.api.get("/v1/connections").ids.first)
            let path = "/connections/\(id)"
            let viewer = try await Browser.signedIn(world.api, as: .viewer, name: "viewer")
            let seen = try await viewer.get(path).html
            #expect(!seen.contains("Disconnect and erase") && seen.contains("open-1"))
            #expect(try await viewer.act(path + "/pause").status == 403)

            let browser = try await Browser.signedIn(world.api)
            #expect(try await browser.act(path + "/refresh").location == path + "?note=connection_refreshed")
            world.platform.fail(.status(500))
            #expect(try await browser.act(path + "/refresh").location == path + "?note=connection_not_refreshed")
            #expect(try await browser.act(path + "/pause").status == 303)
            #expect(try await browser.get(path).html.contains("Paused"))
            #expect(try await browser.act(path + "/resume").status == 303)
            #expect(try await browser.act(path + "/reconnect").html.contains("/connect/"))
            #expect(try await browser.get(path + "/disconnect").html.contains("Disconnect Rye &amp; Salt?"))
            #expect(try await browser.act(path + "/disconnect").status == 303)
            let gone = try await browser.get(path).html
            #expect(gone.contains("Erased account") && !gone.contains("open-1"))
            #expect(try await browser.get("/connections?state=revoked").html.contains(path))
        }
    }

    @Test("a platform that is not set up says which keys are missing")
    func lacks() async throws {
        try await ConnectWorld.with(.sqlite, { $0.clients = [:] }) { world in
            let browser = try await Browser.signedIn(world.api)
            let html = try await browser.get("/connections/new").html
            #expect(html.contains("Keys missing: TIKTOK_CLIENT_KEY, TIKTOK_CLIENT_SECRET"))
            #expect(!html.contains(">Make a link<"))
        }
    }
}
