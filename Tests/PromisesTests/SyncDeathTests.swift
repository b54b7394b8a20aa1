import Foundation
import Kit
import NIOHTTP1
import TestSupport
import Testing

@testable import Store

/// A first sync of a large account, against the sandbox, with a server that is killed in the middle of it.
@Suite("A sync and kill -9", .serialized)
struct SyncDeathTests {
    private static let listMax: Int64 = 100_000

    @Test(
        "killed three times in the middle: every video is there once, and no page that was kept is asked for again",
        arguments: TestEngine.all)
    func killed(engine: TestEngine) async throws {
        try await TestDatabase.withAddress(engine) { url in
            let sandbox = SandboxProcess(["--ephemeral", "--seed", "7"])
            try await sandbox.start()
            let platform = sandbox.told["tiktok"] ?? .null
            // Slow enough to be met in the middle; how many requests it met is how many were made.
            _ = try await sandbox.tell(
                .PUT, "/faults",
                """
                [{"platform": "tiktok", "path": "/v2/video/list/", "latency_ms": 250, "times": \(Self.listMax)}]
                """)
            let port = try freePort()
            let base = "http://127.0.0.1:\(port)"
            let server = try ServerProcess(
                databaseURL: url, port: port,
                environment: [
                    "PATCHBAY_PUBLIC_URL": base, "TIKTOK_BASE_URL": platform["base_url"]?.text ?? "",
                    "TIKTOK_CLIENT_KEY": platform["client_key"]?.text ?? "",
                    "TIKTOK_CLIENT_SECRET": platform["client_secret"]?.text ?? "",
                ])
            let key = try server.makeKey()
            try await server.start()
            // 349 videos: the largest there is.
            try await connect("8", at: base, server, key)

            var kept: Int64 = 0
            for kill in 1...3 {
                let border = Int64(kill) * 60
                #expect(try await eventually { try await run(server, key)["rows"]?.integer ?? 0 >= border })
                server.crash()
                let (rows, pages) = try await counted(url, engine)
                #expect(rows >= kept && rows < 349, "killed too late: \(rows)")
                // What a page brought and that it was brought are one commit.
                #expect(rows == pages * 20)
                kept = rows
                try await server.start()
            }
            #expect(try await eventually { try await run(server, key)["state"]?.text == "succeeded" })

            let end = try await run(server, key)
            #expect(end["rows"]?.integer == 349 && end["new"]?.integer == 349 && end["pages"]?.integer == 18)
            let (rows, _) = try await counted(url, engine)
            #expect(rows == 349)
            let faults = try await sandbox.tell(.GET, "/faults")
            let left = (faults.elements ?? faults["data"]?.elements ?? []).first?["times"]?.integer ?? -1
            // A page that was under way when the server died is asked for once more; no other.
            #expect((18...21).contains(Self.listMax - left), "\(Self.listMax - left) requests for 18 pages")
            #expect(server.stop() == 0)
            #expect(sandbox.stop() == 0)
        }
    }

    private func connect(_ account: String, at base: String, _ server: ServerProcess, _ key: String) async throws {
        let asked: JSON = ["user_id": "rye", "provider": "tiktok"]
        let session = try await server.call("POST", "/v1/connect-sessions", asked, key: key).json
        let browser = Visitor()
        let begun = try await browser.get(session["url"]?.text ?? "")
        let link = try #require(begun.link(containing: "/connect/"), "\(begun.text)")
        let page = try #require(try await browser.get(link.hasPrefix("/") ? base + link : link).location)
        let back = try #require(try await browser.post(page, "account=\(account)").location)
        #expect(try await browser.get(back).status < 400)
    }

    private func run(_ server: ServerProcess, _ key: String) async throws -> JSON {
        try await server.json("/v1/syncs?stream=videos", key: key)["data"]?.elements?.first ?? .null
    }

    /// Rows and pages as the database has them, with nobody writing.
    private func counted(_ url: String, _ engine: TestEngine) async throws -> (rows: Int64, pages: Int64) {
        let database = try TestDatabase.open(url, engine)
        let found = try await database.read("counted") { session in
            (
                try session.row("SELECT count(*) FROM tiktok_videos") { try $0.integer() } ?? -1,
                try session.row("SELECT coalesce(sum(pages), 0) FROM syncs WHERE stream = 'videos'") {
                    try $0.integer()
                } ?? -1
            )
        }
        await database.close()
        return found
    }
}
