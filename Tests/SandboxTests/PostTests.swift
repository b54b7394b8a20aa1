import Foundation
import Kit
import ServiceLifecycle
import Synchronization
import Testing

@testable import Sandbox

@Suite("Webhooks of the sandbox")
struct PostTests {
    @Test("webhooks of one customer keep their order, and each is signed by the real clock")
    func order() async throws {
        let told = try await told(rounds: 12, switches: nil)

        #expect(told.names == (0..<12).map { "n\($0)" })
        #expect(told.areProven)
    }

    @Test("they come in another order and twice when told to")
    func disorder() async throws {
        let switches = #"{"platform":"stripe","webhooks":{"repeat":1,"shuffle":true,"delay_ms":150}}"#
        let told = try await told(rounds: 12, switches: switches)

        #expect(told.names.count == 24)
        #expect(Set(told.names).count == 12)
        #expect(told.names != told.names.sorted { Int($0.dropFirst()) ?? 0 < Int($1.dropFirst()) ?? 0 })
    }

    /// On threads of their own, since those that wait for each other for good would stop every other test.
    @Test("webhooks that are mixed while more are mailed wait for nobody")
    func crowd() async throws {
        let rig = try Rig()
        let (turns, hands) = (400, 2)
        let switches = #"{"platform":"stripe","webhooks":{"shuffle":true}}"#
        rig.switches.set([try Fault(JSON.parse(switches), platforms: ["stripe"])])
        _ = try await rig.post("/v1/webhook_endpoints", "url=http://127.0.0.1:1/&enabled_events[]=*")
        let post = Post(keeper: rig.keeper, platforms: [rig.stripe], switches: rig.switches)
        rig.keeper.onMail { post.accept($0, rate: $1) }
        let running = Task { try await post.run() }
        let done = Atomic(0)
        let count: @Sendable () -> Int = { done.load(ordering: .relaxed) }
        for _ in 0..<hands {
            Thread.detachNewThread {
                for _ in 0..<turns {
                    rig.keeper.turn { world in
                        world.stream = "story"
                        rig.stripe.act(in: world)
                    }
                    done.add(1, ordering: .relaxed)
                }
            }
        }
        for _ in 0..<600 where count() < turns * hands { try await Task.sleep(for: .milliseconds(50)) }

        try #require(count() == turns * hands)
        running.cancel()
        _ = await running.result
    }

    @Test("one that is not acknowledged comes again, signed anew")
    func retries() async throws {
        let told = try await told(rounds: 1, switches: nil, statuses: [500, 503])

        #expect(told.names == ["n0", "n0", "n0"])
        #expect(told.areProven)
    }

    @Test("nothing is sent to addresses beyond this machine")
    func outside() async throws {
        let rig = try Rig()
        _ = try await rig.post("/v1/webhook_endpoints", "url=https://example.com/hook&enabled_events[]=*")
        _ = try await rig.post("/v1/customers")

        #expect(rig.keeper.turn { $0.count(of: Letter.kind) } == 0)
    }

    // MARK: A receiver

    private struct Told {
        var names: [String]
        var areProven: Bool
    }

    /// Changes a customer's name so many times, and what a receiver is told of it.
    private func told(rounds: Int, switches json: String?, statuses: [Int] = []) async throws -> Told {
        let (rig, heard) = (try Rig(), Heard(statuses: statuses))
        if let json { rig.switches.set([try Fault(JSON.parse(json), platforms: ["stripe"])]) }
        let ticking = Task {
            // The rig's clock stands still; the post waits by it.
            while !Task.isCancelled {
                rig.time.move(.milliseconds(20))
                try await Task.sleep(for: .milliseconds(2))
            }
        }
        defer { ticking.cancel() }
        let post = Post(keeper: rig.keeper, platforms: [rig.stripe], switches: rig.switches)
        rig.keeper.onMail { post.accept($0, rate: $1) }
        let (ports, port) = AsyncStream<Int>.makeStream()
        let receiver = SandboxHTTP(port: 0, running: { port.yield($0) }, respond: { heard.answer($0) })
        return try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await receiver.run() }
            group.addTask { try await post.run() }
            var found = ports.makeAsyncIterator()
            let number = await found.next() ?? 0
            let endpoint = try await rig.post(
                "/v1/webhook_endpoints", "url=http://127.0.0.1:\(number)/&enabled_events[]=customer.updated")
            let customer = try await rig.post("/v1/customers")["id"]?.text ?? ""
            for round in 0..<rounds { _ = try await rig.post("/v1/customers/\(customer)", "name=n\(round)") }
            let expected = (json == nil ? rounds : rounds * 2) + statuses.count
            let bodies = await heard.wait(for: expected)
            group.cancelAll()
            let secrets = try rig.stripe.webhooks.secrets(in: endpoint["secret"]?.text ?? "")
            return Told(
                names: bodies.compactMap { (try? JSON.parse($0.body))?["data", "object", "name"]?.text },
                areProven: bodies.allSatisfy { delivery in
                    (try? rig.stripe.webhooks.check(delivery.at(rig.time.now), with: secrets)) != nil
                })
        }
    }
}

/// What came.
private final class Heard: Sendable {
    private let state: Mutex<(deliveries: [Delivery], statuses: [Int])>
    init(statuses: [Int]) { state = Mutex(([], statuses)) }

    func answer(_ request: SandboxRequest) -> SandboxAnswer {
        state.withLock { state in
            state.deliveries.append(
                Delivery(
                    method: request.method, target: request.path, headers: request.headers, body: request.body,
                    receivedAt: .zero))
            return SandboxAnswer(state.statuses.isEmpty ? 200 : state.statuses.removeFirst())
        }
    }

    func wait(for count: Int) async -> [Delivery] {
        for _ in 0..<6000 {
            let deliveries = state.withLock { $0.deliveries }
            if deliveries.count >= count { return deliveries }
            do { try await Task.sleep(for: .milliseconds(10)) } catch { return deliveries }
        }
        return state.withLock { $0.deliveries }
    }
}

extension Delivery {
    fileprivate func at(_ time: Timestamp) -> Delivery {
        Delivery(method: method, target: target, headers: headers, body: body, receivedAt: time)
    }
}
