import Kit
import Synchronization
import Testing

@testable import Sandbox

@Suite("Fetching for platforms")
struct FetcherTests {
    @Test("few are under way at once, however many are wanted; each is fetched once, and none that is no longer wanted")
    func bounded() async throws {
        let rig = try Rig()
        let fetcher = Fetcher(keeper: rig.keeper, platforms: [])
        rig.keeper.onErrands { fetcher.accept($0) }
        let (wanted, source) = (6 * Fetcher.atOnce, Source())
        let (ports, port) = AsyncStream<Int>.makeStream()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await fetcher.run() }
            var bases: [String] = []
            var found = ports.makeAsyncIterator()
            // Several, since a client opens a few connections to one only.
            for _ in 0..<3 {
                let server = SandboxHTTP(port: 0, running: { port.yield($0) }, respond: { _ in await source.answer() })
                group.addTask { try await server.run() }
                bases.append("http://127.0.0.1:\(await found.next() ?? 0)/")
            }
            rig.keeper.turn { [bases] world in
                for number in 0..<wanted {
                    world.fetch(
                        Errand(platform: "x", id: "\(number)", addresses: [bases[number % bases.count]], bytesMax: 9))
                }
                world.delete(Errand.kind, "x \(wanted - 1)")
            }
            for _ in 0..<3000 where rig.keeper.turn({ $0.count(of: Errand.kind) }) > 0 {
                try await Task.sleep(for: .milliseconds(10))
            }
            group.cancelAll()
        }
        #expect(source.count == wanted - 1)
        #expect(source.most <= Fetcher.atOnce)
    }
}

/// Counts who asks, and how many at once.
private final class Source: Sendable {
    private let state = Mutex((count: 0, open: 0, most: 0))
    var count: Int { state.withLock { $0.count } }
    var most: Int { state.withLock { $0.most } }

    func answer() async -> SandboxAnswer {
        state.withLock { state in
            state.count += 1
            state.open += 1
            state.most = max(state.most, state.open)
        }
        // So long that others would come meanwhile.
        do { try await Task.sleep(for: .milliseconds(20)) } catch { return SandboxAnswer(503) }
        state.withLock { $0.open -= 1 }
        return SandboxAnswer(200)
    }
}
