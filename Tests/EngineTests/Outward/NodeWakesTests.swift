import ServiceLifecycle
import Store
import TestSupport
import Testing

@testable import Engine

@Suite("Nodes that wake each other")
struct NodeWakesTests {
    @Test("a bell rung on one node rings on the other, and does not come back")
    func carried() async throws {
        guard let server = TestEngine.postgresURL else { return }
        try await TestDatabase.withAddress(.postgres) { url in
            #expect(url.hasPrefix(server.prefix(12)))
            let databases = try [
                PostgresDatabase(url: url, connections: 1, logger: .quiet),
                PostgresDatabase(url: url, connections: 1, logger: .quiet),
            ]
            let bells = [Bell(), Bell()]
            try await withThrowingTaskGroup(of: Void.self) { group in
                for (database, bell) in zip(databases, bells) {
                    let wakes = NodeWakes(database: database, bells: [("written", bell)], logger: .quiet)
                    group.addTask { try await wakes.run() }
                }
                // Both ring once when they begin to listen.
                for bell in bells { while bell.rings < 1 { await bell.wait(since: bell.rings) } }
                try await Task.sleep(for: .milliseconds(50), clock: .continuous)
                let (before, other) = (bells[0].rings, bells[1].rings)
                for _ in 0..<100 { bells[0].ring() }
                await bells[1].wait(since: other)
                try await Task.sleep(for: .milliseconds(100), clock: .continuous)

                #expect(bells[0].rings == before + 100)
                #expect(bells[1].rings - other <= 5, "many rings share a NOTIFY")
                group.cancelAll()
            }
            for database in databases { await database.close() }
        }
    }
}
