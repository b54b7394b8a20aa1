import Kit
import Store
import Synchronization
import TestSupport
import Testing

@testable import Engine

@Suite("Endpoints are shared out among nodes")
struct EndpointSharesTests {
    private static let ids = Identifiers(now: { .testNow })
    private static let nodes = (0..<4).map { _ in ids.make(NodeKind.self) }

    @Test(
        "nobody takes more than a fair share, and who holds more hands over",
        arguments: [
            // Held by each node; free; room and surplus of the first.
            (held: [0], free: 7, room: 7, surplus: 0), (held: [0, 0], free: 7, room: 4, surplus: 0),
            (held: [6, 0], free: 0, room: 0, surplus: 3), (held: [2, 1], free: 0, room: 0, surplus: 0),
            (held: [1, 0], free: 0, room: 0, surplus: 0), (held: [2, 2, 0], free: 0, room: 0, surplus: 1),
            (held: [90, 3, 3, 4], free: 0, room: 0, surplus: 65), (held: [1, 5], free: 0, room: 2, surplus: 0),
        ])
    func shares(held: [Int], free: Int, room: Int, surplus: Int) {
        let owners = held.enumerated().flatMap { Array(repeating: Optional(Self.nodes[$0]), count: $1) }
        let heads = (owners + Array(repeating: nil, count: free)).map { node in
            EndpointHead(id: Self.ids.make(), version: 1, state: .active, node: node, nextDueAt: nil)
        }

        let shares = EndpointShares(heads, own: Self.nodes[0], live: Array(Self.nodes.prefix(held.count)))

        #expect(shares.room == room && shares.surplus == surplus)
    }

    @Test("a second node gets its share, and each endpoint each change once", arguments: TestEngine.all)
    func twoNodes(engine: TestEngine) async throws {
        let got = Mutex<[String: Int]>([:])
        let wire = FakeWire { request, _ in
            let name = "\(request.url) \(request.headers["webhook-id"] ?? "?")"
            got.withLock { $0[name, default: 0] += 1 }
            for _ in 0..<5 { await Task.yield() }
            return .status(200)
        }
        try await TestDatabase.with(engine) { database in
            let outward = Outward(database, wire: wire)
            let (first, second) = (outward.node, outward.identifiers.make(NodeKind.self))
            try await database.write("first") {
                try $0.openNode(first, host: "a", process: 1, program: "test", at: .testNow)
            }
            for number in 0..<7 { _ = try await outward.endpoints.create(url: "https://a.example/\(number)") }
            try await outward.running {
                try await outward.happen(20)
                try await outward.until("the first holds all") { try $0.leaseCount(of: first) == 7 }

                try await database.write("second") {
                    try $0.openNode(second, host: "b", process: 2, program: "test", at: .testNow)
                }
                let other = outward.sender(node: second)
                try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask { try await other.run() }
                    for _ in 0..<30 {
                        try await outward.happen(5)
                        outward.clock.advance(by: .seconds(1))
                        outward.changed.ring()
                        try await Task.sleep(for: .milliseconds(5), clock: .continuous)
                    }
                    try await outward.turningUntil("shared out") { session in
                        let counts = (try session.leaseCount(of: first), try session.leaseCount(of: second))
                        return counts.0 + counts.1 == 7 && abs(counts.0 - counts.1) == 1
                    }
                    try await outward.happen(20)
                    try await outward.turningUntil("all is sent") { session in
                        let head = try session.feedHead()
                        let isPlaced = try session.lastChange() == head
                        return try isPlaced && session.endpoints(limit: 9).allSatisfy { $0.position == head }
                    }
                    group.cancelAll()
                }
                let counts = got.withLock { $0 }
                #expect(counts.count == 7 * 190)
                #expect(counts.values.allSatisfy { $0 == 1 }, "nothing is sent twice")
            }
        }
    }
}

extension Outward {
    /// The same as `until`, with a clock that goes on.
    fileprivate func turningUntil(_ what: String, _ isSo: @escaping @Sendable (Session) throws -> Bool) async throws {
        for _ in 0..<2000 {
            if try await database.read("until", isSo) { return }
            clock.advance(by: .seconds(1))
            changed.ring()
            try await Task.sleep(for: .milliseconds(5), clock: .continuous)
        }
        throw NeverHappened(what: what)
    }
}

extension Session {
    fileprivate func leaseCount(of node: ID<NodeKind>) throws -> Int {
        try endpointHeads(100).count { $0.node == node }
    }
}
