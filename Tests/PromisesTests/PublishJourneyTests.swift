import Foundation
import Kit
import NIOHTTP1
import TestSupport
import Testing

/// Server and simulated platform as processes of their own.
@Suite("A publication survives kill -9", .serialized)
struct PublishJourneyTests {
    /// A film of seven chunks that says what it is.
    private static let film: [UInt8] = {
        func big(_ value: UInt64, _ count: Int) -> [UInt8] {
            (0..<count).reversed().map { UInt8(truncatingIfNeeded: value >> (8 * UInt64($0))) }
        }
        func box(_ type: String, _ content: [UInt8]) -> [UInt8] {
            big(UInt64(content.count + 8), 4) + Array(type.utf8) + content
        }
        let mvhd = box("mvhd", big(0, 12) + big(1000, 4) + big(21_000, 4) + big(0, 80))
        return box("ftyp", Array("isom".utf8) + big(512, 4)) + box("moov", mvhd)
            + box("mdat", [UInt8](repeating: 7, count: 70_000_000))
    }()

    @Test("killed within an upload, the server goes on where it was; it is there once", arguments: TestEngine.all)
    func killed(engine: TestEngine) async throws {
        try await joined(engine) { server, sandbox, key, connection, _ in
            let object = try await server.post(
                "/v1/objects", headers: [("Authorization", "Bearer \(key)")], body: Self.film)
            #expect(object.status == 201)
            let id = try JSON.parse(object.body)["id"] ?? .null

            // Each chunk's answer takes its time, so that the server dies while some are there and some are not.
            _ = try await sandbox.tell(
                .PUT, "/faults", #"[{"platform": "tiktok", "path": "/video/", "latency_ms": 400}]"#)
            let made = try await server.call(
                "POST", "/v1/publications",
                [
                    "targets": [
                        ["connection_id": .string(connection), "options": ["privacy_level": "PUBLIC_TO_EVERYONE"]]
                    ], "content": ["text": "Rye is back"], "media": [["object_id": id]],
                ], key: key)
            #expect(made.status == 202)
            #expect(try await eventually { try await effects(sandbox, "chunk.received") >= 3 })
            server.crash()
            _ = try await sandbox.tell(.PUT, "/faults", "[]")
            try await server.start()

            let path = "/v1/publications/\(made.json["id"]?.text ?? "")"
            #expect(try await eventually { try await server.json(path, key: key)["state"] == "published" })
            #expect(try await effects(sandbox, "post.published") == 1)
            #expect(try await effects(sandbox, "post.duplicate") == 0)
            #expect(try await effects(sandbox, "chunk.received_again") <= 1)
            #expect(!server.logText.contains("upload_token"))
            #expect(server.stop() == 0)
            #expect(sandbox.stop() == 0)
        }
    }

    @Test("a file of ours is fetched by the platform, from this server, by an address that ends with the publication")
    func fetched() async throws {
        try await joined(.sqlite) { server, sandbox, key, connection, base in
            _ = try await sandbox.tell(
                .PUT, "/platforms/tiktok/settings", #"{"verified_prefixes": ["\#(base)/v1/objects/"]}"#)
            let object = try await server.post(
                "/v1/objects", headers: [("Authorization", "Bearer \(key)")], body: Array(Self.film.prefix(2_000_000)))
            let id = try JSON.parse(object.body)["id"] ?? .null
            let made = try await server.call(
                "POST", "/v1/publications",
                [
                    "targets": [
                        [
                            "connection_id": .string(connection),
                            "options": ["privacy_level": "SELF_ONLY", "source": "PULL_FROM_URL"],
                        ]
                    ], "media": [["object_id": id]],
                ], key: key)
            #expect(made.status == 202, "\(made.json)")
            #expect(made.json["targets"]?.elements?.first?["source"] == "PULL_FROM_URL")
            let path = "/v1/publications/\(made.json["id"]?.text ?? "")"
            #expect(try await eventually { try await server.json(path, key: key)["state"] == "published" })
            #expect(try await effects(sandbox, "file.pulled") == 1)
            #expect(try await effects(sandbox, "chunk.received") == 0)
            #expect(!server.logText.contains("signature="))
            #expect(server.stop() == 0)
            #expect(sandbox.stop() == 0)
        }
    }

    /// A server, the simulated platform, an API key and an account connected to it; the server's address is verified at
    /// the platform's app as far as its settings say.
    private func joined(
        _ engine: TestEngine,
        _ body: @Sendable @escaping (ServerProcess, SandboxProcess, String, String, _ base: String) async throws -> Void
    ) async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("objects-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: folder) }  // A test that failed early made none.
        try await TestDatabase.withAddress(engine) { url in
            let port = try freePort()
            let base = "http://127.0.0.1:\(port)"
            let sandbox = SandboxProcess(["--ephemeral", "--seed", "7"])
            try await sandbox.start()
            let platform = sandbox.told["tiktok"] ?? .null
            let server = try ServerProcess(
                databaseURL: url, port: port,
                environment: [
                    "PATCHBAY_PUBLIC_URL": base, "DISK_STORAGE_PATH": folder,
                    "TIKTOK_BASE_URL": platform["base_url"]?.text ?? "",
                    "TIKTOK_CLIENT_KEY": platform["client_key"]?.text ?? "",
                    "TIKTOK_CLIENT_SECRET": platform["client_secret"]?.text ?? "",
                    "TIKTOK_VERIFIED_URLS": "\(base)/v1/objects/",
                ])
            let key = try server.makeKey()
            try await server.start()
            try await body(server, sandbox, key, try await connect(server, base, key), base)
        }
    }

    private func effects(_ sandbox: SandboxProcess, _ name: String) async throws -> Int64 {
        let all = try await sandbox.tell(.GET, "/effects")
        return (all["tiktok"]?.members ?? []).first { $0.name == name }?.value.integer ?? 0
    }

    /// An account that consents to everything. The connection's id.
    private func connect(_ server: ServerProcess, _ base: String, _ key: String) async throws -> String {
        let asked: JSON = ["user_id": "rye", "provider": "tiktok"]
        let session = try await server.call("POST", "/v1/connect-sessions", asked, key: key).json
        let browser = Visitor()
        let begun = try await browser.get(session["url"]?.text ?? "")
        let page = try #require(try await browser.consent(begun, at: base).location)
        let back = try #require(try await browser.post(page, "account=3").location)
        #expect(try await browser.get(back).status < 400)
        let list = try await server.json("/v1/connections", key: key)["data"]?.elements ?? []
        return list.first?["id"]?.text ?? ""
    }
}
