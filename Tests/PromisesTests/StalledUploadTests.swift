import Foundation
import Kit
import TestSupport
import Testing

@Suite("An upload that stalls", .serialized)
struct StalledUploadTests {
    @Test(
        "a platform that answers in the middle of it ends the call, and nothing else",
        arguments: ["Content-Length: 8388608", "Transfer-Encoding: chunked"])
    func answeredEarly(framing: String) async throws {
        try await TestDatabase.withAddress(.sqlite) { url in
            let sandbox = SandboxProcess(["--ephemeral", "--seed", "7"])
            try await sandbox.start()
            let simulated = sandbox.told["tiktok"] ?? .null
            let port = try freePort()
            let server = try ServerProcess(
                databaseURL: url, port: port,
                environment: [
                    "PATCHBAY_PUBLIC_URL": "http://127.0.0.1:\(port)",
                    "TIKTOK_BASE_URL": simulated["base_url"]?.text ?? "",
                    "TIKTOK_CLIENT_KEY": simulated["client_key"]?.text ?? "",
                    "TIKTOK_CLIENT_SECRET": simulated["client_secret"]?.text ?? "",
                ])
            let key = try server.makeKey()
            try await server.start()
            let connection = try await server.connect("rye", account: "3", key: key)
            #expect(server.stop() == 0)
            #expect(sandbox.stop() == 0)
            let platform = try Responder(status: 413, body: #"{"it":"is too large"}"#, lingers: true)
            server.environment["TIKTOK_BASE_URL"] = "http://127.0.0.1:\(platform.port)"
            try await server.start()

            let part = [UInt8](repeating: 0x61, count: 64 << 10)
            let chunk = framing.hasPrefix("T") ? Array("10000\r\n".utf8) + part + Array("\r\n".utf8) : part
            for parts in 0..<24 {
                let client = try RawSocket(port: port)
                client.send(
                    "POST /v1/proxy/\(connection)/v2/nothing HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \(key)\r\n"
                        + "\(framing)\r\n\r\n")
                for _ in 0..<parts % 6 + 1 { client.send(chunk) }

                #expect(client.receive().hasPrefix("HTTP/1.1 413 "))
                #expect(server.isRunning, "\(server.logText.suffix(2000))")
                let other = try await server.get("/livez")
                #expect(other.status == 200)
            }
            platform.stop()
            #expect(server.stop() == 0)
        }
    }
}
