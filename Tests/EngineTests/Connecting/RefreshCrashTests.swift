import Kit
import TestSupport
import Testing

@testable import Engine
@testable import Store

/// PROMISES R11, second half: the process dies before and after every call and every commit, at a platform that
/// applied the refresh or did not. The connection survives, or ends with a word; it is never silently dead.
@Suite("A refresh whose process dies")
struct RefreshCrashTests {
    /// What the platform does with the request of the process that dies, or nothing out of the ordinary.
    enum Answering: Sendable, CaseIterable, CustomTestStringConvertible {
        case well, lost, appliedAndLost, refusedOnce, away
        var testDescription: String { "\(self)" }

        var fault: FakePlatform.Fault? {
            switch self {
            case .well: nil
            case .lost: .lostUnheard
            case .appliedAndLost: .appliedUnheard
            case .refusedOnce: .answer(200, #"{"error":"invalid_grant"}"#)
            case .away: .status(503)
            }
        }
    }

    static let rotations: [OAuth2.Rotation] = [.none, .graceful(.minutes(1)), .strict]

    /// Begin, its two sides; the call, its two sides; the outcome, its two sides.
    private static let steps = 6

    @Test(
        "at each step, with each rotation and each answer",
        arguments: TestEngine.all, RefreshCrashTests.Answering.allCases)
    func everywhere(engine: TestEngine, answering: Answering) async throws {
        try await TestDatabase.with(engine) { database in
            for rotation in Self.rotations {
                for step in 0..<Self.steps { try await die(at: step, rotation, answering, database) }
            }
        }
    }

    @Test("the steps are those that are counted on")
    func counted() async throws {
        try await TestDatabase.with(.sqlite) { database in
            let clock = SleepersClock()
            let platform = FakePlatform(now: { clock.now })
            let rig = try await RefreshRig(database, platform, rotation: .strict, time: clock.source)
            let mortal = Mortal(diesAt: nil)
            let node = try await rig.node(
                on: MortalDatabase(real: database, mortal: mortal), wire: MortalWire(platform: platform, mortal: mortal)
            )
            let renewal = try await node.refreshing.renew(rig.connection, from: 1, patience: .zero)
            #expect(renewal == .renewed(2) && mortal.steps == Self.steps)
        }
    }

    private func die(
        at step: Int, _ rotation: OAuth2.Rotation, _ answering: Answering, _ database: any Database
    ) async throws {
        let clock = SleepersClock()
        let platform = FakePlatform(rotation: rotation, now: { clock.now })
        let rig = try await RefreshRig(database, platform, rotation: rotation, time: clock.source)
        let mortal = Mortal(diesAt: step)
        let first = try await rig.node(
            on: MortalDatabase(real: database, mortal: mortal), wire: MortalWire(platform: platform, mortal: mortal))
        clock.advance(to: try #require(try await rig.row().refreshAt))
        if let fault = answering.fault { platform.fail(fault) }

        await #expect(throws: Mortal.Died.self) {
            _ = try await first.refreshing.renew(rig.connection, from: 1, patience: .zero)
        }
        // Not sent, the fault waits for the next: that is another story.
        let wasSent = step >= 3
        guard wasSent || answering == .well else { return }
        let now = clock.now
        try await database.write("revoke") { _ = try $0.revoke(first.id, at: now) }

        let second = try await rig.node()
        // Whatever happened: what it has goes on working as long as the platform takes it.
        let credential = try await second.connections.credential(of: rig.connection)
        #expect(platform.accepts(credential.access), "step \(step) \(rotation) \(answering)")
        try await settle(rig, second.refreshing, clock)
        try await judge(rig, platform, second.connections, step, rotation, answering)
    }

    /// Goes on as jobs would, until nothing is due that could not wait for hours.
    private func settle(_ rig: RefreshRig, _ refreshing: Refreshing, _ clock: SleepersClock) async throws {
        for _ in 0..<200 {
            let (row, held) = (try await rig.row(), try await rig.held())
            guard row.health.isAlive, let due = held.refreshAt else { return }
            if row.health == .active, held.version > 1, due > clock.now + .hours(1) { return }
            clock.advance(to: max(due, held.pausedUntil))
            if try await refreshing.renew(rig.connection, from: held.version, patience: .zero) == .held {
                clock.advance(.seconds(5))
            }
        }
        Issue.record("it never came to rest")
    }

    private func judge(
        _ rig: RefreshRig, _ platform: FakePlatform, _ connections: Connections, _ step: Int,
        _ rotation: OAuth2.Rotation, _ answering: Answering
    ) async throws {
        let row = try await rig.row()
        let place = Comment(rawValue: "step \(step) \(rotation) \(answering): \(row.state) \(row.reason ?? "")")
        // Of strict rotation, what the platform applied and nobody kept is gone: after the call, before the commit.
        let isApplied = step >= 3 && (answering == .well || answering == .appliedAndLost)
        let isKept = step == 5 && answering == .well
        if rotation == .strict, isApplied, !isKept {
            #expect(row.state == .needsReconnect, place)
            // Told before it broke, of each reason: not heard, refused; and when it did.
            let told = [String](repeating: "connection.needs_attention", count: 2) + ["connection.needs_reconnect"]
            #expect(try await rig.told() == told, place)
            #expect(try await rig.openAlerts() == ["connection_needs_reconnect"], place)
            await #expect(throws: Failure.self) { try await connections.credential(of: rig.connection) }
        } else {
            #expect(row.state == .active, place)
            #expect(try await rig.openAlerts() == [], place)
            let credential = try await connections.credential(of: rig.connection)
            #expect(platform.accepts(credential.access) && credential.version == 2, place)
        }
    }
}
