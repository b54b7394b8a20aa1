import Foundation
import Kit
import TestSupport
import Testing

@Suite("connections export and import", .serialized)
struct ConnectionMovingTests {
    @Test("JSON lines in, a sealed file out that others cannot read, and the same in again")
    func moved() async throws {
        try await TestDatabase.withAddress(.sqlite) { url in
            let app = ["TIKTOK_CLIENT_KEY": "ttkey", "TIKTOK_CLIENT_SECRET": "tiktok-secret-0123"]
            let server = try ServerProcess(databaseURL: url, environment: app)
            let key = try server.makeKey()
            try await server.start()
            let environment = app.merging([
                "PATCHBAY_URL": "http://127.0.0.1:\(server.port)", "PATCHBAY_API_KEY": key,
                "PATCHBAY_MODE": "test", "PATCHBAY_DATABASE_URL": url, "PATCHBAY_LOG": "error",
                "PATCHBAY_ENCRYPTION_KEYS": ServerProcess.encryptionKey,
                "PATCHBAY_EXPORT_PASSPHRASE": "correct horse battery",
            ]) { $1 }
            let folder = FileManager.default.temporaryDirectory.appendingPathComponent("move-\(UUID().uuidString)")
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            defer { try? FileManager.default.removeItem(at: folder) }  // A leftover harms nobody.
            let (plain, sealed) = (folder.appendingPathComponent("in.jsonl"), folder.appendingPathComponent("out").path)
            let line =
                #"{"user_id":"u","provider":"tiktok","account_id":"a","access_token":"act.canary","refresh_token":"r"}"#
            try (line + "\n\n{nonsense\n").write(to: plain, atomically: true, encoding: .utf8)
            func run(_ words: String...) throws -> CommandLineRun {
                try CommandLineRun(["connections"] + words, environment: environment)
            }

            let rehearsed = try run("import", plain.path, "--dry-run")
            #expect(rehearsed.status == 1 && rehearsed.output.contains("1 new") && rehearsed.output.contains("line 3"))
            #expect(try await server.json("/v1/connections", key: key)["data"]?.elements?.isEmpty == true)
            #expect(try run("import", plain.path).output.contains("1 new"))
            let exported = try run("export", sealed)
            #expect(exported.status == 0 && exported.output.contains("only one side may use"), "\(exported.output)")
            #expect(!exported.output.contains("canary"))
            let text = try String(contentsOfFile: sealed, encoding: .utf8)
            #expect(!text.contains("canary") && text.contains("scrypt"))
            let mode = try FileManager.default.attributesOfItem(atPath: sealed)[.posixPermissions] as? NSNumber
            #expect(mode?.intValue == 0o600)
            #expect(try run("export", sealed).status == 2, "a file that is there stays")

            let again = try run("import", sealed, "--json")
            #expect(again.status == 0 && again.output.contains(#""unchanged":1"#), "\(again.output)")
            #expect(server.stop() == 0)
        }
    }
}
