import Kit
import TestSupport
import Testing

@testable import Engine
@testable import Store

@Suite("Taking a grant back at a platform that does not answer")
struct RevokeWorkerTests {
    /// Disconnected; the platform does not answer, or its app's secret does not open.
    private func with(
        _ engine: TestEngine, opens: Bool = true,
        _ body: @Sendable @escaping (RefreshRig, SleepersClock, RevokeWorker) async throws -> Void
    ) async throws {
        try await TestDatabase.with(engine) { database in
            let clock = SleepersClock()
            let platform = FakePlatform(now: { clock.now })
            let rig = try await RefreshRig(database, platform, rotation: .strict, time: clock.source)
            _ = try await rig.node().connections.disconnect(rig.connection, reason: "disconnected", by: "t")
            try await database.write("app") { session in
                _ = try session.run(
                    """
                    INSERT INTO apps (id, provider, name, source, client_id, version, created_at, updated_at)
                    VALUES (\(RefreshRig.app), 'sample', 'n', 'api', 'c', 1, 0, 0)
                    """)
                _ = try session.run(
                    """
                    INSERT INTO app_secrets (id, app_id, purpose, sealed, key_id, created_at)
                    VALUES ('s', \(RefreshRig.app), \(ConnectionApps.purpose), \([UInt8](repeating: 1, count: 60)),
                            'k1', 0)
                    """)
            }
            let own = ConnectionApps.OfSettings(app: RefreshRig.app, id: "c", secret: Secret("s"), address: nil)
            let worker = RevokeWorker(
                platforms: ["sample": rig.sample],
                apps: ConnectionApps(
                    settings: opens ? ["sample": own] : [:], database: database, vault: rig.vault, time: rig.time),
                desk: TokenDesk(wire: platform, now: rig.time.now), database: database, vault: rig.vault,
                time: rig.time, logger: .quiet)
            try await body(rig, clock, worker)
        }
    }

    private func job(_ rig: RefreshRig, attempt: Int, failing since: Timestamp?) -> ClaimedJob {
        .sample(input: Array(rig.connection.text.utf8), attempt: attempt, firstFailedAt: since)
    }

    @Test(
        "it is asked for twelve hours, then its tokens are forgotten", arguments: TestEngine.all, [true, false])
    func twelveHours(engine: TestEngine, opens: Bool) async throws {
        try await with(engine, opens: opens) { rig, clock, worker in
            let began = clock.now
            for (hour, attempt) in [(0, 1), (3, 12), (11, 30)] {
                clock.advance(to: began + .hours(Int64(hour)))
                rig.platform.fail(.status(503))
                let job = job(rig, attempt: attempt, failing: hour == 0 ? nil : began)
                await #expect(throws: (any Error).self) { try await worker.run(job) }
                #expect(try await rig.held().revokingAt != nil)
                // Before the end its runner does not give it up by itself.
                let failingFor = clock.now - began
                #expect(worker.retries.pause(after: attempt, failingFor: failingFor, chance: 0) != nil)
            }
            clock.advance(to: began + .hours(12))
            rig.platform.fail(.status(503))
            #expect(try await worker.run(job(rig, attempt: 31, failing: began)) == .done)
            let left = try await rig.database.read("left") { [connection = rig.connection] in
                try $0.credential(of: connection)
            }
            #expect(left == nil)
        }
    }
}
