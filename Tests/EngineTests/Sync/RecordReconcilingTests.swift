import Kit
import TestSupport
import Testing

@testable import Engine
@testable import Store

@Suite("Reconciling records")
struct RecordReconcilingTests {
    private func with(_ engine: TestEngine, _ body: @Sendable (SyncRig) async throws -> Void) async throws {
        try await TestDatabase.with(engine) { try await body(SyncRig($0)) }
    }

    /// What a test plants, and thereby knows.
    private struct Planted: Sendable {
        var differences: [String: RecordDifference] = [:]
        mutating func add(_ key: String, _ kind: RecordDifference.Kind, _ fields: String...) {
            differences[key] = RecordDifference(key: key, kind: kind, fields: fields)
        }
    }

    /// 130 videos are here and there alike; then some are changed here, and some there.
    private func plant(_ rig: SyncRig) async throws -> (ConnectionRow, Planted) {
        rig.wire.edit { $0.videos = Shelf.videos(130) }
        let connection = try await rig.connect()
        try await rig.run(connection)
        let keys = try await rig.kept()
        var planted = Planted()
        for index in [3, 40, 129] {
            try await rig.set("UPDATE tiktok_videos SET title = 'Wrong' WHERE video_id = \(keys[index])")
            planted.add(keys[index], .differing, "title")
        }
        try await rig.set("UPDATE tiktok_videos SET duration = 9, like_count = 99 WHERE video_id = \(keys[77])")
        planted.add(keys[77], .differing, "duration", "like_count")
        for index in [10, 11] {
            try await rig.set("DELETE FROM tiktok_videos WHERE video_id = \(keys[index])")
            planted.add(keys[index], .missingHere)
        }
        try await rig.set("UPDATE tiktok_videos SET deleted_at = 1 WHERE video_id = \(keys[12])")
        planted.add(keys[12], .missingHere)
        try await rig.set(
            """
            INSERT INTO tiktok_videos (account_id, video_id, source, observed_at, first_seen_at, updated_at)
            VALUES ('open-1', '7300000000000000001', 'sync', 1, 1, 1)
            """)
        planted.add("7300000000000000001", .missingThere)
        rig.wire.edit { state in
            // Gone there; and two that the list does not show although they are there.
            state.videos.removeAll { $0.id == keys[60] }
            for index in state.videos.indices where state.videos[index].id == keys[61] {
                state.videos[index].isListed = false
            }
            for index in state.videos.indices where state.videos[index].id == keys[90] {
                state.videos[index].likes = 5
            }
        }
        planted.add(keys[60], .missingThere)
        planted.add(keys[90], .moved, "like_count", "view_count")
        rig.clock.advance(.hours(1))
        return (connection, planted)
    }

    private func reconcile(
        _ rig: SyncRig, _ connection: ConnectionRow, repairs: Bool = false
    ) async throws -> (ReconciliationRow, [RecordDifference]) {
        let stream = try #require(rig.syncs.book.stream("videos", of: "tiktok"))
        let (now, syncs) = (rig.clock.now, rig.syncs)
        let ready = (id: rig.ids.make(ReconciliationKind.self), job: rig.ids.make(JobKind.self))
        let begun = try await rig.database.write("begin") { session in
            try RecordReconciling.begin(
                stream, of: connection, repairs: repairs, askedBy: nil, syncs, in: session, at: now, ids: ready)
        }
        let worker = RecordReconciling(
            rig.syncs, caller: rig.caller(), database: rig.database, time: rig.clock.source, bells: Bells())
        try await rig.work([worker])
        return try await rig.database.read("found") { session in
            let row = try #require(try session.reconciliation(begun.id))
            return (row, try session.differences(of: begun.id, after: nil, limit: 500))
        }
    }

    @Test("it finds exactly the differences that were planted: precision and recall 1", arguments: TestEngine.all)
    func exact(_ engine: TestEngine) async throws {
        try await with(engine) { rig in
            let (connection, planted) = try await plant(rig)

            let (row, found) = try await reconcile(rig, connection)

            #expect(row.state == "done" && row.isDryRun)
            let right = found.filter { planted.differences[$0.key] == $0 }
            #expect(Double(right.count) / Double(found.count) == 1, "precision: \(found)")
            #expect(Double(right.count) / Double(planted.differences.count) == 1, "recall: \(found)")
            #expect((row.missingHere, row.missingThere, row.differing, row.moved) == (3, 2, 4, 1))
            #expect(row.matched == 130 - 1 - 3 - 4 - 1)
            // It only looked.
            #expect(try await rig.number("SELECT count(*) FROM tiktok_videos WHERE title = 'Wrong'") == 3)
            #expect(try await rig.number("SELECT count(*) FROM reconciliation_seen") == 0)
        }
    }

    @Test("on request it is put right; the next one finds nothing", arguments: TestEngine.all)
    func repairs(_ engine: TestEngine) async throws {
        try await with(engine) { rig in
            let (connection, _) = try await plant(rig)

            let (row, _) = try await reconcile(rig, connection, repairs: true)
            #expect(row.missingHere == 3 && row.differing == 4)
            rig.clock.advance(.minutes(1))
            let (again, found) = try await reconcile(rig, connection)

            #expect(found.isEmpty && again.matched == 129)
            #expect(try await rig.kept().count == 129)
        }
    }

    @Test("what came in after the question left is no difference", arguments: TestEngine.all)
    func newer(_ engine: TestEngine) async throws {
        try await with(engine) { rig in
            rig.wire.edit { $0.videos = Shelf.videos(3) }
            let connection = try await rig.connect()
            try await rig.run(connection)
            try await rig.set("UPDATE tiktok_videos SET title = 'Newer', observed_at = \(rig.clock.now + .hours(9))")
            let (row, found) = try await reconcile(rig, connection, repairs: true)
            #expect(found.isEmpty && row.matched == 3)
            #expect(try await rig.number("SELECT count(*) FROM tiktok_videos WHERE title = 'Newer'") == 3)
        }
    }

    @Test("a list that turns in a circle ends it, and nothing counts as missing", arguments: TestEngine.all)
    func loop(_ engine: TestEngine) async throws {
        try await with(engine) { rig in
            rig.wire.edit { $0.videos = Shelf.videos(3) }
            let connection = try await rig.connect()
            try await rig.run(connection)
            rig.wire.edit { state in
                state.instead = ["5", "4", "5"].map { cursor in
                    (200, #"{"data":{"videos":[],"cursor":\#(cursor),"has_more":true},"error":{"code":"ok"}}"#)
                }
            }
            let (row, found) = try await reconcile(rig, connection, repairs: true)
            #expect(row.state == "failed" && found.isEmpty && row.problem?.contains("circle") == true)
            #expect(try await rig.kept().count == 3)
        }
    }
}
