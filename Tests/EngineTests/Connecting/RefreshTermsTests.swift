import Kit
import Synchronization
import TestSupport
import Testing

@testable import Engine
@testable import Store

/// What a refresh may conclude, and on whose terms it is asked for.
@Suite("A connection is given up only for what the platform said")
struct RefreshTermsTests {
    /// Tokens without a refresh token: they last an hour.
    private static let accessOnly = FakePlatform.Fault.answer(
        200, #"{"access_token":"act.only","expires_in":3600,"open_id":"open-1"}"#)
    private static let refusal = FakePlatform.Fault.answer(400, #"{"error":"invalid_grant"}"#)

    private func with(
        _ engine: TestEngine = .sqlite, accessLife: Int64 = 86_400, refreshLife: Int64? = 31_536_000,
        first: FakePlatform.Fault? = nil,
        _ body: @Sendable @escaping (RefreshRig, SleepersClock) async throws -> Void
    ) async throws {
        try await TestDatabase.with(engine) { database in
            let clock = SleepersClock()
            let platform = FakePlatform(
                accessLife: accessLife, refreshLife: refreshLife, now: { clock.now })
            if let first { platform.fail(first) }
            let rig = try await RefreshRig(database, platform, rotation: .strict, time: clock.source)
            try await body(rig, clock)
        }
    }

    private func sweep(_ rig: RefreshRig, on database: (any Database)? = nil) async throws -> ConnectionSweep {
        ConnectionSweep(
            platforms: ["sample": rig.sample], connections: try await rig.node(on: database).connections,
            database: database ?? rig.database, ids: rig.ids, time: rig.time)
    }

    @Test(
        "without a refresh token it is used to its end: neither a refresh by hand nor the end's nearness ends it",
        arguments: TestEngine.all)
    func accessOnly(engine: TestEngine) async throws {
        try await with(engine, first: Self.accessOnly) { rig, clock in
            let node = try await rig.node()
            for insistence in [Refreshing.Insistence.byHand, .usual] {
                _ = try await node.refreshing.renew(rig.connection, from: 1, insistence, patience: .zero)
                #expect(try await rig.row().state == .active)
            }
            clock.advance(.seconds(3590))
            #expect(try await node.connections.credential(of: rig.connection).version == 1)
            #expect(try await rig.row().state == .active)
            #expect(try await rig.told() == [] && rig.platform.refreshes == 0)
            clock.advance(.seconds(10))
            let ending = try await node.refreshing.renew(rig.connection, from: 1, .byHand, patience: .zero)
            #expect(ending == .ended)
            let row = try await rig.row()
            #expect(row.state == .needsReconnect && row.reason == "ended")
            #expect(try await rig.told() == ["connection.needs_reconnect"] && rig.platform.refreshes == 0)
        }
    }

    @Test(
        "a call with an access token that is over, and nothing to refresh it with, ends it", arguments: TestEngine.all)
    func accessOnlyOver(engine: TestEngine) async throws {
        try await with(engine, first: Self.accessOnly) { rig, clock in
            let node = try await rig.node()
            clock.advance(.hours(1))
            let failure = await #expect(throws: Failure.self) {
                try await node.connections.credential(of: rig.connection)
            }
            #expect(failure?.kind == .unauthorized && failure?.message.contains("Connect the account again") == true)
            #expect(try await rig.row().state == .needsReconnect)
        }
    }

    @Test("what the platform asks for, nobody shortens; a pause of ours, a person may", arguments: TestEngine.all)
    func retryAfter(engine: TestEngine) async throws {
        try await with(engine) { rig, clock in
            let node = try await rig.node()
            rig.platform.fail(.status(503))
            _ = try await node.refreshing.renew(rig.connection, from: 1, .byHand, patience: .zero)
            rig.platform.fail(.busy(600))
            let until = clock.now + .minutes(10)
            for insistence in [Refreshing.Insistence.byHand, .byHand, .accessRefused, .usual] {
                let renewal = try await node.refreshing.renew(rig.connection, from: 1, insistence, patience: .zero)
                #expect(renewal == .later(until))
            }
            #expect(rig.platform.refreshes == 2)
            clock.advance(.minutes(10))
            #expect(try await node.refreshing.renew(rig.connection, from: 1, .byHand, patience: .zero) == .renewed(2))
        }
    }

    @Test("without a refresh token the second refusal ends it, not the first", arguments: TestEngine.all)
    func accessOnlyRefused(engine: TestEngine) async throws {
        try await with(engine, first: Self.accessOnly) { rig, clock in
            let node = try await rig.node()
            for _ in 0..<3 {
                await #expect(throws: Failure.self) {
                    try await node.connections.credential(of: rig.connection, refusing: 1)
                }
                #expect(try await rig.row().state == .suspect)
            }
            #expect(try await node.connections.credential(of: rig.connection).version == 1)
            clock.advance(.seconds(31))
            await #expect(throws: Failure.self) {
                try await node.connections.credential(of: rig.connection, refusing: 1)
            }
            #expect(try await rig.row().state == .needsReconnect)
        }
    }

    @Test("refused twice within the pause, by two clicks, counts once", arguments: TestEngine.all)
    func twoClicks(engine: TestEngine) async throws {
        try await with(engine) { rig, clock in
            let node = try await rig.node()
            for _ in 0..<3 {
                rig.platform.fail(Self.refusal)
                _ = try await node.refreshing.renew(rig.connection, from: 1, .byHand, patience: .zero)
                #expect(try await rig.row().state == .suspect)
            }
            #expect(try await rig.held().refusals == 1)
            // The clicks do not put it off, either.
            #expect(try await rig.held().refreshAt == clock.now + OAuth2.pause)
            clock.advance(.seconds(30))
            rig.platform.fail(Self.refusal)
            #expect(try await node.refreshing.renew(rig.connection, from: 1, patience: .zero) == .ended)
            #expect(try await rig.row().state == .needsReconnect)
        }
    }

    @Test("tokens that last for seconds are not asked for before every call", arguments: [5, 20, 60] as [Int64])
    func shortLived(life: Int64) async throws {
        try await with(accessLife: life) { rig, clock in
            let connections = try await rig.node().connections
            #expect(try await rig.held().refreshAt == clock.now + OAuth2.pause)
            for _ in 0..<60 {
                _ = try await connections.credential(of: rig.connection)
                clock.advance(.seconds(5))
            }
            // Five minutes: twice a minute at the most.
            #expect((5...10).contains(rig.platform.refreshes), "\(rig.platform.refreshes)")
        }
    }

    /// Holds a request until it is let go.
    private struct Gate: TokenWire {
        let platform: FakePlatform
        let entered: AsyncStream<Void>.Continuation
        let leave: AsyncStream<Void>

        func send(_ request: TokenRequest, within deadline: Duration) async -> TokenExchange {
            entered.yield()
            for await _ in leave { break }
            return await platform.send(request, within: deadline)
        }
    }

    @Test("who waits for another's refresh asks again on their own terms when it brought nothing")
    func ownTerms() async throws {
        try await with { rig, _ in
            let (entered, enter) = AsyncStream.makeStream(of: Void.self)
            let (leave, left) = AsyncStream.makeStream(of: Void.self)
            let wire = Gate(platform: rig.platform, entered: enter, leave: leave)
            let refreshing = try await rig.node(wire: wire).refreshing
            rig.platform.fail(.status(503))
            let usual = Task { try await refreshing.renew(rig.connection, from: 1, patience: .zero) }
            for await _ in entered { break }
            let byHand = Task {
                try await refreshing.renew(rig.connection, from: 1, .byHand, patience: .seconds(1))
            }
            try await Task.sleep(for: .milliseconds(100))
            left.yield()
            left.yield()
            left.finish()
            guard case .later = try await usual.value else {
                Issue.record("it was away")
                return
            }
            #expect(try await byHand.value == .renewed(2))
        }
    }

    @Test("who waits for another node's refresh reads, and writes nothing", arguments: TestEngine.all)
    func waitsByReading(engine: TestEngine) async throws {
        try await with(engine) { rig, clock in
            let other = try await rig.node().id
            let now = clock.now
            _ = try await rig.database.write("begin") { [connection = rig.connection] in
                try $0.beginRefresh(of: connection, by: other, at: now)
            }
            let writes = Tally()
            let node = try await rig.node(on: HookedDatabase(real: rig.database) { _ in writes.add() })
            let renewal = try await node.refreshing.renew(rig.connection, from: 1, patience: .seconds(20))
            #expect(renewal == .held && writes.count == 0)
        }
    }

    @Test("new tokens are tried to be kept for as long as the refresh is ours")
    func keeping() async throws {
        try await with { rig, clock in
            let tries = Tally()
            let database = HookedDatabase(real: rig.database) { name in
                guard name == "refresh_keep" else { return }
                tries.add()
                throw StoreError.unavailable("gone")
            }
            let node = try await rig.node(on: database)
            let began = clock.now
            await #expect(throws: StoreError.self) {
                _ = try await node.refreshing.renew(rig.connection, from: 1, patience: .zero)
            }
            #expect(tries.count > 20 && clock.now - began <= RefreshWatch.lease)
        }
    }

    @Test("tokens that come after a disconnect are taken back at the platform", arguments: TestEngine.all)
    func lateTokens(engine: TestEngine) async throws {
        try await with(engine) { rig, _ in
            let other = try await rig.node().connections
            let once = Once()
            let database = HookedDatabase(real: rig.database) { name in
                guard name == "refresh_keep", once() else { return }
                _ = try await other.disconnect(rig.connection, reason: "disconnected", by: "t")
            }
            let node = try await rig.node(on: database)
            #expect(try await node.refreshing.renew(rig.connection, from: 1, patience: .zero) == .ended)
            #expect(rig.platform.revocations == 1)
        }
    }

    @Test("of a connection that ends soon one hears once, however often it is refreshed", arguments: TestEngine.all)
    func endsSoon(engine: TestEngine) async throws {
        try await with(engine, refreshLife: nil) { rig, clock in
            let end = clock.now + .days(30)
            try await rig.database.write("end") { [connection = rig.connection] session in
                _ = try session.run(
                    "UPDATE oauth_accounts SET ends_at = \(end), refresh_expires_at = \(end) WHERE id = \(connection)")
            }
            let (node, sweep) = (try await rig.node(), try await sweep(rig))
            clock.advance(.days(24))
            for version in 1...3 {
                _ = try await sweep.run(.sample)
                let renewal = try await node.refreshing.renew(
                    rig.connection, from: Int64(version), .byHand, patience: .zero)
                #expect(renewal == .renewed(Int64(version) + 1))
            }
            _ = try await sweep.run(.sample)
            #expect(try await rig.told() == ["connection.needs_attention"])
            #expect(try await rig.openAlerts() == ["connection_needs_attention"])
        }
    }

    @Test("of another trouble than the one that is known one hears", arguments: TestEngine.all)
    func otherTrouble(engine: TestEngine) async throws {
        try await with(engine, refreshLife: 86_400 * 5) { rig, clock in
            let (node, sweep) = (try await rig.node(), try await sweep(rig))
            _ = try await sweep.run(.sample)
            #expect(try await rig.row().attention == "ending_soon")
            for _ in 0..<2 {
                rig.platform.fail(.answer(401, #"{"error":"invalid_client"}"#))
                _ = try await node.refreshing.renew(rig.connection, from: 1, .byHand, patience: .zero)
            }
            #expect(try await rig.row().attention == "app_refused")
            #expect(try await rig.told() == ["connection.needs_attention", "connection.needs_attention"])
            let acts = try await rig.database.read("acts") { session in
                try session.rows("SELECT action FROM alerts WHERE state <> 'resolved'") { try $0.text() }
            }
            #expect(acts.count == 1 && acts.first?.contains("client id") == true)
        }
    }

    @Test("what has ended is due for nothing", arguments: TestEngine.all)
    func endedIsNotDue(engine: TestEngine) async throws {
        try await with(engine) { rig, clock in
            let end = clock.now + .minutes(10)
            try await rig.database.write("end") { [connection = rig.connection] session in
                _ = try session.run("UPDATE oauth_accounts SET ends_at = \(end) WHERE id = \(connection)")
                _ = try session.run("DELETE FROM jobs")
            }
            let sweep = try await sweep(rig)
            clock.advance(.days(2))
            let now = clock.now
            let revoked = try await rig.database.read("due") { try $0.dueForRefresh(10, at: now) }
            #expect(revoked.count == 1)
            try await rig.database.write("end") { [connection = rig.connection] session in
                _ = try session.setConnection(connection, .needsReconnect, reason: "ended", attention: nil, at: now)
            }
            for _ in 0..<3 { _ = try await sweep.run(.sample) }
            let jobs = try await rig.database.read("jobs") { session in
                try session.rows("SELECT kind FROM jobs") { try $0.text() }
            }
            #expect(jobs == [])
            #expect(try await rig.held().refreshAt == nil)
        }
    }

    @Test("the sweep looks again before it takes back or tells", arguments: TestEngine.all)
    func stale(engine: TestEngine) async throws {
        try await with(engine) { rig, clock in
            let (soon, late, id) = (clock.now + .days(3), clock.now + .days(60), rig.connection)
            @Sendable func set(_ state: String, ends: Timestamp) async throws {
                try await rig.database.write("set") { session in
                    _ = try session.run(
                        "UPDATE oauth_accounts SET state = \(state), ends_at = \(ends) WHERE id = \(id)")
                }
            }
            // Confirmed, and given a later end, between the look and the act.
            for (state, act) in [("pending", "disconnect"), ("active", "ending")] {
                clock.advance(.hours(1))
                try await set(state, ends: soon)
                let acted = Once()
                let database = HookedDatabase(real: rig.database) { name in
                    guard name == act, acted() else { return }
                    try await set("active", ends: late)
                }
                _ = try await sweep(rig, on: database).run(.sample)
                #expect(!acted(), "\(act)")
                #expect(try await rig.row().state == .active)
                #expect(try await rig.told() == [])
            }
        }
    }
}
