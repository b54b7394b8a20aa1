import Kit
import Store
import Stripe
import TestSupport
import Testing

@testable import Engine
@testable import Store

@Suite("Events are found by the values that people have in hand")
struct EventTermsTests {
    @Test("by customer and by order, at once and across thousands", arguments: TestEngine.all)
    func found(engine: TestEngine) async throws {
        try await with(engine) { desk, clock, terms in
            for number in 0..<1200 { _ = await desk.receive(desk.stripe("evt_\(number)", type: "a.b")) }
            try await settle(desk, clock)
            #expect(try await events(holding: "CUS_evt_1199", desk, terms) == ["evt_1199"])
            #expect(try await events(holding: " cus_EVT_0 ", desk, terms) == ["evt_0"])
            #expect(try await events(holding: "in_1", desk, terms).count == 1200)
            #expect(try await events(holding: "cus_evt", desk, terms).isEmpty, "the whole value")
            #expect(try await terms.term(of: "  ") == nil)
        }
    }

    @Test("what came just now waits for what may still come before it", arguments: TestEngine.all)
    func settling(engine: TestEngine) async throws {
        try await with(engine) { desk, clock, terms in
            _ = await desk.receive(desk.stripe("evt_1", type: "a.b"))
            #expect(try await terms.step() == 0)
            if engine == .postgres {
                clock.advance(by: .seconds(3))
                #expect(try await terms.step() == 0, "its change has no place yet, so others may come before it")
            }
            try await settle(desk, clock)
            #expect(try await terms.step() == 1)
            #expect(try await terms.step() == 0, "each is looked at once")
        }
    }

    @Test("the table holds hashes that another key makes otherwise; a new key begins anew", arguments: TestEngine.all)
    func keyed(engine: TestEngine) async throws {
        try await with(engine) { desk, clock, terms in
            _ = await desk.receive(desk.stripe("evt_1", type: "a.b"))
            try await settle(desk, clock)
            let first = try await terms.term(of: "cus_evt_1")
            // k1 is still there beside a newer one: nothing changes.
            let both = self.terms(desk, clock, keys: ["k2": 9, "k1": 7])
            #expect(try await both.term(of: "cus_evt_1") == first)
            let other = self.terms(desk, clock, keys: ["k2": 9])
            let second = try await other.term(of: "cus_evt_1")
            #expect(second != nil && second != first)
            #expect(try await events(holding: "cus_evt_1", desk, other) == ["evt_1"])
            let rows = try await desk.database.read("rows") { session in
                try session.rows("SELECT term FROM event_terms") { try $0.integer() }
            }
            #expect(rows.count == 2 && !rows.contains(first ?? 0))
            let none = EventTerms([:], vault: Vault(keyring: Keyring([])), database: desk.database, time: clock.source)
            #expect(try await none.term(of: "cus_evt_1") == nil)
        }
    }

    @Test("who is erased is found no longer, and what is expired has no terms", arguments: TestEngine.all)
    func erased(engine: TestEngine) async throws {
        try await with(engine) { desk, clock, terms in
            for number in 0..<3 { _ = await desk.receive(desk.stripe("evt_\(number)", type: "a.b")) }
            try await settle(desk, clock)
            #expect(try await terms.step() == 3)
            try await desk.database.write("erase") { session in
                let id = try session.events(holding: nil)[0].id
                guard let event = try session.event(id) else { return }
                try session.eraseEvent(event, at: clock.now)
            }
            #expect(try await termsCount(desk) == 4)
            var limits = RetentionLimits()
            limits.events = .seconds(1)
            let expired = try await desk.database.set("expire", in: .maintenance) { [limits] in
                try $0.expire(.events, limits: limits, at: .testNow + .minutes(1), limit: 100)
            }
            #expect(expired == 3)
            #expect(try await termsCount(desk) == 0)
        }
    }

    @Test("who is erased while terms are made of what they said gets none", arguments: TestEngine.all)
    func erasedMeanwhile(engine: TestEngine) async throws {
        try await with(engine) { desk, clock, terms in
            for number in 0..<3 { _ = await desk.receive(desk.stripe("evt_\(number)", type: "a.b")) }
            try await settle(desk, clock)
            #expect(try await terms.term(of: "cus_evt_0") != nil)
            try await desk.database.write("again") { session in
                try session.run("DELETE FROM event_terms")
                try session.setInstanceFact("event_terms_to", "")
            }
            let read = try await desk.database.read("read") { [now = clock.now] session in
                try session.eventsToIndex(at: now, limit: 10, bytesMax: 1 << 20)
            }
            let unindexed = try #require(read)
            try await desk.database.write("erase") { [now = clock.now] session in
                guard let event = try session.event(unindexed.contents[1].id) else { return }
                try session.eraseEvent(event, at: now)
            }
            let key = try await desk.database.read("key") { try $0.eventTermsState().keyID } ?? ""
            try await desk.database.write("index") { try $0.index(unindexed, key: key, terms: [[1], [2], [3]]) }
            let kept = try await desk.database.read("rows") { session in
                try session.rows("SELECT term FROM event_terms ORDER BY term") { try $0.integer() }
            }
            #expect(kept == [1, 3])
            // Whoever read the same before comes too late.
            try await desk.database.write("late") { try $0.index(unindexed, key: key, terms: [[4], [5], [6]]) }
            #expect(try await termsCount(desk) == 2)
        }
    }

    @Test("a damaged body keeps none behind it from being found", arguments: TestEngine.all)
    func damaged(engine: TestEngine) async throws {
        try await with(engine) { desk, clock, terms in
            for number in 0..<30 { _ = await desk.receive(desk.stripe("evt_\(number)", type: "a.b")) }
            try await desk.database.write("damage") { session in
                _ = try session.run(
                    "UPDATE bodies SET checksum = checksum + 1 WHERE id = (SELECT min(body_id) FROM events)")
            }
            try await settle(desk, clock)
            #expect(try await events(holding: "cus_evt_0", desk, terms).isEmpty)
            #expect(try await events(holding: "cus_evt_29", desk, terms) == ["evt_29"])
        }
    }

    @Test("two who index at once leave each term once", arguments: TestEngine.all)
    func twoAtOnce(engine: TestEngine) async throws {
        try await with(engine) { desk, clock, terms in
            for number in 0..<700 { _ = await desk.receive(desk.stripe("evt_\(number)", type: "a.b")) }
            try await settle(desk, clock)
            let other = self.terms(desk, clock, keys: ["k1": 7])
            try await withThrowingTaskGroup(of: Void.self) { group in
                for terms in [terms, other, terms, other] {
                    group.addTask { while try await terms.step() > 0 {} }
                }
                try await group.waitForAll()
            }
            #expect(try await termsCount(desk) == 1400)
            #expect(try await events(holding: "cus_evt_699", desk, terms) == ["evt_699"])
        }
    }

    // MARK: Parts

    private func with(
        _ engine: TestEngine, _ body: (Desk, TestClock, EventTerms) async throws -> Void
    ) async throws {
        try await TestDatabase.with(engine) { database in
            let (desk, clock) = (try await Desk(database), TestClock())
            try await body(desk, clock, terms(desk, clock, keys: ["k1": 7]))
        }
    }

    private func terms(_ desk: Desk, _ clock: TestClock, keys: KeyValuePairs<String, UInt8>) -> EventTerms {
        let keyring = Keyring(keys.map { ($0.key, Secret([UInt8](repeating: $0.value, count: 32))) })
        return EventTerms(
            ["stripe": Stripe().webhooks.findable], vault: Vault(keyring: keyring), database: desk.database,
            time: clock.source)
    }

    /// Everything is committed and in its place.
    private func settle(_ desk: Desk, _ clock: TestClock) async throws {
        while try await desk.database.write("sequence", { try $0.sequence(1000).placed }) > 0 {}
        clock.advance(by: .seconds(3))
    }

    private func events(holding value: String, _ desk: Desk, _ terms: EventTerms) async throws -> [String] {
        let term = try await terms.term(of: value)
        return try await desk.database.read("events") { try $0.events(holding: term).compactMap(\.providerEventID) }
    }

    private func termsCount(_ desk: Desk) async throws -> Int64? {
        try await desk.database.read("terms") { session in
            try session.row("SELECT count(*) FROM event_terms") { try $0.integer() }
        }
    }
}

extension Session {
    fileprivate func events(holding term: Int64?) throws -> [EventRow] {
        var filter = EventFilter()
        filter.term = term
        return try events(filter, ListPage(limit: 2000, ascending: true))
    }
}
