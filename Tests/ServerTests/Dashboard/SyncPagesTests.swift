import Engine
import Kit
import TestSupport
import Testing

@testable import Server
@testable import Store

@Suite("Pages of syncs", .serialized)
struct SyncPagesTests {
    @Test("data arrives: how far it is, then how old it is, and why it is stale", arguments: TestEngine.all)
    func arrives(_ engine: TestEngine) async throws {
        try await TestAPI.with(engine, makeHooks: TestAPI.syncing) { api in
            let browser = try await Browser.signedIn(api)
            #expect(try await browser.get("/sync").html.contains("No account is connected"))
            let connection = try await api.connectAccount()
            let path = "/connections/\(connection.id)"
            let fresh = try await browser.get(path).html
            #expect(fresh.contains("Sync now") && fresh.contains("Not read yet"))

            let begun = try await browser.act(path + "/sync")
            #expect(begun.location == path + "?note=sync_begun")
            #expect(try await browser.get(path).html.contains("You may close this page. The sync goes on."))
            let now = api.clock.now
            let accounts = try #require(Providers.syncBook.stream("profile", of: "tiktok")).table
            let account = try accounts.row(["open_id": "open-1", "video_count": 80])
            try await api.database.write("progress") { session in
                _ = try session.keep([account], in: accounts, of: "open-1", source: "sync", observedAt: now, at: now)
                let run = try #require(try session.liveSync(of: "videos", account: "open-1", at: "tiktok"))
                var step = SyncStep(.list, at: "5")
                (step.pages, step.read, step.new) = (1, 20, 20)
                #expect(try session.advance(run.id, step, started: now))
            }
            let running = try await browser.get(path).html
            #expect(running.contains("20 of 80 rows") && running.contains("width=\"25%\""))

            try await api.database.write("end") { session in
                let run = try #require(try session.liveSync(of: "videos", account: "open-1", at: "tiktok"))
                let state = try session.holdStreamState(of: "videos", account: "open-1", at: "tiktok", due: now)
                try session.settle(state, bookmark: now, began: now, shape: "", due: now + .hours(6))
                try session.end(run.id, .succeeded, at: now)
            }
            let done = try await browser.get("/sync").html
            #expect(done.contains("Up to date") && done.contains("Rye &amp; Salt") && done.contains("20 new"))
            try await api.database.write("fail") { session in
                try session.noteFailure(
                    "TikTok's list turns in a circle.", code: "pagination_loop", of: "videos", account: "open-1",
                    at: "tiktok", due: now, now: now)
            }
            let failed = try await browser.get(path).html
            #expect(failed.contains("The last run failed") && failed.contains("turns in a circle"))
        }
    }

    @Test("a viewer may only look; of a connection that is over nothing is asked")
    func viewer() async throws {
        try await TestAPI.with(makeHooks: TestAPI.syncing) { api in
            let connection = try await api.connectAccount()
            let path = "/connections/\(connection.id)"
            let viewer = try await Browser.signedIn(api, as: .viewer, name: "viewer")
            #expect(!(try await viewer.get("/sync").html.contains("Sync now")))
            #expect(try await viewer.act(path + "/sync").status == 403)

            let browser = try await Browser.signedIn(api)
            try await api.database.write("over") {
                _ = try $0.run("UPDATE oauth_accounts SET state = 'needs_reconnect' WHERE id = \(connection.id)")
            }
            #expect(!(try await browser.get("/sync").html.contains("Sync now")))
            let refused = try await browser.act(path + "/sync")
            #expect(refused.location == path + "?note=sync_not_begun")
            #expect(try await browser.get(path).html.contains("Its owner must connect it again"))
        }
    }
}
