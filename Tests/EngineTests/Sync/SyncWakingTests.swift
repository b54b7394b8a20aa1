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

    @Test("an event that comes while a run's first question is on its way gets its own", arguments: TestEngine.all)
    func duringTheFirstQuestion(_ engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let rig = SyncRig(database)
            rig.wire.edit { $0.videos = Shelf.videos(3) }
            let connection = try await rig.connect()
            let handler = WakingHandler(rig.syncs, beside: GrantHandler(TikTok(), ids: rig.ids))
            try await rig.begin(connection)
            // The answer is made, and nothing of it is kept.
            let wire = Interrupted(real: rig.wire) {
                rig.wire.edit { $0.videos.append(.init(id: "7500000000000000001", ms: 1_795_859_000_000)) }
                _ = try await apply(event("post.publish.publicly_available"), handler, rig)
            }
            try await rig.work(rig.workers(wire: wire))

            #expect(
                try await rig.texts("SELECT reason || ' ' || state FROM syncs ORDER BY id")
                    == ["initial succeeded", "webhook succeeded"])
            #expect(try await rig.kept().first == "7500000000000000001")
        }
    }

    @Test("an event finds a run that has asked nothing yet: that one will do", arguments: TestEngine.all)
    func beforeTheFirstQuestion(_ engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let rig = SyncRig(database)
            let connection = try await rig.connect()
            try await rig.begin(connection)
            let handler = WakingHandler(rig.syncs, beside: GrantHandler(TikTok(), ids: rig.ids))
            _ = try await apply(event("post.publish.publicly_available"), handler, rig)
            try await rig.work()
            #expect(try await rig.texts("SELECT reason FROM syncs") == ["initial"])
        }
    }

    /// Something happens between the first answer and whoever waits for it.
    private struct Interrupted: Wire {
        let real: Shelf
        let once = Once()
        let act: @Sendable () async throws -> Void

        func send(_ request: WireRequest, within deadline: Duration) async throws -> Answer {
            let answer = try await real.send(request, within: deadline)
            if once() { try await act() }
            return answer
        }
    }

    @Test(
        "whoever asks for a run that was to begin later, or once more, has it begun at once",
        arguments: TestEngine.all, [true, false])
    func hastened(_ engine: TestEngine, hasFailed: Bool) async throws {
        try await TestDatabase.with(engine) { database in
            let rig = SyncRig(database)
            let connection = try await rig.connect()
            let later = rig.clock.now + .minutes(9)
            let planned = try await rig.begin(connection, "videos", .schedule, due: hasFailed ? nil : later)
            if hasFailed {
                try await rig.set(
                    """
                    UPDATE jobs SET state = 'scheduled', due_at = \(later), rank = \(later), attempts = 3
                     WHERE id = \(planned.job)
                    """)
            }
            let joined = try await rig.begin(connection)

            let node = try await rig.node()
            let now = rig.clock.now
            let claimed = try await database.set("claim", in: .work) { session in
                _ = try session.wakeForgottenLanes(100)
                return try session.claim(10, pools: [1], for: node, at: now)
            }
            #expect(joined.id == planned.id)
            #expect(claimed.map(\.id) == [planned.job] && claimed.first?.priority == .person)
            #expect(claimed.first?.lane == Lane(connection.id.text, .person).id)
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
