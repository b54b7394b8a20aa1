import Foundation
import Kit
import Logging
import Synchronization
import TestSupport
import Testing

@testable import Store

@Suite("Nothing acknowledged is lost", .serialized)
struct DurabilityTests {
    @Test("R1 killed at random moments under load: all that was answered 200 is found, once", arguments: TestEngine.all)
    func killed(engine: TestEngine) async throws {
        let (events, kills) = isTorture ? (10_000, 100) : (1_500, 8)
        try await TestDatabase.withAddress(engine) { url in
            let server = try ServerProcess(databaseURL: url)
            try await server.start()
            let ledger = Ledger()

            try await withThrowingTaskGroup(of: Void.self) { group in
                for sender in 0..<16 {
                    group.addTask { try await send(events / 16, by: sender, to: server, ledger) }
                }
                group.addTask {
                    for _ in 0..<kills {
                        try await Task.sleep(for: .milliseconds(Int.random(in: 40...250)))
                        server.crash()
                        try await server.start()
                    }
                }
                try await group.waitForAll()
            }
            server.crash()

            let found = try await Self.eventIDs(in: url, engine: engine)
            let acknowledged = ledger.acknowledged
            #expect(acknowledged.count == events / 16 * 16)
            #expect(acknowledged.subtracting(found.keys).isEmpty, "lost: \(acknowledged.subtracting(found.keys).count)")
            #expect(found.values.allSatisfy { $0 == 1 }, "found twice")
        }
    }

    /// Sends each event until it is acknowledged, as a platform does; some of them once more afterwards.
    private func send(_ count: Int, by sender: Int, to server: ServerProcess, _ ledger: Ledger) async throws {
        for number in 0..<count {
            let id = "evt_\(sender)_\(number)"
            while true {
                let status = try? await server.deliver(id, customer: "cus_\(number % 50)")  // No answer is no promise.
                if status == 200 { break }
                if let status, status != 503 { throw ServerDied(log: "answered \(status)\n" + server.logText) }
                try await Task.sleep(for: .milliseconds(20))
            }
            ledger.note(id)
            if number % 7 == 0 { _ = try? await server.deliver(id, customer: "cus_\(number % 50)") }  // A repetition.
        }
    }

    static func eventIDs(in url: String, engine: TestEngine) async throws -> [String: Int] {
        let database: any Database =
            switch engine {
            case .sqlite: try SQLiteDatabase(path: String(url.dropFirst("sqlite:".count)), owner: false, logger: .quiet)
            case .postgres: try PostgresDatabase(url: url, connections: 2, logger: .quiet)
            }
        let ids = try await database.read("ids") { session in
            try session.rows("SELECT provider_event_id FROM events") { try $0.optionalText() ?? "" }
        }
        await database.close()
        return Dictionary(ids.map { ($0, 1) }, uniquingKeysWith: +)
    }
}

/// What was acknowledged.
final class Ledger: Sendable {
    private let ids = Mutex<Set<String>>([])
    var acknowledged: Set<String> { ids.withLock { $0 } }
    func note(_ id: String) { ids.withLock { _ = $0.insert(id) } }
}
