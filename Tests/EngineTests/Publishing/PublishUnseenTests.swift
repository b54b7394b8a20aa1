import Kit
import NIOCore
import TestSupport
import Testing
import TikTok

@testable import Engine
@testable import Store

/// What has left cannot be taken back: that nobody can look what became of it is no failure.
@Suite("A post that has left, and a connection that no longer stands")
struct PublishUnseenTests {
    private static let pulled: JSON = [
        "verified_prefixes": ["https://cdn.example.com/"], "pull_origin": "http://127.0.0.1:9",
    ]
    static let url = "https://cdn.example.com/rye.mp4"

    private func with(
        _ engine: TestEngine, _ body: @Sendable (PublishRig) async throws -> Void
    ) async throws {
        try await TestDatabase.with(engine) { database in
            try await PublishRig.with(database, settings: Self.pulled, body)
        }
    }

    @Test(
        "taken back by its owner before the first look: it waits, and what the platform tells counts",
        arguments: TestEngine.all, [nil, PublishUnseenTests.url] as [String?])
    func revoked(engine: TestEngine, url: String?) async throws {
        try await with(engine) { rig in
            let (target, node) = (try await rig.publish(url: url), try await rig.node())
            try await rig.turn(node)
            try await rig.connectionBecomes(.needsReconnect)
            rig.clock.advance(.seconds(3))
            try await rig.turn(node)

            let row = try await rig.target(target)
            #expect(row.state.isLive && row.who == "your_user" && row.code == nil)
            #expect(row.reason == "TikTok no longer accepts this connection. Connect the account again.")
            #expect(try await rig.told(target).last == "publication.step")
            try await rig.hear("post.publish.complete", of: row)
            #expect(try await rig.target(target).state == .published)
            try await rig.settle(node)
            #expect(try await rig.leftOver(target) == 0)
        }
    }

    @Test("connected again, it is looked at and published; nothing is sent twice", arguments: TestEngine.all)
    func connectedAgain(engine: TestEngine) async throws {
        try await with(engine) { rig in
            let (target, node) = (try await rig.publish(), try await rig.node())
            try await rig.turn(node)
            try await rig.connectionBecomes(.needsReconnect)
            rig.clock.advance(.seconds(3))
            try await rig.turn(node)
            try await rig.connectionBecomes(.active)
            try await rig.settle(node)

            #expect(try await rig.target(target).state == .published)
            #expect(rig.platform.effect("post.published") == 1 && rig.platform.effect("chunk.received") == 7)
        }
    }

    @Test("when nobody connects it again, a person looks; late news answers for them", arguments: TestEngine.all)
    func asked(engine: TestEngine) async throws {
        try await with(engine) { rig in
            let (target, node) = (try await rig.publish(), try await rig.node())
            try await rig.turn(node)
            try await rig.connectionBecomes(.needsReconnect)
            try await rig.settle(node)

            let row = try await rig.target(target)
            #expect(row.state == .unknown && row.remoteID != nil)
            #expect(try await rig.openReviews(target) == 1)
            let evidence = try #require(try await rig.evidence(target))
            #expect(evidence["provider_post"]?.text == row.remoteID && evidence["asked_at"]?.text != nil)
            #expect(evidence["problem"]?.text?.hasPrefix("TikTok no longer accepts") == true)
            try await rig.hear("post.publish.complete", of: row)
            #expect(try await rig.target(target).state == .published)
            #expect(try await rig.openReviews(target) == 0)
            #expect(try await rig.leftOver(target) == 0)
        }
    }

    @Test("disconnected after it left, nobody knows, and so it is said", arguments: TestEngine.all)
    func disconnected(engine: TestEngine) async throws {
        try await with(engine) { rig in
            let (target, node) = (try await rig.publish(), try await rig.node())
            try await rig.turn(node)
            try await rig.disconnect()
            try await rig.settle(node)

            let row = try await rig.target(target)
            #expect(row.state == .unknown)
            #expect(try await rig.openReviews(target) == 1)
            try await rig.hear("post.publish.complete", of: row)
            #expect(try await rig.target(target).state == .published)
        }
    }

    @Test("disconnected before anything irreversible left, it has failed", arguments: TestEngine.all)
    func disconnectedEarly(engine: TestEngine) async throws {
        try await with(engine) { rig in
            let (target, node) = (try await rig.publish(), try await rig.node())
            try await rig.disconnect()
            try await rig.settle(node)
            #expect(try await rig.target(target).state == .failed)
        }
    }

    @Test(
        "paused while its chunks are sent, it stops there, and goes on when it may",
        arguments: TestEngine.all, [4, 8])
    func paused(engine: TestEngine, call: Int) async throws {
        try await with(engine) { rig in
            let (target, node) = (try await rig.publish(), try await rig.node())
            rig.platform.during(call) { try await rig.pause(since: rig.clock.now) }
            for _ in 0..<5 {
                try await rig.turn(node)
                rig.clock.advance(.minutes(2))
            }

            let row = try await rig.target(target)
            #expect(row.state.isLive && row.reason == "The connection is paused.", "\(row)")
            // What the creator may, the beginning, and then a chunk a call.
            #expect(rig.platform.effect("chunk.received") == Int64(call - 1) && rig.platform.calls.count == call + 1)
            try await rig.pause(since: nil)
            try await rig.settle(node)
            #expect(try await rig.target(target).state == .published)
            #expect(rig.platform.effect("post.published") == 1 && rig.platform.effect("post.duplicate") == 0)
        }
    }

    @Test(
        "looks that are refused, or never answered, end in a question with what was heard",
        arguments: [
            (400, #"{"error":{"code":"invalid_publish_id"}}"#, "invalid_publish_id"),
            (404, "", nil), (503, "<html>", nil),
        ] as [(Int, String, String?)])
    func refusedLooks(status: Int, body: String, code: String?) async throws {
        try await with(.sqlite) { rig in
            let target = try await rig.publish()
            let node = try await rig.node(wire: Blind(real: rig.platform, status: status, body: body))
            try await rig.settle(node)

            let row = try await rig.target(target)
            #expect(row.state == .unknown, "\(row)")
            #expect(try await rig.evidence(target)?["code"]?.text == code)
            rig.platform.finish()
            #expect(rig.platform.effect("post.published") == 1)
            try await rig.hear("post.publish.complete", of: row)
            #expect(try await rig.target(target).state == .published)
            #expect(try await rig.openReviews(target) == 0)
        }
    }

    @Test(
        "the answer to the last chunk is lost, sent again it is refused, and nobody can look: that is no failure",
        arguments: TestEngine.all)
    func lastChunkTwice(engine: TestEngine) async throws {
        try await with(engine) { rig in
            let (target, node) = (try await rig.publish(), try await rig.node())
            rig.platform.loseAnswer(to: 8, applied: true)
            rig.platform.during(9) { try await rig.connectionBecomes(.needsReconnect) }
            try await rig.turn(node)

            let row = try await rig.target(target)
            let work = try #require(try await rig.database.read("work") { try $0.work(target.text) })
            #expect(row.state.isLive && work.finalAt != nil)
            #expect(try await rig.cancel(target) == 0)
            try await rig.hear("post.publish.complete", of: row)
            #expect(try await rig.target(target).state == .published)
        }
    }

    @Test("what was published stays so when only its id cannot be asked for", arguments: TestEngine.all)
    func publishedStays(engine: TestEngine) async throws {
        try await with(engine) { rig in
            try rig.platform.set(["moderation_seconds": 3600])
            let (target, node) = (try await rig.publish(), try await rig.node())
            try await rig.turn(node)
            rig.clock.advance(.seconds(30))
            try await rig.turn(node)
            #expect(try await rig.target(target).state == .published)
            try await rig.connectionBecomes(.needsReconnect)
            try await rig.settle(node)

            #expect(try await rig.target(target).state == .published)
            #expect(try await rig.told(target).last == "publication.published")
            #expect(try await rig.leftOver(target) == 0)
        }
    }

    @Test("that it is there counts for more than that it had failed", arguments: ["complete", "inbox_delivered"])
    func overridesFailed(word: String) async throws {
        try await with(.sqlite) { rig in
            try rig.platform.set(["fail_reason": "spam_risk_text"])
            let target = try await rig.publish(
                word == "complete" ? ["privacy_level": "PUBLIC_TO_EVERYONE"] : ["mode": "inbox"])
            try await rig.settle(try await rig.node())
            let row = try await rig.target(target)
            #expect(row.state == .failed)
            try await rig.hear("post.publish.\(word)", of: row)
            let now = try await rig.target(target)
            #expect(now.state == (word == "complete" ? .published : .inInbox) && now.reason == nil)
        }
    }

    /// Every look at a post's state is answered so.
    private struct Blind: StreamWire {
        let real: PlatformInProcess
        let status: Int
        let body: String

        func send(_ request: StreamRequest, within deadline: Duration) async throws -> StreamAnswer {
            guard request.url.hasSuffix("/status/fetch/") else { return try await real.send(request, within: deadline) }
            return StreamAnswer(status: status, headers: []) { take in try await take(ByteBuffer(string: body)) }
        }
    }
}

/// News of a beginning that came to nothing, while the next one is on its way.
@Suite("A post that begins again")
struct PublishAgainTests {
    private func with(
        _ engine: TestEngine, _ body: @Sendable (PublishRig, ID<TargetKind>, PublishRig.Node) async throws -> Void
    ) async throws {
        let settings: JSON = [
            "verified_prefixes": ["https://cdn.example.com/"], "pull_origin": "http://127.0.0.1:9",
        ]
        try await TestDatabase.with(engine) { database in
            try await PublishRig.with(database, settings: settings) { rig in
                let target = try await rig.publish(url: "https://cdn.example.com/rye.mp4")
                let node = try await rig.node()
                try await rig.turn(node)
                // Its first beginning comes to nothing, by the platform's own fault.
                try rig.platform.set(["fail_reason": "internal"])
                rig.platform.finish()
                try rig.platform.set(["fail_reason": .null])
                try await body(rig, target, node)
            }
        }
    }

    private static let fault = [JSONMember("reason", "internal")]

    @Test("news that it failed makes its job look, which begins again", arguments: TestEngine.all)
    func newsFirst(engine: TestEngine) async throws {
        try await with(engine) { rig, target, node in
            let old = try await rig.target(target)
            try await rig.hear("post.publish.failed", of: old, more: Self.fault)
            #expect(try await rig.target(target).state == .processing)
            try await rig.settle(node)

            let row = try await rig.target(target)
            #expect(row.state == .published && row.remoteID != old.remoteID)
            #expect(rig.platform.effect("init.video.pull") == 2 && rig.platform.effect("post.published") == 1)
        }
    }

    @Test(
        "news of the first beginning that comes while the second is on its way ends nothing", arguments: TestEngine.all)
    func newsDuringInit(engine: TestEngine) async throws {
        try await with(engine) { rig, target, node in
            let old = try await rig.target(target)
            // The look that finds it failed, and the second beginning.
            rig.platform.during(1) {
                let now = try await rig.target(target)
                #expect(now.state == .waiting && now.remoteID == nil)
                try await rig.hear("post.publish.failed", of: old, more: Self.fault)
            }
            try await rig.settle(node)

            #expect(try await rig.target(target).state == .published)
            #expect(rig.platform.effect("init.video.pull") == 2 && rig.platform.effect("post.published") == 1)
            #expect(try await rig.leftOver(target) == 0)
        }
    }

    @Test("between two beginnings nothing has left: it can be cancelled", arguments: TestEngine.all)
    func cancelled(engine: TestEngine) async throws {
        try await with(engine) { rig, target, node in
            try rig.platform.set(["init_error": "spam_risk_too_many_posts"])
            rig.clock.advance(.seconds(10))
            try await rig.turn(node)
            #expect(try await rig.target(target).state == .waiting)
            #expect(try await rig.cancel(target) == 1)
            try rig.platform.set(["init_error": .null])
            try await rig.settle(node)
            #expect(rig.platform.effect("post.published") == 0)
        }
    }

    @Test("news that it failed is the last word where nobody can look any more", arguments: TestEngine.all)
    func toldWhileRevoked(engine: TestEngine) async throws {
        try await with(engine) { rig, target, node in
            let row = try await rig.target(target)
            try await rig.hear("post.publish.failed", of: row, more: [.init("reason", "auth_removed")])
            try await rig.connectionBecomes(.needsReconnect)
            try await rig.settle(node)

            let failed = try await rig.target(target)
            #expect(failed.state == .failed && failed.code == "auth_removed" && failed.who == "your_user")
            #expect(try await rig.openReviews(target) == 0)
        }
    }
}

extension PublishRig {
    func connectionBecomes(_ state: ConnectionState) async throws {
        let (id, now) = (connection.id, clock.now)
        try await database.write("state") { session in
            try session.setConnection(id, state, reason: nil, attention: nil, at: now)
        }
    }

    func pause(since moment: Timestamp?) async throws {
        let (id, now) = (connection.id, clock.now)
        try await database.write("pause") { try $0.pauseConnection(id, since: moment, at: now) }
    }

    /// Takes the connection back; what is to be done at the platform for it, nobody does here.
    func disconnect() async throws {
        #expect(try await connections.disconnect(connection.id, reason: "disconnected", by: "t"))
        try await database.write("others") { _ = try $0.run("DELETE FROM jobs WHERE kind <> 'publication.target'") }
    }

    /// What a person is shown who must decide about a target.
    func evidence(_ target: ID<TargetKind>) async throws -> JSON? {
        let text = try await database.read("evidence") { session in
            try session.row("SELECT evidence FROM reviews WHERE subject = \(target) AND kind = 'unknown_outcome'") {
                try $0.text()
            }
        }
        return try text.map { try JSON.parse(Array($0.utf8)) }
    }
}
