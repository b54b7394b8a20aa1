import Engine
import HTTPTypes
import Kit
import TestSupport
import Testing

@testable import Server
@testable import Store

@Suite("Pages of streams and comparisons", .serialized)
struct StreamPagesTests {
    /// An account with films, one of them with a title that a spreadsheet would run.
    private func connect(_ api: TestAPI) async throws -> ConnectionRow {
        let (row, now) = (try await api.connectAccount(), api.clock.now)
        let videos = try #require(Providers.syncBook.stream("videos", of: "tiktok")).table
        let rows = try [
            videos.row(["id": "7001", "title": "=cmd|' /C calc'!A0", "view_count": 10]),
            videos.row(["id": "7002", "title": "Rye, \"dark\"", "view_count": 20]),
        ]
        let later = try videos.row(["id": "7002", "title": "Rye, \"dark\"", "view_count": 35])
        try await api.database.write("films") { session in
            _ = try session.keep(rows, in: videos, of: "open-1", source: "sync", observedAt: now, at: now)
            _ = try session.keep(
                [later], in: videos, of: "open-1", source: "sync", observedAt: now + .seconds(5), at: now + .seconds(5))
        }
        return row
    }

    @Test("a stream shows its rows, runs and steps, and is read when asked", arguments: TestEngine.all)
    func stream(engine: TestEngine) async throws {
        try await TestAPI.with(engine, makeHooks: TestAPI.syncing) { api in
            let browser = try await Browser.signedIn(api)
            let row = try await connect(api)
            let path = "/sync/\(row.id)/videos"
            #expect(try await browser.get("/sync").html.contains("href=\"\(path)\""))

            let page = try await browser.get(path).html
            #expect(page.contains("7001") && page.contains("7002") && page.contains("Rye, &quot;dark&quot;"))
            #expect(page.contains("SELECT * FROM tiktok_videos WHERE account_id = &#39;open-1&#39;;"))
            #expect(page.contains(path + "/full") && page.contains(path + "/compare"))
            let one = try await browser.get(path + "?q=key:7002").html
            #expect(one.contains("7002") && !one.contains("/rows/7001"))
            #expect(try await browser.get(path + "?q=colour:red").html.contains("colour"))

            let record = try await browser.get(path + "/rows/7002").html
            #expect(record.contains("view_count") && record.contains("2 steps, from 20 to 35."))
            #expect(try await browser.get(path + "/rows/none").status == 404)
            #expect(try await browser.get("/sync/\(row.id)/orders").status == 404)

            let begun = try await browser.act(path + "/full")
            #expect(begun.location == path + "?note=sync_begun")
            let running = try await browser.get(path).html
            #expect(running.contains("the first time, everything") && running.contains("<rect class=\"a\""))
            let viewer = try await Browser.signedIn(api, as: .viewer, name: "viewer")
            #expect(!(try await viewer.get(path).html.contains(path + "/run")))
            #expect(try await viewer.act(path + "/run").status == 403)
        }
    }

    @Test("rows leave as CSV that no spreadsheet runs", arguments: TestEngine.all)
    func csv(engine: TestEngine) async throws {
        try await TestAPI.with(engine, makeHooks: TestAPI.syncing) { api in
            let row = try await connect(api)
            let path = "/sync/\(row.id)/videos/rows.csv"
            #expect(try await Browser(api).get(path).location == "/sign-in")

            let file = try await Browser.signedIn(api).get(path)
            #expect(file.headers[.contentType] == "text/csv; charset=utf-8")
            #expect(file.headers[.contentDisposition] == "attachment; filename=\"tiktok_videos.csv\"")
            let lines = file.html.split(separator: "\r\n")
            #expect(lines.count == 3 && lines[0].hasPrefix("video_id,"))
            #expect(lines[1].hasPrefix("7001,") && lines[1].contains("'=cmd|' /C calc'!A0"))
            #expect(lines[2].contains("\"Rye, \"\"dark\"\"\"") && lines[2].contains(",35,"))
        }
    }

    @Test(
        "what begins like a formula is kept a text",
        arguments: [
            ("=1", "'=1"), ("+1", "'+1"), ("-1", "'-1"), ("@a", "'@a"), ("\ta", "'\ta"), ("a=1", "a=1"), ("", ""),
        ])
    func guards(text: String, written: String) { #expect(StreamCSV.guarded(text) == written) }

    @Test("a comparison says what differs, who is right, and is done once more to put it right")
    func comparison() async throws {
        try await TestAPI.with(makeHooks: TestAPI.syncing) { api in
            let browser = try await Browser.signedIn(api)
            let row = try await connect(api)
            let begun = try await browser.act("/sync/\(row.id)/videos/compare")
            let path = try #require(begun.location?.split(separator: "?").first.map(String.init))
            #expect(path.hasPrefix("/reconciliations/recon_"))
            #expect(try await browser.get(path).html.contains("Nothing was found to differ so far."))
            let id = ID<ReconciliationKind>(stored: String(path.dropFirst("/reconciliations/".count)))
            let now = api.clock.now
            var found = ComparedRecords()
            found.matched = 1
            found.differences = [
                RecordDifference(key: "7002", kind: .differing, fields: ["title"]),
                RecordDifference(key: "7003", kind: .missingHere, fields: []),
            ]
            try await api.database.write("compare") { [found] session in
                try session.advance(id, found, seen: ["7001", "7002"], to: nil, at: now)
            }

            let page = try await browser.get(path).html
            #expect(page.contains("/sync/\(row.id)/videos/rows/7002") && page.contains(">title<"))
            #expect(page.contains("a repair takes its values") && page.contains("33.33"))
            #expect(try await browser.get("/sync/\(row.id)/videos").html.contains(path))
            let repair = try await browser.act(path + "/repair")
            let next = try #require(repair.location)
            #expect(next.hasPrefix("/reconciliations/recon_") && !next.hasPrefix(path))
            #expect(try await browser.get("/reconciliations/recon_01kb2c3d4e5f6g7h8j9k0m1n2p").status == 404)
        }
    }
}
