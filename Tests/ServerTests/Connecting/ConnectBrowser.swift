import Engine
import Hummingbird
import HummingbirdTesting
import Kit
import Logging
import Store
import Synchronization
import TestSupport
import Testing

@testable import Server

/// The API, a platform, and browsers that go from one to the other.
struct ConnectWorld: Sendable {
    let api: TestAPI
    let platform: FakePlatform

    static let publicURL = "https://patchbay.example.com"

    static func settings(_ change: (inout Settings) -> Void = { _ in }) -> Settings {
        var settings = Settings.test
        settings.publicURL = publicURL
        settings.applicationName = "Rye and Salt"
        settings.encryptionKeys = [EncryptionKey(id: "k1", secret: Secret([UInt8](repeating: 7, count: 32)))]
        settings.returnOrigins = ["https://app.example.com"]
        settings.clients = ["tiktok": ClientSettings(id: "aw_demo", secret: Secret("s3cr3t"), address: nil)]
        change(&settings)
        return settings
    }

    static func with(
        _ engine: TestEngine = .sqlite, _ change: (inout Settings) -> Void = { _ in },
        rotation: OAuth2.Rotation = .strict,
        logger: Logger = .quiet, _ body: @Sendable @escaping (ConnectWorld) async throws -> Void
    ) async throws {
        let settings = settings(change)
        let clock = Mutex<FakePlatform?>(nil)
        try await TestAPI.with(
            engine, settings: settings, logger: logger,
            assemble: { database, ids, turning in
                let platform = FakePlatform(rotation: rotation, now: { turning.now })
                clock.withLock { $0 = platform }
                let vault = Vault(keyring: Keyring(settings.encryptionKeys.map { ($0.id, $0.secret) }))
                let time = TimeSource(
                    now: { turning.now }, uptime: { turning.now - .testNow },
                    sleep: { turning.advance($0) })
                let node = ids.make(NodeKind.self)
                try await database.write("node") {
                    try $0.openNode(node, host: "h", process: 1, program: "t", at: .testNow)
                }
                let parts = try await ConnectingParts(
                    settings, database: database, vault: vault, wire: platform, node: { node }, ids: ids, time: time,
                    bells: Bells(), logger: .quiet)
                var hooks = Hooks()
                hooks.connecting = ConnectHooks(parts, settings)
                hooks.apps = AppCredentials(Providers.webhookSources, vault, ids)
                return (hooks, [])
            }
        ) { api in
            let platform = try #require(clock.withLock { $0 })
            try await body(ConnectWorld(api: api, platform: platform))
        }
    }

    /// A session for a user. Answers its id and the path of its link.
    func session(_ more: [JSONMember] = [], user: String = "user-42") async throws -> (id: String, link: String) {
        let body = JSON.object([.init("user_id", .string(user)), .init("provider", "tiktok")] + more)
        let reply = try await api.post("/v1/connect-sessions", body)
        #expect(reply.status == 201, "\(String(decoding: reply.body, as: UTF8.self))")
        let url = try #require(reply.json["url"]?.text)
        return (try #require(reply.json["id"]?.text), String(url.dropFirst(Self.publicURL.count)))
    }

    func browser() -> ConnectBrowser { ConnectBrowser(api: api) }

    /// All the way of one person who allows everything. Answers the last page.
    @discardableResult
    func connect(
        _ link: String, as account: String = "open-1", in browser: ConnectBrowser? = nil,
        scopes: String = "user.info.basic,user.info.profile,user.info.stats,video.list,video.upload,video.publish"
    ) async throws -> ConnectBrowser.Page {
        let browser = browser ?? self.browser()
        let state = try await browser.leave(link)
        return try await browser.get("/callback/tiktok?code=\(code(account, scopes))&scopes=x&state=\(state)")
    }

    func code(_ account: String = "open-1", _ scopes: String = "user.info.basic") -> String {
        PercentEncoding.encode(platform.consent(account, scopes: scopes))
    }
}

/// Somebody's browser: keeps cookies, follows nothing by itself.
final class ConnectBrowser: Sendable {
    struct Page: Sendable {
        let status: Int
        let location: String?
        let text: String
        let headers: HTTPFields

        /// The form that leads to the platform: where it goes, and what it holds.
        var consent: (action: String, token: String)? {
            text.firstMatch(
                of: /<form method="post" action="(\/connect\/[^"]+)"><input type="hidden" name="token" value="([^"]+)">/
            )
            .map { (String($0.1), String($0.2)) }
        }

        /// Of the query of where it leads.
        func query(_ name: String) -> String? {
            let query = location?.split(separator: "?", maxSplits: 1).dropFirst().first ?? ""
            return BrowserText.fields(query)[name]
        }
    }

    private let api: TestAPI
    private let cookies = Mutex<[String: String]>([:])

    init(api: TestAPI) { self.api = api }

    func get(_ path: String, language: String = "en") async throws -> Page {
        try await send(.get, path, [.acceptLanguage: language])
    }

    /// Sends a form.
    ///
    /// - Parameter origin: the page's that sent it.
    func post(_ path: String, _ form: String, origin: String = ConnectWorld.publicURL) async throws -> Page {
        let fields: HTTPFields = [.contentType: "application/x-www-form-urlencoded", .origin: origin]
        return try await send(.post, path, fields, ByteBuffer(string: form))
    }

    private func send(
        _ method: HTTPRequest.Method, _ path: String, _ fields: HTTPFields, _ body: ByteBuffer? = nil
    ) async throws -> Page {
        var fields = fields
        let jar = cookies.withLock { $0.map { "\($0.key)=\($0.value)" }.joined(separator: "; ") }
        if !jar.isEmpty { fields[.cookie] = jar }
        let response = try await api.client.executeRequest(uri: path, method: method, headers: fields, body: body)
        for line in response.headers[values: .setCookie] {
            let pair = (line.split(separator: ";").first ?? "").split(separator: "=", maxSplits: 1).map(String.init)
            if pair.count == 2 { cookies.withLock { $0[pair[0]] = pair[1] } }
        }
        return Page(
            status: Int(response.status.code), location: response.headers[.location],
            text: String(decoding: response.body.readableBytesView, as: UTF8.self), headers: response.headers)
    }

    /// On from the page that names application and user.
    func consent(_ page: Page) async throws -> Page {
        let form = try #require(page.consent, "\(page.text)")
        return try await post(form.action, "token=\(form.token)")
    }

    /// From our link to the platform's page. Answers the state that it was given.
    func leave(_ link: String) async throws -> String {
        let first = try await get(link)
        let away = first.location == nil ? try await consent(first) : first
        #expect(away.status == 303 && away.location?.hasPrefix("https://www.tiktok.com/v2/auth/authorize/?") == true)
        return try #require(away.query("state"))
    }
}
