import AsyncHTTPClient
import Foundation
import Kit
import NIOCore
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
                    "PATCHBAY_PUBLIC_URL": base, "TIKTOK_BASE_URL": platform["base_url"]?.text ?? "",
                    "TIKTOK_CLIENT_KEY": platform["client_key"]?.text ?? "",
                    "TIKTOK_CLIENT_SECRET": platform["client_secret"]?.text ?? "",
                ])
            let key = try server.makeKey()
            try await server.start()

            let asked: JSON = ["user_id": "rye", "provider": "tiktok"]
            let session = try await server.call("POST", "/v1/connect-sessions", asked, key: key).json
            let browser = Visitor()
            let begun = try await browser.get(session["url"]?.text ?? "")
            let link = try #require(begun.link(containing: "/connect/"), "\(begun.text)")
            let page = try #require(try await browser.get(link.hasPrefix("/") ? base + link : link).location)
            let back = try #require(try await browser.post(page, "account=3").location)
            #expect(try await browser.get(back).status < 400)

            let list = try await server.json("/v1/connections", key: key)["data"]?.elements ?? []
            let connection = try #require(list.first)
            #expect(connection["state"] == "active" && connection["user_id"] == "rye")
            let id = try #require(connection["id"]?.text)

            let path = "/v1/proxy/\(id)/v2/user/info/?fields=open_id,display_name"
            let user = try await server.json(path, key: key)
            #expect(user["data", "user", "open_id"] == connection["account_id"])
            let call = try await server.json("/v1/calls?limit=1", key: key)["data"]?.elements?.first
            #expect(call?["connection_id"] == .string(id) && call?["path"] == "/v2/user/info/")
            let quota = try await server.json("/v1/quotas", key: key)["data"]?.elements?.first
            #expect(quota?["limit"] == 600)
            // Of a quota that nodes share, what a node has been handed counts as used.
            #expect((1...60).contains(quota?["used"]?.integer ?? 0), "\(quota ?? .null)")

            _ = try await sandbox.tell(
                .POST, "/platforms/tiktok/acts", #"{"act": "disconnect", "account": "3"}"#)
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
}

/// A browser that keeps cookies and follows nothing by itself.
actor Visitor {
    struct Page {
        let status: Int
        let location: String?
        let text: String

        func link(containing part: String) -> String? {
            text.split(separator: "href=\"").dropFirst().map { String($0.prefix { $0 != "\"" }) }
                .first { $0.contains(part) }?.replacing("&amp;", with: "&")
        }
    }

    private var cookies: [String: String] = [:]
    private static let client: HTTPClient = {
        var configuration = HTTPClient.Configuration(redirectConfiguration: .disallow)
        configuration.connectionPool.retryConnectionEstablishment = false
        return HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }()

    func get(_ url: String) async throws -> Page { try await send(HTTPClientRequest(url: url)) }
    func post(_ url: String, _ form: String) async throws -> Page {
        var request = HTTPClientRequest(url: url)
        request.method = .POST
        request.headers.add(name: "Content-Type", value: "application/x-www-form-urlencoded")
        request.body = .bytes(ByteBuffer(string: form))
        return try await send(request)
    }

    private func send(_ request: HTTPClientRequest) async throws -> Page {
        var request = request
        if !cookies.isEmpty {
            let text = cookies.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: "; ")
            request.headers.add(name: "Cookie", value: text)
        }
        let answer = try await Self.client.execute(request, timeout: .seconds(20))
        for cookie in answer.headers["Set-Cookie"] {
            let pair = cookie.prefix { $0 != ";" }.split(separator: "=", maxSplits: 1).map(String.init)
            if pair.count == 2 { cookies[pair[0]] = pair[1] }
        }
        let body = try await answer.body.collect(upTo: 4 << 20)
        return Page(
            status: Int(answer.status.code), location: answer.headers.first(name: "Location"),
            text: String(buffer: body))
    }
}
