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
        "killed twice in the middle: every video is there once, and no page that was kept is asked for again",
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
            _ = try await server.connect("rye", account: "8", key: key)

            var kept: Int64 = 0
            // A third death would make its job dead: so dies what kills every node in turn.
            for border in [60, 160] as [Int64] {
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
            #expect((18...20).contains(Self.listMax - left), "\(Self.listMax - left) requests for 18 pages")
            #expect(server.stop() == 0)
            #expect(sandbox.stop() == 0)
        }
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
