import Kit
import ServiceLifecycle
import Store
import Synchronization
import TestSupport
import Testing

@testable import Engine

@Suite("Order at endpoints")
struct OrderTests {
    @Test("a failing event holds back its own key and no other, and nothing overtakes", arguments: TestEngine.all)
    func heldBack(engine: TestEngine) async throws {
        let blocked = Mutex(true)
        let wire = FakeWire { request, _ in
            let isAnna = String(decoding: request.body, as: UTF8.self).contains("anna")
            return .status(isAnna && blocked.withLock { $0 } ? 500 : 200)
        }
        try await Outward.with(engine, wire: wire) { outward in
            let made = try await outward.endpoints.create(url: "https://a.example/", orderedBy: .user)
            var ids: [String: [String]] = ["anna": [], "ben": []]
            for _ in 0..<20 {
                for user in ["anna", "ben"] {
                    ids[user]? += try await outward.happen(1, "\(user).happened", user: user).map(\.text)
                }
            }
            try await outward.until("ben has all") { session in
                try session.attempts(at: made.endpoint.id, outcome: .delivered, limit: 99).count == 20
                    && session.endpoint(made.endpoint.id)?.position == 40
            }
            let tries = wire.ids.filter { ids["anna"]?.contains($0) == true }
            #expect(tries == [ids["anna"]?.first], "only the first of the failing key is tried")

            blocked.withLock { $0 = false }
            outward.clock.advance(by: .seconds(6))
            try await outward.until("anna has all") { session in
                try session.attempts(at: made.endpoint.id, outcome: .delivered, limit: 99).count == 40
            }
            for user in ["anna", "ben"] {
                let delivered = wire.ids.filter { ids[user]?.contains($0) == true }.drop { _ in false }
                var seen = Set<String>()
                let last = Array(delivered.reversed().filter { seen.insert($0).inserted }.reversed())
                #expect(last == ids[user])
            }
        }
    }

    @Test("one at a time is in flight for a key", arguments: TestEngine.all)
    func oneInFlight(engine: TestEngine) async throws {
        let flights = Mutex<[String: Int]>([:])
        let most = Mutex(0)
        let wire = FakeWire { request, _ in
            let user = String(decoding: request.body, as: UTF8.self).contains("\"u1.") ? "u1" : "u2"
            let count = flights.withLock { flights in
                flights[user, default: 0] += 1
                return flights[user] ?? 0
            }
            most.withLock { $0 = max($0, count) }
            for _ in 0..<20 { await Task.yield() }
            flights.withLock { $0[user]? -= 1 }
            return .status(200)
        }
        try await Outward.with(engine, wire: wire) { outward in
            _ = try await outward.endpoints.create(url: "https://a.example/", orderedBy: .user)
            for number in 0..<60 {
                try await outward.happen(1, "u\(number % 2 + 1).happened", user: "u\(number % 2 + 1)")
            }
            await wire.wait(for: 60)

            #expect(most.withLock { $0 } == 1)
        }
    }

    @Test("a key whose first change dies goes on with the next", arguments: TestEngine.all)
    func deadInOrder(engine: TestEngine) async throws {
        let bad = Mutex<String?>(nil)
        let wire = FakeWire { request, _ in .status(request.headers["webhook-id"] == bad.withLock { $0 } ? 500 : 200) }
        try await Outward.with(engine, wire: wire) { outward in
            let made = try await outward.endpoints.create(
                url: "https://a.example/", types: ["payment.*"], orderedBy: .user)
            let first = NewChange(
                id: outward.identifiers.make(), type: "payment.failed", subject: nil, userID: "anna",
                occurredAt: outward.clock.now, data: Array("{}".utf8))
            bad.withLock { $0 = first.id.text }
            try await outward.database.write("first") { try $0.append([first]) }
            outward.written.ring()
            let next = try await outward.happen(3, user: "anna")
            for tries in 1...10 {
                try await outward.turnUntil(.hours(27)) { wire.ids.filter { $0 == first.id.text }.count >= tries }
                if tries < 10 { #expect(Set(wire.ids).isDisjoint(with: next.map(\.text)), "held for the whole period") }
                // Somebody else's success keeps the endpoint from being given up.
                let good = try await outward.happen(1)[0]
                try await outward.turnUntil(.seconds(1)) { wire.ids.contains(good.text) }
            }
            try await outward.turnUntil(.hours(27)) { Set(wire.ids).isSuperset(of: next.map(\.text)) }

            let order = wire.ids.filter { next.map(\.text).contains($0) }
            #expect(order == next.map(\.text))
            let dead = try await outward.attempts(at: made.endpoint).filter { $0.outcome == .dead }
            #expect(dead.map(\.change) == [first.id])
        }
    }
}

@Suite("Sending again")
struct ReplayTests {
    @Test("one change, all that failed, all that is missing: the same ids, new times", arguments: TestEngine.all)
    func replays(engine: TestEngine) async throws {
        let status = Mutex(200)
        let wire = FakeWire { _, _ in .status(status.withLock { $0 }) }
        try await Outward.with(engine, wire: wire) { outward in
            let made = try await outward.endpoints.create(url: "https://a.example/", types: ["payment.*"])
            let id = made.endpoint.id
            let good = try await outward.happen(3)
            try await outward.until("delivered") { try $0.attempts(at: id, outcome: .delivered, limit: 9).count == 3 }
            outward.clock.advance(by: .hours(1))
            let since = outward.clock.now
            status.withLock { $0 = 500 }
            let bad = try await outward.happen(4)
            try await outward.until("failed") { try $0.attempts(at: id, outcome: .failed, limit: 9).count == 4 }
            status.withLock { $0 = 200 }

            #expect(try await outward.endpoints.resend(good[1], to: id) == .queued)
            await wire.wait(for: 8)
            #expect(wire.ids.last == good[1].text)
            #expect(try await outward.endpoints.recoverAll(.init(.failed, since: since), at: id) == 4)
            await wire.wait(for: 12)
            #expect(Set(wire.ids.suffix(4)) == Set(bad.map(\.text)))
            try await outward.until("delivered") { try $0.attempts(at: id, outcome: .delivered, limit: 99).count == 8 }
            #expect(try await outward.endpoints.recoverAll(.init(.failed, since: since), at: id) == 0)

            // Nothing is known of their delivery any more.
            _ = try await outward.database.write("forget") {
                try $0.expire(.attempts, limits: RetentionLimits(), at: since + .days(31), limit: 500)
            }
            #expect(try await outward.endpoints.recoverAll(.init(.missing, since: since), at: id) == 4)
            await wire.wait(for: 16)
            #expect(Set(wire.ids.suffix(4)) == Set(bad.map(\.text)))
            #expect(try await outward.endpoints.resend(outward.identifiers.make(), to: id) == .unknownChange)
            #expect(try await outward.endpoints.resend(good[0], to: outward.identifiers.make()) == .unknownEndpoint)
        }
    }

    @Test("a replay of more than one step visits every change once", arguments: TestEngine.all)
    func steps(engine: TestEngine) async throws {
        let wire = FakeWire { _, _ in .status(200) }
        try await Outward.with(engine, wire: wire) { outward in
            let made = try await outward.endpoints.create(url: "https://a.example/", types: ["review.*"])
            for _ in 0..<3 { try await outward.happen(400) }
            try await outward.settle(made.endpoint.id)
            _ = try await outward.endpoints.update(made.endpoint.id, EndpointPatch(types: ["payment.*"]))

            #expect(
                try await outward.endpoints.recoverAll(.init(.missing, since: .testNow), at: made.endpoint.id) == 1200)
            await wire.wait(for: 1200)
            try await outward.until("recorded") { try $0.countDue(of: made.endpoint.id, limit: 9) == 0 }
            #expect(wire.ids.count == 1200 && Set(wire.ids).count == 1200)
        }
    }

    @Test("a time range is sent again, what was taken too, with the same ids and no faster than asked")
    func range() async throws {
        for engine in TestEngine.all {
            let wire = FakeWire { _, _ in .status(200) }
            try await Outward.with(engine, wire: wire) { outward in
                let made = try await outward.endpoints.create(url: "https://a.example/", types: ["payment.*"])
                let id = made.endpoint.id
                var times: [Timestamp] = []
                var happened: [[ID<ChangeKind>]] = []
                for _ in 0..<3 {
                    times.append(outward.clock.now)
                    happened.append(try await outward.happen(4))
                    outward.clock.advance(by: .hours(1))
                }
                try await outward.until("delivered") {
                    try $0.attempts(at: id, outcome: .delivered, limit: 99).count == 12
                }
                let now = outward.clock.now
                let middle = RecoveredTime(since: times[1], until: times[2])
                let recovery = Endpoints.Recovery(.all, in: middle, pace: Pace(perSecond: 2, from: now))
                let counted = try await outward.database.read("count") { session in
                    try Endpoints.count(
                        recovery, at: try #require(try session.endpoint(id)), atMost: 100, in: session
                    ).count
                }
                #expect(counted == 4)
                #expect(try await outward.endpoints.recoverAll(.init(.missing, in: middle), at: id) == 0)
                #expect(try await outward.endpoints.recoverAll(recovery, at: id) == 4)
                for number in 0..<4 {
                    await wire.wait(for: 13 + number)
                    try await outward.until("recorded") {
                        try $0.attempts(at: id, outcome: .delivered, limit: 99).count == 13 + number
                    }
                    #expect(wire.ids.count == 13 + number)
                    outward.clock.advance(by: .milliseconds(500))
                }
                #expect(Set(wire.ids.suffix(4)) == Set(happened[1].map(\.text)))
            }
        }
    }

    @Test("what is asked for stands in JSON as it is asked for")
    func written() throws {
        let now = Timestamp.testNow
        let recovery = Endpoints.Recovery(
            .missing, in: RecoveredTime(since: now - .hours(2), until: now), pace: Pace(perSecond: 5, from: now))
        #expect(Endpoints.Recovery(recovery.json, at: .zero) == recovery)
        #expect(Endpoints.Recovery(["failed_since": JSON(now), "all_since": JSON(now)], at: now) == nil)
        #expect(Endpoints.Recovery(["until": JSON(now)], at: now) == nil)
        #expect(Pace(perSecond: 4, from: now).due(6) == now + .milliseconds(1500))
    }
}

@Suite("Crashes and takeovers of senders")
struct TakeoverTests {
    @Test("killed anywhere, again and again: everything arrives, with the ids it had", arguments: TestEngine.all)
    func killed(engine: TestEngine) async throws {
        let wire = FakeWire { _, before in
            for _ in 0..<(before % 7) { await Task.yield() }
            return .status(before % 11 == 3 ? 500 : 200)
        }
        try await TestDatabase.with(engine) { database in
            let outward = Outward(database, wire: wire)
            let made = try await outward.endpoints.create(url: "https://a.example/", types: ["payment.*"])
            var ids = Set<String>()
            for round in 0..<12 {
                try await outward.running {
                    for _ in 0..<5 { ids.formUnion(try await outward.happen(8).map(\.text)) }
                    for _ in 0..<(round * 40) { await Task.yield() }
                }  // Cancelled here: what was in flight is forgotten.
                outward.clock.advance(by: .seconds(7))
            }
            try await outward.running {
                try await outward.turnUntil(.seconds(400)) { ids.isSubset(of: wire.ids) }
                repeat {
                    outward.clock.advance(by: .seconds(400))
                    try await outward.settle(made.endpoint.id)
                } while try await database.read("left", { try $0.countDue(of: made.endpoint.id, limit: 9) }) > 0
            }
            let delivered = try await outward.attempts(at: made.endpoint).filter { $0.outcome == .delivered }
            let missing = ids.subtracting(delivered.map(\.change.text)).count
            #expect(missing == 0)
        }
    }

    @Test("a node whose session was revoked records nothing more; another goes on", arguments: TestEngine.all)
    func fenced(engine: TestEngine) async throws {
        let gate = Bell()
        let wire = FakeWire { _, before in
            if before == 0 { await gate.wait(since: 0) }
            return .status(200)
        }
        try await TestDatabase.with(engine) { database in
            let outward = Outward(database, wire: wire)
            let made = try await outward.endpoints.create(url: "https://a.example/")
            let (first, second) = (outward.node, outward.identifiers.make(NodeKind.self))
            try await outward.running {
                let ids = try await outward.happen(1)
                await wire.wait(for: 1)
                // The first node stands still in its request; the others hold it for dead.
                _ = try await database.write("revoke") { session in
                    _ = try session.revoke(first, at: .testNow)
                    return try session.takeLease(Session.endpointLease(made.endpoint.id), for: second, at: .testNow)
                }
                gate.ring()
                try await outward.until("nothing recorded by the first") { _ in
                    wire.all.count == 1
                }
                let sender = outward.sender(node: second)
                try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask { try await sender.run() }
                    await wire.wait(for: 2)
                    try await outward.until("recorded") { try $0.attempts(at: made.endpoint.id, limit: 9).count == 1 }
                    group.cancelAll()
                }
                #expect(wire.ids == [ids[0].text, ids[0].text])
                #expect(try await outward.attempts(at: made.endpoint).count == 1)
            }
        }
    }

    @Test("told to stop, it lets what is in flight end, records it and gives the lease back", arguments: TestEngine.all)
    func graceful(engine: TestEngine) async throws {
        let gate = Bell()
        let wire = FakeWire { _, _ in
            await gate.wait(since: 0)
            return .status(200)
        }
        try await TestDatabase.with(engine) { database in
            let outward = Outward(database, wire: wire)
            let made = try await outward.endpoints.create(url: "https://a.example/")
            let services = ServiceGroup(
                services: [outward.sequencer, outward.hub, outward.sender()], logger: .quiet)
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await services.run() }
                try await outward.happen(1)
                await wire.wait(for: 1)
                await services.triggerGracefulShutdown()
                try await outward.happen(1)
                gate.ring()
                try await group.waitForAll()
            }

            #expect(wire.all.count == 1)
            #expect(try await outward.attempts(at: made.endpoint).map(\.outcome) == [.delivered])
            let heads = try await database.read("heads") { try $0.endpointHeads(9) }
            #expect(heads.map(\.node) == [nil])
        }
    }
}
