import Foundation
import Kit
import TestSupport
import Testing

@testable import Store

/// A rate, so a test for a machine that does nothing else: `make torture`.
@Suite(
    "Claims while somebody's transaction stays open", .serialized,
    .enabled(if: TestEngine.postgresURL != nil && ProcessInfo.processInfo.environment["PATCHBAY_TORTURE"] == "1"))
struct ClaimRateTests {
    private let ids = Identifiers(now: { .testNow })

    /// In turn, slice by slice, so that whatever else the machine does meets both.
    @Test("twenty thousand jobs later, with nothing swept, claims are at least half as fast as without it")
    func rate() async throws {
        try await withDatabase { free, _ in
            try await withDatabase { held, url in
                let reader = try PostgresAdmin(url: url)
                try reader.run("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM patchbay.jobs")
                let nodes = [try await openNode(free), try await openNode(held)]
                var times: [(free: Duration, held: Duration)] = []
                for _ in 0..<20 {
                    times.append((try await work(for: nodes[0], in: free), try await work(for: nodes[1], in: held)))
                }
                try reader.run("COMMIT")

                let ratios = times.suffix(7).map { $0.free / $0.held }.sorted()
                #expect(ratios[ratios.count / 2] > 0.5, "\(ratios)")
            }
        }
    }

    private func withDatabase(_ body: (any Database, String) async throws -> Void) async throws {
        try await TestDatabase.withAddress(.postgres) { url in
            let database = try PostgresDatabase(url: url, connections: 3, ingestConnections: 1, logger: .quiet)
            _ = try await database.migrate(program: "test", at: .testNow)
            try await body(database, url)
            await database.close()
        }
    }

    private func openNode(_ database: any Database) async throws -> ID<NodeKind> {
        let node: ID<NodeKind> = ids.make()
        try await database.write("node") {
            try $0.openNode(node, host: "test", process: 1, program: "test", at: .testNow)
        }
        return node
    }

    /// Takes a thousand jobs through their life.
    private func work(for node: ID<NodeKind>, in database: any Database) async throws -> Duration {
        let began = ContinuousClock.now
        for _ in 0..<10 {
            let jobs = (0..<100).map { number in
                NewJob(
                    id: ids.make(), kind: "noop", lane: Lane("lane\(number % 5)", .event), dueAt: .testNow,
                    createdAt: .testNow, input: [])
            }
            try await database.set("enqueue", in: .work) { try $0.enqueue(jobs) }
            var done = 0
            while done < 100 {
                let claimed = try await database.set("claim", in: .work) {
                    try $0.claim(50, pools: [0, 1, 2], for: node, at: .testNow)
                }
                let ends = claimed.map { EndedJob(job: $0, end: .succeeded, at: .testNow) }
                _ = try await database.set("complete", in: .work) { try $0.complete(ends) }
                done += claimed.count
            }
        }
        return ContinuousClock.now - began
    }
}
