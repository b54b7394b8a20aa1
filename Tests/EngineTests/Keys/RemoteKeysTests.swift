import Crypto
import Kit
import Logging
import Synchronization
import TestSupport
import Testing

@testable import Engine

@Suite("Keys that deliveries name")
struct RemoteKeysTests {
    private static let pair = Curve25519.Signing.PrivateKey()
    private static let pem = PEM.text("PUBLIC KEY", der(pair))
    private static func der(_ pair: Curve25519.Signing.PrivateKey) -> [UInt8] {
        (try? PublicKey(ed25519: Array(pair.publicKey.rawRepresentation)))?.der ?? []
    }

    /// A proof whose document is the key.
    private static let proof = RemoteProof(
        "test", headers: [],
        fetching: .init(
            accepts: "text/plain", documentMax: 1000, documentsMax: 1, redirectsMax: 2, life: .hours(24),
            refusalLife: .minutes(10)),
        need: { _, _ throws(Forged) in throw .noSecret },
        read: { _, documents, _ throws(BadKey) in
            .found(FoundKey(try PublicKey(pem: String(decoding: documents.last?.body ?? [], as: UTF8.self))))
        },
        prove: { _, _, _ throws(Forged) in nil })

    private static func keys(_ reader: FakeReader, _ clock: TestClock) -> RemoteKeys {
        RemoteKeys(
            reader: reader, certificates: { throw BadKey("none") }, time: clock.source, metrics: Metrics(),
            logger: .quiet)
    }

    private static func ask(
        _ keys: RemoteKeys, _ url: String, newerThan seen: RemoteKey? = nil
    ) async -> Result<RemoteKey, KeyFailure> {
        do {
            return .success(
                try await keys.key(KeyNeed(name: url, url: url), by: proof, for: "test", newerThan: seen))
        } catch { return .failure(error) }
    }

    // MARK: Floods

    @Test("ten thousand names at one host cause ten fetches, and a few more with time")
    func oneHost() async {
        let (reader, clock) = (FakeReader { _, _ in .init(status: 404, headers: [], body: []) }, TestClock())
        let keys = Self.keys(reader, clock)
        var later = 0
        for number in 0..<10_000 {
            if case .failure(.unavailable) = await Self.ask(keys, "https://a.example/\(number)") { later += 1 }
        }
        #expect(reader.count == 10)
        #expect(later == 9990)
        clock.advance(by: .seconds(30))
        for number in 10_000..<20_000 { _ = await Self.ask(keys, "https://a.example/\(number)") }
        #expect(reader.count == 20)
    }

    @Test("ten thousand hosts cause sixty fetches; a host that has proven something is not kept waiting")
    func manyHosts() async throws {
        let (reader, clock) = (
            FakeReader { _, _ in .init(status: 200, headers: [], body: Array(Self.pem.utf8)) }, TestClock()
        )
        let keys = Self.keys(reader, clock)
        await keys.proved(KeyNeed(name: "x", url: "https://known.example/x"), for: "test")
        for number in 0..<10_000 { _ = await Self.ask(keys, "https://h\(number).example/k") }
        #expect(reader.count == 60)
        _ = try await Self.ask(keys, "https://known.example/y").get()
        #expect(reader.count == 61)
    }

    @Test(
        "a name that has proven something is asked for through a flood of others at its own host, and all places taken")
    func proven() async throws {
        let isStuck = Mutex(false)
        let gate = Gate()
        let reader = FakeReader { url, _ in
            if isStuck.withLock({ $0 }), !url.hasSuffix("/real") { await gate.wait() }
            return .init(status: 200, headers: [], body: Array(Self.pem.utf8))
        }
        let clock = TestClock()
        let keys = Self.keys(reader, clock)
        let real = "https://a.example/real"
        let first = try await Self.ask(keys, real).get()
        await keys.proved(KeyNeed(name: real, url: real), for: "test")
        clock.advance(by: .hours(25))
        for number in 0..<1000 { _ = await Self.ask(keys, "https://a.example/\(number)") }
        isStuck.withLock { $0 = true }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<16 {
                group.addTask { _ = await Self.ask(keys, "https://s\(number).example/k") }
            }
            while await keys.flying < 16 { await Task.yield() }
            let second = try await Self.ask(keys, real).get()
            #expect(second.fetchedAt > first.fetchedAt, "fetched anew, whoever else asks")
            // Another platform has places and allowances of its own.
            isStuck.withLock { $0 = false }
            _ = try await keys.key(
                KeyNeed(name: "o", url: "https://a.example/other"), by: Self.proof, for: "other", newerThan: nil)
            gate.open()
            try await group.waitForAll()
        }
    }

    @Test("while its server is away a key goes on for a week, and is asked for once a minute; gone is gone")
    func awayForAWeek() async throws {
        let status = Mutex(200)
        let reader = FakeReader { _, _ in
            .init(status: status.withLock { $0 }, headers: [], body: Array(Self.pem.utf8))
        }
        let clock = TestClock()
        let keys = Self.keys(reader, clock)
        let url = "https://a.example/k"
        let first = try await Self.ask(keys, url).get()
        status.withLock { $0 = 503 }
        // Whoever forges with its name makes nobody ask more often.
        clock.advance(by: .minutes(2))
        for _ in 0..<50 {
            #expect(try await Self.ask(keys, url, newerThan: first).get().fetchedAt == first.fetchedAt)
            clock.advance(by: .seconds(1))
        }
        #expect(reader.count == 2)
        clock.advance(by: .hours(30))
        for _ in 0..<50 { _ = try await Self.ask(keys, url).get() }
        #expect(reader.count == 3)
        clock.advance(by: .days(8))
        guard case .failure(.unavailable) = await Self.ask(keys, url) else {
            Issue.record("not for ever")
            return
        }
        clock.advance(by: .minutes(2))
        status.withLock { $0 = 410 }
        guard case .failure(.refused) = await Self.ask(keys, url) else {
            Issue.record("its owner took it away")
            return
        }
    }

    @Test("a hundred who wait for one key make one fetch; more than sixteen keys at once do not wait")
    func flights() async {
        let gate = Gate()
        let reader = FakeReader { _, _ in
            await gate.wait()
            return .init(status: 200, headers: [], body: Array(Self.pem.utf8))
        }
        let keys = Self.keys(reader, TestClock())
        await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<100 {
                group.addTask { if case .success = await Self.ask(keys, "https://a.example/k") { true } else { false } }
            }
            for number in 0..<40 {
                group.addTask {
                    if case .success = await Self.ask(keys, "https://b\(number).example/k") { true } else { false }
                }
            }
            // Who finds no place is told so before anybody is let go.
            var answers: [Bool] = []
            while answers.count < 25, let answer = await group.next() { answers.append(answer) }
            #expect(answers.allSatisfy { !$0 })
            gate.open()
            for await answer in group { answers.append(answer) }
            #expect(answers.filter { !$0 }.count == 25)
        }
        #expect(reader.count == 16)
    }

    // MARK: Remembering

    @Test("a key is remembered for its life, a refusal for minutes, silence for seconds")
    func memory() async throws {
        let answers = Mutex<Int>(200)
        let reader = FakeReader { _, _ in
            .init(status: answers.withLock { $0 }, headers: [], body: Array(Self.pem.utf8))
        }
        let clock = TestClock()
        let keys = Self.keys(reader, clock)
        let good = "https://a.example/good"

        #expect(try await !Self.ask(keys, good).get().isRemembered)
        #expect(try await Self.ask(keys, good).get().isRemembered)
        clock.advance(by: .hours(23))
        _ = try await Self.ask(keys, good).get()
        #expect(reader.count == 1)
        clock.advance(by: .hours(2))
        _ = try await Self.ask(keys, good).get()
        #expect(reader.count == 2)

        for (status, name, short, long) in [
            (404, "gone", Duration.minutes(9), Duration.minutes(11)), (503, "away", .seconds(9), .seconds(11)),
        ] {
            answers.withLock { $0 = status }
            let before = reader.count
            for _ in 0..<3 {
                guard case .failure(let failure) = await Self.ask(keys, "https://b.example/\(name)") else {
                    Issue.record("\(name)")
                    return
                }
                if case .refused = failure { #expect(status == 404) } else { #expect(status == 503) }
            }
            clock.advance(by: short)
            _ = await Self.ask(keys, "https://b.example/\(name)")
            #expect(reader.count == before + 1)
            clock.advance(by: long - short)
            _ = await Self.ask(keys, "https://b.example/\(name)")
            #expect(reader.count == before + 2)
        }
    }

    @Test("a key that did not prove is asked for once more, at most once a minute")
    func refreshed() async throws {
        let (reader, clock) = (
            FakeReader { _, _ in .init(status: 200, headers: [], body: Array(Self.pem.utf8)) }, TestClock()
        )
        let keys = Self.keys(reader, clock)
        let url = "https://a.example/k"
        let first = try await Self.ask(keys, url).get()
        for _ in 0..<100 { _ = try await Self.ask(keys, url, newerThan: first).get() }
        #expect(reader.count == 1)
        clock.advance(by: .minutes(2))
        let second = try await Self.ask(keys, url, newerThan: first).get()
        #expect(second.fetchedAt > first.fetchedAt)
        for _ in 0..<100 { _ = try await Self.ask(keys, url, newerThan: second).get() }
        // Whoever has seen the older one gets the newer.
        #expect(try await Self.ask(keys, url, newerThan: first).get().fetchedAt == second.fetchedAt)
        #expect(reader.count == 2)
    }

    // MARK: What stands there

    @Test("redirects are followed a little, never to plain http")
    func redirects() async throws {
        let reader = FakeReader { url, _ in
            switch url {
            case "https://a.example/1": .init(status: 302, headers: [Field("Location", "/2")], body: [])
            case "https://a.example/2":
                .init(status: 301, headers: [Field("location", "https://b.example/k")], body: [])
            case "https://b.example/k": .init(status: 200, headers: [], body: Array(Self.pem.utf8))
            case "https://a.example/down":
                .init(status: 302, headers: [Field("Location", "http://a.example/k")], body: [])
            default: .init(status: 302, headers: [Field("Location", "/round")], body: [])
            }
        }
        let keys = Self.keys(reader, TestClock())
        _ = try await Self.ask(keys, "https://a.example/1").get()
        for path in ["down", "round"] {
            guard case .failure(.refused) = await Self.ask(keys, "https://a.example/\(path)") else {
                Issue.record("\(path)")
                return
            }
        }
        #expect(reader.count == 3 + 1 + 3)
    }

    @Test("a document that is too long, or no key, is refused")
    func documents() async {
        for body in [Array(repeating: UInt8(ascii: "a"), count: 1001), Array("no key".utf8), []] {
            let keys = Self.keys(FakeReader { _, _ in .init(status: 200, headers: [], body: body) }, TestClock())
            guard case .failure(.refused) = await Self.ask(keys, "https://a.example/k") else {
                Issue.record("refused")
                return
            }
        }
    }

    @Test("private addresses are not dialled, by name, by number or after the name was rebound")
    func guarded() async throws {
        let (good, bad) = try (#require(IPAddress("127.0.0.2")), #require(IPAddress("127.0.0.1")))
        let policy = AddressPolicy(allowed: [try #require(CIDR("127.0.0.2/32"))], allowsPlainHTTP: true)
        let (server, trap) = (Sink { _, _ in .status(200, body: Self.pem) }, Sink())
        try await server.start(host: "127.0.0.2", beside: trap)
        var limits = GuardedWire.Limits.ofKeys
        limits.vettedFor = .zero
        let wire = GuardedWire(policy: policy, resolver: FixedResolver([[good], [bad]]), limits: limits)
        let keys = RemoteKeys(
            reader: wire, certificates: { throw BadKey("none") }, time: TestClock().source, metrics: Metrics(),
            logger: .quiet)

        _ = try await Self.ask(keys, "http://a.example:\(server.port)/1").get()
        for url in [
            "http://a.example:\(server.port)/2", "http://127.0.0.1:\(server.port)/k", "http://[::1]:\(server.port)/k",
            "http://0x7f000001:\(server.port)/k", "http://169.254.169.254/latest/meta-data", "https://user@a.example/k",
        ] {
            guard case .failure(.refused) = await Self.ask(keys, url) else {
                Issue.record("\(url)")
                continue
            }
        }
        #expect(trap.connected == 0)
        #expect(server.all.map(\.uri) == ["/1"])
        await wire.close()
        try await server.stop()
        try await trap.stop()
    }
}

/// Answers what it is told to, and counts.
final class FakeReader: OutsideReading {
    typealias Reply = @Sendable (String, Int) async throws(WireFailure) -> WireAnswer
    private let reply: Reply
    private let asked = Atomic<Int>(0)

    init(_ reply: @escaping Reply) { self.reply = reply }

    var count: Int { asked.load(ordering: .relaxed) }

    func get(_ url: String, headers: [Field]) async throws(WireFailure) -> WireAnswer {
        try await reply(url, asked.add(1, ordering: .relaxed).oldValue)
    }
}

/// Holds everybody until it is opened.
final class Gate: Sendable {
    private let state = Mutex<(isOpen: Bool, waiting: [CheckedContinuation<Void, Never>])>((false, []))

    func wait() async {
        await withCheckedContinuation { continuation in
            let isOpen = state.withLock { state in
                if !state.isOpen { state.waiting.append(continuation) }
                return state.isOpen
            }
            if isOpen { continuation.resume() }
        }
    }
    func open() {
        let waiting = state.withLock { state in
            state.isOpen = true
            defer { state.waiting = [] }
            return state.waiting
        }
        for continuation in waiting { continuation.resume() }
    }
}
