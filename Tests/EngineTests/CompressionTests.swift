import Kit
import Store
import TestSupport
import Testing

@testable import Engine
@testable import Store

@Suite("Bytes that are no longer new are stored compressed")
struct CompressionTests {
    private let ids = Identifiers(now: { .testNow })

    @Test(
        "everything reads them as they came: events, deliveries, lists, the feed, a search", arguments: TestEngine.all)
    func reading(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let desk = try await Desk(database)
            let deliveries = [
                desk.stripe("evt_1", type: "invoice.paid", padding: 3000), desk.stripe("evt_2", type: "invoice.paid"),
                desk.signed(Array(#"{"id":17,"object":"event","who":"cus_9","n":"\#(Self.noise)"}"#.utf8)),
                desk.stripe("evt_3", type: "a.b", padding: 200_000),
            ]
            for delivery in deliveries { #expect(await desk.receive(delivery).isKept) }
            let before = try await contents(database)

            try await compress(database)

            let encodings = try await database.read("rows") { session in
                try session.rows("SELECT encoding, length(bytes) FROM bodies ORDER BY id") { row in
                    (try row.text(), try row.integer())
                }
            }
            #expect(encodings.map(\.0) == ["zlib", "raw", "zlib", "zlib"], "what is small stays as it is")
            #expect(encodings[0].1 < 400 && encodings[3].1 < 1000)
            #expect(try await contents(database) == before)
            #expect(before.deliveries == deliveries.map(\.body))
            let found = try await database.read("search") { try $0.bodiesNaming(["\"cus_9\""], limit: 10) }
            #expect(found.count == 1)
            // The same fact with other bytes is still told from the same bytes.
            _ = await desk.receive(deliveries[0])
            #expect(try await differed(database) == 0)
            _ = await desk.receive(desk.stripe("evt_1", type: "invoice.paid", padding: 3001))
            #expect(try await differed(database) == 1)
        }
    }

    @Test("what one run did the next leaves alone, and goes on behind it", arguments: TestEngine.all)
    func twice(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let desk = try await Desk(database)
            for number in 0..<450 {
                _ = await desk.receive(desk.stripe("evt_\(number)", type: "a.b", padding: number % 3 == 0 ? 9000 : 0))
            }
            try await compress(database, at: .testNow + .minutes(59))
            #expect(try await count("zlib", database) == 0, "too new")

            try await compress(database)
            #expect(try await count("zlib", database) == 150)
            try await compress(database)
            #expect(try await count("zlib", database) == 150)
            #expect(try await count("raw", database) == 300)
        }
    }

    @Test("a fact among others is erased, and the others stay", arguments: TestEngine.all)
    func erased(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let first = #"{"who":"cus_1","n":"\#(Self.noise)"}"#
            let bytes = Array((first + #"{"who":"cus_2"}"#).utf8)
            let ranges = [0..<first.utf8.count, first.utf8.count..<bytes.count]
            let events = zip(ranges, ["cus_1", "cus_2"]).map { range, customer in
                ArrivingEvent(
                    id: ids.make(),
                    event: Event(
                        identity: EventIdentity(day: 1, of: customer.utf8), type: "a.b", subject: customer,
                        body: range), job: nil, change: nil)
            }
            let arrival = Arrival(
                id: ids.make(), provider: "stripe", app: ids.make(), receivedAt: .testNow, method: "POST", target: [],
                headers: [], remote: nil, body: bytes, checksum: Checksum.of(bytes), flags: nil, reason: nil,
                events: events, review: nil)
            try await database.set("keep", in: .ingest) { _ = try $0.keep([arrival]) }
            try await compress(database)
            #expect(try await count("zlib", database) == 1)

            try await database.write("erase") { session in
                guard let event = try session.event(events[0].id) else { return }
                try session.eraseEvent(event, at: .testNow)
            }

            let left = try await database.read("left") { session in try events.map { try session.event($0.id)?.body } }
            #expect(left[0] == Array(repeating: 0x20, count: first.utf8.count))
            #expect(left[1] == Array(#"{"who":"cus_2"}"#.utf8))
        }
    }

    @Test("a bit that turns is found, not believed", arguments: TestEngine.all)
    func damaged(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let desk = try await Desk(database)
            _ = await desk.receive(desk.stripe("evt_1", type: "a.b", padding: 3000))
            try await compress(database)
            let (id, stored) = try #require(
                try await database.read("row") { session in
                    try session.row("SELECT id, bytes FROM bodies") { row in (try row.text(), try row.blob()) }
                })
            for place in [0, 2, 4, stored.count / 2, stored.count - 1] {
                var turned = stored
                turned[place] ^= 1
                try await database.write("turn") { [turned] session in
                    _ = try session.run("UPDATE bodies SET bytes = \(turned) WHERE id = \(id)")
                }
                await #expect(throws: StoreError.damaged("the body \(id)")) {
                    try await database.read("body") { _ = try $0.body(id) }
                }
            }
            try await database.write("cut") { session in
                _ = try session.run("UPDATE bodies SET bytes = \([UInt8](stored.prefix(3))) WHERE id = \(id)")
            }
            await #expect(throws: StoreError.self) { try await database.read("body") { _ = try $0.body(id) } }
        }
    }

    @Test("any bytes come back, or stay as they are where nothing is gained")
    func round() {
        var state: UInt64 = 1
        for count in [0, 1, 1023, 1024, 1025, 65_536, 1 << 20] {
            let flat = [UInt8](repeating: 7, count: count)
            let wild = flat.map { _ -> UInt8 in
                state = state &* 6_364_136_223_846_793_005 &+ 1
                return UInt8(truncatingIfNeeded: state >> 33)
            }
            let packed = BodyCoding.compressed(flat)
            #expect((packed == nil) == (count < 1024))
            if let packed { #expect(BodyCoding.bytes(packed, "zlib") == flat && packed.count < count / 8) }
            #expect(BodyCoding.compressed(wild) == nil)
        }
        #expect(BodyCoding.bytes([1, 2], "brotli") == nil && BodyCoding.bytes([], "zlib") == nil)
        #expect(BodyCoding.bytes([255, 255, 255, 255, 1], "zlib") == nil, "no body is so large")
    }

    // MARK: Parts

    private static let noise = String(repeating: "rye and salt ", count: 200)

    private func compress(_ database: any Database, at now: Timestamp = .testNow + .hours(2)) async throws {
        let clock = TestClock(now)
        let time = TimeSource(now: { clock.now }, uptime: { .zero }, sleep: { _ in await Task.yield() })
        let job = NewJob(
            id: ids.make(), kind: CompressionWorker.kind, lane: RetentionWorker.lane, dueAt: .testNow,
            createdAt: .testNow, input: [])
        let node: ID<NodeKind> = ids.make()
        try await database.write("enqueue") { session in
            try session.openNode(node, host: "h", process: 1, program: "p", at: .testNow)
            try session.enqueue([job])
        }
        let claimed = try await database.write("claim") { session in
            try session.claim(1000, pools: [0, 1, 2], for: node, at: .testNow)
        }
        let worker = CompressionWorker(database: database, time: time, logger: .quiet)
        for job in claimed where job.kind == CompressionWorker.kind { _ = try await worker.run(job) }
    }

    private struct Contents: Equatable {
        var events: [[UInt8]?]
        var deliveries: [[UInt8]?]
        var listed: [String: [UInt8]]
        var told: [[UInt8]?]
    }

    private func contents(_ database: any Database) async throws -> Contents {
        try await database.read("contents") { session in
            let rows = try session.events(EventFilter(), ListPage(limit: 100, ascending: true))
            let deliveries = try session.deliveries(DeliveryFilter(), ListPage(limit: 100, ascending: true))
            return Contents(
                events: try rows.map { try session.event($0.id)?.body },
                deliveries: try deliveries.map { try session.deliveryBody($0.id) },
                listed: try session.payloads(of: rows, bytesMax: 10 << 20).bytes,
                told: try rows.map { try session.changes(about: $0.id.text, limit: 5).first?.payload })
        }
    }

    private func count(_ encoding: String, _ database: any Database) async throws -> Int64? {
        try await database.read("count") { session in
            try session.row("SELECT count(*) FROM bodies WHERE encoding = \(encoding)") { try $0.integer() }
        }
    }
    private func differed(_ database: any Database) async throws -> Int64? {
        try await database.read("differed") { session in
            try session.row("SELECT count(*) FROM events WHERE bytes_differed = 1") { try $0.integer() }
        }
    }
}

extension Gateway.Reply {
    fileprivate var isKept: Bool {
        switch self {
        case .kept, .unreadable: true
        case .refused, .limited, .unknown, .overloaded, .unavailable: false
        }
    }
}
