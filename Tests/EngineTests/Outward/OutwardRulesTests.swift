import Kit
import Synchronization
import TestSupport
import Testing

@testable import Engine
@testable import Store

@Suite("Rules of sending")
struct OutwardRulesTests {
    @Test(
        "Retry-After: seconds, fractions, dates, rounded up; nonsense and the past count as absent",
        arguments: [
            ("120", 120), ("0.2", 1), ("1.000001", 2), ("99999999999999999999", 86_400), ("90000", 86_400),
            ("Sat, 28 Nov 2026 10:00:30 GMT", 30), ("Sat, 28 Nov 2026 09:59:30 GMT", nil), ("0", nil), ("-5", nil),
            ("", nil), ("soon", nil), ("1e3", nil), ("Sat, 32 Nov 2026 10:00:30 GMT", nil), (nil, nil), (" 5", nil),
        ] as [(String?, Int64?)])
    func retryAfter(text: String?, seconds: Int64?) {
        #expect(RetryAfter.read(text, at: .testNow) == seconds.map { .seconds($0) })
    }

    @Test("the schedule of the specification, spread by a tenth, ten tries, and the later of schedule and wish")
    func schedule() throws {
        let middle = (1...9).compactMap { RetrySchedule.delay(after: $0, unit: 0.5, asked: nil) }
        #expect(middle == RetrySchedule.delays)
        let whole = middle.reduce(Duration.zero) { $0 + $1 }
        #expect(whole == .seconds(272_105), "75:35:05")
        #expect(RetrySchedule.delay(after: 10, unit: 0.5, asked: .seconds(1)) == nil)
        #expect(RetrySchedule.delay(after: 1, unit: 0, asked: nil) == .milliseconds(4500))
        #expect(RetrySchedule.delay(after: 1, unit: 1, asked: nil) == .milliseconds(5500))
        #expect(RetrySchedule.delay(after: 1, unit: 0, asked: .hours(24)) == .hours(24))
        #expect(RetrySchedule.delay(after: 3, unit: 0.5, asked: .seconds(3)) == .minutes(30))
    }

    @Test("fewer at once when it is too much, breaks when nothing is taken, all again after successes")
    func pace() {
        var pace = SendingPace(slotsMax: 16)
        for _ in 0..<3 { pace.failed(isOverload: true, at: .testNow) }
        #expect(pace.slots == 2)
        for _ in 0..<20 { pace.failed(isOverload: false, at: .testNow) }
        #expect(pace.slots == 2 && pace.breakUntil > .testNow)
        for _ in 0..<100 { pace.failed(isOverload: true, at: .testNow) }
        #expect(pace.slots == 1 && pace.breakUntil == .testNow + .seconds(30))
        for _ in 0..<15 { pace.succeeded() }
        #expect(pace.slots == 16 && pace.failuresInRow == 0)
    }

    @Test("warned three times, then disabled by a failure; a success forgets everything")
    func judge() {
        var judge = EndpointJudge(Self.endpoint)
        let start = Timestamp.testNow
        #expect(judge.failed(at: start) == [] && judge.state == .failing)
        #expect(judge.nextWarning == start + .hours(60))
        #expect(judge.warn(at: start + .hours(59)) == [])
        #expect(judge.warn(at: start + .hours(60)) == [.warned(1, disabledAt: start + .hours(120))])
        #expect(judge.failed(at: start + .hours(84)) == [.warned(2, disabledAt: start + .hours(120))])
        var recovered = judge
        recovered.succeeded(at: start + .hours(85))
        #expect(recovered.state == .active && recovered.health.failingSince == nil && recovered.nextWarning == nil)
        #expect(judge.failed(at: start + .hours(109)) == [.warned(3, disabledAt: start + .hours(120))])
        #expect(judge.failed(at: start + .hours(119)) == [])
        #expect(judge.failed(at: start + .hours(120)) == [.disabled(reason: "It took nothing for 120 hours.")])
        #expect(judge.state == .disabled && judge.failed(at: start + .hours(121)) == [])
    }

    @Test("who was never warned is warned first, and disabled by a later failure")
    func unwarned() {
        var judge = EndpointJudge(Self.endpoint)
        _ = judge.failed(at: .testNow)
        #expect(judge.failed(at: .testNow + .hours(200)) == [.warned(3, disabledAt: .testNow + .hours(120))])
        #expect(judge.failed(at: .testNow + .hours(201)) == [.disabled(reason: "It took nothing for 120 hours.")])
    }

    @Test(
        "patterns",
        arguments: [
            ([], "a.b", true), (["*"], "a.b", true), (["payment.*"], "payment.failed", true),
            (["payment.*"], "payments.failed", false), (["payment.*"], "payment", false), (["a.b"], "a.b", true),
            (["a.b"], "a.bc", false), (["a.b", "c.*"], "c.d.e", true),
        ] as [([String], String, Bool)])
    func patterns(patterns: [String], type: String, matches: Bool) {
        #expect(EventPatterns(patterns).match(type) == matches)
    }

    @Test(
        "what is no pattern",
        arguments: ["", ".", "a.", "*.a", "a.*.b", "A.b", "a b", "a*", "**", String(repeating: "a", count: 129)])
    func noPattern(text: String) {
        #expect(EventPatterns.problem(with: [text]) != nil)
        #expect(EventPatterns.problem(with: Array(repeating: "a.b", count: 101)) != nil)
    }

    @Test("a bell loses no ring: whoever looks after taking the number is woken")
    func bell() async {
        let bell = Bell()
        let counted = Counter()
        await withTaskGroup { group in
            for _ in 0..<20 {
                group.addTask {
                    var seen: UInt64 = 0
                    while counted.value < 1000 { seen = await bell.wait(since: seen) }
                }
            }
            for _ in 0..<1000 {
                counted.add()
                bell.ring()
                await Task.yield()
            }
        }
        #expect(bell.rings == 1000)
    }

    @Test("waiting for a bell ends with the time and with the task")
    func bellEnds() async {
        let (bell, clock) = (Bell(), TestClock())
        await withTaskGroup(of: UInt64.self) { group in
            group.addTask { await bell.wait(since: 0, until: .testNow + .seconds(5), on: clock.source) }
            group.addTask { await bell.wait(since: 0) }
            clock.advance(by: .seconds(5))
            #expect(await group.next() == 0)
            group.cancelAll()
        }
    }

    @Test(
        "what a person may not make",
        arguments: [
            ("http://a.example/", [], "url"), ("https://127.0.0.1/", [], "url"), ("https://a.example:25/", [], "url"),
            ("https://user:x@a.example/", [], "url"), ("https://a.example/", ["x*"], "types"),
        ] as [(String, [String], String)])
    func refused(url: String, types: [String], field: String) async throws {
        try await TestDatabase.with(.sqlite) { database in
            let strict = Endpoints(
                database: database, wire: FakeWire { _, _ in .status(200) }, vault: FakeVault(),
                identifiers: Identifiers(now: { .testNow }), policy: AddressPolicy(), time: TestClock().source,
                changed: Bell(),
                program: "test")
            do {
                _ = try strict.prepare(url: url, types: types)
                Issue.record("accepted")
            } catch let problem as BadEndpoint {
                #expect(problem.problems.map(\.name) == [field])
            }
        }
    }

    static let endpoint = Endpoint(
        id: ID(stored: "ep_1"), url: "https://a.example/", description: nil, types: [], orderedBy: .none,
        signedBy: .hmac, state: .active, stateReason: nil, position: 0, version: 1, createdAt: .testNow,
        updatedAt: .testNow, health: EndpointHealth())
}

@Suite("What a run has before it")
struct SendingWindowTests {
    @Test("the position follows what is done, whatever the order")
    func position() {
        var window = SendingWindow(position: 10, aside: [12])
        window.add((11...15).map { Self.item($0) }) { $0.position != 13 }
        #expect(window.position == 10)
        var held: [Shipment] = []
        let sent = (0..<3).compactMap { _ in window.next(orderedBy: .none, held: &held) }
        #expect(sent.map(\.item.position) == [11, 14, 15])
        window.ended(sent[2], isAside: false)
        window.ended(sent[1], isAside: true)
        #expect(window.position == 10)
        window.ended(sent[0], isAside: false)
        #expect(window.position == 15 && window.inFlight == 0)
    }

    @Test("of a key one is in flight, and nothing passes what stands aside")
    func keys() {
        var window = SendingWindow(position: 0, aside: [])
        window.keysAside = ["anna"]
        window.add([Self.item(1, "ben"), Self.item(2, "ben"), Self.item(3, "anna"), Self.item(4, nil)]) { _ in true }
        var held: [Shipment] = []
        let sent = [window.next(orderedBy: .user, held: &held), window.next(orderedBy: .user, held: &held)]
        #expect(sent.map { $0?.item.position } == [1, 4] && held.map(\.item.position) == [3])
        #expect(window.next(orderedBy: .user, held: &held) == nil)
        if let first = sent[0] { window.ended(first, isAside: true) }
        #expect(window.next(orderedBy: .user, held: &held) == nil)
        #expect(held.map(\.item.position) == [3, 2])
    }

    @Test("what was put back is sent again, in its place")
    func putBack() {
        var window = SendingWindow(position: 0, aside: [])
        window.add((1...3).map { Self.item($0) }) { _ in true }
        var held: [Shipment] = []
        if let first = window.next(orderedBy: .none, held: &held) { window.putBack(first) }
        #expect(window.next(orderedBy: .none, held: &held)?.item.position == 1)
    }

    static func item(_ position: Int64, _ user: String? = nil) -> FeedItem {
        FeedItem(
            Change(
                position: position, id: ID(stored: "chg_\(position)"), type: "t.t", subject: nil, version: 0,
                userID: user, connectionID: nil, occurredAt: .testNow, data: Array("{}".utf8), payload: nil))
    }
}

extension Shipment: Equatable {
    static func == (left: Shipment, right: Shipment) -> Bool { left.item.position == right.item.position }
}

private final class Counter: Sendable {
    private let count = Mutex(0)
    var value: Int { count.withLock { $0 } }
    func add() { count.withLock { $0 += 1 } }
}
