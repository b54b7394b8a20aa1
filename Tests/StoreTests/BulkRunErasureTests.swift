import Kit
import TestSupport
import Testing

@testable import Store

@Suite("What a person asked about many, on both engines")
struct BulkRunErasureTests {
    private let ids = Identifiers(now: { .testNow })

    @Test("an ended run that names an erased user is forgotten; others stay", arguments: TestEngine.all)
    func named(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let (about, other) = (ids.make(BulkRunKind.self), ids.make(BulkRunKind.self))
            try await database.write("runs") { session in
                for (id, user) in [(about, "mira_1"), (other, "noor_2")] {
                    try session.begin(
                        id, "jobs.retry", selection: Array(#"{"subject":"\#(user)"}"#.utf8), total: 1, by: "op_1",
                        at: .testNow)
                    _ = try session.cancelBulkRun(id, at: .testNow)
                }
            }

            try await database.write("erase") { try $0.forgetBulkRuns(naming: "mira_1") }

            #expect(try await database.read("run") { try $0.bulkRun(about) } == nil)
            #expect(try await database.read("run") { try $0.bulkRun(other) } != nil)
        }
    }
}
