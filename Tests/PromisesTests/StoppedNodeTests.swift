import Foundation
import Kit
import TestSupport
import Testing

@testable import Store

/// A process that is stopped keeps its connections and its belief that all it holds is its own.
@Suite("R8 a node that stands still and goes on later", .serialized)
struct StoppedNodeTests {
    private static let subscriptions = 24
    private static let others = 200

    @Test(
        "stopped in its jobs and as sequencer: another does its work, and what it ends later counts for nothing",
        .enabled(if: TestEngine.all.contains(.postgres)))
    func stopped() async throws {
        try await TestDatabase.withAddress(.postgres) { url in
            let platform = try Responder(status: 200, waits: true, body: Self.subscription)
            let application = try Responder(status: 200, body: "{}")
            defer {
                platform.stop()
                application.stop()
            }
            let settings = [
                "PATCHBAY_ALLOW_PRIVATE_ADDRESSES": "127.0.0.0/8", "STRIPE_SECRET_KEY": "sk_test_stopped",
                "STRIPE_BASE_URL": "http://127.0.0.1:\(platform.port)",
            ]
            let first = try ServerProcess(databaseURL: url, environment: settings)
            let second = try ServerProcess(databaseURL: url, environment: settings)
            let key = try first.makeKey()
            try await first.start()
            let look = Look(url: url)
            _ = try await first.addEndpoint("http://127.0.0.1:\(application.port)/hook", types: [], key: key)
            let said: JSON = ["stripe_customer_id": "cus_u"]
            #expect(try await first.call("PUT", "/v1/users/u", said, key: key).status == 201)
            let node = try #require(try await look.node(of: first.pid))
            try await until("the first is sequencer") { try await look.holder("sequencer") == node }
            try await second.start()

            // Given to the second; each job that asks the platform stays in the hands that took it.
            async let delivered: Void = deliver(to: second)
            try await until("the first has jobs") { try await look.held(by: node) >= 3 }
            first.signal(SIGSTOP)
            defer { first.signal(SIGCONT) }
            let held = try await look.held(by: node)
            let sequencer = try await look.holder("sequencer")
            #expect(held > 0 && sequencer == node, "it stands still with its hands full")
            platform.open()

            try await delivered
            try await until("all is applied", within: 180) { try await look.isDone(Self.count) }
            #expect(second.logText.contains("node.lost"))
            #expect(try await look.holder("sequencer") != node)
            let before = try await look.everything()

            first.signal(SIGCONT)
            try await until("it knows that its time is over") { first.logText.contains("node.revoked") }
            try await until("its jobs have ended in vain") { try await Self.fenced(on: first) >= held }
            #expect(try await look.everything() == before, "it has recorded nothing")
            try await look.checkOnce(Self.count)

            // It is of use again, as another session.
            let later = Array(Self.method(Self.others, at: Int(Date().timeIntervalSince1970)).utf8)
            try await until("it takes deliveries again") { try await first.deliver(bytes: later) == 200 }
            try await until("what comes later is applied") { try await look.isDone(Self.count + 1) }
            try await until("the first has a session again") { try await look.node(of: first.pid) != node }
            #expect(first.stop() == 0 && second.stop() == 0)
        }
    }

    // MARK: Parts

    private static var count: Int64 { Int64(subscriptions * 2 + others) }

    /// Pairs that contradict each other within a second, so that the platform is asked; and many that need nobody.
    private func deliver(to server: ServerProcess) async throws {
        let now = Int(Date().timeIntervalSince1970)
        var bodies: [String] = []
        for number in 0..<Self.subscriptions {
            for status in ["active", "past_due"] {
                bodies.append(
                    #"""
                    {"id":"evt_\#(number)_\#(status)","object":"event","created":\#(now),"livemode":false,
                    "type":"customer.subscription.updated","data":{"object":\#(Self.object(number, status))}}
                    """#)
            }
        }
        for number in 0..<Self.others {
            bodies.append(Self.method(number, at: now))
        }
        try await withThrowingTaskGroup(of: Int.self) { [bodies] group in
            for worker in 0..<8 {
                group.addTask {
                    var bad = 0
                    for number in stride(from: worker, to: bodies.count, by: 8) {
                        if try await server.deliver(bytes: Array(bodies[number].utf8)) != 200 { bad += 1 }
                    }
                    return bad
                }
            }
            let bad = try await group.reduce(0, +)
            #expect(bad == 0)
        }
    }

    private static func method(_ number: Int, at now: Int) -> String {
        #"""
        {"id":"evt_o\#(number)","object":"event","created":\#(now - number),"livemode":false,
        "type":"payment_method.attached","data":{"object":{"object":"payment_method","id":"pm_\#(number)",
        "customer":"cus_u","type":"card"}}}
        """#
    }

    private static func object(_ number: Int, _ status: String) -> String {
        #"""
        {"id":"sub_\#(number)","object":"subscription","customer":"cus_\#(number)","status":"\#(status)",
        "cancel_at_period_end":false,"metadata":{"patchbay_user":"u_\#(number)"},"items":{"object":"list","data":[
        {"id":"si_\#(number)","current_period_end":1999999999,"price":{"id":"price_1","object":"price"}}]}}
        """#
    }
    /// What the platform answers.
    @Sendable private static func subscription(_ path: String) -> String {
        let number = path.prefix { $0 != "?" }.split(separator: "_").last.flatMap { Int($0) }
        return object(number ?? -1, "active")
    }

    /// Jobs whose end was refused, as the process itself counts them.
    private static func fenced(on server: ServerProcess) async throws -> Int64 {
        let lines = String(decoding: try await server.get("/metrics").body, as: UTF8.self).split(separator: "\n")
        return lines.filter { $0.hasPrefix("patchbay_jobs_ended_total{") && $0.contains(#"outcome="fenced""#) }
            .compactMap { $0.split(separator: " ").last.flatMap { Int64($0) } }.reduce(0, +)
    }

    /// Looks until it is so. The bound says only that it hangs. A connection that was idle while its server stood still
    /// may be closed just when it is used: looked at again.
    private func until(
        _ what: Comment, within seconds: Int = 120, _ isSo: () async throws -> Bool
    ) async throws {
        let end = ContinuousClock.now + .seconds(seconds)
        while ContinuousClock.now < end {
            do { if try await isSo() { return } } catch let problem {
                guard "\(problem)".contains("closed") else { throw problem }
            }
            try await Task.sleep(for: .milliseconds(100))
        }
        Issue.record(what)
        throw ServerDied(log: "\(what)")
    }
}

/// Looks into the database beside the servers.
private struct Look {
    let url: String

    func node(of process: Int32) async throws -> String? {
        try await read { session in
            try session.row("SELECT max(id) FROM nodes WHERE process = \(Int(process))") { try $0.optionalText() }
                ?? nil
        }
    }
    func holder(_ lease: String) async throws -> String? {
        try await read { try $0.row("SELECT node FROM leases WHERE name = \(lease)") { try $0.optionalText() } ?? nil }
    }
    func held(by node: String) async throws -> Int64 {
        try await read {
            try $0.row("SELECT count(*) FROM jobs WHERE node = \(node) AND state = 'running'") { try $0.integer() } ?? 0
        }
    }

    /// Every event is applied, every change has its place, the endpoint has been told of all.
    func isDone(_ count: Int64) async throws -> Bool {
        try await read { session in
            let applied = try session.row("SELECT count(*) FROM events WHERE state = 'applied'") { try $0.integer() }
            let live = try session.row("SELECT count(*) FROM jobs WHERE subject IS NOT NULL") { try $0.integer() }
            let head = try session.feedHead()
            let written = try session.row("SELECT count(*) FROM changes") { try $0.integer() }
            let behind = try session.row(
                "SELECT count(*) FROM endpoints e WHERE e.position < \(head)"
            ) { try $0.integer() }
            let aside = try session.row("SELECT count(*) FROM attempts_due") { try $0.integer() }
            return applied == count && live == 0 && written == head && behind == 0 && aside == 0
        }
    }

    /// All that work on events writes, as lines.
    func everything() async throws -> [String] {
        let tables: [SQL] = [
            "SELECT id, state, CAST(state_at AS TEXT) FROM events ORDER BY id",
            "SELECT id, state, CAST(finished_at AS TEXT) FROM jobs_done WHERE subject IS NOT NULL ORDER BY id",
            "SELECT id, type, CAST(seq AS TEXT) FROM changes ORDER BY id",
            "SELECT CAST(position AS TEXT), CAST(seq AS TEXT), '' FROM feed ORDER BY position",
            "SELECT id, change_id, outcome FROM attempts ORDER BY id",
            "SELECT id, CAST(updated_at AS TEXT), coalesce(status, '') FROM subscriptions ORDER BY id",
            "SELECT id, CAST(updated_at AS TEXT), CAST(version AS TEXT) FROM users ORDER BY id",
        ]
        return try await read { session in
            try tables.flatMap { sql in
                try session.rows(sql) { row in "\(try row.text()) \(try row.text()) \(try row.text())" }
            }
        }
    }

    /// One end and one word to followers for each, and every word delivered.
    func checkOnce(_ count: Int64) async throws {
        let counts = try await read { session in
            try [
                "SELECT count(*) FROM jobs_done WHERE kind = 'event.apply' AND state = 'succeeded'",
                "SELECT count(DISTINCT subject) FROM jobs_done WHERE kind = 'event.apply' AND state = 'succeeded'",
                "SELECT count(*) FROM changes WHERE type = 'event.received'",
                "SELECT count(DISTINCT subject) FROM changes WHERE type = 'event.received'",
            ].map { (sql: SQL) in try session.row(sql) { try $0.integer() } ?? 0 }
        }
        #expect(counts == [count, count, count, count])
        let (told, delivered, places) = try await read { session in
            (
                try session.row("SELECT count(*) FROM changes") { try $0.integer() } ?? 0,
                try session.rows("SELECT change_id FROM attempts WHERE outcome = 'delivered'") { try $0.text() },
                try session.rows("SELECT position FROM feed ORDER BY position") { try $0.integer() }
            )
        }
        // What the stopped node had sent beyond its cursor is sent again, with the id that it had: at least once.
        #expect(Int64(Set(delivered).count) == told)
        #expect(places == Array(1...told), "the feed has no gaps")
    }

    private func read<Value: Sendable>(_ body: @escaping @Sendable (Session) throws -> Value) async throws -> Value {
        let database = try TestDatabase.open(url, .postgres)
        do {
            let value = try await database.read("look", body)
            await database.close()
            return value
        } catch {
            await database.close()
            throw error
        }
    }
}
