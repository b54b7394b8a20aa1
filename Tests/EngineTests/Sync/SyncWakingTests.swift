import Kit
import TestSupport
import Testing
import TikTok

@testable import Engine
@testable import Store

@Suite("What begins a sync, and who hears of it")
struct SyncWakingTests {
    private func event(_ type: String, account: String = "open-1") -> StoredEvent {
        StoredEvent(
            id: ID(stored: "evt_00000000000000000000000001"), provider: "tiktok", app: SyncRig.app,
            delivery: ID(stored: "dlv_00000000000000000000000001"), providerEventID: nil, type: type, account: account,
            subject: nil, occurredAt: .testNow, receivedAt: .testNow, userID: nil, connectionID: nil, state: "queued",
            duplicates: 0, range: BodyRange(body: "b", offset: 0, length: 0),
            body: Array(#"{"event":"x","content":"{}"}"#.utf8))
    }

    private func apply(_ event: StoredEvent, _ handler: WakingHandler, _ rig: SyncRig) async throws -> EventEffect {
        let plan = try await handler.plan(event)
        let now = rig.clock.now
        return try await rig.database.set("apply", in: .work) { try plan.apply($0, at: now) }
    }

    @Test("an event that tells of news begins a run of just the streams that it wakes", arguments: TestEngine.all)
    func wakes(_ engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let rig = SyncRig(database)
            rig.wire.edit { $0.videos = Shelf.videos(3) }
            let connection = try await rig.connect()
            try await rig.run(connection)
            rig.clock.advance(.hours(1))
            rig.wire.edit { $0.videos.append(.init(id: "7500000000000000001", ms: 1_795_859_000_000)) }
            let handler = WakingHandler(rig.syncs, beside: GrantHandler(TikTok(), ids: rig.ids))

            let effect = try await apply(event("post.publish.publicly_available"), handler, rig)
            _ = try await apply(event("post.publish.publicly_available", account: "open-9"), handler, rig)
            _ = try await apply(event("post.publish.complete"), handler, rig)
            try await rig.work()

            #expect(effect.userID == "user-1" && effect.connection == connection.id)
            #expect(
                try await rig.texts("SELECT reason || ' ' || stream FROM syncs ORDER BY id")
                    == ["initial videos", "webhook videos"])
            #expect(try await rig.kept().first == "7500000000000000001")
        }
    }

    @Test("what the inner handler does, it still does", arguments: TestEngine.all)
    func beside(_ engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let rig = SyncRig(database)
            let connection = try await rig.connect()
            let handler = WakingHandler(rig.syncs, beside: GrantHandler(TikTok(), ids: rig.ids))
            _ = try await apply(event("authorization.removed"), handler, rig)
            let state = try await rig.texts("SELECT state FROM oauth_accounts WHERE id = \(connection.id)")
            #expect(state == ["revoked"])
            await #expect(throws: Syncs.Refusal.notConnected) { try await rig.begin(connection) }
        }
    }

    @Test("rows are told of one by one where that is asked for, and only there", arguments: TestEngine.all)
    func told(_ engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let rig = SyncRig(database)
            rig.wire.edit { $0.videos = Shelf.videos(22) }
            let connection = try await rig.connect()
            let stream: Set<String> = ["tiktok.videos"]
            try await rig.run(connection, telling: stream)
            #expect(try await rig.told().count { $0 == "record.changed" } == 22)
            rig.wire.edit { state in
                state.videos[2].likes = 50
                state.videos.removeLast()
            }
            rig.clock.advance(.hours(1))
            try await rig.run(connection, "videos", .full, telling: stream)

            let words = try await rig.database.read("told") { session in
                try session.changes(about: connection.id.text, of: "record", limit: 2).map { change in
                    try JSON.parse(change.data)["what"]?.text
                }
            }
            #expect(Set(words) == ["changed", "deleted"])
            rig.clock.advance(.hours(1))
            rig.wire.edit { $0.videos = Shelf.videos(25) }
            try await rig.run(connection)
            #expect(try await rig.told().count { $0 == "record.changed" } == 24)
        }
    }

    @Test("an account that is connected is read at once, all its streams", arguments: TestEngine.all)
    func connected(_ engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let rig = SyncRig(database)
            rig.wire.edit { $0.videos = Shelf.videos(3) }
            let connection = try await rig.connect()
            let job = SyncBeginning.job(rig.ids.make(), connection.id, at: rig.clock.now)
            try await database.write("connected") { try $0.enqueue([job]) }
            try await rig.work()
            #expect(
                try await rig.texts("SELECT stream FROM syncs WHERE state = 'succeeded' ORDER BY stream")
                    == ["profile", "videos"])
        }
    }

    @Test("a run whose job somebody cancelled does not stand in the way", arguments: TestEngine.all)
    func lost(_ engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let rig = SyncRig(database)
            let connection = try await rig.connect()
            let first = try await rig.begin(connection)
            try await rig.set("DELETE FROM jobs WHERE id = \(first.job)")
            let second = try await rig.run(connection)
            #expect(second.id != first.id && second.state == .succeeded)
            #expect(try await rig.sync(first).code == "given_up")
        }
    }
}
