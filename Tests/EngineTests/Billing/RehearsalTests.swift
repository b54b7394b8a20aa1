import Kit
import Stripe
import TestSupport
import Testing

@testable import Engine
@testable import Store

@Suite("Rehearsing an event")
struct RehearsalTests {
    private static let created =
        #"{"id":"evt_1","object":"event","type":"customer.subscription.created","created":1795860000,"#
        + #""livemode":false,"data":{"object":{"id":"sub_1","object":"subscription","customer":"cus_1","#
        + #""status":"active","metadata":{"patchbay_user":"rye"},"items":{"data":[]}}}}"#

    @Test(
        "it says what would change and changes nothing; afterwards there is nothing to change",
        arguments: TestEngine.all)
    func rehearse(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let bench = BillingBench(database)
            let id = try await bench.receive(Self.created)
            let handler = BillingHandler(bench.billing, ids: bench.ids)
            let rehearsal = Rehearsal(database: database, handlers: ["stripe": handler], time: .system)
            let state = try await database.read("event") { try $0.eventRow(id)?.state }
            let head = try await database.read("changes") { try $0.lastChange() }

            let first = try #require(try await rehearsal.changes(of: id))

            #expect(first.map(\.type) == ["user.subscription_updated"])
            #expect(try await database.read("user") { try $0.user("rye") } == nil)
            #expect(try await database.read("changes") { try $0.lastChange() } == head)
            #expect(try await database.read("event") { try $0.eventRow(id)?.state } == state)

            try await bench.run(id)
            #expect(try await rehearsal.changes(of: id)?.isEmpty == true)
        }
    }

    @Test("who looks lets nobody be asked, where only the platform can tell", arguments: TestEngine.all)
    func unasked(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let bench = BillingBench(database)
            bench.wire.becomes(.silent)
            try await bench.deliver(BillingTests.gap.created)
            let id = try await bench.receive(BillingTests.gap.later)
            let handler = BillingHandler(bench.billing, ids: bench.ids)
            let rehearsal = Rehearsal(database: database, handlers: ["stripe": handler], time: .system)

            let changes = try #require(try await rehearsal.changes(of: id))
            #expect(!changes.isEmpty && bench.wire.requests.isEmpty)
            try await bench.run(id)
            #expect(bench.wire.requests.count == 1)
        }
    }

    @Test("of a platform that nothing here acts on there is nothing to say")
    func unhandled() async throws {
        try await TestDatabase.with(.sqlite) { database in
            let id = try await BillingBench(database).receive(Self.created)
            let rehearsal = Rehearsal(database: database, handlers: [:], time: .system)
            #expect(try await rehearsal.changes(of: id) == nil)
        }
    }
}
