import Foundation
import Kit
import Synchronization
import TestSupport
import Testing

@testable import Store

/// Many small things at once, for the types whose safety the compiler does not check. `make torture` runs them under
/// the thread sanitizer, a million rounds for the queue.
@Suite("Types that guard themselves", .serialized)
struct StressTests {
    private static let isTorture = ProcessInfo.processInfo.environment["PATCHBAY_TORTURE"] == "1"

    @Test("a queue gives out each item once, in the order of its lane, whatever comes and goes at once")
    func queue() async throws {
        let rounds = Self.isTorture ? 1_000_000 : 50_000
        let queue = WorkQueue<Int>(limit: rounds)
        let taken = Mutex<[[Int]]>([])
        let gates = (0..<4).map { _ in Gate() }
        for (number, gate) in gates.enumerated() {
            startThread("taker \(number)") {
                var mine: [Int] = []
                while let items = queue.take(1 + number * 7, waiting: 5) { mine += items }
                taken.withLock { $0.append(mine) }
                gate.open()
            }
        }

        await withTaskGroup(of: Void.self) { group in
            for producer in 0..<8 {
                group.addTask {
                    for number in stride(from: producer, to: rounds, by: 8) {
                        let lane: WriteLane = number % 3 == 0 ? .ingest : .maintenance
                        #expect(queue.add(number, to: lane))
                        if number % 1000 == 0 { await Task.yield() }
                    }
                }
            }
        }
        queue.close()
        for gate in gates { await gate.wait() }

        let all = taken.withLock { $0 }
        #expect(all.map(\.count).reduce(0, +) == rounds)
        #expect(Set(all.joined()).count == rounds)
        // One producer's items of one lane come to a taker in the order in which they were added.
        for mine in all {
            for lane in 0..<2 {
                var last = Array(repeating: -1, count: 8)
                for number in mine where (number % 3 == 0) == (lane == 0) {
                    #expect(number > last[number % 8])
                    last[number % 8] = number
                }
            }
        }
        #expect(!queue.add(1, to: .ingest))
    }

    @Test("a gate lets everybody through, before and after it opens")
    func gate() async {
        for _ in 0..<(Self.isTorture ? 20_000 : 1_000) {
            let gate = Gate()
            await withTaskGroup(of: Void.self) { group in
                for _ in 0..<4 { group.addTask { await gate.wait() } }
                group.addTask { gate.open() }
            }
        }
    }

    @Test(
        "closures, sets and reads from everywhere: each has its answer, each write its row", arguments: TestEngine.all)
    func engine(engine: TestEngine) async throws {
        let rounds = Self.isTorture ? 20_000 : 800
        try await TestDatabase.with(engine) { database in
            try await database.write("rows") { session in
                for row in 0..<16 { try session.run("INSERT INTO instance (key, value) VALUES (\("s\(row)"), '0')") }
            }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for worker in 0..<16 {
                    group.addTask {
                        for number in 0..<rounds / 16 {
                            let lane = WriteLane.allCases[number % WriteLane.allCases.count]
                            try await database.set("count", in: lane) { session in
                                _ = try session.run(
                                    """
                                    UPDATE instance SET value = CAST(CAST(value AS INTEGER) + 1 AS TEXT)
                                     WHERE key = \("s\(worker)")
                                    """)
                            }
                            guard number % 10 == 0 else { continue }
                            let seen = try await database.read("look") { session in
                                try session.row("SELECT value FROM instance WHERE key = \("s\(worker)")") {
                                    try $0.text()
                                }
                            }
                            #expect(seen == String(number + 1))
                        }
                    }
                }
                try await group.waitForAll()
            }

            let sum = try await database.read("sum") { session in
                try session.rows("SELECT value FROM instance WHERE key LIKE 's%'") { Int(try $0.text()) ?? 0 }
                    .reduce(0, +)
            }
            #expect(sum == rounds / 16 * 16)
        }
    }
}
