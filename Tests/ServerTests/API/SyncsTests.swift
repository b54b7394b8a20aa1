import Engine
import Kit
import TestSupport
import Testing

@testable import Server
@testable import Store

@Suite("Syncs and records in the API")
struct SyncsTests {
    private static let hooks: @Sendable (any Database, Identifiers) -> Hooks = { _, ids in
        var hooks = Hooks()
        hooks.syncs = Syncs(Providers.syncBook, ids: ids)
        return hooks
    }
    private static let scopes = ["user.info.basic", "video.list"]

    private func with(
        _ engine: TestEngine = .sqlite, _ body: @Sendable @escaping (TestAPI) async throws -> Void
    ) async throws { try await TestAPI.with(engine, makeHooks: Self.hooks, body) }

    private func connect(
        _ api: TestAPI, user: String = "user-1", account: String = "open-1", scopes: [String] = scopes
    ) async throws -> String {
        let id = api.app.ids.make(ConnectionKind.self)
        let now = api.clock.now
        let new = NewConnection(
            id: id, userID: user, provider: "tiktok", app: TestAPI.appID, openID: account, name: nil, scopes: scopes,
            wanted: scopes, isPending: false)
        try await api.database.write("connect") { _ = try $0.connect(new, at: now) }
        return id.text
    }

    private func keep(_ api: TestAPI, _ count: Int, account: String = "open-1") async throws {
        let table = try #require(Providers.syncBook.stream("videos", of: "tiktok")).table
        let rows = try (0..<count).map { number in
            try table.row([
                "id": JSON(7_400_000_000_000_000_000 + number), "create_time": JSON(1_795_850_000 + number),
                "title": "Rye", "view_count": JSON(number),
            ])
        }
        let now = api.clock.now
        _ = try await api.database.set("keep", in: .work) {
            try $0.keep(rows, in: table, of: account, source: "sync", observedAt: now, at: now)
        }
    }

    @Test("a run is begun for each stream, once, and stands in the list", arguments: TestEngine.all)
    func begins(_ engine: TestEngine) async throws {
        try await with(engine) { api in
            let id = try await connect(api)
            let path = "/v1/connections/\(id)/syncs"

            let begun = try await api.post(path, [:], ["Idempotency-Key": "k1"])
            let again = try await api.post(path, [:], ["Idempotency-Key": "k1"])

            #expect(begun.status == 202 && begun.data.map { $0["stream"]?.text } == ["profile", "videos"])
            #expect(begun.header("Location") == "/v1/syncs?connection_id=\(id)")
            #expect(again.header("Idempotent-Replayed") == "true" && again.ids == begun.ids)
            #expect(try await api.get("/v1/syncs?connection_id=\(id)").ids.sorted() == begun.ids.sorted())
            #expect(try await api.get("/v1/syncs?user_id=user-1&stream=videos&state=waiting").data.count == 1)
            #expect(try await api.get("/v1/syncs?user_id=user-2").data.isEmpty)
            let one = try await api.get("/v1/syncs/\(begun.ids[0])").json
            #expect(one["reason"]?.text == "initial" && one["lists_all"]?.boolean == true)
            #expect(try await api.get("/v1/syncs/sync_00000000000000000000000009").status == 404)
            // One that is under way is answered instead of a second.
            let single = try await api.post(path, ["stream": "videos"])
            #expect(begun.ids.contains(single.ids[0]) && single.header("Location") == "/v1/syncs/\(single.ids[0])")
        }
    }

    @Test("what cannot be asked is refused with what to do")
    func refuses() async throws {
        try await with { api in
            let bare = try await connect(api, scopes: ["user.info.basic"])
            let path = "/v1/connections/\(bare)/syncs"
            let named = try await api.post(path, ["stream": "videos"])
            #expect(named.status == 409 && named.code == "needs_reconnect")
            #expect(named.json["detail"]?.text?.contains("video.list") == true)
            // Unnamed, the others go on.
            let all = try await api.post(path, [:])
            #expect(all.data.count == 1 && all.json["refused"]?.elements?.count == 1)
            #expect(try await api.post(path, ["stream": "songs"]).status == 404)

            try await api.send("PATCH", "/v1/connections/\(bare)", (["state": "paused"] as JSON).bytes)
            #expect(try await api.post(path, ["stream": "profile"]).code == "wrong_state")
            #expect(try await api.post("/v1/connections/conn_00000000000000000000000009/syncs", [:]).status == 404)
        }
    }

    @Test("all of a user's connections at once; one that cannot be asked stops no other")
    func ofUser() async throws {
        try await with { api in
            let good = try await connect(api)
            let bad = try await connect(api, account: "open-2")
            _ = try await connect(api, user: "user-2", account: "open-3")
            try await api.database.write("end") {
                _ = try $0.run("UPDATE oauth_accounts SET state = 'needs_reconnect' WHERE id = \(bad)")
            }
            let begun = try await api.post("/v1/users/user-1/syncs", [:])
            #expect(begun.status == 202)
            #expect(begun.data.allSatisfy { $0["connection_id"]?.text == good } && begun.data.count == 2)
            let refused = begun.json["refused"]?.elements ?? []
            #expect(refused.map { $0["connection_id"]?.text } == [bad, bad])
            #expect(refused.first?["code"]?.text == "needs_reconnect")
            #expect(try await api.post("/v1/users/nobody/syncs", [:]).status == 404)
        }
    }

    @Test("rows come by pages, with how old they are and why that is too old", arguments: TestEngine.all)
    func records(_ engine: TestEngine) async throws {
        try await with(engine) { api in
            let id = try await connect(api)
            let path = "/v1/records/tiktok.videos?connection_id=\(id)"
            let never = try await api.get(path)
            #expect(never.json["stale"]?.boolean == true && never.json["stale_code"]?.text == "never")
            #expect(never.json["as_of"]?.isNull == true)
            try await keep(api, 25)
            let now = api.clock.now
            try await api.database.write("settle") { session in
                let state = try session.holdStreamState(of: "videos", account: "open-1", at: "tiktok", due: now)
                try session.settle(state, bookmark: now, began: now, shape: "", due: now + .hours(6))
            }

            let first = try await api.get(path)
            #expect(first.data.count == 20 && first.json["stale"]?.boolean == false)
            #expect(first.json["as_of"]?.text == now.rfc3339)
            let row = try #require(first.data.first)
            #expect(row["video_id"]?.text == "7400000000000000024" && row["view_count"]?.integer == 24)
            #expect(row["create_time"]?.text == "2026-11-28T07:13:44.000000Z" && row["account_id"]?.text == "open-1")
            #expect(row["deleted_at"]?.isNull == true && row["height"]?.isNull == true)
            let second = try await api.get(path + "&cursor=\(try #require(first.cursor))")
            #expect(second.data.count == 5 && second.cursor == nil)

            api.clock.advance(.hours(10))
            #expect(try await api.get(path).json["stale_code"]?.text == "late")
            #expect(try await api.get("/v1/records/tiktok.videos").status == 400)
            #expect(try await api.get("/v1/records/tiktok.songs?connection_id=\(id)").status == 404)
        }
    }

    @Test("each step of the counts can be read, newest first", arguments: TestEngine.all)
    func history(_ engine: TestEngine) async throws {
        try await with(engine) { api in
            let id = try await connect(api)
            let table = try #require(Providers.syncBook.stream("videos", of: "tiktok")).table
            for (number, views) in [10, 10, 30, 40].enumerated() {
                api.clock.advance(.hours(1))
                let row = try table.row(["id": "v\(1)", "view_count": JSON(views), "like_count": JSON(number / 4)])
                let now = api.clock.now
                _ = try await api.database.set("keep", in: .work) {
                    try $0.keep([row], in: table, of: "open-1", source: "sync", observedAt: now, at: now)
                }
            }
            let path = "/v1/records/tiktok.videos/v1/history?connection_id=\(id)&limit=2"
            let first = try await api.get(path)
            #expect(first.data.map { $0["view_count"]?.integer } == [40, 30])
            let second = try await api.get(path + "&cursor=\(try #require(first.cursor))")
            #expect(second.data.map { $0["view_count"]?.integer } == [10] && second.cursor == nil)
        }
    }

    @Test("a user's export holds the rows of the accounts; erased, nothing of them is left", arguments: TestEngine.all)
    func exports(_ engine: TestEngine) async throws {
        try await with(engine) { api in
            _ = try await connect(api)
            try await keep(api, 450)
            let now = api.clock.now
            try await api.database.write("state") {
                _ = try $0.holdStreamState(of: "videos", account: "open-1", at: "tiktok", due: now)
            }
            let export = try await api.get("/v1/users/user-1/export").json
            #expect(export["records", "tiktok_videos"]?.elements?.count == 450)
            #expect(export["records", "tiktok_video_metrics"]?.elements?.count == 450)
            #expect(export["records", "tiktok_accounts"]?.elements?.isEmpty == true)

            #expect(try await api.send("DELETE", "/v1/users/user-1").status == 202)
            try await ForsakenAccounts(
                Providers.syncBook, database: api.database, time: .system, logger: .quiet
            ).run()
            let left = try await api.database.read("left") { session in
                try ["tiktok_videos", "tiktok_video_metrics", "stream_states", "syncs"].map { table in
                    try session.row("SELECT count(*) FROM \(SQL(stringLiteral: table))") { try $0.integer() } ?? -1
                }
            }
            #expect(left == [0, 0, 0, 0])
        }
    }

    @Test("a comparison of a connection's rows is begun once; what does not fit together is refused")
    func reconciles() async throws {
        try await with { api in
            let id = try await connect(api)
            let begun = try await api.post(
                "/v1/reconciliations", ["connection_id": .string(id), "stream": "videos", "repair": true])
            #expect(begun.status == 202 && begun.json["connection_id"]?.text == id)
            #expect(begun.json["dry_run"]?.boolean == false && begun.json["state"]?.text == "running")
            let again = try await api.post("/v1/reconciliations", ["connection_id": .string(id), "stream": "videos"])
            #expect(again.json["id"]?.text == begun.json["id"]?.text)
            let path = "/v1/reconciliations/\(begun.json["id"]?.text ?? "")"
            #expect(try await api.get(path).status == 200)
            #expect(try await api.get(path + "/differences").data.isEmpty)
            for body in [
                ["connection_id": .string(id)], ["connection_id": .string(id), "stream": "songs"],
                ["connection_id": .string(id), "stream": "videos", "dry_run": true], ["stream": "videos"],
                ["provider": "stripe", "repair": true],
            ] as [JSON] {
                #expect(try await api.post("/v1/reconciliations", body).status == 422, "\(body)")
            }
        }
    }
}
