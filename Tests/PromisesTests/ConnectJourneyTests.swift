import Foundation
import Kit
import NIOHTTP1
import TestSupport
import Testing

/// Server and simulated platform as processes of their own, and a browser between them.
@Suite("From connect to revoked, against the sandbox", .serialized)
struct ConnectJourneyTests {
    @Test(
        "a user connects, calls go out without anyone seeing the token, and the grant ends",
        arguments: TestEngine.all)
    func journey(engine: TestEngine) async throws {
        try await TestDatabase.withAddress(engine) { url in
            let port = try freePort()
            let base = "http://127.0.0.1:\(port)"
            let sandbox = SandboxProcess([
                "--ephemeral", "--seed", "7", "--webhook-url", "tiktok=\(base)/webhooks/tiktok",
            ])
            try await sandbox.start()
            let platform = sandbox.told["tiktok"] ?? .null
            let server = try ServerProcess(
                databaseURL: url, port: port,
                environment: [
                    "PATCHBAY_PUBLIC_URL": base, "PATCHBAY_SANDBOX_URL": sandbox.told["control"]?.text ?? "",
                    "TIKTOK_BASE_URL": platform["base_url"]?.text ?? "",
                    "TIKTOK_CLIENT_KEY": platform["client_key"]?.text ?? "",
                    "TIKTOK_CLIENT_SECRET": platform["client_secret"]?.text ?? "",
                ])
            let key = try server.makeKey()
            try await server.start()

            let id = try await server.connect("rye", account: "3", key: key)
            let list = try await server.json("/v1/connections", key: key)["data"]?.elements ?? []
            let connection = try #require(list.first)
            #expect(connection["state"] == "active" && connection["user_id"] == "rye")
            #expect(connection["id"] == .string(id))

            let path = "/v1/proxy/\(id)/v2/user/info/?fields=open_id,display_name"
            let user = try await server.json(path, key: key)
            #expect(user["data", "user", "open_id"] == connection["account_id"])
            // Calls are written down beside their answers, in sets.
            #expect(
                try await eventually {
                    let calls = try await server.json("/v1/calls?connection_id=\(id)", key: key)["data"]?.elements
                    return calls?.contains { $0["path"] == "/v2/user/info/" } == true
                })
            let token = try await server.json("/v1/calls?purpose=token", key: key)["data"]?.elements ?? []
            #expect(token.contains { $0["path"] == "/v2/oauth/token/" && $0["outcome"] == "ok" })
            let quota = try await server.json("/v1/quotas", key: key)["data"]?.elements?.first
            #expect(quota?["limit"] == 600)
            // Of a quota that nodes share, what a node has been handed counts as used.
            #expect((1...60).contains(quota?["used"]?.integer ?? 0), "\(quota ?? .null)")

            try Self.checkVerbs(id, ["PATCHBAY_URL": base, "PATCHBAY_API_KEY": key])

            try await Self.takeBack(connection["account_id"]?.text ?? "", at: base, server)
            #expect(
                try await eventually {
                    try await server.json("/v1/connections/\(id)", key: key)["state"] == "revoked"
                })
            let event = try await server.json("/v1/events?provider=tiktok", key: key)["data"]?.elements?.first
            #expect(event?["type"] == "authorization.removed" && event?["connection_id"] == .string(id))
            #expect(event?["user_id"] == "rye")
            #expect(try await server.call("GET", path, nil, key: key).status == 409)
            #expect(server.stop() == 0)
            #expect(!server.logText.contains("act.") && !server.logText.contains("rft."))
            #expect(sandbox.stop() == 0)
        }
    }

    /// An operator takes the account's consent back, as its owner would in the platform's app: by the page Sandbox.
    private static func takeBack(_ account: String, at base: String, _ server: ServerProcess) async throws {
        let link = try #require(server.logText.firstMatch(of: /http:\/\/\S+\/setup\/[0-9a-zA-Z_-]+/)).output
        let browser = Visitor()
        let password = "a long enough sentence"
        let signedIn = try await browser.post(String(link), "name=mira&password=\(password)&again=\(password)")
        #expect(signedIn.status == 303, "\(signedIn.text)")
        let page = try await browser.get(base + "/sandbox")
        #expect(page.text.contains("value=\"\(account)\""), "the page offers the connected account")
        let token = try #require(page.text.firstMatch(of: /name="csrf" value="([^"]+)"/)).1
        let act = "csrf=\(token)&platform=tiktok&act=disconnect&account=\(account)&details=reason%3D1"
        #expect(try await browser.post(base + "/sandbox/act", act).location?.contains("sandbox_acted") == true)
    }

    /// What a terminal shows of the call and of what it used.
    private static func checkVerbs(_ connection: String, _ environment: [String: String]) throws {
        for (verb, words) in [
            (["calls", "list", "--connection", connection], "/v2/user/info/"), (["quotas", "list"], "tiktok"),
            (["quotas", "watch", "--times", "1"], "600"), (["quotas", "circuits"], "NEXT TRY"),
        ] {
            let run = try CommandLineRun(verb, environment: environment)
            #expect(run.status == 0 && run.output.contains(words), "\(verb): \(run.output)")
        }
    }
}
