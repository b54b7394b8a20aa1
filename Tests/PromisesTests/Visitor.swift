import AsyncHTTPClient
import Kit
import NIOCore
import NIOHTTP1
import Testing

extension ServerProcess {
    /// A user connects an account of the simulated TikTok, in a browser. The connection's id.
    func connect(_ user: String, account: String, key: String) async throws -> String {
        let asked: JSON = ["user_id": .string(user), "provider": "tiktok"]
        let session = try await call("POST", "/v1/connect-sessions", asked, key: key).json
        let browser = Visitor()
        let begun = try await browser.get(session["url"]?.text ?? "")
        let page = try #require(try await browser.consent(begun, at: "http://127.0.0.1:\(port)").location)
        let back = try #require(try await browser.post(page, "account=\(account)").location)
        #expect(try await browser.get(back).status < 400)
        let connections = try await json("/v1/connections", key: key)["data"]?.elements ?? []
        return try #require(connections.first { $0["user_id"] == .string(user) }?["id"]?.text)
    }
}

/// A browser that keeps cookies and follows nothing by itself.
actor Visitor {
    struct Page {
        let status: Int
        let location: String?
        let text: String

        /// The form that leads from a connect link to the platform: where it goes, and what it holds.
        var consent: (action: String, token: String)? {
            text.firstMatch(of: /action="(\/connect\/[^"]+)"><input type="hidden" name="token" value="([^"]+)"/)
                .map { (String($0.1), String($0.2)) }
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
        request.headers.add(name: "Origin", value: url.split(separator: "/").prefix(2).joined(separator: "//"))
        request.body = .bytes(ByteBuffer(string: form))
        return try await send(request)
    }

    /// On from the page that names application and user, to the platform.
    func consent(_ page: Page, at base: String) async throws -> Page {
        let form = try #require(page.consent, "\(page.text)")
        return try await post(base + form.action, "token=\(form.token)")
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
