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

    private func arrival(
        _ provider: String, _ bytes: [UInt8], _ events: [(range: Range<Int>, account: String?, subject: String?)]
    ) -> Arrival {
        let arriving = events.enumerated().map { number, event in
            ArrivingEvent(
                id: ids.make(),
                event: Event(
                    identity: EventIdentity(day: 1, of: "\(number) \(bytes.count)".utf8), type: "a.b",
                    account: event.account, subject: event.subject, body: event.range),
                job: nil, change: nil)
        }
        return Arrival(
            id: ids.make(), provider: provider, app: ids.make(), receivedAt: .testNow, method: "POST", target: [],
            headers: [], remote: nil, body: bytes, checksum: Checksum.of(bytes), flags: nil, reason: nil,
            events: arriving, review: nil)
    }

    private func connect(_ user: String, to account: String, in database: any Database) async throws
        -> ID<ConnectionKind>
    {
        let new = NewConnection(
            id: ids.make(), userID: user, provider: "sample", app: RefreshRig.app, openID: account, name: nil,
            scopes: [], wanted: [], isPending: false)
        return try await database.write("connect") { try $0.connect(new, at: .testNow).id }
    }

    private func erase(_ user: String, in database: any Database) async throws {
        _ = try await begin(user, in: database)
        try await runner(
            UserErasing(
                database: database,
                accounts: ForsakenAccounts(
                    SyncBook([]), database: database, time: TestClock().source, logger: .quiet), ids: ids,
                time: TestClock().source, bells: Bells(), logger: .quiet),
            database)
    }

    @Test(
        "what came about an account goes with the last user who had connected it; a shared one stays",
        arguments: TestEngine.all)
    func accounts(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let bench = BillingBench(database)
            _ = try await connect("u_1", to: "open-own", in: database)
            _ = try await connect("u_1", to: "open-shared", in: database)
            _ = try await connect("u_2", to: "open-shared", in: database)
            let arrivals = ["open-own", "open-shared", "open-foreign"].map { account in
                let bytes = Array(#"{"user_openid":"\#(account)"}"#.utf8)
                return arrival("sample", bytes, [(0..<bytes.count, account, nil)])
            }
            try await database.set("keep", in: .ingest) { _ = try $0.keep(arrivals) }

            try await erase("u_1", in: database)

            let accounts = try await database.read("accounts") { session in
                try session.rows("SELECT coalesce(account, '-') FROM events ORDER BY id") { try $0.text() }
            }
            #expect(accounts == ["-", "open-shared", "open-foreign"])
            #expect(try await bench.count("SELECT count(*) FROM bodies") == 2)
            // And what comes later, until somebody connects it again.
            let name = ErasedName(account: "open-own", at: "sample")
            #expect(try await database.read("names") { try $0.erased(among: [name]).count } == 1)
            _ = try await connect("u_3", to: "open-own", in: database)
            #expect(try await database.read("names") { try $0.erased(among: [name]).count } == 0)
        }
    }

    @Test("calls stay and say no more for whom they were", arguments: TestEngine.all)
    func calls(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let mine = try await connect("u_1", to: "open-1", in: database)
            let other = try await connect("u_2", to: "open-2", in: database)
            let whose: [(connection: String?, user: String?)] = [
                (mine.text, "u_1"), (mine.text, nil), (nil, "u_1"), (other.text, "u_2"),
            ]
            let calls = whose.map { connection, user in
                var call = CallRow(
                    id: ids.make(), provider: "sample", purpose: "t", method: "GET", host: "h", path: "/", at: .testNow)
                (call.connection, call.userID) = (connection, user)
                return call
            }
            try await database.write("calls") { try $0.insert(calls) }

            try await erase("u_1", in: database)

            let left = try await database.read("calls") { session in
                try session.rows("SELECT coalesce(user_id, '-'), coalesce(connection_id, '-') FROM calls ORDER BY id") {
                    [try $0.text(), try $0.text()]
                }
            }
            #expect(left == [["-", "-"], ["-", "-"], ["-", "-"], ["u_2", other.text]])
        }
    }

    @Test("a damaged body stops no erasure, and goes with it", arguments: TestEngine.all)
    func damaged(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let bytes = Array(#"[{"who":"cus_1"},{"who":"cus_2"}]"#.utf8)
            let arrival = arrival("stripe", bytes, [(1..<16, nil, "cus_1"), (17..<32, nil, "cus_2")])
            try await database.set("keep", in: .ingest) { session in
                _ = try session.keep([arrival])
                try session.run("UPDATE bodies SET bytes = \([1, 2, 3] as [UInt8]), encoding = \(BodyCoding.zlib)")
            }
            var edit = UserEdit(id: "u_1")
            edit.customers = [("stripe", .set("cus_1"))]
            let bench = BillingBench(database)
            try await bench.put(edit)

            try await erase("u_1", in: database)

            #expect(try await bench.count("SELECT count(*) FROM bodies") == 0)
            #expect(try await bench.count("SELECT count(*) FROM events WHERE subject = 'cus_1'") == 0)
        }
    }

    @Test(
        "what nobody could read about the user asks nobody any more when its bytes are gone", arguments: TestEngine.all)
    func unreadable(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let deliveries = ["mine, u_1@example.com", "of another"].map { text in
                let (id, bytes): (ID<DeliveryKind>, [UInt8]) = (ids.make(), Array(text.utf8))
                return Arrival(
                    id: id, provider: "sample", app: ids.make(), receivedAt: .testNow, method: "POST", target: [],
                    headers: [], remote: nil, body: bytes, checksum: Checksum.of(bytes), flags: "unreadable",
                    reason: "no JSON", events: [],
                    review: NewReview(
                        id: ids.make(), kind: "unreadable_delivery", subject: id.text, question: "What is it?",
                        evidence: "{}", choices: ["read_again", "dismiss"], provider: "sample", openedAt: .testNow,
                        changeID: ids.make()))
            }
            try await database.set("keep", in: .ingest) { _ = try $0.keep(deliveries) }
            try await BillingBench(database).put(UserEdit(id: "u_1"))
            let bodies = try await database.read("naming") { try $0.bodiesNaming(["u_1@example.com"], limit: 10) }
            #expect(bodies == [deliveries[0].id.text])

            let new = NewErasure(
                id: ids.make(), user: "u_1", who: "digest", askedBy: "key_1", at: .testNow, bodies: bodies)
            try await database.write("erase") { _ = try $0.erase(new) }

            let open = try await database.read("open") { session in
                try session.rows("SELECT subject FROM reviews WHERE state <> 'decided'") { try $0.text() }
            }
            #expect(open == [deliveries[1].id.text])
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
