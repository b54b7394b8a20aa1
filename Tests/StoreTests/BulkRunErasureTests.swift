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
            let selections = [
                #"{"subject":"mira_1"}"#, #"{"subject":null,"lane":"2/mira_1"}"#, #"{"subject":"noor_2"}"#,
                #"{"subject":"mira_12"}"#, #"{"kind":"x","lane":"2/mira_12"}"#,
            ]
            let runs = selections.map { (id: ids.make(BulkRunKind.self), selection: $0) }
            let running = ids.make(BulkRunKind.self)
            try await database.write("runs") { session in
                for run in runs {
                    try session.begin(
                        run.id, "jobs.retry", selection: Array(run.selection.utf8), total: 1, by: "op_1", at: .testNow)
                    _ = try session.cancelBulkRun(run.id, at: .testNow)
                }
                try session.begin(
                    running, "jobs.retry", selection: Array(selections[0].utf8), total: 1, by: "op_1", at: .testNow)
            }

            try await database.write("erase") { try $0.forgetBulkRuns(naming: "mira_1") }

            let left = try await database.read("runs") { session in
                try (runs.map(\.id) + [running]).map { try session.bulkRun($0) != nil }
            }
            #expect(left == [false, false, true, true, true, true])
        }
    }
}
