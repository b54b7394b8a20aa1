import Kit
import NIOHTTP1
import Synchronization
import TestSupport
import Testing

@testable import Engine
@testable import Store

@Suite("Sending to endpoints")
struct DeliveryTests {
    @Test("what happens is sent once, signed, in the shape of Standard Webhooks", arguments: TestEngine.all)
    func delivered(engine: TestEngine) async throws {
        let sink = Sink()
        try await sink.start()
        try await Outward.with(engine) { outward in
            let made = try await outward.endpoints.create(url: sink.url)
            let ids = try await outward.happen(50)
            await sink.wait(for: 50)
            try await outward.until("recorded") { try $0.endpoint(made.endpoint.id)?.position == 50 }

            #expect(Set(sink.all.map(\.id)) == Set(ids.map(\.text)))
            let first = try #require(sink.all.first { $0.id == ids[0].text })
            #expect(
                String(decoding: first.body, as: UTF8.self)
                    == #"{"type":"payment.succeeded","timestamp":"2026-11-28T10:00:00.000000Z","data":{"number":0}}"#)
            #expect(first.headers.first(name: "user-agent") == "Patchbay/test")
            #expect(first.headers.first(name: "content-type") == "application/json")
            let secret = try #require(made.secret.secret).reveal { String(decoding: $0, as: UTF8.self) }
            #expect(try Self.verifies(first, secret))
            let attempts = try await outward.attempts(at: made.endpoint)
            #expect(attempts.count == 50)
            #expect(attempts.allSatisfy { $0.outcome == .delivered && $0.status == 200 && $0.number == 1 })
        }
        try await sink.stop()
    }

    @Test("an endpoint gets the types it asked for, from when it was made", arguments: TestEngine.all)
    func filtered(engine: TestEngine) async throws {
        let wire = FakeWire { _, _ in .status(204) }
        try await Outward.with(engine, wire: wire) { outward in
            try await outward.happen(3)
            try await outward.until("placed") { try $0.feedHead() == 3 }
            let made = try await outward.endpoints.create(
                url: "https://a.example/", types: ["payment.*", "review.opened"])
            try await outward.happen(2)
            try await outward.happen(2, "user.subscription_updated")
            try await outward.happen(1, "review.opened")
            await wire.wait(for: 3)
            try await outward.until("recorded") { try $0.endpoint(made.endpoint.id)?.position == 8 }

            #expect(wire.all.count == 3)
        }
    }

    @Test("a failure is tried again by the schedule, with the same id and a new time", arguments: TestEngine.all)
    func retried(engine: TestEngine) async throws {
        let wire = FakeWire { _, before in .status(before < 3 ? 500 : 200) }
        try await Outward.with(engine, wire: wire) { outward in
            let made = try await outward.endpoints.create(url: "https://a.example/")
            let ids = try await outward.happen(1)
            for (tries, delay) in [(1, 6), (2, 331), (3, 1981)] {
                await wire.wait(for: tries)
                try await outward.until("recorded") { try $0.attempts(at: made.endpoint.id, limit: 9).count == tries }
                #expect(try await outward.endpoint(made.endpoint.id)?.state == .failing)
                outward.clock.advance(by: .seconds(delay))
            }
            await wire.wait(for: 4)
            try await outward.until("recorded") { try $0.attempts(at: made.endpoint.id, limit: 9).count == 4 }

            #expect(wire.ids == Array(repeating: ids[0].text, count: 4))
            #expect(Set(wire.all.compactMap { $0.headers["webhook-timestamp"] }).count == 4)
            let attempts = try await outward.attempts(at: made.endpoint)
            #expect(attempts.map(\.number) == [1, 2, 3, 4])
            #expect(attempts.map(\.outcome) == [.failed, .failed, .failed, .delivered])
            #expect(try await outward.endpoint(made.endpoint.id)?.state == .active)
            let left = try await outward.database.read("due") { try $0.countDue(of: made.endpoint.id, limit: 9) }
            #expect(left == 0)
        }
    }

    @Test("Retry-After is obeyed where it is later than the schedule", arguments: TestEngine.all)
    func retryAfter(engine: TestEngine) async throws {
        let wire = FakeWire { _, before in before == 0 ? .status(503, [Field("Retry-After", "120")]) : .status(200) }
        try await Outward.with(engine, wire: wire) { outward in
            let made = try await outward.endpoints.create(url: "https://a.example/")
            let start = outward.clock.now
            try await outward.happen(1)
            await wire.wait(for: 1)
            try await outward.until("recorded") { try $0.attempts(at: made.endpoint.id, limit: 9).count == 1 }

            #expect(try await outward.attempts(at: made.endpoint).first?.nextAt == start + .seconds(120))
            outward.clock.advance(by: .seconds(121))
            await wire.wait(for: 2)
        }
    }

    @Test("429 with Retry-After pauses the whole endpoint", arguments: TestEngine.all)
    func paused(engine: TestEngine) async throws {
        let wire = FakeWire { _, before in before == 0 ? .status(429, [Field("retry-after", "60")]) : .status(200) }
        try await Outward.with(engine, wire: wire) { outward in
            let made = try await outward.endpoints.create(url: "https://a.example/")
            try await outward.happen(1)
            try await outward.until("recorded") { try $0.attempts(at: made.endpoint.id, limit: 9).count == 1 }
            try await outward.happen(5)
            try await outward.until("placed") { try $0.feedHead() == 6 }
            outward.clock.advance(by: .seconds(59))
            #expect(wire.all.count == 1)

            outward.clock.advance(by: .seconds(2))
            await wire.wait(for: 7)
        }
    }

    @Test("410 disables at once; switched on again, it gets what it missed", arguments: TestEngine.all)
    func gone(engine: TestEngine) async throws {
        let isGone = Mutex(true)
        let wire = FakeWire { _, _ in .status(isGone.withLock { $0 } ? 410 : 200) }
        try await Outward.with(engine, wire: wire) { outward in
            let made = try await outward.endpoints.create(url: "https://a.example/", types: ["payment.*"])
            let ids = try await outward.happen(1)
            try await outward.until("disabled") { try $0.endpoint(made.endpoint.id)?.state == .disabled }
            #expect(try await outward.endpoint(made.endpoint.id)?.stateReason == "It answered 410 Gone.")
            #expect(try await outward.attempts(at: made.endpoint).map(\.outcome) == [.gone])
            try await outward.until("told") {
                try $0.changes(after: 0, limit: 9).contains { $0.type == "endpoint.disabled" }
            }
            let more = try await outward.happen(2)

            isGone.withLock { $0 = false }
            _ = try await outward.endpoints.update(made.endpoint.id, EndpointPatch(state: .active))
            try await outward.until("delivered") { session in
                try session.attempts(at: made.endpoint.id, outcome: .delivered, limit: 9).count == 3
            }
            #expect(Set(wire.ids) == Set((ids + more).map(\.text)))
        }
    }

    @Test("redirects and answers that are no success are failures", arguments: [301, 307, 400, 404, 500, 101])
    func noSuccess(status: Int) async throws {
        let wire = FakeWire { _, _ in .status(status) }
        try await Outward.with(.sqlite, wire: wire) { outward in
            let made = try await outward.endpoints.create(url: "https://a.example/")
            try await outward.happen(1)
            try await outward.until("recorded") { try $0.attempts(at: made.endpoint.id, limit: 9).count == 1 }

            #expect(try await outward.attempts(at: made.endpoint).first?.outcome == .failed)
            #expect(wire.all.count == 1)
        }
    }

    @Test("five days of nothing but failures disable, with three warnings before", arguments: TestEngine.all)
    func disabled(engine: TestEngine) async throws {
        let wire = FakeWire { _, _ in .status(500) }
        try await Outward.with(engine, wire: wire) { outward in
            let made = try await outward.endpoints.create(url: "https://a.example/", types: ["payment.*"])
            for hour in 0..<122 {
                if hour % 5 == 0 { try await outward.happen(1) }
                try await outward.settle(made.endpoint.id)
                outward.clock.advance(by: .hours(1))
            }
            try await outward.settle(made.endpoint.id)
            try await outward.until("disabled") { try $0.endpoint(made.endpoint.id)?.state == .disabled }

            try await outward.until("told") { session in
                try session.changes(after: 0, limit: 999).contains { $0.type == "endpoint.disabled" }
            }
            #expect(try await outward.changes(of: "endpoint.failing").count == 3)
            #expect(try await outward.changes(of: "endpoint.disabled").count == 1)
        }
    }

    @Test("our own network's failures are not charged", arguments: TestEngine.all)
    func ownNetwork(engine: TestEngine) async throws {
        let wire = FakeWire { _, before throws(WireFailure) in
            if before < 2 { throw .ownNetwork("no route") }
            return .status(200)
        }
        try await Outward.with(engine, wire: wire) { outward in
            let made = try await outward.endpoints.create(url: "https://a.example/")
            try await outward.happen(1)
            for tries in 1...2 {
                await wire.wait(for: tries)
                try await outward.turnUntil(.seconds(6)) { wire.all.count > tries }
            }
            try await outward.until("recorded") { try $0.attempts(at: made.endpoint.id, limit: 9).count == 1 }

            let attempts = try await outward.attempts(at: made.endpoint)
            #expect(attempts.map(\.outcome) == [.delivered] && attempts.map(\.number) == [1])
        }
    }

    @Test("a change that fails to the end is dead, and followers are told", arguments: TestEngine.all)
    func dead(engine: TestEngine) async throws {
        let failing = Mutex<String?>(nil)
        let wire = FakeWire { request, _ in
            .status(request.headers["webhook-id"] == failing.withLock { $0 } ? 500 : 200)
        }
        try await Outward.with(engine, wire: wire) { outward in
            let made = try await outward.endpoints.create(url: "https://a.example/", types: ["payment.*"])
            let id = try await outward.happen(1, "review.opened")[0]
            failing.withLock { $0 = id.text }
            _ = try await outward.endpoints.update(made.endpoint.id, EndpointPatch(types: ["payment.*", "review.*"]))
            let bad = try await outward.happen(1, "review.opened")[0]
            failing.withLock { $0 = bad.text }
            for tries in 1...10 {
                try await outward.turnUntil(.hours(27)) {
                    wire.ids.filter { $0 == bad.text }.count >= tries
                }
                // Others go through meanwhile, so the endpoint is not given up.
                let good = try await outward.happen(1)[0]
                try await outward.turnUntil(.seconds(1)) { wire.ids.contains(good.text) }
            }
            try await outward.until("told") { session in
                try session.changes(after: 0, limit: 99).contains { $0.type == "endpoint.change_dropped" }
            }

            let attempts = try await outward.attempts(at: made.endpoint).filter { $0.change == bad }
            #expect(attempts.map(\.outcome) == Array(repeating: .failed, count: 9) + [.dead])
            let marker = try #require(try await outward.changes(of: "endpoint.change_dropped").first)
            #expect(try JSON.parse(marker.data)["change_id"]?.text == bad.text)
        }
    }

    @Test("a rotated secret and its successor both sign for a day", arguments: TestEngine.all)
    func rotated(engine: TestEngine) async throws {
        let sink = Sink()
        try await sink.start()
        try await Outward.with(engine) { outward in
            let made = try await outward.endpoints.create(url: sink.url)
            let old = try #require(made.secret.secret).reveal { String(decoding: $0, as: UTF8.self) }
            let rotated = try #require(try await outward.endpoints.rotateSecret(of: made.endpoint.id))
            let new = try #require(rotated.secret.secret).reveal { String(decoding: $0, as: UTF8.self) }
            _ = try await outward.endpoints.test(made.endpoint.id)
            await sink.wait(for: 1)
            #expect(try Self.verifies(sink.all[0], old))
            #expect(try Self.verifies(sink.all[0], new))

            outward.clock.advance(by: .hours(25))
            _ = try await outward.endpoints.test(made.endpoint.id)
            await sink.wait(for: 2)
            #expect(try !Self.verifies(sink.all[1], old))
            #expect(try Self.verifies(sink.all[1], new))
        }
        try await sink.stop()
    }

    @Test("an endpoint may be signed for by Ed25519")
    func ed25519() async throws {
        let sink = Sink()
        try await sink.start()
        try await Outward.with(.sqlite) { outward in
            let made = try await outward.endpoints.create(url: sink.url, signedBy: .ed25519)
            #expect(made.secret.secret == nil)
            let attempt = try await outward.endpoints.test(made.endpoint.id)

            #expect(attempt?.outcome == .delivered)
            #expect(try Self.verifies(sink.all[0], #require(made.secret.publicKey)))
        }
        try await sink.stop()
    }

    /// Verified by the scheme that serves inbound webhooks.
    static func verifies(_ received: Sink.Received, _ secret: String) throws -> Bool {
        let headers = received.headers.map { Field($0.name, $0.value) }
        let delivery = Delivery(
            method: "POST", target: "/", headers: headers, body: received.body, receivedAt: .testNow)
        let secrets = try [WebhookSecret(secret, written: .standard)]
        return (try? StandardSignature.scheme.prove(delivery, with: secrets)) != nil
    }
}

extension Outward {
    /// Turns the clock by so much, again and again, until something is so. On a busy machine the sender needs longer to
    /// see the new time: each turn is given more than the one before. The bound says only that it hangs.
    func turnUntil(_ duration: Duration, _ isSo: () -> Bool) async throws {
        let end = ContinuousClock.now + .seconds(240)
        var patience = Duration.milliseconds(40)
        while ContinuousClock.now < end {
            let turn = ContinuousClock.now + patience
            while ContinuousClock.now < turn {
                if isSo() { return }
                try await Task.sleep(for: .milliseconds(2), clock: .continuous)
            }
            clock.advance(by: duration)
            patience = min(patience + patience / 10, .seconds(4))
        }
        throw NeverHappened(what: "after turning the clock")
    }

    /// Lets everything be tried that is due now, with the breaks that the sender takes.
    func settle(_ id: ID<EndpointKind>) async throws {
        let end = ContinuousClock.now + .seconds(240)
        while ContinuousClock.now < end {
            let clock = clock
            let isSettled = try await database.read("settled") { session in
                guard let endpoint = try session.endpoint(id), endpoint.state != .disabled else { return true }
                // Followers of the feed see all that was written.
                guard try session.row("SELECT count(*) FROM changes", { try $0.integer() }) == session.feedHead() else {
                    return false
                }
                return try endpoint.position == session.feedHead()
                    && session.due(of: id, at: clock.now, limit: 1).isEmpty
            }
            if isSettled { return }
            try await Task.sleep(for: .milliseconds(3), clock: .continuous)
            clock.advance(by: .milliseconds(500))
        }
        throw NeverHappened(what: "settled")
    }
}
