import Kit
import Store
import TestSupport
import Testing

@testable import Engine

@Suite("Live clients")
struct ChangeHubTests {
    @Test("a client sees what happens from now on, in order", arguments: TestEngine.all)
    func live(engine: TestEngine) async throws {
        try await Outward.with(engine, wire: FakeWire { _, _ in .status(200) }) { outward in
            try await outward.happen(3)
            try await outward.until("placed") { try $0.feedHead() == 3 }
            try await outward.hubAt(3)
            var client = outward.hub.subscribe().makeAsyncIterator()
            try await outward.happen(5)

            for position in 4...8 { #expect(try await client.next()?.position == Int64(position)) }
        }
    }

    @Test("a client that comes back gets what it missed, then what comes", arguments: TestEngine.all)
    func resumed(engine: TestEngine) async throws {
        try await Outward.with(engine, wire: FakeWire { _, _ in .status(200) }) { outward in
            for _ in 0..<3 { try await outward.happen(90) }
            try await outward.until("placed") { try $0.feedHead() == 270 }
            let hub = ChangeHub(
                database: outward.database, placed: outward.placed, time: .system, logger: .quiet)
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await hub.run() }
                var client = hub.subscribe(after: 7).makeAsyncIterator()
                for position in 8...270 { #expect(try await client.next()?.position == Int64(position)) }
                try await outward.happen(2)
                for position in 271...272 { #expect(try await client.next()?.position == Int64(position)) }
                group.cancelAll()
            }
        }
    }

    @Test("a client sees the types and the user that it asked for", arguments: TestEngine.all)
    func filtered(engine: TestEngine) async throws {
        try await Outward.with(engine, wire: FakeWire { _, _ in .status(200) }) { outward in
            let filter = ChangeFilter(types: EventPatterns(["payment.*"]), userID: "anna")
            var client = outward.hub.subscribe(after: 0, to: filter).makeAsyncIterator()
            try await outward.happen(1, "payment.failed", user: "ben")
            try await outward.happen(1, "review.opened", user: "anna")
            try await outward.happen(1, "payment.failed", user: "anna")

            #expect(try await client.next()?.position == 3)
        }
    }

    @Test("a client that was up to date and is too far behind is closed", arguments: TestEngine.all)
    func behind(engine: TestEngine) async throws {
        try await Outward.with(engine, wire: FakeWire { _, _ in .status(200) }) { outward in
            try await outward.happen(1)
            try await outward.hubAt(1)
            var client = outward.hub.subscribe().makeAsyncIterator()
            for _ in 0..<3 { try await outward.happen(400) }
            try await outward.hubAt(1201)

            #expect(try await client.next()?.position == nil)
            // It comes back and names the last position that it got.
            var again = outward.hub.subscribe(after: 1).makeAsyncIterator()
            for position in 2...1201 { #expect(try await again.next()?.position == Int64(position)) }
        }
    }

    @Test("what is no longer kept is said, not skipped", arguments: TestEngine.all)
    func gap(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let outward = Outward(database, wire: FakeWire { _, _ in .status(200) })
            try await outward.running {
                try await outward.happen(10)
                try await outward.until("placed") { try $0.feedHead() == 10 }
            }
            _ = try await database.write("expire") {
                try $0.expire(.changes, limits: RetentionLimits(), at: .testNow + .days(31), limit: 5)
            }
            let hub = ChangeHub(database: database, placed: Bell(), time: .system, logger: .quiet)
            var client = hub.subscribe(after: 2).makeAsyncIterator()

            await #expect(throws: FeedGap(first: 6)) { _ = try await client.next() }
        }
    }

    @Test("one event of the stream: id, type, and data on as many lines as it has")
    func rendered() throws {
        let identifiers = Identifiers(now: { .testNow })
        let change = Change(
            position: 5, id: identifiers.make(), type: "event.received", subject: "evt_1", version: 0, userID: nil,
            connectionID: nil, occurredAt: .testNow, data: Array(#"{"n":1}"#.utf8),
            payload: Array("{\r\n \"a\": 1.10\n}".utf8))
        let event = String(decoding: FeedItem(change).serverSentEvent, as: UTF8.self)
        let lines = event.split(separator: "\n", omittingEmptySubsequences: false)

        #expect(lines[0] == "id: 5" && lines[1] == "event: event.received" && event.hasSuffix("\n\n"))
        #expect(lines.dropFirst(2).dropLast(2).allSatisfy { $0.hasPrefix("data: ") })
        let data = lines.filter { $0.hasPrefix("data: ") }.map { $0.dropFirst(6) }.joined(separator: "\n")
        #expect(try JSON.parse(data)["data", "payload", "a"]?.numberText == "1.10")
    }

    @Test("outside bytes are spliced as they are, in base64 when they are not JSON, and not at all when they are large")
    func payloads() {
        func body(_ payload: [UInt8], data: String = #"{"n":1}"#) -> String {
            let change = Change(
                position: 1, id: ID(stored: "chg_x"), type: "t.t", subject: nil, version: 0, userID: nil,
                connectionID: nil, occurredAt: .testNow, data: Array(data.utf8), payload: payload)
            return String(decoding: FeedItem(change).body, as: UTF8.self)
        }
        #expect(body(Array(#"{"v": 1.10, "v": 2}"#.utf8)).hasSuffix(#""data":{"n":1,"payload":{"v": 1.10, "v": 2}}}"#))
        #expect(body(Array("a=1&b=2".utf8)).hasSuffix(#""payload":null,"payload_base64":"YT0xJmI9Mg=="}}"#))
        #expect(body(Array("1".utf8), data: "{}").hasSuffix(#""data":{"payload":1}}"#))
        #expect(body([UInt8](repeating: 0x31, count: 20_481)).hasSuffix(#""data":{"n":1}}"#))
    }

    @Test("the ring knows its end, forgets its beginning, and never more than it may hold")
    func ring() {
        var ring = ChangeRing()
        ring.begin(at: 100)
        let item = { (position: Int64) in
            FeedItem(
                Change(
                    position: position, id: ID(stored: "chg_x"), type: "t.t", subject: nil, version: 0, userID: nil,
                    connectionID: nil, occurredAt: .testNow, data: Array("{}".utf8), payload: nil))
        }
        for start in stride(from: Int64(101), through: 15_100, by: 500) {
            ring.append((start..<start + 500).map(item))
        }
        #expect(ring.end == 15_100 && ring.start == 5100)
        #expect(ring.items(after: 5099, limit: 1) == nil)
        #expect(ring.items(after: 5100, limit: 2)?.map(\.position) == [5101, 5102])
        #expect(ring.items(after: 15_100, limit: 2)?.isEmpty == true)
        if case .item(let found) = ring.next(after: 15_000, where: { $0.position % 7 == 0 }) {
            #expect(found.position == 15_001)
        } else {
            Issue.record("nothing found")
        }
        #expect(ring.exceeds(1000, weight: 1 << 20, after: 14_000) { _ in true })
        #expect(!ring.exceeds(1000, weight: 1 << 20, after: 14_000) { $0.position % 2 == 0 })
    }
}

extension Outward {
    /// Returns when the hub has read so far.
    func hubAt(_ position: Int64) async throws {
        for _ in 0..<6000 {
            if hub.hasReached(position) { return }
            try await Task.sleep(for: .milliseconds(5), clock: .continuous)
        }
        throw NeverHappened(what: "the hub at \(position)")
    }
}
