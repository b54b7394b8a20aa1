import Engine
import Hummingbird
import HummingbirdTesting
import Kit
import Logging
import TestSupport
import Testing

@testable import Server
@testable import Store

@Suite("Connections are moved")
struct ConnectionImportTests {
    private static func line(
        _ account: String, obtained: Timestamp = .testNow, token: String = "act.canary-1", _ more: [JSONMember] = []
    ) -> JSON {
        .object(
            [
                .init("user_id", "user-42"), .init("provider", "tiktok"), .init("account_id", .string(account)),
                .init("access_token", .string(token)), .init("refresh_token", "rft.canary-1"),
                .init("obtained_at", JSON(obtained)), .init("expires_at", JSON(obtained + .hours(24))),
                .init("scopes", ["user.info.basic"]),
            ] + more)
    }

    private static func take(_ world: ConnectWorld, _ lines: [JSON], dryRun: Bool = false) async throws -> [JSON] {
        let reply = try await world.api.post(
            "/v1/connections/import", ["dry_run": .bool(dryRun), "connections": .array(lines)])
        #expect(reply.status == 200 && !String(decoding: reply.body, as: UTF8.self).contains("canary"))
        return reply.json["results"]?.elements ?? []
    }

    @Test("rehearsed, taken in, the same again, newer, older; told and written down", arguments: TestEngine.all)
    func taken(engine: TestEngine) async throws {
        try await ConnectWorld.with(engine) { world in
            func outcomes(_ lines: [JSON], dryRun: Bool = false) async throws -> [String?] {
                try await Self.take(world, lines, dryRun: dryRun).map { $0["outcome"]?.text }
            }
            #expect(try await outcomes([Self.line("a"), Self.line("b")], dryRun: true) == ["created", "created"])
            #expect(try await world.api.get("/v1/connections").data.isEmpty)

            #expect(try await outcomes([Self.line("a"), Self.line("b")]) == ["created", "created"])
            #expect(
                try await outcomes([Self.line("a"), Self.line("b"), Self.line("c")]) == [
                    "unchanged", "unchanged", "created",
                ])
            let older = Self.line("a", obtained: .testNow - .hours(1), token: "act.canary-0")
            #expect(try await outcomes([older]) == ["unchanged"])
            let rows = try await world.api.get("/v1/connections").data
            #expect(rows.count == 3 && rows.allSatisfy { $0["state"] == "active" })
            #expect(rows.allSatisfy { $0["refresh_at"]?.text != nil })

            world.api.clock.advance(.hours(2))
            let newer = Self.line("a", obtained: .testNow + .hours(1), token: "act.canary-2")
            #expect(try await outcomes([newer], dryRun: true) == ["updated"])
            #expect(try await outcomes([newer]) == ["updated"])
            #expect(try await outcomes([newer]) == ["unchanged"])

            let acts = try await world.api.get("/v1/audit?limit=50").data.compactMap { $0["action"]?.text }
            #expect(acts.filter { $0 == "connection.imported" }.count == 4)
            try await world.api.sequence()
            let told = try await world.api.get("/v1/changes?after=0").data.compactMap { $0["type"]?.text }
            #expect(told.filter { $0 == "connection.connected" }.count == 4)
            let sealed = try await world.api.database.read("sealed") { session in
                try session.rows("SELECT sealed FROM credentials") { try $0.blob() }
            }
            #expect(sealed.count == 3 && sealed.allSatisfy { !String(decoding: $0, as: UTF8.self).contains("canary") })
        }
    }

    @Test("a fault spoils its own line only, and names what is wrong without its value")
    func faults() async throws {
        try await ConnectWorld.with { try await Self.judgeFaults($0) }
    }

    private static func judgeFaults(_ world: ConnectWorld) async throws {
        let bare: JSON = ["user_id": "u", "provider": "tiktok", "account_id": "x"]
        let foreign: JSON = ["user_id": "u", "provider": "stripe", "account_id": "x", "access_token": "t"]
        let odd = line("b", [JSONMember("expires_at2", "x")])
        let wrongApp = line("c", [JSONMember("app_id", "app_00000000000000000000000001")])
        let results = try await take(world, [bare, line("a"), "nonsense", odd, foreign, wrongApp])

        let outcomes = results.map { $0["outcome"]?.text ?? "" }
        #expect(outcomes == ["refused", "created", "refused", "refused", "refused", "refused"])
        let problems = results.compactMap { $0["problem"]?.text }
        #expect(problems.first?.contains("access_token") == true)
        #expect(problems.contains("No account can be connected at stripe here."))
        #expect(problems.last?.contains("is no app of TikTok") == true)
        let kept = try await world.api.get("/v1/connections").data
        #expect(kept.count == 1)
    }

    @Test("what one instance writes out another takes in, with the same tokens", arguments: TestEngine.all)
    func moved(engine: TestEngine) async throws {
        let lines = Lines()
        try await ConnectWorld.with(engine) { world in
            _ = try await world.connect(try await world.session().link)
            let export = ConnectionExport(
                database: world.api.database, vault: Self.vault, ids: world.api.app.ids,
                time: TimeSource(now: { .testNow }, uptime: { .zero }, sleep: { _ in }))
            let outcome = try await export.lines(of: nil, pauses: true, by: "cli")
            #expect(outcome.refreshing == 1 && outcome.unopened.isEmpty)
            await lines.set(outcome.lines)
            #expect(try await world.api.get("/v1/connections").data.first?["state"] == "paused")
            let acts = try await world.api.get("/v1/audit?limit=50").data.compactMap { $0["action"]?.text }
            #expect(acts.contains("connection.exported"))
        }
        let written = try await lines.all.map { try JSON.parse(Array($0.utf8)) }
        #expect(written.count == 1)
        try await ConnectWorld.with(engine) { world in
            #expect(try await Self.take(world, written).map { $0["outcome"]?.text } == ["created"])
            let row = try #require(try await world.api.get("/v1/connections").data.first)
            #expect(row["account_id"] == "open-1" && row["name"] == "Rye & Salt" && row["missing_scopes"] == [])
            let id = ID<ConnectionKind>(stored: row["id"]?.text ?? "")
            let token = try await StoredTokens(database: world.api.database, vault: Self.vault)
                .token(of: id, at: .testNow)
            #expect(token.map { $0.reveal { String(decoding: $0, as: UTF8.self) } } == written[0]["access_token"]?.text)
        }
    }

    private static let vault = Vault(keyring: Keyring([("k1", Secret([UInt8](repeating: 7, count: 32)))]))
    private actor Lines {
        private(set) var all: [String] = []
        func set(_ lines: [String]) { all = lines }
    }

    @Test("each that is new is checked by one call, where that is asked; what the platform says stands beside it")
    func checked() async throws {
        try await ConnectWorld.with { world in
            var hooks = world.api.app.hooks
            hooks.checkConnection = { id in Finding("x", .failed, "TikTok no longer accepts \(id).") }
            let app = App(
                database: world.api.database, ids: world.api.app.ids, now: { .testNow },
                settings: world.api.app.settings, logger: .quiet, hooks: hooks)
            try await Application(router: makeRouter(app), logger: .quiet).test(.router) { client in
                let api = TestAPI(
                    app: app, clock: world.api.clock, database: world.api.database, client: client, key: world.api.key)
                let body: JSON = ["check": true, "connections": [Self.line("a")]]
                let results = try await api.post("/v1/connections/import", body).json["results"]?.elements ?? []
                #expect(results.first?["outcome"] == "created" && results.first?["check"] == "failed")
                #expect(results.first?["problem"]?.text?.hasPrefix("TikTok no longer accepts conn_") == true)
                let again = try await api.post("/v1/connections/import", body).json["results"]?.elements ?? []
                #expect(again.first?["outcome"] == "unchanged" && again.first?["check"] == .null, "not asked again")
            }
        }
    }

    @Test("a sealed file opens with its passphrase, whole and in order, and not otherwise")
    func sealed() throws {
        let ids = Identifiers(now: { .testNow })
        let phrase = Secret("correct horse battery")
        let file = try SealedLines.seal(["one canary", "two"], passphrase: phrase, ids: ids)
        let text = file.joined(separator: "\n") + "\n"
        func problem(_ lines: [String], _ phrase: Secret) -> String? {
            do throws(SealedLines.Problem) {
                _ = try SealedLines.open(lines.joined(separator: "\n"), passphrase: phrase)
                return nil
            } catch { return error.description }
        }

        #expect(SealedLines.isSealed(text) && !text.contains("canary"))
        #expect(try SealedLines.open(text, passphrase: phrase) == ["one canary", "two"])
        #expect(problem(file, Secret("correct horse batterx")) == "The passphrase does not open the file.")
        #expect(problem(file.dropLast(), phrase) == "The file was cut: its end is missing. Export it anew.")
        #expect(problem([file[0], file[2], file[1], file[3]], phrase) != nil, "moved")
        #expect(problem([file[0], file[1], file[3]], phrase) == "Line 3 of the file was changed.", "left out")
        #expect(problem(["{}"], phrase) != nil)
        #expect(throws: SealedLines.Problem.self) {
            try SealedLines.seal(["x"], passphrase: Secret("short"), ids: ids)
        }
    }
}
