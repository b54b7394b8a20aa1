import Kit
import TestSupport
import Testing

@testable import Engine
@testable import Store

@Suite("Sync")
struct SyncTests {
    private func with(_ engine: TestEngine, _ body: @Sendable (SyncRig) async throws -> Void) async throws {
        try await TestDatabase.with(engine) { try await body(SyncRig($0)) }
    }

    // MARK: How far

    @Test("the first run reads everything, page by page, and says how far it is", arguments: TestEngine.all)
    func initial(_ engine: TestEngine) async throws {
        try await with(engine) { rig in
            rig.wire.edit { $0.videos = Shelf.videos(45) }
            let connection = try await rig.connect()

            let run = try await rig.run(connection)

            #expect(run.state == .succeeded && run.reason == .initial && run.listsAll)
            #expect(run.pages == 3 && run.rowsRead == 45 && run.rowsNew == 45 && run.rowsDeleted == 0)
            #expect(try await rig.kept().count == 45)
            #expect(rig.wire.asked.count == 3)
            #expect(try await rig.state().bookmark == Timestamp(seconds: 1_795_850_000))
            #expect(try await rig.number("SELECT count(*) FROM sync_cursors") == 0)
            #expect(try await rig.told() == ["sync.completed"])
        }
    }

    @Test("the next run stops at the page that reaches what is known, the border read again", arguments: TestEngine.all)
    func incremental(_ engine: TestEngine) async throws {
        try await with(engine) { rig in
            rig.wire.edit { $0.videos = Shelf.videos(100) }
            let connection = try await rig.connect()
            try await rig.run(connection)
            rig.wire.edit { state in
                // One of them at the very moment of the newest that is known.
                state.videos += [
                    .init(id: "7500000000000000001", ms: 1_795_850_000_500),
                    .init(id: "7500000000000000002", ms: 1_795_850_060_000),
                ]
                state.asked = []
            }
            rig.clock.advance(.minutes(1))

            let run = try await rig.run(connection)

            #expect(run.state == .succeeded && !run.listsAll && run.rowsNew == 2 && run.pages == 1)
            #expect(rig.wire.lists == ["list"])
            #expect(try await rig.kept().count == 102)
            #expect(try await rig.state().bookmark == Timestamp(seconds: 1_795_850_060))
        }
    }

    @Test("counts of what was made lately come by lookups of many ids in one call", arguments: TestEngine.all)
    func refresh(_ engine: TestEngine) async throws {
        try await with(engine) { rig in
            rig.wire.edit { $0.videos = Shelf.videos(50) }
            let connection = try await rig.connect()
            try await rig.run(connection)
            rig.wire.edit { state in
                for index in state.videos.indices { state.videos[index].likes = 9 }
                state.asked = []
            }
            rig.clock.advance(.minutes(1))

            let run = try await rig.run(connection)

            #expect(run.rowsChanged == 50 && rig.wire.lists == ["list"])
            let queries = rig.wire.asked.filter { $0.hasPrefix("query") }
            #expect(queries.map { $0.split(separator: ",").count } == [20, 10])
            #expect(try await rig.number("SELECT count(*) FROM tiktok_videos WHERE like_count = 9") == 50)
            #expect(try await rig.number("SELECT count(*) FROM tiktok_video_metrics") == 100)
        }
    }

    @Test("without news a run keeps no step of the counts and changes no row", arguments: TestEngine.all)
    func nothingNew(_ engine: TestEngine) async throws {
        try await with(engine) { rig in
            rig.wire.edit { $0.videos = Shelf.videos(5) }
            let connection = try await rig.connect()
            try await rig.run(connection)
            let before = try await rig.number("SELECT max(updated_at) FROM tiktok_videos")
            rig.clock.advance(.hours(1))

            let run = try await rig.run(connection)

            #expect(run.state == .succeeded && run.rowsChanged == 0 && run.rowsNew == 0)
            #expect(try await rig.number("SELECT max(updated_at) FROM tiktok_videos") == before)
            #expect(try await rig.number("SELECT count(*) FROM tiktok_video_metrics") == 5)
            // How old it is, is known all the same.
            let observed = try await rig.number("SELECT min(observed_at) FROM tiktok_videos")
            #expect(observed == rig.clock.now.microseconds)
        }
    }

    @Test("a profile is one row; what was not granted is not asked for", arguments: TestEngine.all)
    func profile(_ engine: TestEngine) async throws {
        try await with(engine) { rig in
            let connection = try await rig.connect(scopes: ["user.info.basic"])

            let run = try await rig.run(connection, "profile")

            #expect(run.state == .succeeded && run.rowsNew == 1)
            #expect(try await rig.texts("SELECT display_name FROM tiktok_accounts") == ["Mira"])
            await #expect(throws: Syncs.Refusal.missing(["video.list"])) { try await rig.begin(connection) }
        }
    }

    // MARK: Deletions

    @Test("what the whole list does not show is looked up; what is gone there is marked", arguments: TestEngine.all)
    func deletions(_ engine: TestEngine) async throws {
        try await with(engine) { rig in
            rig.wire.edit { $0.videos = Shelf.videos(30) }
            let connection = try await rig.connect()
            try await rig.run(connection)
            let all = try await rig.kept()
            rig.wire.edit { state in
                // One is gone; another fell through the edge of two pages and is there.
                state.videos.remove(at: 3)
                state.videos[10].isListed = false
                state.asked = []
            }
            rig.clock.advance(.days(2))

            let run = try await rig.run(connection, "videos", .full)

            #expect(run.listsAll && run.rowsDeleted == 1)
            #expect(try await rig.kept() == all.filter { $0 != all[3] })
            #expect(rig.wire.asked.last == "query \([all[3], all[11]].sorted().joined(separator: ","))")

            rig.wire.edit { $0.videos = Shelf.videos(30) }
            rig.clock.advance(.days(2))
            try await rig.run(connection, "videos", .full)
            #expect(try await rig.kept() == all, "what comes back is there again")
        }
    }

    @Test("a usual run marks nothing as gone", arguments: TestEngine.all)
    func noDeletions(_ engine: TestEngine) async throws {
        try await with(engine) { rig in
            rig.wire.edit { $0.videos = Shelf.videos(30) }
            let connection = try await rig.connect()
            try await rig.run(connection)
            rig.wire.edit { $0.videos.removeLast(20) }
            rig.clock.advance(.hours(1))
            let run = try await rig.run(connection)
            #expect(run.rowsDeleted == 0)
            #expect(try await rig.kept().count == 30)
        }
    }

    // MARK: Time

    @Test("an answer whose question left earlier does not overwrite what is newer", arguments: TestEngine.all)
    func newerStays(_ engine: TestEngine) async throws {
        try await with(engine) { rig in
            let table = try #require(rig.syncs.book.stream("videos", of: "tiktok")).table
            func row(_ likes: Int) throws -> StreamRow {
                try table.row(["id": "v1", "create_time": 1_795_850_000, "like_count": JSON(likes)])
            }
            let now = rig.clock.now
            let (newer, older) = (try row(9), try row(3))
            _ = try await rig.database.set("keep", in: .work) {
                try $0.keep([newer], in: table, of: "open-1", source: "sync", observedAt: now, at: now)
            }

            let kept = try await rig.database.set("keep", in: .work) {
                try $0.keep(
                    [older], in: table, of: "open-1", source: "sync", observedAt: now - .seconds(1), at: now)
            }

            #expect(kept.older == 1 && kept.changed.isEmpty)
            #expect(try await rig.number("SELECT like_count FROM tiktok_videos") == 9)
        }
    }

    @Test("what an answer does not speak of stays; what it calls null goes", arguments: TestEngine.all)
    func unsaid(_ engine: TestEngine) async throws {
        try await with(engine) { rig in
            let table = try #require(rig.syncs.book.stream("videos", of: "tiktok")).table
            let full = try table.row(["id": "v1", "title": "T", "like_count": 4, "view_count": 40])
            let bare = try table.row(.object([.init("id", "v1"), .init("title", .null), .init("like_count", 5)]))
            let now = rig.clock.now
            for (number, row) in [full, bare].enumerated() {
                let at = now + .seconds(Int64(number))
                _ = try await rig.database.set("keep", in: .work) {
                    try $0.keep([row], in: table, of: "open-1", source: "sync", observedAt: at, at: at)
                }
            }
            #expect(try await rig.number("SELECT view_count FROM tiktok_videos") == 40)
            #expect(try await rig.number("SELECT like_count FROM tiktok_videos") == 5)
            #expect(try await rig.number("SELECT count(*) FROM tiktok_videos WHERE title IS NULL") == 1)
        }
    }

    // MARK: Whose

    @Test("two users share an account: its rows go with the last of them", arguments: TestEngine.all)
    func shared(_ engine: TestEngine) async throws {
        try await with(engine) { rig in
            rig.wire.edit { $0.videos = Shelf.videos(450) }
            let first = try await rig.connect("user-1")
            let second = try await rig.connect("user-2")
            try await rig.run(first)
            let forsaken = ForsakenAccounts(
                rig.syncs.book, database: rig.database, time: rig.clock.source, logger: .quiet)
            func forget(_ id: ID<ConnectionKind>) async throws {
                let now = rig.clock.now
                try await rig.database.write("forget") { try $0.forgetAccount(of: id, reason: "x", at: now) }
                try await forsaken.run()
            }

            try await forget(first.id)
            #expect(try await rig.kept().count == 450)
            #expect(try await rig.number("SELECT count(*) FROM syncs WHERE account_id <> ''") == 0)

            try await forget(second.id)
            #expect(try await rig.number("SELECT count(*) FROM tiktok_videos") == 0)
            #expect(try await rig.number("SELECT count(*) FROM tiktok_video_metrics") == 0)
            #expect(try await rig.number("SELECT count(*) FROM stream_states") == 0)
        }
    }

    @Test("a second wish while a run is under way is answered with that run", arguments: TestEngine.all)
    func twice(_ engine: TestEngine) async throws {
        try await with(engine) { rig in
            let connection = try await rig.connect()
            let first = try await rig.begin(connection)
            let second = try await rig.begin(connection)
            #expect(first.id == second.id)
        }
    }

    @Test("an event while a run is under way brings another behind it", arguments: TestEngine.all)
    func again(_ engine: TestEngine) async throws {
        try await with(engine) { rig in
            rig.wire.edit { $0.videos = Shelf.videos(45) }
            let connection = try await rig.connect()
            try await rig.run(connection)
            rig.clock.advance(.minutes(1))
            let running = try await rig.begin(connection)
            try await rig.set("UPDATE syncs SET state = 'running' WHERE id = \(running.id)")

            for _ in 0..<5 { try await rig.begin(connection, "videos", .webhook) }
            try await rig.work()

            let runs = try await rig.texts("SELECT reason FROM syncs ORDER BY id")
            #expect(runs == ["initial", "manual", "webhook"])
        }
    }

    @Test("what is due begins by itself; not where the connection is paused or over", arguments: TestEngine.all)
    func due(_ engine: TestEngine) async throws {
        try await with(engine) { rig in
            let (good, paused) = (try await rig.connect(), try await rig.connect("user-2", account: "open-2"))
            try await rig.run(good)
            try await rig.run(paused)
            try await rig.set("UPDATE oauth_accounts SET paused_at = 1 WHERE id = \(paused.id)")
            rig.clock.advance(.hours(7))
            let sweep = SyncSweep(
                rig.syncs,
                forgetting: ForsakenAccounts(
                    rig.syncs.book, database: rig.database, time: rig.clock.source, logger: .quiet),
                database: rig.database, time: rig.clock.source, bells: Bells())

            try await rig.sweep(sweep)
            try await rig.work()

            let runs = try await rig.texts("SELECT connection_id FROM syncs WHERE reason = 'schedule' ORDER BY id")
            #expect(runs == [good.id.text])
            let next = try await rig.state().dueAt - rig.clock.now
            #expect(next > .hours(5) && next < .hours(7))
        }
    }
}

extension SyncRig {
    func sweep(_ sweep: SyncSweep) async throws {
        let now = clock.now
        let job = NewJob(
            id: ids.make(), kind: SyncSweep.kind, lane: Lane("syncs", .sync), dueAt: now, createdAt: now, input: [])
        try await database.write("sweep") { try $0.enqueue([job]) }
        try await work([sweep] + workers().filter { $0.kind != SyncSweep.kind })
    }
}

@Suite("Tables of streams")
struct RecordTableTests {
    @Test("a table that differs from its declaration stops the start, with what is missing", arguments: TestEngine.all)
    func agreement(_ engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let rig = SyncRig(database)
            try await database.check(rig.syncs.book.tables)
            try await rig.set("ALTER TABLE tiktok_videos RENAME COLUMN view_count TO views")

            do {
                try await database.check(rig.syncs.book.tables)
                Issue.record("it was not refused")
            } catch { #expect("\(error)".contains("view_count is missing"), "\(error)") }
        }
    }

    @Test("a column that still has its old name is told so")
    func renamed() {
        let table = RecordTable(
            "songs", key: RecordColumn("song_id", .text), [RecordColumn("plays", .integer).wasCalled("play_count")])
        let columns = ["song_id", "play_count"] + RecordTable.own
        #expect(table.problems(columns: columns, history: nil) == ["plays is still called play_count"])
    }

    @Test("money fills two columns, and JSON keeps its digits", arguments: TestEngine.all)
    func kinds(_ engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let rig = SyncRig(database)
            let table = RecordTable(
                "songs", key: RecordColumn("song_id", .text, from: ["id"]),
                [
                    RecordColumn("price", .money) { json in
                        guard let minor = json["cents"]?.integer, let currency = json["in"]?.text else { return nil }
                        return .money(Money(minor: minor, currency: currency))
                    },
                    RecordColumn("raw", .json), RecordColumn("score", .real), RecordColumn("released", .time(.rfc3339)),
                    RecordColumn("is_live", .boolean),
                ])
            try await rig.set(
                SQL(
                    stringLiteral: database.dialect.translate(
                        """
                        CREATE TABLE songs (account_id $TEXT NOT NULL, song_id $TEXT NOT NULL, price $INTEGER,
                            price_currency $TEXT, raw $TEXT, score $REAL, released $INTEGER, is_live $INTEGER,
                            source $TEXT NOT NULL, observed_at $INTEGER NOT NULL, first_seen_at $INTEGER NOT NULL,
                            updated_at $INTEGER NOT NULL, deleted_at $INTEGER, PRIMARY KEY (account_id, song_id))
                        """)))
            try await database.check([table])
            let text = #"""
                {"id":"s1","price":{"cents":1999,"in":"USD"},"raw":{"n":1.10,"big":12345678901234567890},"score":0.5,
                "released":"2026-11-28T10:00:00Z","is_live":true}
                """#
            let row = try table.row(try JSON.parse(text))
            let now = rig.clock.now

            for _ in 0..<2 {
                let kept = try await database.set("keep", in: .work) {
                    try $0.keep([row, row], in: table, of: "a", source: "sync", observedAt: now, at: now)
                }
                #expect(kept.new.count + kept.same == 1)
            }

            let known = try await database.read("known") { try $0.records(["s1"], in: table, of: "a") }
            #expect(
                known["s1"]?.cells == [
                    .integer(1999), .text("USD"), .text(#"{"n":1.10,"big":12345678901234567890}"#), .real(0.5),
                    Timestamp.testNow.cell, .integer(1),
                ])
        }
    }
}
