import Kit
import NIOCore
import NIOHTTP1
import Synchronization
import Testing

@testable import Engine

@Suite("Addresses that others name")
struct GuardedWireTests {
    /// Each refused range: its first and last address.
    static let refused = [
        "0.0.0.0", "0.255.255.255", "10.0.0.0", "10.255.255.255", "100.64.0.0", "100.127.255.255", "127.0.0.0",
        "127.255.255.255", "169.254.0.0", "169.254.169.254", "172.16.0.0", "172.31.255.255", "192.0.0.0",
        "192.0.0.255", "192.0.2.0", "192.0.2.255", "192.88.99.0", "192.88.99.255", "192.168.0.0", "192.168.255.255",
        "198.18.0.0", "198.19.255.255", "198.51.100.0", "198.51.100.255", "203.0.113.0", "203.0.113.255",
        "224.0.0.0", "239.255.255.255", "240.0.0.0", "255.255.255.255",
        "::", "::1", "64:ff9b::", "64:ff9b::ffff:ffff", "64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff",
        "100::", "100::ffff:ffff:ffff:ffff", "2001::", "2001:0:ffff::1", "2001:db8::", "2001:db8:ffff::1",
        "2002::", "2002:7f00:1::", "3fff::", "3fff:fff:ffff::1", "5f00::", "5f00:ffff::1", "fc00::",
        "fdff:ffff::1", "fe80::", "febf:ffff::1", "ff00::", "ff02::1", "::ffff:127.0.0.1", "::127.0.0.1",
        "::ffff:169.254.169.254",
    ]

    @Test(
        "every refused range is refused as a literal and as a resolver's answer, and no socket is opened",
        arguments: refused)
    func ranges(text: String) async throws {
        let address = try #require(IPAddress(text))
        try await Self.with(policy: AddressPolicy(allowsPlainHTTP: true), resolver: FixedResolver([[address]])) {
            wire, sink in
            let literal = text.contains(":") ? "[\(text)]" : text

            for url in ["http://\(literal):\(sink.port)/", "http://named.example:\(sink.port)/"] {
                let failure = await failure { _ = try await wire.post(OutsideRequest(url: url, headers: [], body: [])) }
                #expect(failure.map { if case .refusedAddress = $0 { true } else { false } } == true, "\(url)")
            }
            #expect(sink.connected == 0)
        }
    }

    @Test("bodies of any size pass the same guard: a refused address is not dialled, a vetted one is")
    func streams() async throws {
        let good = try #require(IPAddress("127.0.0.2"))
        let bad = try #require(IPAddress("127.0.0.1"))
        let resolver = FixedResolver([[bad], [good]])
        let trap = Sink()
        try await Self.with(policy: Self.second, resolver: resolver, trap: trap) { wire, sink in
            let parts = AsyncThrowingStream<ByteBuffer, any Error> { source in
                for _ in 0..<3 { source.yield(ByteBuffer(repeating: 0x61, count: 100_000)) }
                source.finish()
            }
            let request = StreamRequest(
                method: .put, url: "http://a.example:\(sink.port)/up", headers: [Field("X-Mine", "1")],
                authorization: Secret([]), body: .stream(parts, length: 300_000))

            let failure = await failure { _ = try await wire.send(request, within: .seconds(20)) }
            #expect(failure.map { if case .refusedAddress = $0 { true } else { false } } == true)
            #expect(sink.connected == 0 && trap.connected == 0)

            #expect(try await wire.send(request, within: .seconds(20)).status == 200)
            let seen = try #require(sink.all.first)
            #expect(seen.body.count == 300_000 && seen.uri == "/up" && seen.headers.first(name: "x-mine") == "1")
        }
    }

    @Test("one refused answer among good ones refuses all")
    func mixed() async throws {
        let answers = try [#require(IPAddress("127.0.0.2")), #require(IPAddress("127.0.0.1"))]
        try await Self.with(policy: Self.second, resolver: FixedResolver([answers])) { wire, sink in
            let failure = await failure {
                _ = try await wire.post(OutsideRequest(url: "http://a.example:\(sink.port)/", headers: [], body: []))
            }

            #expect(failure.map { if case .refusedAddress = $0 { true } else { false } } == true)
            #expect(sink.connected == 0)
        }
    }

    @Test("a name that is rebound between two requests is refused the second time")
    func rebound() async throws {
        let (good, bad) = try (#require(IPAddress("127.0.0.2")), #require(IPAddress("127.0.0.1")))
        let resolver = FixedResolver([[good], [bad]])
        let trap = Sink()
        try await Self.with(policy: Self.second, resolver: resolver, vettedFor: .zero, trap: trap) { wire, sink in
            let request = OutsideRequest(url: "http://a.example:\(sink.port)/", headers: [], body: [])

            let first = try await wire.post(request)
            let failure = await failure { _ = try await wire.post(request) }

            #expect(failure.map { if case .refusedAddress = $0 { true } else { false } } == true)
            #expect(first.status == 200)
            #expect(sink.all.count == 1)
            #expect(trap.connected == 0)
        }
    }

    @Test("the vetted address is dialled, whatever the machine's resolver says of the name")
    func pinned() async throws {
        let good = try #require(IPAddress("127.0.0.2"))
        let trap = Sink()
        try await Self.with(policy: Self.second, resolver: FixedResolver([[good]]), trap: trap) { wire, sink in
            // The machine itself would find 127.0.0.1.
            let answer = try await wire.post(
                OutsideRequest(url: "http://localhost:\(sink.port)/", headers: [], body: []))

            #expect(answer.status == 200)
            #expect(sink.all.first?.headers.first(name: "host") == "localhost:\(sink.port)")
            #expect(trap.connected == 0)
        }
    }

    @Test(
        "other spellings of loopback, user names, small ports and plain HTTP are refused",
        arguments: [
            "http://2130706433:PORT/", "http://0x7f000001:PORT/", "http://0177.0.0.1:PORT/", "http://127.1:PORT/",
            "http://127.0.0.1.:PORT/", "http://user:pass@a.example:PORT/", "http://user@a.example:PORT/",
            "http://a.example:25/", "ftp://a.example/", "gopher://a.example/", "http://[::ffff:7f00:1]:PORT/",
            "http://a.example\\@127.0.0.1:PORT/", "https://a.example/ HTTP/1.1", "file:///etc/passwd",
        ])
    func spellings(url: String) async throws {
        let good = try #require(IPAddress("127.0.0.2"))
        try await Self.with(policy: Self.second, resolver: FixedResolver([[good]])) { wire, sink in
            let url = url.replacing("PORT", with: "\(sink.port)")
            let failure = await failure { _ = try await wire.post(OutsideRequest(url: url, headers: [], body: [])) }

            #expect(failure.map { if case .refusedAddress = $0 { true } else { false } } == true)
            #expect(sink.connected == 0)
        }
    }

    @Test("plain HTTP needs to be allowed")
    func plain() async throws {
        let policy = AddressPolicy(allowed: [Self.loopback])
        try await Self.with(policy: policy, resolver: FixedResolver([])) { wire, sink in
            let failure = await failure {
                _ = try await wire.post(OutsideRequest(url: sink.url, headers: [], body: []))
            }

            #expect(failure == .refusedAddress("The address must begin with https://."))
            #expect(sink.connected == 0)
        }
    }

    @Test("a redirect is an answer and is not followed")
    func redirect() async throws {
        let trap = Sink()
        try await trap.start(host: "127.0.0.1")
        let target = trap.url
        try await Self.with(policy: Self.open, resolver: FixedResolver([])) { _, _ in
            let sink = Sink { _, _ in .status(302, [("location", target)]) }
            try await sink.start()
            let wire = GuardedWire(policy: Self.open, resolver: FixedResolver([]))

            let answer = try await wire.post(OutsideRequest(url: sink.url, headers: [], body: [1]))

            #expect(answer.status == 302)
            #expect(trap.connected == 0)
            await wire.close()
            try await sink.stop()
        }
        try await trap.stop()
    }

    @Test("several allowed addresses are tried one after the other")
    func nextAddress() async throws {
        let answers = try [#require(IPAddress("127.0.0.3")), #require(IPAddress("127.0.0.1"))]
        try await Self.with(policy: Self.open, resolver: FixedResolver([answers])) { wire, sink in
            let answer = try await wire.post(
                OutsideRequest(url: "http://a.example:\(sink.port)/", headers: [], body: []))

            #expect(answer.status == 200)
        }
    }

    @Test(
        "what goes wrong has a name",
        arguments: [
            (Sink.Reply.hang, WireFailure.timeout), (.breakOff, .reset),
        ])
    func problems(reply: Sink.Reply, expected: WireFailure) async throws {
        var limits = GuardedWire.Limits()
        limits.whole = .milliseconds(300)
        let sink = Sink { _, _ in reply }
        try await sink.start()
        let wire = GuardedWire(policy: Self.open, resolver: FixedResolver([]), limits: limits)

        #expect(
            await failure { _ = try await wire.post(OutsideRequest(url: sink.url, headers: [], body: [])) } == expected)

        await wire.close()
        try await sink.stop()
    }

    @Test("of an endless answer the start is kept and the rest is cut off")
    func endless() async throws {
        let sink = Sink { _, _ in .endless }
        try await sink.start()
        let wire = GuardedWire(policy: Self.open, resolver: FixedResolver([]))

        let answer = try await wire.post(OutsideRequest(url: sink.url, headers: [], body: []))

        #expect(answer.status == 200 && answer.body.count == 1024)
        await wire.close()
        try await sink.stop()
    }

    @Test("nobody listens; the name has no address; the resolver is silent")
    func nobody() async throws {
        let sink = Sink()
        try await sink.start()
        let port = sink.port
        try await sink.stop()
        let wire = GuardedWire(policy: Self.open, resolver: FixedResolver([]))

        let refused = await failure {
            _ = try await wire.post(OutsideRequest(url: "http://127.0.0.1:\(port)/", headers: [], body: []))
        }
        #expect(refused == .connect("the host refuses it"))
        let unknown = await failure {
            _ = try await wire.post(OutsideRequest(url: "http://a.example:\(port)/", headers: [], body: []))
        }
        #expect(unknown == .unresolvable)
        await wire.close()

        let alone = GuardedWire(policy: Self.open, resolver: SilentResolver())
        let silent = await failure {
            _ = try await alone.post(OutsideRequest(url: "http://a.example:\(port)/", headers: [], body: []))
        }
        #expect(silent == .ownNetwork("the resolver does not answer"))
        await alone.close()
    }

    @Test("connections are used again")
    func reuse() async throws {
        try await Self.with(policy: Self.open, resolver: FixedResolver([])) { wire, sink in
            for _ in 0..<20 { _ = try await wire.post(OutsideRequest(url: sink.url, headers: [], body: [1, 2, 3])) }

            #expect(sink.all.count == 20)
            // The next request may come a moment before the connection is idle again.
            #expect(sink.connected <= 5)
        }
    }

    @Test("the machine's resolver knows localhost and not what cannot exist")
    func system() async throws {
        let resolver = SystemResolver()
        let found = try await resolver.addresses(of: "localhost")
        #expect(found.allSatisfy { SafeAddress.refusal(of: $0) != nil } && !found.isEmpty)
        await #expect(throws: ResolverFailure.self) { _ = try await resolver.addresses(of: "a.b.invalid") }
        await resolver.close()
    }

    // MARK: -

    static let loopback = CIDR("127.0.0.0/8") ?? { preconditionFailure("a range") }()
    static let open = AddressPolicy(allowed: [loopback], allowsPlainHTTP: true)
    /// Takes 127.0.0.2 for public; 127.0.0.1 stays what it is.
    static let second = AddressPolicy(allowed: CIDR("127.0.0.2/32").map { [$0] } ?? [], allowsPlainHTTP: true)

    /// - Parameter trap: listens at the same port of 127.0.0.1, and the sink then at 127.0.0.2.
    static func with(
        policy: AddressPolicy, resolver: any Resolver, vettedFor: Duration = .seconds(30),
        trap: Sink? = nil,
        _ body: (GuardedWire, Sink) async throws -> Void
    ) async throws {
        let sink = Sink()
        if let trap { try await sink.start(host: "127.0.0.2", beside: trap) } else { try await sink.start() }
        var limits = GuardedWire.Limits()
        limits.vettedFor = vettedFor
        let wire = GuardedWire(policy: policy, resolver: resolver, limits: limits)
        do {
            try await body(wire, sink)
        } catch {
            await wire.close()
            throw error
        }
        await wire.close()
        try await sink.stop()
        try await trap?.stop()
    }
}

/// Answers in turn; the last answer stays.
final class FixedResolver: Resolver {
    private let answers: Mutex<[[IPAddress]]>
    init(_ answers: [[IPAddress]]) { self.answers = Mutex(answers) }

    func addresses(of host: String) async throws(ResolverFailure) -> [IPAddress] {
        let answer = answers.withLock { $0.count > 1 ? $0.removeFirst() : $0.first }
        guard let answer else { throw .unknown }
        return answer
    }
}

struct SilentResolver: Resolver {
    func addresses(of host: String) async throws(ResolverFailure) -> [IPAddress] { throw .noAnswer }
}

func failure(_ body: () async throws -> Void) async -> WireFailure? {
    do {
        try await body()
        return nil
    } catch {
        return error as? WireFailure
    }
}
