import Kit
import TestSupport
import Testing

@testable import Engine
@testable import Store

@Suite("Sync and death")
struct SyncCrashTests {
    /// A process dies at one step, before or after each commit; another goes on. Whatever the step: every row is there
    /// once, and no page that was kept is asked for again.
    @Test("dying before and after every commit, one by one", arguments: TestEngine.all)
    func everywhere(_ engine: TestEngine) async throws {
        let steps = try await lived(engine, diesAt: nil)
        #expect(steps > 6)
        for step in 0..<steps { _ = try await lived(engine, diesAt: step) }
    }

    /// Answers how many steps there were.
    private func lived(_ engine: TestEngine, diesAt: Int?) async throws -> Int {
        try await TestDatabase.with(engine) { database in
            let rig = SyncRig(database)
            rig.wire.edit { $0.videos = Shelf.videos(65) }
            let connection = try await rig.connect()
            let begun = try await rig.begin(connection)
            let mortal = Mortal(diesAt: diesAt)
            let dying = rig.workers(on: MortalDatabase(real: database, mortal: mortal))
            do { try await rig.work(dying) } catch is Mortal.Died {}
            if diesAt != nil {
                // What a page's commit holds is known from the database alone.
                let known = try await rig.sync(begun)
                #expect(try await rig.kept().count == Int(known.rowsNew))
                let asked = rig.wire.asked.count
                try await rig.bury()
                try await rig.work()
                #expect(rig.wire.lists.count <= 5, "asked \(rig.wire.lists) when it died at \(diesAt ?? -1)")
                #expect(rig.wire.asked.count - asked <= 4 - Int(known.pages))
            }

            let run = try await rig.sync(begun)
            #expect(run.state == .succeeded && run.rowsNew == 65 && run.pages == 4, "died at \(diesAt ?? -1)")
            #expect(try await rig.kept().count == 65)
            #expect(try await rig.number("SELECT count(*) FROM tiktok_video_metrics") == 65)
            #expect(try await rig.state().bookmark == Timestamp(seconds: 1_795_850_000))
            #expect(try await rig.told() == ["sync.completed"])
            return mortal.steps
        }
    }

    @Test("a bookmark is never ahead of the rows that it covers", arguments: TestEngine.all)
    func bookmark(_ engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let rig = SyncRig(database)
            rig.wire.edit { $0.videos = Shelf.videos(25) }
            let connection = try await rig.connect()
            try await rig.run(connection)
            rig.wire.edit { $0.videos = Shelf.videos(60, newest: 1_795_852_000) }
            rig.clock.advance(.hours(1))
            let begun = try await rig.begin(connection)
            // It dies as soon as one page is in: the newest rows are here, those between are not.
            let mortal = Mortal(diesAt: 2)
            do {
                try await rig.work(rig.workers(on: MortalDatabase(real: database, mortal: mortal)))
            } catch is Mortal.Died {}

            let state = try await rig.state()
            #expect(try await rig.sync(begun).pages == 1)
            #expect(state.bookmark == Timestamp(seconds: 1_795_850_000))
        }
    }
}

extension SyncRig {
    /// The node that died is found dead: its jobs are free again.
    func bury() async throws {
        try await database.write("bury") { session in
            try session.run("UPDATE jobs SET state = 'available', node = NULL WHERE state = 'running'")
            try session.run("UPDATE lanes SET active = 1, arrivals = arrivals + 1")
        }
    }
}
