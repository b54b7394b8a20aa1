import Foundation
import Kit
import Synchronization
import Testing

@testable import Sandbox

/// The type of the sandbox whose safety the compiler does not check. `make torture` runs a million turns under the
/// thread sanitizer.
@Suite("One turn at a time", .serialized)
struct KeeperTests {
    private struct Stop: Error {}
    private static let now = Timestamp(microseconds: 1_764_324_000_000_000)
    private static let isTorture = ProcessInfo.processInfo.environment["PATCHBAY_TORTURE"] == "1"

    @Test("from everywhere at once: each turn is whole, none is lost, and what throws leaves nothing")
    func turns() async throws {
        let rounds = Self.isTorture ? 1_000_000 : 20_000
        let keeper = Keeper(seed: 7, clock: { Self.now })
        let mailed = Mutex(0)
        keeper.onMail { letters, _ in mailed.withLock { $0 += letters.count } }

        await withTaskGroup(of: Void.self) { group in
            for worker in 0..<8 {
                group.addTask {
                    for number in stride(from: worker, to: rounds, by: 8) {
                        try? keeper.turn { world throws(Stop) in  // It throws on purpose.
                            world.count("turns", of: "test")
                            world.put("counts", "\(number % 50)", ["n": JSON(Int64(number))])
                            if number % 10 == 9 { throw Stop() }
                            world.count("kept", of: "test")
                        }
                        if number % 100 == 0 {
                            #expect(keeper.now == Self.now)
                            #expect(keeper.seed == Seed(value: 7))
                            await Task.yield()
                        }
                    }
                }
            }
        }

        keeper.turn { world in
            #expect(world.counters["test turns"] == Int64(rounds / 10 * 9))
            #expect(world.counters["test kept"] == Int64(rounds / 10 * 9))
            #expect(world.count(of: "counts") == 45, "numbers that end with 9 are never kept")
        }
        #expect(mailed.withLock { $0 } == 0)
    }

    @Test("a reset stands between two turns, and who reads meanwhile sees one world or the other")
    func resets() async throws {
        let rounds = Self.isTorture ? 20_000 : 500
        let keeper = Keeper(seed: 1, clock: { Self.now })

        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<4 {
                group.addTask {
                    for _ in 0..<rounds {
                        keeper.turn { world in
                            let (first, second) = (world.object("pair", "a"), world.object("pair", "b"))
                            #expect(first == second)
                            let next = JSON((first?["n"]?.integer ?? 0) + 1)
                            world.put("pair", "a", ["n": next])
                            world.put("pair", "b", ["n": next])
                        }
                    }
                }
            }
            group.addTask {
                for round in 0..<rounds / 10 {
                    keeper.reset(seed: UInt64(round)) { world in
                        world.put("pair", "a", ["n": 0])
                        world.put("pair", "b", ["n": 0])
                    }
                    await Task.yield()
                }
            }
        }

        #expect(keeper.seed == Seed(value: UInt64(rounds / 10 - 1)))
    }
}
