import Kit
import TestSupport
import Testing

@testable import Engine
@testable import Store

@Suite("Senders that prove nothing", .serialized)
struct FailureLimitsTests {
    private static let flooder = "198.51.100.7"
    private static let other = "198.51.100.8"

    /// Sends forgeries; answers how many were looked into.
    private static func flood(
        _ desk: Desk, _ count: Int, from source: String = flooder, at now: Timestamp = .testNow
    ) async -> Int {
        var looked = 0
        for number in 0..<count {
            let forged = desk.signed(Array("{\(number)}".utf8), secret: "whsec_of_nobody_0123456789", at: now)
            if await desk.receive(forged, from: source) == .refused(.wrongSignature) { looked += 1 }
        }
        return looked
    }
    private static func genuine(_ desk: Desk, _ id: String, at now: Timestamp = .testNow) -> Delivery {
        desk.signed(Array(#"{"id":"\#(id)","object":"event","type":"price.created","created":1}"#.utf8), at: now)
    }

    @Test("R18 what is proven is taken at any time, also from an address that floods", arguments: TestEngine.all)
    func genuineIsSpared(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let desk = try await Desk(database)

            for number in 0..<100 {
                let reply = await desk.receive(Self.genuine(desk, "evt_before_\(number)"), from: Self.flooder)
                #expect(reply == .kept(Kept(new: 1, duplicates: 0)))
            }
            // A hundred that were proven have cost nothing.
            #expect(await Self.flood(desk, 200) == 60)
            for number in 0..<20 {
                let reply = await desk.receive(Self.genuine(desk, "evt_after_\(number)"), from: Self.flooder)
                #expect(reply == .kept(Kept(new: 1, duplicates: 0)))
            }

            let kept = desk.metrics.value("patchbay_deliveries_total", ["provider": "stripe", "verdict": "accepted"])
            #expect(kept == 120)
        }
    }

    @Test("R18 over its limit a source costs no row, only a count, and is told when to come", arguments: TestEngine.all)
    func countedOnly(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let desk = try await Desk(database)
            for second in 0..<6 {
                #expect(await Self.flood(desk, 10, at: .testNow + .seconds(Int64(second))) == 10)
            }
            // Six of the sixty are back after six seconds.
            let later = Timestamp.testNow + .seconds(6)
            #expect(await Self.flood(desk, 100, at: later) == 6)

            let forged = desk.signed([1], secret: "whsec_of_nobody_0123456789", at: later)
            let reply = await desk.receive(forged, from: Self.flooder)
            #expect(reply == .limited(retryAfter: .seconds(1)))
            #expect(try await eventually { try await desk.counts()["deliveries"] == 66 })
            let (metrics, provider) = (desk.metrics, "stripe")
            #expect(
                metrics.value("patchbay_rejections_total", ["provider": provider, "reason": "wrong_signature"]) == 66)
            #expect(metrics.value("patchbay_rejections_limited_total", ["provider": provider, "by": "source"]) == 95)
            #expect(metrics.value("patchbay_deliveries_total", ["provider": provider, "verdict": "limited"]) == 95)
        }
    }

    @Test("a minute gives sixty back, one a second; another source never lost any")
    func comesBack() async throws {
        try await TestDatabase.with(.sqlite) { database in
            let desk = try await Desk(database)
            #expect(await Self.flood(desk, 61) == 60)
            #expect(await Self.flood(desk, 61, from: Self.other) == 60)
            #expect(await Self.flood(desk, 5, at: .testNow + .seconds(1)) == 1)
            #expect(await Self.flood(desk, 90, at: .testNow + .seconds(61)) == 60)
            // The clock is set back by a day: nobody waits for it.
            #expect(await Self.flood(desk, 90, at: .testNow + .days(-1)) == 60)
        }
    }

    @Test("a route has a limit of its own, which one source over its own does not use up")
    func route() {
        let limits = FailureLimits()
        for _ in 0..<1000 { _ = limits.excess(from: Self.flooder, to: "stripe", at: .testNow) }
        let looked = (0..<1000).count { sender in
            limits.excess(from: "203.0.113.\(sender % 250)", to: "stripe", at: .testNow) == nil
        }
        #expect(looked == FailureLimits.ofRoute - FailureLimits.ofSource)

        let excess = limits.excess(from: "192.0.2.1", to: "stripe", at: .testNow)
        #expect(excess == .init(of: .route, wait: .milliseconds(100)))
        #expect(limits.excess(from: "192.0.2.1", to: "x", at: .testNow) == nil)
        #expect(limits.excess(from: nil, to: "x", at: .testNow) == nil)
    }

    @Test(
        "an IPv6 sender is its /64, IPv4 in IPv6's clothes is IPv4",
        arguments: [
            ("2001:db8::1", "2001:db8::ffff:0:0:2", true), ("2001:db8:0:1::1", "2001:db8:0:2::1", false),
            ("192.0.2.1", "::ffff:192.0.2.1", true), ("192.0.2.1", "192.0.2.2", false),
        ])
    func network(one: String, other: String, isSame: Bool) throws {
        let (one, other) = (try #require(SenderNetwork(one)), try #require(SenderNetwork(other)))
        #expect((one == other) == isSame)
        #expect(SenderNetwork("local") == nil)
    }

    @Test("a hundred thousand sources have a limit each; the oldest is forgotten for a new one, and no other")
    func bounded() {
        let limits = FailureLimits()
        func address(_ number: Int) -> String { IPAddress.v4(0x0A00_0000 | UInt32(number)).description }
        for number in 0..<FailureLimits.sourcesMax {
            // Each of its own route: the limit of sources is what is looked at.
            #expect(limits.excess(from: address(number), to: "\(number % 1000)", at: .testNow) == nil)
        }
        #expect(limits.sourceCount == FailureLimits.sourcesMax)

        var few = Allowances<String>(perMinute: 1, keysMax: 3)
        for name in ["a", "b", "c"] { #expect(few.take(name, at: .testNow) == nil) }
        #expect(few.take("a", at: .testNow) != nil)  // The newest now.
        #expect(few.take("d", at: .testNow) == nil)  // For which b goes.
        for name in ["c", "a", "d"] { #expect(few.take(name, at: .testNow) != nil, "\(name)") }
        #expect(few.take("b", at: .testNow) == nil)
        #expect(few.count == 3)
    }

    @Test("the memory of a source is what its numbers take, not what its name is long")
    func memory() {
        // Arrays and dictionaries double: at worst twice their entries, and the dictionary at three quarters.
        let entry = MemoryLayout<Allowances<SenderNetwork>.Entry>.stride
        let place = MemoryLayout<SenderNetwork>.stride + MemoryLayout<Int32>.stride
        #expect(entry == 24 && place == 12)
        #expect(FailureLimits.sourcesMax * 2 * (entry + place * 4 / 3 + 1) < 32 << 20)
    }
}
