import Kit
import Logging
import TestSupport
import Testing

@testable import Engine
@testable import Store

@Suite("Erasing")
struct ErasureTests {
    private let ids = Identifiers(now: { .testNow })

    private func runner(_ worker: any JobWorker, _ database: any Database) async throws {
        let node = ids.make(NodeKind.self)
        try await database.write("node") {
            try $0.openNode(node, host: "test", process: 1, program: "test", at: .testNow)
        }
        let jobs = try await database.set("claim", in: .work) { session in
            try session.claim(5, pools: [0, 1, 2], for: node, at: .testNow)
        }
        let job = try #require(jobs.first { $0.kind == worker.kind })
        if try await worker.run(job) == .done {
            try await database.set("end", in: .work) { try $0.succeed(job, at: .testNow) }
        }
    }

    private func begin(_ user: String, in database: any Database) async throws -> ID<ErasureKind> {
        let new = NewErasure(
            id: ids.make(), user: user, who: "digest", askedBy: "key_1", at: .testNow, bodies: [])
        let job = ids.make(JobKind.self)
        let row = try await database.write("erase") { try UserErasing.begin(new, job: job, in: $0) }
        return try #require(row).id
    }

    private func price(_ id: String, _ customer: String) -> String {
        #"{"id":"\#(id)","created":1,"type":"price.created","data":{"object":{"customer":"\#(customer)"}}}"#
    }

    @Test("what comes later of types that nothing acts upon goes with the hourly sweep", arguments: TestEngine.all)
    func sweep(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let bench = BillingBench(database)
            var edit = UserEdit(id: "u_1")
            edit.customers = [("stripe", .set("cus_1"))]
            try await bench.put(edit)
            let time = TestClock().source
            _ = try await begin("u_1", in: database)
            try await runner(
                UserErasing(
                    database: database,
                    accounts: ForsakenAccounts(SyncBook([]), database: database, time: time, logger: .quiet), ids: ids,
                    time: time, bells: Bells(), logger: .quiet), database)
            _ = try await bench.receive(price("evt_a", "cus_1"))
            _ = try await bench.receive(price("evt_b", "cus_2"))

            let job = NewJob(
                id: ids.make(), kind: ErasureSweep.kind, lane: RetentionWorker.lane, dueAt: .testNow,
                createdAt: .testNow, input: [])
            try await database.write("sweep") { try $0.enqueue([job]) }
            try await runner(ErasureSweep(database: database, time: time, logger: .quiet), database)

            #expect(try await bench.count("SELECT count(*) FROM bodies") == 1)
            #expect(try await bench.count("SELECT count(*) FROM events WHERE subject = 'cus_2'") == 1)
            #expect(try await bench.count("SELECT count(*) FROM events WHERE subject = 'cus_1'") == 0)
        }
    }

    @Test("of a body that holds others' facts, too, only the one becomes blanks", arguments: TestEngine.all)
    func shared(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let bytes = Array(#"[{"who":"cus_1"},{"who":"cus_2"}]"#.utf8)
            let events = [(1..<16, "cus_1"), (17..<32, "cus_2")].map { range, customer in
                ArrivingEvent(
                    id: ids.make(),
                    event: Event(
                        identity: EventIdentity(day: 1, of: customer.utf8), type: "a.b", subject: customer,
                        body: range),
                    job: nil, change: nil)
            }
            let arrival = Arrival(
                id: ids.make(), provider: "stripe", app: ids.make(), receivedAt: .testNow, method: "POST", target: [],
                headers: [], remote: nil, body: bytes, checksum: Checksum.of(bytes), flags: nil, reason: nil,
                events: events, review: nil)
            try await database.set("keep", in: .ingest) { _ = try $0.keep([arrival]) }
            var edit = UserEdit(id: "u_1")
            edit.customers = [("stripe", .set("cus_1"))]
            try await BillingBench(database).put(edit)

            _ = try await begin("u_1", in: database)
            let time = TestClock().source
            try await runner(
                UserErasing(
                    database: database,
                    accounts: ForsakenAccounts(SyncBook([]), database: database, time: time, logger: .quiet), ids: ids,
                    time: time, bells: Bells(), logger: .quiet), database)

            let left = try await database.read("left") { session in
                try events.map { try session.event($0.id)?.body.map { String(decoding: $0, as: UTF8.self) } }
            }
            #expect(left == [String(repeating: " ", count: 15), #"{"who":"cus_2"}"#])
        }
    }
}
