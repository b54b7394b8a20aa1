import Kit
import Synchronization
import TestSupport
import Testing

@testable import Engine
@testable import Store

@Suite("Tokens are kept alive")
struct RefreshingTests {
    private func with(
        _ engine: TestEngine = .sqlite, rotation: OAuth2.Rotation = .strict, accessLife: Int64 = 86_400,
        refreshLife: Int64? = 31_536_000,
        _ body: @Sendable @escaping (RefreshRig, SleepersClock) async throws -> Void
    ) async throws {
        try await TestDatabase.with(engine) { database in
            let clock = SleepersClock()
            let platform = FakePlatform(
                rotation: rotation, accessLife: accessLife, refreshLife: refreshLife, now: { clock.now })
            let rig = try await RefreshRig(database, platform, rotation: rotation, time: clock.source)
            try await body(rig, clock)
        }
    }

    @Test(
        "100 callers on 4 nodes, a slow platform that rotates: one refresh, all get the new token",
        arguments: TestEngine.all)
    func oneFlight(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let platform = FakePlatform(delay: .seconds(2), now: { Timestamp.system })
            let rig = try await RefreshRig(database, platform, rotation: .strict, time: .system)
            var nodes: [Connections] = []
            for _ in 0..<4 { nodes.append(try await rig.node().connections) }

            let credentials = try await withThrowingTaskGroup(of: Connections.Credential.self) { group in
                for node in nodes {
                    for _ in 0..<25 {
                        group.addTask { try await node.credential(of: rig.connection, refusing: 1) }
                    }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }

            #expect(platform.refreshes == 1)
            #expect(
                credentials.count == 100 && credentials.allSatisfy { $0.version == 2 && platform.accepts($0.access) })
        }
    }

    @Test(
        "a straggler whose refused token was replaced long ago gets the new one, and nothing is asked",
        arguments: TestEngine.all)
    func straggler(engine: TestEngine) async throws {
        try await with(engine) { rig, _ in
            let connections = try await rig.node().connections
            _ = try await connections.credential(of: rig.connection, refusing: 1)
            let late = try await connections.credential(of: rig.connection, refusing: 1)
            #expect(late.version == 2 && rig.platform.refreshes == 1)
        }
    }

    @Test("400 days: every refresh succeeds, at its time, and no more often", arguments: [86_400, 7200, 5_184_000])
    func year(life: Int64) async throws {
        try await with(accessLife: life) { rig, clock in
            let node = try await rig.node()
            let worker = RefreshWorker(node.refreshing)
            let end = clock.now + .days(400)
            var count = 0
            while let due = try await rig.database.read("next", { try $0.nextScheduled() }), due < end, count < 6000 {
                clock.advance(to: due)
                let (now, id) = (clock.now, node.id)
                let jobs = try await rig.database.set("claim", in: .work) { session in
                    _ = try session.promoteScheduled(10, at: now)
                    return try session.claim(10, pools: [0, 1, 2], for: id, at: now)
                }
                try #require(jobs.count == 1)
                let declared = try #require(try await rig.row().refreshAt)
                #expect(declared == now)
                #expect(try await worker.run(jobs[0]) == .done)
                let ends = jobs.map { EndedJob(job: $0, end: .succeeded, at: now) }
                try await rig.database.set("complete", in: .work) { _ = try $0.complete(ends) }
                count += 1
                #expect(try await rig.held().version == Int64(count) + 1)
            }
            let every = life - min(life / 5, 900)
            #expect(Int64(count) == 400 * 86_400 / every && rig.platform.refreshes == count)
            #expect(try await rig.row().state == .active)
            #expect(try await rig.told() == [])
        }
    }

    @Test(
        "400 days with restarts, and 3 in 100 that fail: always tokens that work, only what failed is asked again",
        arguments: TestEngine.all)
    func yearOfTrouble(engine: TestEngine) async throws {
        try await with(engine) { rig, clock in
            var (random, node) = (SplitMix(seed: 12), try await rig.node())
            var (count, failed, restarts) = (Int64(0), 0, 0)
            let end = clock.now + .days(400)
            while clock.now < end, count < 1000 {
                let (now, id) = (clock.now, node.id)
                let jobs = try await rig.database.set("claim", in: .work) { session in
                    _ = try session.promoteScheduled(10, at: now)
                    _ = try session.wakeForgottenLanes(10)
                    return try session.claim(10, pools: [0, 1, 2], for: id, at: now)
                }
                guard let job = jobs.first else {
                    let due = try #require(try await rig.database.read("next") { try $0.nextScheduled() })
                    clock.advance(to: due)
                    continue
                }
                try #require(jobs.count == 1)
                #expect(try await rig.row().refreshAt == now)
                if Int.random(in: 0..<20, using: &random) == 0 {
                    // It dies with the job in hand, and another takes its place.
                    try await rig.database.write("dies") { session in
                        _ = try session.revoke(id, at: now)
                        _ = try session.reclaim(100, deathsMax: 3, at: now)
                    }
                    (node, restarts) = (try await rig.node(), restarts + 1)
                    continue
                }
                let faults: [FakePlatform.Fault] = [.status(500), .notSent, .busy(7), .answer(200, "{}")]
                let fails = Int.random(in: 0..<100, using: &random) < 3
                if fails { rig.platform.fail(try #require(faults.randomElement(using: &random))) }
                #expect(try await RefreshWorker(node.refreshing).run(job) == .done)
                try await rig.database.set("complete", in: .work) {
                    _ = try $0.complete([EndedJob(job: job, end: .succeeded, at: now)])
                }
                (count, failed) = (count + (fails ? 0 : 1), failed + (fails ? 1 : 0))
                let held = try await rig.held()
                #expect(held.version == count + 1)
                #expect(rig.platform.accepts(try rig.vault.open(held).access))
            }
            let declared = Int64(400 * 86_400 / (86_400 - 900))
            #expect((declared - 1...declared).contains(count) && failed > 3 && restarts > 3)
            #expect(Int64(rig.platform.refreshes) == count + Int64(failed))
            #expect(try await rig.row().state == .active)
            #expect(try await rig.told() == [])
        }
    }

    @Test(
        "a platform that is away for an hour loses no connection", arguments: TestEngine.all,
        [FakePlatform.Fault.status(500), .notSent, .lostUnheard, .answer(200, "{}"), .answer(429, "")])
    func away(engine: TestEngine, fault: FakePlatform.Fault) async throws {
        try await with(engine) { rig, clock in
            let node = try await rig.node()
            clock.advance(to: try #require(try await rig.row().refreshAt))
            let end = clock.now + .hours(1)
            var tries = 0
            while clock.now < end {
                rig.platform.fail(fault)
                let renewal = try await node.refreshing.renew(rig.connection, from: 1, patience: .zero)
                guard case .later(let moment) = renewal else {
                    Issue.record("\(renewal)")
                    return
                }
                tries += 1
                #expect(try await rig.row().health.isAlive)
                clock.advance(to: moment)
            }
            // Not hammered, not forgotten.
            #expect((4...20).contains(tries), "\(tries)")
            #expect(try await rig.told() == ["connection.needs_attention"])
            #expect(try await node.refreshing.renew(rig.connection, from: 1, patience: .zero) == .renewed(2))
            #expect(try await rig.row().state == .active)
            #expect(try await rig.openAlerts() == [])
            #expect(try await rig.told().last == "connection.connected")
        }
    }

    @Test(
        "refused once it is suspect and goes on; refused twice it must be connected again, with a word",
        arguments: TestEngine.all)
    func refusedTwice(engine: TestEngine) async throws {
        try await with(engine) { rig, clock in
            let node = try await rig.node()
            let refusal = FakePlatform.Fault.answer(400, #"{"error":"invalid_grant"}"#)
            rig.platform.fail(refusal, refusal)

            let first = try await node.refreshing.renew(rig.connection, from: 1, patience: .zero)
            #expect(first == .later(clock.now + .seconds(30)))
            #expect(try await rig.row().state == .suspect)
            #expect(rig.platform.accepts(try await node.connections.credential(of: rig.connection).access))
            // Not again before the pause is over, whoever asks.
            _ = try await node.refreshing.renew(rig.connection, from: 1, .accessRefused, patience: .zero)
            #expect(rig.platform.refreshes == 1)

            clock.advance(.seconds(30))
            #expect(try await node.refreshing.renew(rig.connection, from: 1, patience: .zero) == .ended)
            #expect(try await rig.row().state == .needsReconnect && rig.platform.refreshes == 2)
            #expect(try await rig.told() == ["connection.needs_attention", "connection.needs_reconnect"])
            #expect(try await rig.openAlerts() == ["connection_needs_reconnect"])
        }
    }

    @Test("app credentials that are not accepted cost no connection: the operator hears of it")
    func appRefused() async throws {
        try await with { rig, clock in
            let node = try await rig.node()
            for _ in 0..<4 {
                rig.platform.fail(.answer(401, #"{"error":"invalid_client"}"#))
                _ = try await node.refreshing.renew(rig.connection, from: 1, .byHand, patience: .zero)
            }
            let row = try await rig.row()
            #expect(row.state == .active && row.reason == "app_refused" && row.attention == "app_refused")
            #expect(try await rig.told() == ["connection.needs_attention"])
            clock.advance(.minutes(5))
            #expect(try await node.refreshing.renew(rig.connection, from: 1, patience: .zero) == .renewed(2))
        }
    }

    @Test("an answer that leaves out the refresh token keeps the old one; scopes follow what is said")
    func keepsWhatIsLeftOut() async throws {
        try await with(rotation: .none) { rig, clock in
            let node = try await rig.node()
            rig.platform.fail(.answer(200, #"{"access_token":"act.x","expires_in":3600,"scope":"read more"}"#))
            #expect(try await node.refreshing.renew(rig.connection, from: 1, patience: .zero) == .renewed(2))
            #expect(try await rig.row().scopes == ["read", "more"])
            clock.advance(to: try #require(try await rig.row().refreshAt))
            #expect(try await node.refreshing.renew(rig.connection, from: 2, patience: .zero) == .renewed(3))
        }
    }

    @Test(
        "of a connection that ends by itself its user hears a week ahead, and when it has ended",
        arguments: TestEngine.all)
    func ending(engine: TestEngine) async throws {
        try await with(engine, refreshLife: nil) { rig, clock in
            // Its refresh token ends in thirty days and is not renewed by refreshing.
            let end = clock.now + .days(30)
            try await rig.database.write("end") { [connection = rig.connection] session in
                _ = try session.run("UPDATE oauth_accounts SET ends_at = \(end) WHERE id = \(connection)")
            }
            let node = try await rig.node()
            let sweep = ConnectionSweep(
                platforms: ["sample": rig.sample], connections: node.connections, database: rig.database, ids: rig.ids,
                time: rig.time)
            clock.advance(.days(22))
            _ = try await sweep.run(.sample)
            #expect(try await rig.told() == [])
            clock.advance(.days(1) + .seconds(1))
            for _ in 0..<3 { _ = try await sweep.run(.sample) }
            #expect(try await rig.told() == ["connection.needs_attention"])
            let told = try await rig.row()
            #expect(told.attention == "ending_soon" && told.state == .active)
            clock.advance(.days(7))
            for _ in 0..<3 { _ = try await sweep.run(.sample) }
            #expect(try await rig.row().state == .needsReconnect)
            #expect(try await rig.told().last == "connection.needs_reconnect")
        }
    }

    @Test("the sweep finds a refresh whose job was lost", arguments: TestEngine.all)
    func lostJob(engine: TestEngine) async throws {
        try await with(engine) { rig, clock in
            try await rig.database.write("lose") { _ = try $0.run("DELETE FROM jobs") }
            let node = try await rig.node()
            let sweep = ConnectionSweep(
                platforms: ["sample": rig.sample], connections: node.connections, database: rig.database, ids: rig.ids,
                time: rig.time)
            clock.advance(to: try #require(try await rig.row().refreshAt))
            clock.advance(.minutes(2))
            _ = try await sweep.run(.sample)
            let kinds = try await rig.database.read("jobs") { session in
                try session.rows("SELECT kind FROM jobs") { try $0.text() }
            }
            #expect(kinds == [RefreshWorker.kind])
        }
    }

    @Test(
        "disconnected: erased here at once, revoked there by a job, even if it must be asked twice",
        arguments: TestEngine.all)
    func disconnected(engine: TestEngine) async throws {
        try await with(engine) { rig, _ in
            let node = try await rig.node()
            let access = try await node.connections.credential(of: rig.connection).access
            #expect(try await node.connections.disconnect(rig.connection, reason: "disconnected", by: "t"))
            let tomb = try await rig.row()
            #expect(tomb.openID.isEmpty && tomb.state == .revoked)
            await #expect(throws: Failure.self) { try await node.connections.credential(of: rig.connection) }
            let worker = RevokeWorker(
                platforms: ["sample": rig.sample],
                apps: ConnectionApps(
                    settings: ["sample": .init(app: RefreshRig.app, id: "c", secret: Secret("s"), address: nil)],
                    database: rig.database, vault: rig.vault, time: rig.time),
                desk: TokenDesk(wire: rig.platform, now: rig.time.now), database: rig.database, vault: rig.vault,
                time: rig.time, logger: .quiet)
            rig.platform.fail(.status(503))
            let job = ClaimedJob.sample(input: Array(rig.connection.text.utf8))
            await #expect(throws: (any Error).self) { try await worker.run(job) }
            #expect(rig.platform.accepts(access))
            #expect(try await worker.run(job) == .done)
            #expect(!rig.platform.accepts(access))
            let left = try await rig.database.read("left") { [connection = rig.connection] in
                try $0.credential(of: connection)
            }
            #expect(left == nil)
        }
    }

    @Test("tokens of another row, of an older version, cut or changed do not open", arguments: TestEngine.all)
    func bound(engine: TestEngine) async throws {
        try await with(engine) { rig, _ in
            let node = try await rig.node()
            let old = try await rig.held()
            _ = try await node.refreshing.renew(rig.connection, from: 1, patience: .zero)
            let new = try await rig.held()
            #expect(try rig.vault.open(new).access != rig.vault.open(old).access)
            try await rig.database.write("swap") { session in
                _ = try session.run("UPDATE credentials SET sealed = \(old.sealed) WHERE id = \(old.id)")
            }
            let swapped = try await rig.held()
            #expect(throws: VaultProblem.refused) { try rig.vault.open(swapped) }
        }
    }
}

extension ClaimedJob {
    static var sample: ClaimedJob { sample(input: []) }
    static func sample(input: [UInt8], attempt: Int = 1, firstFailedAt: Timestamp? = nil) -> ClaimedJob {
        ClaimedJob(
            id: ID(stored: "job_00000000000000000000000001"), kind: "t", version: 1, lane: "l", priority: .event,
            input: input, subject: nil, attempt: attempt, deaths: 0,
            node: ID(stored: "node_00000000000000000000000001"), fence: 1, createdAt: .testNow,
            firstFailedAt: firstFailedAt)
    }
}
