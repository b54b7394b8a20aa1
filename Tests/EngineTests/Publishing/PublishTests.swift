import Kit
import Synchronization
import TestSupport
import Testing
import TikTok

@testable import Engine
@testable import Store

@Suite("Publishing to a simulated platform")
struct PublishTests {
    /// A platform that has verified the place of the media, and fetches slowly.
    static let pulled: JSON = [
        "verified_prefixes": ["https://cdn.example.com/"], "pull_origin": "http://127.0.0.1:9",
    ]

    @Test("a draft ends in the inbox; its owner publishes it, and a webhook tells", arguments: TestEngine.all)
    func inbox(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            try await PublishRig.with(database) { rig in
                let target = try await rig.publish(["mode": "inbox"])
                try await rig.settle(try await rig.node())
                let row = try await rig.target(target)
                #expect(row.state == .inInbox && row.remoteID?.hasPrefix("v_inbox_file") == true)
                #expect(row.nextAction == "The account's owner finishes it in the app.")

                try await rig.hear("post.publish.complete", of: row)
                #expect(try await rig.target(target).state == .published)
                try await rig.hear("post.publish.publicly_available", of: row, post: "7400000000000000001")
                #expect(try await rig.target(target).postID == "7400000000000000001")
                try await rig.hear("post.publish.no_longer_publicaly_available", of: row, post: "7400000000000000001")
                #expect(try await rig.target(target).withdrawnAt != nil)
                #expect(
                    try await rig.told(target).suffix(4) == [
                        "publication.in_inbox", "publication.published", "publication.published",
                        "publication.published",
                    ])
            }
        }
    }

    @Test("news that come out of order, twice, or about somebody else's post change nothing that is over")
    func outOfOrder() async throws {
        try await TestDatabase.with(.sqlite) { database in
            try await PublishRig.with(database) { rig in
                let target = try await rig.publish()
                try await rig.settle(try await rig.node())
                let row = try await rig.target(target)
                let told = try await rig.told(target)
                for type in ["post.publish.complete", "post.publish.inbox_delivered", "post.publish.failed"] {
                    try await rig.hear(type, of: row)
                }
                #expect(try await rig.target(target).state == .published)
                #expect(try await rig.told(target) == told)
                #expect(try await rig.hear("post.publish.failed", of: row, account: "open-other") == nil)
            }
        }
    }

    @Test("a webhook ends the waiting at once; the job finds nothing to do", arguments: TestEngine.all)
    func webhook(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            try await PublishRig.with(database, settings: ["processing_seconds": 3600]) { rig in
                let (target, node) = (try await rig.publish(), try await rig.node())
                for _ in 0..<3 {
                    try await rig.turn(node)
                    rig.clock.advance(.seconds(10))
                }
                let row = try await rig.target(target)
                #expect(row.state == .processing && row.remoteStatus == "PROCESSING_UPLOAD")
                // That it failed makes its job look, which believes what it sees.
                let calls = rig.platform.calls.count
                try await rig.hear("post.publish.failed", of: row, more: [.init("reason", "spam_risk")])
                try await rig.turn(node)
                #expect(rig.platform.calls.count == calls + 1)
                #expect(try await rig.target(target).state == .processing)

                try await rig.hear("post.publish.complete", of: row)
                #expect(try await rig.target(target).state == .published)
                try await rig.settle(node)
                #expect(rig.platform.calls.count == calls + 1)
                #expect(try await rig.leftOver(target) == 0)
            }
        }
    }

    @Test(
        "a call that a limit holds was never begun: it can be cancelled, and says when it starts",
        arguments: TestEngine.all)
    func heldBeforeItIsAsked(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            try await PublishRig.with(database, settings: Self.pulled) { rig in
                let node = try await rig.node()
                var targets: [ID<TargetKind>] = []
                for number in 0..<7 {
                    targets.append(
                        try await rig.publish(
                            ["privacy_level": "PUBLIC_TO_EVERYONE"], url: "https://cdn.example.com/\(number).mp4"))
                }
                // Six a minute.
                try await rig.turn(node)

                let rows = try await rig.targets(targets)
                #expect(rows.count { $0.state == .processing } == 6)
                let held = try #require(rows.first { $0.state == .waiting })
                #expect(held.reason?.hasPrefix("TikTok takes 6 uploads a minute.") == true)
                let work = try await database.read("work") { try $0.work(held.id.text) }
                #expect(work?.askedAt == nil && work?.finalAt == nil)
                #expect(try await rig.cancel(held.id) == 1)
                for _ in 0..<4 {
                    rig.platform.fetchAll()
                    try await rig.settle(node)
                }
                #expect(rig.platform.effect("post.published") == 6)
                #expect(try await rig.target(held.id).state == .cancelled)
            }
        }
    }

    @Test("two users on one account share its limits", arguments: TestEngine.all)
    func sharedAccount(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            try await PublishRig.with(database, settings: Self.pulled) { rig in
                let (node, other) = (try await rig.node(), try await rig.connectAnother())
                var targets: [ID<TargetKind>] = []
                for number in 0..<7 {
                    targets.append(
                        try await rig.publish(
                            url: "https://cdn.example.com/\(number).mp4", by: number < 4 ? nil : other))
                }
                // Six a minute, for both.
                try await rig.turn(node)

                let rows = try await rig.targets(targets)
                #expect(rows.count { $0.state == .processing } == 6)
                let held = try #require(rows.first { $0.state == .waiting })
                #expect(held.reason?.hasPrefix("TikTok takes 6 uploads a minute.") == true)
            }
        }
    }

    @Test("an app that has posted for as many people as it may posts for nobody until the next day")
    func activeUsers() async throws {
        try await TestDatabase.with(.sqlite) { database in
            try await PublishRig.with(database, settings: ["creator_info_error": "reached_active_user_cap"]) { rig in
                let (node, other) = (try await rig.node(), try await rig.connectAnother(to: "open-other"))
                let first = try await rig.publish()
                try await rig.turn(node)
                let refused = try await rig.target(first)
                #expect(refused.state == .waiting && refused.who == "operator" && rig.platform.calls.count == 1)

                let second = try await rig.publish(by: other)
                rig.clock.advance(.hours(23))
                try await rig.turn(node)
                let held = try await rig.target(second)
                #expect(held.state == .waiting)
                #expect(held.reason?.hasPrefix("TikTok takes no more posts of this app for now.") == true, "\(held)")
                #expect(rig.platform.calls.count == 1)
                try rig.platform.set(["creator_info_error": .null])
                rig.clock.advance(.hours(2))
                try await rig.turn(node)
                #expect(rig.platform.calls.count > 1)
            }
        }
    }

    @Test("cancelled before the call that cannot be taken back, it is not published", arguments: TestEngine.all)
    func cancelWins(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            try await PublishRig.with(database) { rig in
                let target = try await rig.publish()
                // What the creator may, the beginning, five chunks; while the sixth of seven is on its way.
                rig.platform.during(7) {
                    let count = try await rig.cancel(target)
                    #expect(count == 1)
                }
                try await rig.settle(try await rig.node())

                #expect(try await rig.target(target).state == .cancelled)
                #expect(rig.platform.effect("post.published") == 0 && rig.platform.effect("chunk.received") == 6)
                #expect(try await rig.told(target).last == "publication.cancelled")
            }
            try await PublishRig.with(database) { rig in
                let target = try await rig.publish()
                // Too late: the last chunk is on its way.
                rig.platform.during(8) {
                    let count = try await rig.cancel(target)
                    #expect(count == 0)
                }
                try await rig.settle(try await rig.node())

                #expect(try await rig.target(target).state == .published)
                #expect(rig.platform.effect("post.published") == 1)
            }
        }
    }

    @Test("each call of an upload is in the log once, with its state's commit", arguments: TestEngine.all)
    func lines(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            try await PublishRig.with(database) { rig in
                let (target, calls) = (try await rig.publish(), rig.platform.calls.count)
                try await rig.settle(try await rig.node())
                #expect(try await rig.target(target).state == .published)

                let made = rig.platform.calls.count - calls
                let rows = try await rig.lines(of: target, atLeast: made)
                #expect(rows.count == made)
                #expect(rows.map(\.id) == rows.map(\.id).sorted() && Set(rows.map(\.id)).count == made)
                let chunks = rows.filter { $0.method == "PUT" }
                #expect(chunks.count == 7 && chunks.map(\.at) == chunks.map(\.at).sorted())
                #expect(chunks.reduce(0) { $0 + $1.bytesSent } == PublishRig.filmSize)
            }
        }
    }

    @Test("a file of ours is fetched by an address that is in the audit log when it leaves", arguments: TestEngine.all)
    func ownAddress(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let settings: JSON = [
                "verified_prefixes": ["https://patchbay.example.com/"], "pull_origin": "http://127.0.0.1:9",
            ]
            try await PublishRig.with(database, settings: settings) { rig in
                let target = try await rig.publish(
                    ["privacy_level": "PUBLIC_TO_EVERYONE", "source": "PULL_FROM_URL"])
                let node = try await rig.node()
                #expect(try await rig.presigned() == [])
                try await rig.settle(node)

                let row = try await rig.target(target)
                #expect(row.state == .published && row.source == "PULL_FROM_URL")
                #expect(rig.platform.effect("init.video.pull") == 1 && rig.platform.effect("chunk.received") == 0)
                #expect(try await rig.presigned() == [rig.film.text])
            }
        }
    }

    @Test(
        "what the platform refuses is said with what to do",
        arguments: [
            ("init_error", "unaudited_client_can_only_post_to_private_accounts", "operator"),
            ("init_error", "spam_risk_user_banned_from_posting", "your_user"),
            ("fail_reason", "spam_risk_text", "you"),
            ("fail_reason", "duration_check_failed", "you"),
            ("creator_info_error", "spam_risk_user_banned_from_posting", "your_user"),
        ])
    func refused(setting: String, code: String, who: String) async throws {
        try await TestDatabase.with(.sqlite) { database in
            try await PublishRig.with(database, settings: .object([.init(setting, .string(code))])) { rig in
                let target = try await rig.publish()
                try await rig.settle(try await rig.node())

                let row = try await rig.target(target)
                #expect(row.state == .failed && row.code == code && row.who == who)
                #expect(row.reason.map { !$0.contains(code) && $0.hasSuffix(".") } == true)
                #expect(try await rig.told(target).last == "publication.failed")
                #expect(rig.platform.effect("post.published") == 0)
            }
        }
    }

    @Test("steps that a newer program saved wait for it")
    func newer() async throws {
        try await TestDatabase.with(.sqlite) { database in
            try await PublishRig.with(database) { rig in
                let target = try await rig.publish()
                try await database.write("newer") {
                    _ = try $0.run("UPDATE works SET version = 99 WHERE id = \(target)")
                }
                let node = try await rig.node()
                try await rig.turn(node)

                #expect(try await rig.target(target).state == .waiting && rig.platform.calls.isEmpty)
                let error = try await database.read("job") { session in
                    try session.row("SELECT last_error FROM jobs WHERE unique_key = \(Publishing.key(of: target))") {
                        try $0.text()
                    }
                }
                #expect(error == "These steps are tiktok.post 99; a newer Patchbay knows them.")
                try await database.write("known") {
                    _ = try $0.run("UPDATE works SET version = 1 WHERE id = \(target)")
                }
                try await rig.settle(node)
                #expect(try await rig.target(target).state == .published)
            }
        }
    }

    @Test("a permit ends after two seconds of the clock that never stops")
    func permit() throws {
        let clock = SleepersClock()
        let permit = SendPermit(issued: clock.source.uptime(), uptime: clock.source.uptime)
        clock.advance(.milliseconds(1999))
        try permit.check()
        clock.advance(.milliseconds(1))
        #expect(throws: PermitOver.self) { try permit.check() }
    }

    @Test("a process that stood still after it wrote down a call does not send it", arguments: TestEngine.all)
    func stoodStill(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            try await PublishRig.with(database, settings: Self.pulled) { rig in
                let target = try await rig.publish(
                    ["privacy_level": "PUBLIC_TO_EVERYONE"], url: "https://cdn.example.com/rye.mp4")
                // Between the journal's commit and the wire a minute passes, once.
                let slow = Standing(real: rig.platform, clock: rig.clock)
                try await rig.settle(try await rig.node(wire: slow))

                #expect(slow.stood && slow.sent == 1)
                let row = try await rig.target(target)
                #expect(row.state == .published, "\(row)")
                #expect(rig.platform.effect("post.published") == 1)
            }
        }
    }

    /// Time passes before the first call that has been written down.
    private final class Standing: StreamWire {
        private let real: PlatformInProcess
        private let clock: SleepersClock
        private let state = Mutex((stood: false, sent: 0))
        var stood: Bool { state.withLock { $0.stood } }
        var sent: Int { state.withLock { $0.sent } }

        init(real: PlatformInProcess, clock: SleepersClock) { (self.real, self.clock) = (real, clock) }

        func send(_ request: StreamRequest, within deadline: Duration) async throws -> StreamAnswer {
            let stands = state.withLock { state in
                guard request.permit != nil, !state.stood else { return false }
                state.stood = true
                return true
            }
            if stands { clock.advance(.minutes(1)) }
            let answer = try await real.send(request, within: deadline)
            if request.permit != nil { state.withLock { $0.sent += 1 } }
            return answer
        }
    }

    @Test("a job that somebody cancelled is given back to a target that is to go on")
    func forgotten() async throws {
        try await TestDatabase.with(.sqlite) { database in
            try await PublishRig.with(database) { rig in
                let target = try await rig.publish()
                try await database.write("gone") { _ = try $0.run("DELETE FROM jobs") }
                let sweep = PublicationSweep(
                    database: database, ids: rig.ids, time: rig.clock.source, bells: Bells())
                let job = ClaimedJob(
                    id: rig.ids.make(), kind: PublicationSweep.kind, version: 1, lane: "l", priority: .analytics,
                    input: [], subject: nil, attempt: 1, deaths: 0, node: rig.ids.make(), fence: 1,
                    createdAt: rig.clock.now, firstFailedAt: nil)
                _ = try await sweep.run(job)
                try await rig.settle(try await rig.node())
                #expect(try await rig.target(target).state == .published)
            }
        }
    }
}

extension PublishRig {
    func targets(_ ids: [ID<TargetKind>]) async throws -> [TargetRow] {
        try await database.read("targets") { session in try ids.compactMap { try session.target($0) } }
    }

    /// Lines of the call log, in their order; what no commit of the steps took along is written behind them.
    func lines(of target: ID<TargetKind>, atLeast count: Int) async throws -> [CallRow] {
        var rows: [CallRow] = []
        for _ in 0..<1000 {
            var filter = CallFilter()
            filter.subject = target.text
            rows = try await database.read("lines") { [filter] in
                try $0.calls(filter, ListPage(limit: 100, ascending: true))
            }
            guard rows.count < count else { break }
            try await Task.sleep(for: .milliseconds(5))
        }
        return rows
    }

    /// The objects of which addresses are in the audit log.
    func presigned() async throws -> [String] {
        try await database.read("presigned") { session in
            try session.rows("SELECT subject FROM audit WHERE action = 'object.presigned'") { try $0.text() }
        }
    }

    /// Cancels as the API does. How many were.
    func cancel(_ id: ID<TargetKind>) async throws -> Int { try await giveUp(id).cancelled }

    /// The same, with what the platform is asked for.
    func giveUp(_ id: ID<TargetKind>) async throws -> (cancelled: Int, asked: Int, late: Int) {
        let (now, news) = (clock.now, PublicationNews(ids))
        return try await database.write("cancel") { session in
            guard let row = try session.target(id) else { return (0, 0, 0) }
            return try Publishing.cancel([row], news, in: session, at: now)
        }
    }

    /// A webhook about a target is applied. Nil where it was about none of ours.
    @discardableResult
    func hear(
        _ type: String, of target: TargetRow, post: String? = nil, account: String? = nil, more: [JSONMember] = []
    ) async throws -> ID<ConnectionKind>? {
        var content: [JSONMember] = [.init("publish_id", JSON(target.remoteID))] + more
        if let post { content.append(.init("post_id", .string(post))) }
        let text = String(decoding: JSON.object(content).bytes, as: UTF8.self)
        let body: JSON = ["event": .string(type), "content": .string(text)]
        let event = StoredEvent.ofTest(
            ids.make(), type: type, provider: "tiktok", account: account ?? target.account, body: body.bytes,
            at: clock.now)
        let plan = try await PostNewsHandler(TikTok(), next: nil, ids: ids).plan(event)
        let now = clock.now
        return try await database.set("hear", in: .work) { try plan.apply($0, at: now).connection }
    }
}

extension StoredEvent {
    static func ofTest(
        _ id: ID<EventKind>, type: String, provider: String, account: String, body: [UInt8], at now: Timestamp
    ) -> StoredEvent {
        StoredEvent(
            id: id, provider: provider, app: ID(stored: "app_00000000000000000000000001"),
            delivery: ID(stored: "dlv_00000000000000000000000001"), providerEventID: nil, type: type, account: account,
            subject: nil, occurredAt: now, receivedAt: now, userID: nil, connectionID: nil, state: "queued",
            duplicates: 0, range: BodyRange(body: "b", offset: 0, length: body.count), body: body)
    }
}
