import Kit
import Logging
import Store
import TestSupport
import Testing

@testable import Engine

/// What one node needs to spend from a shared limit.
struct QuotaNode {
    let quotas: Quotas
    let name: String

    init(
        _ name: String, _ book: [Quota], _ database: any Database, _ clock: TestClock, isShared: Bool = true,
        lastAlive: Timestamp? = nil
    ) {
        self.name = name
        quotas = Quotas(
            book: QuotaBook([Declared(quotas: book)]), limiter: Limiter(time: clock.source, lastAlive: lastAlive),
            keeper: DatabaseKeeper(database: database, now: { clock.now }, usesServerClock: false),
            isShared: isShared, node: { name }, time: clock.source, logger: .quiet)
    }

    struct Declared: Limited {
        let about = LimiterTests.about
        let quotas: [Quota]
    }

    func needs(_ quota: String, for connection: String) -> [QuotaNeed] {
        var context = CallContext("test", as: Claimant(name, .sync))
        context.connection = connection
        return quotas.needs([Spending(1, of: quota)], of: "tiktok", "/", context)
    }

    /// Nil where it was held.
    func take(_ quota: String, _ priority: Priority = .urgent, for connection: String = "conn_1") async -> Quotas
        .Ticket?
    {
        try? await quotas.take(needs(quota, for: connection), as: Claimant(name, priority))
    }
    func spend(_ quota: String, _ priority: Priority = .urgent) async -> Bool {
        guard let ticket = await take(quota, priority) else { return false }
        quotas.settle(ticket, learning: nil, refusedFor: nil)
        await quotas.flush()
        return true
    }
}

@Suite("The keeper of quotas")
struct KeeperTests {
    private let clock = TestClock()
    private let daily = Quota("shares", 5, per: .rolling(.days(1)), of: "shares", for: .connection)

    @Test("what was spent of a long window is still spent after a restart", arguments: TestEngine.all)
    func restart(_ engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let first = QuotaNode("a", [daily], database, clock, isShared: false)
            for _ in 0..<4 { #expect(await first.spend("shares")) }

            let second = QuotaNode("b", [daily], database, clock, isShared: false)
            #expect(await second.spend("shares"))
            #expect(await !second.spend("shares"), "five of five are spent")

            clock.advance(by: .hours(24))
            #expect(await second.spend("shares"))
        }
    }

    @Test("what a dead node held stands in the levels for one window, though nobody asks", arguments: TestEngine.all)
    func abandoned(_ engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let dead = QuotaNode("a", [daily], database, clock)
            for _ in 0..<4 { #expect(await dead.take("shares") != nil) }
            let other = QuotaNode("b", [daily], database, clock)
            func used() async throws -> Int { try await other.quotas.standing().first?.levels.first?.used ?? 0 }

            clock.advance(by: .hours(2))
            let early = try await used()
            clock.advance(by: .hours(24))
            let late = try await used()
            #expect(early >= 4 && late == 0)
        }
    }

    @Test("what a node held when it died counts as used, and not for ever", arguments: TestEngine.all)
    func death(_ engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let first = QuotaNode("a", [daily], database, clock)
            for _ in 0..<3 { #expect(await first.take("shares") != nil) }

            let second = QuotaNode("b", [daily], database, clock)
            #expect(await second.spend("shares"))
            #expect(await second.spend("shares"))
            #expect(await !second.spend("shares"))

            clock.advance(by: .hours(24))
            #expect(await second.spend("shares"), "its own are free")
            #expect(await second.spend("shares"))
            #expect(await !second.spend("shares"), "the dead node's end with its slice, a little later")
            clock.advance(by: .minutes(3))
            #expect(await second.spend("shares"))
        }
    }

    @Test("four nodes together never take more than there is, and waste nothing", arguments: TestEngine.all)
    func nodes(_ engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let quota = Quota("calls", 100, per: .rolling(.minutes(1)), for: .connection)
            let nodes = (0..<4).map { QuotaNode("n\($0)", [quota], database, clock) }
            let taken = await withTaskGroup(of: Int.self) { group in
                for node in nodes {
                    group.addTask {
                        var taken = 0
                        for _ in 0..<60 where await node.spend("calls") { taken += 1 }
                        return taken
                    }
                }
                return await group.reduce(0, +)
            }
            #expect((97...100).contains(taken), "\(taken): a node may hold one more than it needs")
        }
    }

    @Test("ordinary work of all nodes stays within the budget", arguments: TestEngine.all)
    func budget(_ engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let quota = Quota("calls", 10, per: .rolling(.minutes(10)), for: .connection)
            let nodes = (0..<2).map { QuotaNode("n\($0)", [quota], database, clock) }
            for index in 0..<8 { #expect(await nodes[index % 2].spend("calls", .sync)) }
            #expect(await !nodes[0].spend("calls", .sync))
            #expect(await nodes[1].spend("calls", .person))
        }
    }

    @Test("what was given out of the reserve is not for ordinary work", arguments: TestEngine.all)
    func reserve(_ engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let quota = Quota("calls", 100, per: .rolling(.minutes(10)), for: .connection)
            let (busy, node) = (QuotaNode("a", [quota], database, clock), QuotaNode("b", [quota], database, clock))
            for _ in 0..<100 { guard await busy.spend("calls", .sync) else { break } }
            // One unit more than it needs is handed out with it; what the other has spent this node does not know.
            let ticket = try #require(await node.take("calls", .urgent))

            #expect(await !node.spend("calls", .sync))
            node.quotas.giveBack(ticket)
            #expect(await !node.spend("calls", .sync), "and neither is what came back")
            #expect(await node.spend("calls", .person))
        }
    }

    @Test("what was not sent is given back", arguments: TestEngine.all)
    func givenBack(_ engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let node = QuotaNode("a", [daily], database, clock)
            for _ in 0..<20 {
                let ticket = try #require(await node.take("shares"))
                node.quotas.giveBack(ticket)
            }
            await node.quotas.flush(all: true)
            let other = QuotaNode("b", [daily], database, clock)
            for _ in 0..<5 { #expect(await other.spend("shares")) }
        }
    }

    @Test("a short window that another process may have used starts full")
    func patience() async throws {
        try await TestDatabase.with(.sqlite) { database in
            let quota = Quota("uploads", 6, per: .rolling(.minutes(1)), for: .connection)
            let started = clock.now
            let node = QuotaNode("a", [quota], database, clock, isShared: false, lastAlive: started - .seconds(20))
            #expect(await !node.spend("uploads"))
            clock.advance(by: .seconds(66))
            #expect(await node.spend("uploads"))

            let fresh = QuotaNode("b", [quota], database, clock, isShared: false, lastAlive: started - .minutes(2))
            #expect(await fresh.spend("uploads"), "nobody spent anything within the window")
        }
    }

    @Test("a quota whose limits were declared anew is not trusted to be unused")
    func declaredAnew() async throws {
        try await TestDatabase.with(.sqlite) { database in
            #expect(await QuotaNode("a", [daily], database, clock).spend("shares"))
            let other = Quota("shares", 8, per: .rolling(.days(1)), of: "shares", for: .connection)
            #expect(await !QuotaNode("b", [other], database, clock).spend("shares"))
            clock.advance(by: .hours(24))
            #expect(await QuotaNode("b", [other], database, clock).spend("shares"))
        }
    }

    @Test("without the database nothing leaves that must be remembered, and the sentence says so")
    func away() async throws {
        let node = try await TestDatabase.with(.sqlite) { QuotaNode("a", [daily], $0, clock) }
        let hold = await #expect(throws: Hold.self) {
            _ = try await node.quotas.take(node.needs("shares", for: "conn_1"), as: Claimant("a", .urgent))
        }
        #expect(hold?.reason.contains("not known while the database is away") == true)
    }
}
