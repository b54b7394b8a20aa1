import Kit
import TestSupport
import Testing

@testable import Engine
@testable import Store

/// A platform that tells when a grant is taken back.
private struct TellingPlatform: GrantTeller {
    let about = SamplePlatform(rotation: .strict).about
    let oauth = SamplePlatform(rotation: .strict).oauth
    var webhooks: WebhookScheme {
        WebhookScheme(
            .hmac(HMACScheme("X", .plain(prefix: ""), .sha256, .hex, over: [.body])), secrets: .text,
            tolerance: nil, repeatsFor: .hours(1), handled: .all, events: { _ in [] })
    }
    func revocation(in event: EventContent) throws(Unreadable) -> String? {
        event.type == "gone" ? "removed_by_owner" : nil
    }
}

@Suite("A grant that is taken back at the platform")
struct GrantHandlerTests {
    private func event(_ type: String, at moment: Timestamp?) -> StoredEvent {
        StoredEvent(
            id: ID(stored: "evt_00000000000000000000000001"), provider: "sample", app: RefreshRig.app,
            delivery: ID(stored: "dlv_00000000000000000000000001"), providerEventID: nil, type: type, account: "open-1",
            subject: nil, occurredAt: moment, receivedAt: .testNow, userID: nil, connectionID: nil, state: "queued",
            duplicates: 0, range: BodyRange(body: "b", offset: 0, length: 0), body: [])
    }

    @Test("ends the connection, once, and followers hear of it; one granted since stays", arguments: TestEngine.all)
    func ends(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let clock = SleepersClock()
            let platform = FakePlatform(now: { clock.now })
            let rig = try await RefreshRig(database, platform, rotation: .strict, time: clock.source)
            let handler = GrantHandler(TellingPlatform(), ids: rig.ids)
            for (type, moment) in [("other", clock.now + .minutes(1)), ("gone", clock.now - .minutes(1))] {
                let plan = try await handler.plan(event(type, at: moment))
                _ = try await database.write("apply") { try plan.apply($0, at: .testNow) }
                #expect(try await rig.row().state == .active, "\(type)")
            }
            for _ in 0..<2 {
                let plan = try await handler.plan(event("gone", at: clock.now + .minutes(1)))
                _ = try await database.write("apply") { try plan.apply($0, at: .testNow) }
            }
            let row = try await rig.row()
            #expect(row.state == .revoked && row.reason == "removed_by_owner" && row.tokenVersion == nil)
            #expect(try await rig.told() == ["connection.revoked"])
            let node = try await rig.node()
            await #expect(throws: Failure.self) { try await node.connections.credential(of: rig.connection) }
            // Nothing was revoked by us: there is nothing to revoke any more.
            #expect(platform.revocations == 0)
        }
    }

    @Test("all who share the account hear of it, whoever was disconnected before", arguments: TestEngine.all)
    func shared(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let clock = SleepersClock()
            let platform = FakePlatform(now: { clock.now })
            let rig = try await RefreshRig(database, platform, rotation: .strict, time: clock.source)
            let others: [ID<ConnectionKind>] = (0..<120).map { _ in rig.ids.make() }
            try await database.write("others") { session in
                for (number, id) in others.enumerated() {
                    _ = try session.connect(
                        NewConnection(
                            id: id, userID: "u\(number)", provider: "sample", app: RefreshRig.app, openID: "open-1",
                            name: nil, scopes: [], wanted: [], isPending: false), at: .testNow)
                    if number < 55 {
                        try session.setConnection(
                            id, .revoked, reason: "removed_by_owner", attention: nil, at: .testNow)
                    }
                }
            }
            let handler = GrantHandler(TellingPlatform(), ids: rig.ids)
            let plan = try await handler.plan(event("gone", at: clock.now + .minutes(1)))
            _ = try await database.write("apply") { try plan.apply($0, at: .testNow) }
            let left = try await database.read("left") { session in
                try session.rows("SELECT id FROM oauth_accounts WHERE state <> 'revoked'") { try $0.text() }
            }
            #expect(left == [])
            let told = try await database.read("told") { session in
                try session.rows("SELECT id FROM changes WHERE type = 'connection.revoked'") { try $0.text() }
            }
            #expect(told.count == 66)
        }
    }

    @Test("of more who share it than one transaction takes, the event comes again for the rest")
    func crowd() async throws {
        try await TestDatabase.with(.sqlite) { database in
            let clock = SleepersClock()
            let platform = FakePlatform(now: { clock.now })
            let rig = try await RefreshRig(database, platform, rotation: .strict, time: clock.source)
            let ids = (0..<Session.linksMax + 20).map { _ in rig.ids.make(ConnectionKind.self) }
            try await database.write("crowd") { session in
                for (number, id) in ids.enumerated() {
                    _ = try session.connect(
                        NewConnection(
                            id: id, userID: "u\(number)", provider: "sample", app: RefreshRig.app, openID: "open-1",
                            name: nil, scopes: [], wanted: [], isPending: false), at: .testNow)
                }
            }
            let handler = GrantHandler(TellingPlatform(), ids: rig.ids)
            var nexts: [EventEffect.Next] = []
            for _ in 0..<3 where nexts.last != .done {
                let plan = try await handler.plan(event("gone", at: clock.now + .minutes(1)))
                nexts.append(try await database.write("apply") { try plan.apply($0, at: .testNow).next })
            }
            #expect(nexts.count == 2)
            let left = try await database.read("left") { session in
                try session.rows("SELECT id FROM oauth_accounts WHERE state <> 'revoked'") { try $0.text() }
            }
            #expect(left == [])
        }
    }
}
