import Kit
import Logging
import Synchronization
import TestSupport
import Testing

@testable import Server
@testable import Store

@Suite("A connect link")
struct ConnectLinkTests {
    private static let back: JSONMember = .init("return_url", "https://app.example.com/back")

    @Test("belongs to the browser that opens it first", arguments: TestEngine.all)
    func firstBrowser(engine: TestEngine) async throws {
        try await ConnectWorld.with(engine) { world in
            for more in [[], [Self.back]] {
                let (_, link) = try await world.session(more)
                let (mine, other) = (world.browser(), world.browser())
                _ = try await mine.leave(link)

                let first = try await other.get(link)
                let page = more.isEmpty ? try await other.consent(first) : first

                #expect(page.status == 400 && page.text.contains("opened in another browser"))
                #expect(page.location == nil)
                // The one that was first goes on, as often as it wants to.
                let state = try await mine.leave(link)
                let done = try await mine.get("/callback/tiktok?code=\(world.code())&state=\(state)")
                #expect(done.status == (more.isEmpty ? 200 : 303))
            }
        }
    }

    @Test("leads nobody to the platform who was not shown whose application and which user it is for")
    func consentFirst() async throws {
        try await ConnectWorld.with { world in
            let (_, link) = try await world.session()
            let (victim, attacker) = (world.browser(), world.browser())

            let cold = try await victim.get(link + "/go")
            #expect(cold.status == 303 && cold.location == link)
            let theirs = try #require(try await attacker.get(link).consent)
            for token in ["", "x", theirs.token] {
                let page = try await victim.post(link + "/go", "token=\(token)")
                #expect(page.status == 403 && page.location == nil, "without a page, by somebody else's token")
            }

            let page = try await victim.get(link)
            #expect(page.text.contains("Rye and Salt") && page.text.contains("user-42"))
            let own = try #require(page.consent)
            for token in ["", theirs.token, String(own.token.dropLast())] {
                #expect(try await victim.post(link + "/go", "token=\(token)").status == 403)
            }
            let foreign = try await victim.post(
                link + "/go", "token=\(own.token)", origin: "https://evil.example")
            #expect(foreign.status == 403, "by a page from elsewhere")
            let other = try await world.session().link
            #expect(try await victim.post(other + "/go", "token=\(own.token)").status == 403, "of another link")
            let away = try await victim.post(own.action, "token=\(own.token)")
            #expect(away.status == 303 && away.location?.hasPrefix("https://www.tiktok.com/") == true)
        }
    }

    @Test("that has connected an account leads nowhere any more", arguments: [[], [back]])
    func used(more: [JSONMember]) async throws {
        try await ConnectWorld.with { world in
            let (id, link) = try await world.session(more)
            let browser = world.browser()
            try await world.connect(link, in: browser)

            let page = try await browser.get(link)
            #expect(page.status == 410 && page.location == nil && page.text.contains("has done its work"))
            #expect(try await world.api.get("/v1/connections").data.count == 1)
            #expect(try await world.api.get("/v1/connect-sessions/\(id)").json["code"] == .null)
        }
    }

    @Test("asked again for what is missing takes no other account", arguments: TestEngine.all)
    func sameAccount(engine: TestEngine) async throws {
        try await ConnectWorld.with(engine) { world in
            let (id, link) = try await world.session()
            let browser = world.browser()
            try await world.connect(link, in: browser, scopes: "user.info.basic")
            world.api.clock.advance(.seconds(1))
            let away = try await browser.get("/connect/again/\(id)")
            let state = try #require(away.query("state"))

            let page = try await browser.get("/callback/tiktok?code=\(world.code("open-9"))&state=\(state)")

            #expect(page.status == 400 && page.text.contains("another TikTok account"))
            #expect(try await world.api.get("/v1/connections").data.compactMap { $0["account_id"]?.text } == ["open-1"])
        }
    }

    // MARK: Grants that nobody keeps

    /// A session that is for `open-1`, and comes back with another account.
    private func comeBackWrong(_ world: ConnectWorld) async throws -> ConnectBrowser.Page {
        let (id, link) = try await world.session()
        let browser = world.browser()
        try await world.connect(link, in: browser)
        world.api.clock.advance(.seconds(1))
        let state = try #require(try await browser.get("/connect/again/\(id)").query("state"))
        return try await browser.get("/callback/tiktok?code=\(world.code("open-9"))&state=\(state)")
    }

    @Test("what was granted of another account does not stay at the platform", arguments: TestEngine.all)
    func wrongAccount(engine: TestEngine) async throws {
        try await ConnectWorld.with(engine) { world in
            let page = try await comeBackWrong(world)
            #expect(page.status == 400 && world.platform.revocations == 1)
        }
    }

    @Test("but it stays where another user is connected to that account")
    func linkedElsewhere() async throws {
        try await ConnectWorld.with { world in
            try await world.connect(try await world.session(user: "user-43").link, as: "open-9")
            let page = try await comeBackWrong(world)
            #expect(page.status == 400 && world.platform.revocations == 0)
        }
    }

    @Test("a grant whose account nobody names is taken back, where it is none that the user has")
    func unnamed() async throws {
        try await ConnectWorld.with { world in
            for revocations in [1, 1] {
                let tokens = #"{"access_token":"a","refresh_token":"r","token_type":"Bearer","expires_in":86400}"#
                world.platform.fail(.answer(200, tokens), .answer(200, "{}"))
                let page = try await world.connect(try await world.session().link)
                #expect(page.status == 502)
                #expect(world.platform.revocations == revocations)
                try await world.connect(try await world.session().link)
            }
        }
    }

    @Test("stands in no log, even when the page fails")
    func unlogged() async throws {
        let lines = LogLines()
        try await ConnectWorld.with(.sqlite, logger: lines.logger) { world in
            let (_, link) = try await world.session()
            await world.api.database.close()

            let page = try await world.browser().get(link)

            #expect(page.status >= 500)
            #expect(lines.text.contains("page.failed") && lines.text.contains("/connect/{link}"))
            #expect(!lines.text.contains(link.dropFirst("/connect/".count)))
        }
    }

    // MARK: Confirming

    @Test(
        "a connection that has ended does not come back by a late confirmation", arguments: TestEngine.all,
        [ConnectionState.revoked, .needsReconnect])
    func lateConfirmation(engine: TestEngine, state: ConnectionState) async throws {
        try await ConnectWorld.with(engine) { world in
            let sessions = [try await world.session([Self.back]), try await world.session([Self.back])]
            var codes: [String] = []
            for session in sessions { codes.append(try #require(try await world.connect(session.link).query("code"))) }
            func confirm(_ number: Int) async throws -> Reply {
                let body: JSON = ["code": .string(codes[number]), "user_id": "user-42"]
                return try await world.api.post("/v1/connect-sessions/\(sessions[number].id)/confirm", body)
            }
            let first = try await confirm(0)
            #expect(first.status == 200)
            let id = ID<ConnectionKind>(stored: try #require(try await world.api.get("/v1/connections").ids.first))
            try await world.api.database.write("end") {
                try $0.setConnection(id, state, reason: "removed_by_owner", attention: nil, at: .testNow)
            }

            let late = try await confirm(1)

            #expect(late.status == 409 && late.code == "wrong_state")
            #expect(try await world.api.get("/v1/connections/\(id)").json["state"] == .string(state.rawValue))
        }
    }

    @Test("a connection that is active by another session is confirmed, and changes nothing")
    func confirmedTwice() async throws {
        try await ConnectWorld.with { world in
            let sessions = [try await world.session([Self.back]), try await world.session([Self.back])]
            var versions: [JSON?] = []
            var codes: [String] = []
            for session in sessions { codes.append(try #require(try await world.connect(session.link).query("code"))) }
            for (session, code) in zip(sessions, codes) {
                let body: JSON = ["code": .string(code), "user_id": "user-42"]
                let reply = try await world.api.post("/v1/connect-sessions/\(session.id)/confirm", body)
                #expect(reply.status == 200 && reply.json["state"] == "connected")
                versions.append(try await world.api.get("/v1/connections").data.first?["version"])
            }
            #expect(versions[0] == versions[1])
        }
    }

    // MARK: Users who were erased

    @Test("for a user who was erased is refused until the application knows them again", arguments: TestEngine.all)
    func erased(engine: TestEngine) async throws {
        try await ConnectWorld.with(engine) { world in
            try await world.connect(try await world.session().link)
            let open = try await world.session()
            let browser = world.browser()
            let state = try await browser.leave(open.link)
            let erasure = try await world.api.send("DELETE", "/v1/users/user-42").json["id"]?.text ?? ""
            let wish: JSON = ["user_id": "user-42", "provider": "tiktok"]

            let refused = try await world.api.post("/v1/connect-sessions", wish)
            let back = try await browser.get("/callback/tiktok?code=\(world.code())&state=\(state)")

            #expect(refused.status == 409 && refused.json["detail"]?.text?.contains("PUT /v1/users") == true)
            #expect(back.status == 400)
            #expect(try await world.api.get("/v1/users/user-42").status == 404)
            #expect(try await world.api.get("/v1/connections").data.isEmpty)
            // Known again, by a word of the application's own.
            try await world.api.database.write("done") { try $0.finish(ID(stored: erasure), at: .testNow) }
            #expect(try await world.api.send("PUT", "/v1/users/user-42", Array("{}".utf8)).status < 300)
            #expect(try await world.connect(try await world.session().link).status == 200)
        }
    }

    @Test("for an account that is being forgotten ends with a word; when that is over it connects")
    func erasing() async throws {
        try await ConnectWorld.with { world in
            try await world.connect(try await world.session().link)
            let erasure = try await world.api.send("DELETE", "/v1/users/user-42").json["id"]?.text ?? ""
            let (id, link) = try await world.session(user: "user-43")
            let browser = world.browser()

            let page = try await world.connect(link, in: browser)

            #expect(page.status == 503 && page.text.contains("being forgotten"))
            #expect(world.platform.revocations == 1)
            #expect(try await world.api.get("/v1/connect-sessions/\(id)").json["code"] == "erasure_running")
            try await world.api.database.write("done") { try $0.finish(ID(stored: erasure), at: .testNow) }
            #expect(try await world.connect(link, in: browser).status == 200)
            let left = try await world.api.database.read("names") {
                try $0.erased(among: [ErasedName(account: "open-1", at: "tiktok")]).count
            }
            #expect(left == 0)
        }
    }

    // MARK: Versions of tokens

    @Test(
        "connected again after its tokens went: what a late refresh brings is not believed", arguments: TestEngine.all)
    func versions(engine: TestEngine) async throws {
        try await ConnectWorld.with(engine) { world in
            try await world.connect(try await world.session().link)
            let id = ID<ConnectionKind>(stored: try #require(try await world.api.get("/v1/connections").ids.first))
            try await world.api.database.write("revoked") { session in
                _ = try session.dropCredential(of: id)
                try session.setConnection(id, .revoked, reason: "removed_by_owner", attention: nil, at: .testNow)
            }
            try await world.connect(try await world.session([.init("connection_id", .string(id.text))]).link)

            let isBelieved = try await world.api.database.write("late") { session -> Bool in
                let row = try #require(try session.holdConnection(id))
                let late = NewCredential(
                    version: 2, sealed: [1], keyID: "k1", obtainedAt: .testNow, expiresAt: nil, refreshAt: nil,
                    refreshExpiresAt: nil, endsAt: nil)
                return try session.keep(late, of: row, replacing: 1, at: .testNow)
            }

            #expect(!isBelieved)
            let held = try await world.api.database.read("held") { try $0.credential(of: id) }
            #expect(held?.version == 2 && held?.sealed != [1])
        }
    }
}

/// What was logged, with its fields.
final class LogLines: Sendable {
    private let lines = Mutex<[String]>([])
    var text: String { lines.withLock { $0.joined(separator: "\n") } }
    var logger: Logger { Logger(label: "t") { _ in Keeping(lines: self) } }

    private struct Keeping: LogHandler {
        let lines: LogLines
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.trace
        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }
        func log(event: LogEvent) {
            let line = "\(event.message) \(event.metadata ?? [:]) \(metadata)"
            lines.lines.withLock { $0.append(line) }
        }
    }
}
