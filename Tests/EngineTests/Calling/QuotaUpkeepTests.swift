import Kit
import Store
import TestSupport
import Testing

@testable import Engine

@Suite("Telling of quotas that are nearly used up")
struct QuotaUpkeepTests {
    private let clock = TestClock()
    private let daily = Quota("shares", 5, per: .rolling(.days(1)), of: "shares", for: .connection)

    @Test(
        "told once, whoever looks and however often the process begins anew; over when it is", arguments: TestEngine.all
    )
    func told(_ engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let node = QuotaNode("a", [daily], database, clock)
            for _ in 0..<3 { #expect(await node.spend("shares")) }
            try await upkeep(node, database).look()
            #expect(try await alerts(in: database).isEmpty)

            #expect(await node.spend("shares"))
            for name in ["a", "b", "c"] {
                let node = QuotaNode(name, [daily], database, clock)
                try await upkeep(node, database).look()
                try await upkeep(node, database).look()
            }
            let standing = try await alerts(in: database)
            #expect(standing.map(\.state) == ["open"] && standing.map(\.count) == [1])
            #expect(standing.first?.summary.hasPrefix("4 of 5 shares a day are used at TikTok.") == true)

            clock.advance(by: .hours(25))
            try await upkeep(QuotaNode("d", [daily], database, clock), database).look()
            #expect(try await alerts(in: database).map(\.state) == ["resolved"])
        }
    }

    @Test("of a limit whose size nobody tells, it is told when it is used up", arguments: TestEngine.all)
    func untold(_ engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let unit = "posts of this app"
            let quota = Quota(
                untold: "app_posts", per: .rolling(.days(1)), of: unit, for: .app, advice: "Ask for more.")
            let node = QuotaNode("a", [quota, daily], database, clock)
            let ticket = try #require(await node.take("app_posts"))
            // A refusal that names no limit is not for this one.
            let busy = Answer(status: 429, headers: [], body: [])
            node.quotas.settle(ticket, learning: busy, refusedFor: .some(nil))
            try await upkeep(node, database).look()
            #expect(try await alerts(in: database).isEmpty)
            #expect(try await node.quotas.standing().isEmpty)

            let second = try #require(await node.take("app_posts"))
            node.quotas.settle(second, learning: busy, refusedFor: .some(nil), of: "app_posts")
            #expect(await node.take("app_posts") == nil)
            // The keeper hears of it behind the call.
            for _ in 0..<5000 where try await node.quotas.standing().isEmpty {
                try await Task.sleep(for: .milliseconds(2))
            }
            try await upkeep(node, database).look()
            let standing = try await alerts(in: database)
            #expect(standing.map(\.state) == ["open"] && standing.first?.action == "Ask for more.")
            #expect(standing.first?.summary.hasPrefix("TikTok takes no more posts of this app until ") == true)

            clock.advance(by: .hours(25))
            try await upkeep(QuotaNode("d", [quota], database, clock), database).look()
            #expect(try await alerts(in: database).map(\.state) == ["resolved"])
        }
    }

    private func upkeep(_ node: QuotaNode, _ database: any Database) -> QuotaUpkeep {
        QuotaUpkeep(
            node.quotas, database: database, ids: Identifiers(now: { clock.now }), time: clock.source, logger: .quiet)
    }

    private func alerts(in database: any Database) async throws -> [AlertRow] {
        try await database.read("alerts") { try $0.alerts(AlertFilter(), ListPage(limit: 10)) }
    }
}
