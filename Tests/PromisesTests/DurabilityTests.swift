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
        try await TestDatabase.withAddress(engine) { url in
            let server = try ServerProcess(databaseURL: url)
            try await server.start()

            let ledger = try await load(server, events: isTorture ? 10_000 : 1_500) {
                for _ in 0..<(isTorture ? 100 : 8) {
                    try await Task.sleep(for: .milliseconds(Int.random(in: 40...250)))
                    server.crash()
                    try await server.start()
                }
            }

            server.crash()
            try await expectKept(ledger, in: url, engine: engine)
        }
    }

    @Test("R2 what was not synced is dropped at the kill: still nothing is lost", .enabled(if: FaultLayer.isBuilt))
    func dropped() async throws {
        try await TestDatabase.withAddress(.sqlite) { url in
            let path = String(url.dropFirst("sqlite:".count))
            let server = try ServerProcess(databaseURL: url, environment: FaultLayer.environment(for: path))
            try await server.start()

            let ledger = try await load(server, events: isTorture ? 10_000 : 1_500) {
                for _ in 0..<(isTorture ? 100 : 8) {
                    try await Task.sleep(for: .milliseconds(Int.random(in: 40...250)))
                    server.crash()
                    try FaultLayer.restore(beside: path)
                    try await server.start()
                }
            }

            server.crash()
            try FaultLayer.restore(beside: path)
            try await expectKept(ledger, in: url, engine: .sqlite)
        }
    }

    @Test(
        "R2 what PostgreSQL had not synced is dropped when all its processes are killed: nothing is lost",
        .enabled(if: ClusterFaultLayer.isBuilt && TestEngine.postgresURL != nil))
    func droppedByPostgres() async throws {
        let cluster = try await PostgresCluster.start()
        defer { cluster.stop() }
        let layer = try ClusterFaultLayer(below: cluster)
        let server = try ServerProcess(databaseURL: cluster.url)
        try await server.start()

        let ledger = try await load(server, events: isTorture ? 10_000 : 1_000) {
            for _ in 0..<(isTorture ? 60 : 2) {
                try await Task.sleep(for: .milliseconds(Int.random(in: 100...700)))
                try layer.cutPower()
                try layer.start()
            }
        }

        try layer.cutPower()
        try layer.start()
        server.crash()
        #expect(ledger.statuses.subtracting([200, 503]).isEmpty)
        try await expectKept(ledger, in: cluster.url, engine: .postgres)
    }

    @Test(
        "R3 syncs and writes fail: 503, never 200; service resumes by itself", .enabled(if: Strace.isUsable),
        arguments: [
            "fdatasync:error=EIO", "pwrite64:error=ENOSPC", "fdatasync,fsync:error=EIO:when=3+5",
            "pwrite64:error=EIO:when=7+11",
        ])
    func failingDisk(fault: String) async throws {
        try await TestDatabase.withAddress(.sqlite) { url in
            let server = try ServerProcess(databaseURL: url)
            try await server.start()

            // Before the first delivery: whoever comes while the disk fails must hear of it.
            let strace = try await Strace.attach(to: server.pid, injecting: fault)
            let ledger = try await load(server, events: 600) {
                try await Task.sleep(for: .milliseconds(1500))
                strace.detach()
            }

            #expect(server.isRunning)
            #expect(ledger.statuses == [200, 503])
            #expect(try await server.deliver("evt_after") == 200)
            // After a failed write or sync nothing written may be trusted before the file was opened anew.
            #expect(server.logText.contains("store.reopened") == fault.contains("EIO"))
            server.crash()
            try await expectKept(ledger, in: url, engine: .sqlite)
        }
    }

    @Test(
        "R4 PostgreSQL is killed and comes back under load: nothing lost, nothing twice",
        .enabled(if: TestEngine.postgresURL != nil))
    func postgresRestarts() async throws {
        let cluster = try await PostgresCluster.start()
        defer { cluster.stop() }
        let server = try ServerProcess(databaseURL: cluster.url)
        try await server.start()

        let ledger = try await load(server, events: isTorture ? 20_000 : 1_500) {
            for round in 0..<(isTorture ? 60 : 3) {
                try await Task.sleep(for: .milliseconds(isTorture ? 5000 : 400))
                try cluster.control(round % 2 == 0 ? ["kill"] : ["stop", "immediate"])
                try await Task.sleep(for: .milliseconds(300))
                try cluster.control(["start"])
            }
        }

        #expect(server.isRunning)
        #expect(ledger.statuses.subtracting([200, 503]).isEmpty)
        server.crash()
        try await expectKept(ledger, in: cluster.url, engine: .postgres)
    }

    @Test("R29 SIGTERM under load: ends with 0 within 30 s, what was accepted stays", arguments: TestEngine.all)
    func terminated(engine: TestEngine) async throws {
        try await TestDatabase.withAddress(engine) { url in
            let server = try ServerProcess(databaseURL: url)
            try await server.start()

            let ledger = try await load(server, events: 600) {
                try await Task.sleep(for: .milliseconds(300))
                let began = ContinuousClock.now
                #expect(server.stop() == 0)
                #expect(ContinuousClock.now - began < .seconds(30))
                try await server.start()
            }

            #expect(server.stop() == 0)
            try await expectKept(ledger, in: url, engine: engine)
            let running = try await Self.read(url, engine) {
                try $0.row("SELECT count(*) FROM jobs WHERE state = 'running'") { try $0.integer() }
            }
            #expect(running == 0)
        }
    }

    @Test(
        "R29 what the application has answered is on record at the end, and is not sent again",
        arguments: TestEngine.all)
    func terminatedWhileSending(engine: TestEngine) async throws {
        try await TestDatabase.withAddress(engine) { url in
            let application = try Responder(status: 204, body: "", pause: 150)
            defer { application.stop() }
            let server = try ServerProcess(
                databaseURL: url, environment: ["PATCHBAY_ALLOW_PRIVATE_ADDRESSES": "127.0.0.0/8"])
            let key = try server.makeKey()
            try await server.start()
            _ = try await server.addEndpoint("http://127.0.0.1:\(application.port)/", types: [], key: key)
            for number in 0..<24 { #expect(try await server.deliver("evt_\(number)", type: "price.created") == 200) }

            // In the middle of it, several times.
            for round in 1...3 {
                _ = try await eventually { application.requests.count >= round * 3 }
                #expect(server.stop() == 0)
                try await server.start()
            }
            let isTold = try await eventually { application.messages.count >= 24 }
            try await Task.sleep(for: .milliseconds(500))  // What is sent twice comes after the others.

            #expect(isTold)
            #expect(Set(application.messages).count == 24)
            #expect(application.messages.count == 24, "each once")
            #expect(server.stop() == 0)
        }
    }

    @Test("a second serve on the same file is refused with a sentence")
    func twoServers() async throws {
        try await TestDatabase.withAddress(.sqlite) { url in
            let first = try ServerProcess(databaseURL: url)
            try await first.start()

            let second = try ServerProcess(databaseURL: url)
            await #expect(throws: ServerDied.self) { try await second.start() }

            #expect(second.logText.contains("is served by another Patchbay"))
        }
    }

    @Test("R30 a database of a newer program is refused with a sentence", arguments: TestEngine.all)
    func newer(engine: TestEngine) async throws {
        try await TestDatabase.withAddress(engine) { url in
            let server = try ServerProcess(databaseURL: url)
            try await server.start()
            #expect(server.stop() == 0)
            try await Self.write(url, engine) {
                try $0.run(
                    """
                    INSERT INTO schema_migrations (version, name, program, applied_at)
                    VALUES (999, 'later', '9.9.0', 0)
                    """
                )
            }

            await #expect(throws: ServerDied.self) { try await server.start() }

            #expect(server.logText.contains("Use Patchbay 9.9.0 or newer."))
        }
    }

    // MARK: Hands

    /// Sends events from sixteen senders while `disturb` runs; each is sent until it is acknowledged.
    private func load(
        _ server: ServerProcess, events: Int, while disturb: @escaping @Sendable () async throws -> Void
    ) async throws -> Ledger {
        let ledger = Ledger()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for sender in 0..<16 {
                group.addTask { try await self.send(events / 16, by: sender, to: server, ledger) }
            }
            group.addTask { try await disturb() }
            try await group.waitForAll()
        }
        return ledger
    }

    private func send(_ count: Int, by sender: Int, to server: ServerProcess, _ ledger: Ledger) async throws {
        for number in 0..<count {
            let id = "evt_\(sender)_\(number)"
            while true {
                let status = try? await server.deliver(id, customer: "cus_\(number % 50)")  // No answer is no promise.
                ledger.note(status: status)
                if status == 200 { break }
                if let status, status != 503 { throw ServerDied(log: "answered \(status)\n" + server.logText) }
                try await Task.sleep(for: .milliseconds(20))
            }
            ledger.note(id)
            if number % 7 == 0 { _ = try? await server.deliver(id, customer: "cus_\(number % 50)") }  // A repetition.
        }
    }

    private func expectKept(_ ledger: Ledger, in url: String, engine: TestEngine) async throws {
        let found = try await Self.read(url, engine) { session in
            try session.rows("SELECT provider_event_id FROM events") { try $0.optionalText() ?? "" }
        }
        let counts = Dictionary(found.map { ($0, 1) }, uniquingKeysWith: +)
        let lost = ledger.acknowledged.subtracting(counts.keys)
        #expect(!ledger.acknowledged.isEmpty)
        #expect(lost.isEmpty, "\(lost.count) of \(ledger.acknowledged.count) lost")
        #expect(counts.values.allSatisfy { $0 == 1 }, "found twice")
        for (wrong, query) in Self.wrongs {
            let count = try await Self.read(url, engine) { try $0.row(query) { try $0.integer() } }
            #expect(count == 0, "\(wrong)")
        }
    }

    /// What must not be found: one transaction keeps an event with its job, another its effects with what is told of it
    /// and with the job's end.
    private static let wrongs: [(String, SQL)] = [
        (
            "events without a job, or with two",
            """
            SELECT count(*) FROM events e
             WHERE e.state <> 'ignored'
               AND (SELECT count(*) FROM jobs j WHERE j.subject = e.id)
                   + (SELECT count(*) FROM jobs_done d WHERE d.subject = e.id) <> 1
            """
        ),
        (
            "events that are not told of as they ended, or told twice",
            """
            SELECT count(*)
              FROM events e
              LEFT JOIN (SELECT subject, count(*) AS told FROM changes WHERE type = 'event.received' GROUP BY subject) c
                ON c.subject = e.id
             WHERE coalesce(c.told, 0) <> CASE WHEN e.state = 'queued' THEN 0 ELSE 1 END
            """
        ),
        (
            "jobs that ended and left their event as it was",
            """
            SELECT count(*) FROM jobs_done d JOIN events e ON e.id = d.subject
             WHERE d.state = 'succeeded' AND e.state = 'queued'
            """
        ),
    ]

    static func read<Value: Sendable>(
        _ url: String, _ engine: TestEngine, _ work: @escaping @Sendable (Session) throws -> Value
    ) async throws -> Value {
        let database = try TestDatabase.open(url, engine)
        let value = try await database.read("test", work)
        await database.close()
        return value
    }
    static func write<Value: Sendable>(
        _ url: String, _ engine: TestEngine, _ work: @escaping @Sendable (Session) throws -> Value
    ) async throws {
        let database = try TestDatabase.open(url, engine)
        _ = try await database.write("test", work)
        await database.close()
    }
}

/// What was answered.
final class Ledger: Sendable {
    private let state = Mutex<(ids: Set<String>, statuses: Set<Int>)>(([], []))
    var acknowledged: Set<String> { state.withLock { $0.ids } }
    var statuses: Set<Int> { state.withLock { $0.statuses } }
    func note(_ id: String) { state.withLock { _ = $0.ids.insert(id) } }
    func note(status: Int?) { if let status { state.withLock { _ = $0.statuses.insert(status) } } }
}
