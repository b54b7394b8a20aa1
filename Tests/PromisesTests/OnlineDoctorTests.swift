import Foundation
import Kit
import NIOHTTP1
import TestSupport
import Testing

@Suite("doctor --online", .serialized)
struct DoctorOnlineTests {
    @Test(
        "asks simulated platforms and the server by its address; says so when nobody answers", arguments: TestEngine.all
    )
    func asked(engine: TestEngine) async throws {
        try await TestDatabase.withAddress(engine) { url in
            let sandbox = SandboxProcess(["--ephemeral"])
            try await sandbox.start()
            let tiktok = sandbox.told["tiktok"] ?? .null
            let port = try freePort()
            let base = "http://127.0.0.1:\(port)"
            let platforms = [
                "PATCHBAY_PUBLIC_URL": base, "STRIPE_BASE_URL": sandbox.base, "STRIPE_SECRET_KEY": sandbox.key,
                "TIKTOK_BASE_URL": tiktok["base_url"]?.text ?? "",
                "TIKTOK_CLIENT_KEY": tiktok["client_key"]?.text ?? "",
                "TIKTOK_CLIENT_SECRET": tiktok["client_secret"]?.text ?? "",
            ]
            let server = try ServerProcess(databaseURL: url, port: port, environment: platforms)
            let key = try server.makeKey()
            try await server.start()
            let environment = platforms.merging([
                "PATCHBAY_MODE": "test", "PATCHBAY_DATABASE_URL": url, "PATCHBAY_LISTEN": "127.0.0.1:\(port)",
                "PATCHBAY_ENCRYPTION_KEYS": ServerProcess.encryptionKey, "PATCHBAY_LOG": "error",
                "STRIPE_WEBHOOK_SECRET": ServerProcess.secret,
            ]) { $1 }
            func verdicts() throws -> [String: String] {
                let run = try CommandLineRun(["doctor", "--online", "--json"], environment: environment)
                for secret in [sandbox.key, tiktok["client_secret"]?.text ?? "-", ServerProcess.secret] {
                    #expect(!run.output.contains(secret))
                }
                let checks = try JSON.parse(run.output)["checks"]?.elements ?? []
                return Dictionary(
                    checks.map { ($0["check"]?.text ?? "", $0["verdict"]?.text ?? "") }
                ) { first, _ in first }
            }

            let before = try verdicts()
            #expect(before["online.stripe.key"] == "ok" && before["online.tiktok.app"] == "ok", "\(before)")
            #expect(before["online.stripe.webhooks"] == "failed", "none is registered")
            #expect(before["online.address"] == "ok", "\(before)")
            _ = try await sandbox.stripe(
                .POST, "/v1/webhook_endpoints", "url=\(base)/webhooks/stripe&enabled_events[]=*")
            #expect(try verdicts()["online.stripe.webhooks"] == "ok")
            let calls = try await server.json("/v1/calls?purpose=doctor", key: key)["data"]?.elements ?? []
            #expect(
                Set(calls.compactMap { $0["path"]?.text })
                    == ["/v1/account", "/v1/webhook_endpoints", "/v2/oauth/token/"])

            #expect(server.stop() == 0)
            #expect(sandbox.stop() == 0)
            let after = try verdicts()
            for name in ["online.stripe.key", "online.stripe.webhooks", "online.tiktok.app", "online.address"] {
                #expect(after[name] == "failed", "\(name): \(after)")
            }
        }
    }
}
