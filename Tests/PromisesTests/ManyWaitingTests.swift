import Foundation
import Kit
import TestSupport
import Testing

@testable import Store

@Suite("Many events that wait for one user", .serialized)
struct ManyWaitingTests {
    @Test(
        "a thousand wait for a user and are all applied, although the server is killed on the way",
        arguments: TestEngine.all)
    func killed(engine: TestEngine) async throws {
        try await TestDatabase.withAddress(engine) { url in
            let server = try ServerProcess(databaseURL: url)
            let key = try server.makeKey()
            try await server.start()
            let statuses = try await withThrowingTaskGroup(of: Int.self) { group in
                for worker in 0..<16 {
                    group.addTask {
                        var bad = 0
                        for number in stride(from: worker, to: 1000, by: 16) {
                            if try await server.deliver(bytes: method(number)) != 200 { bad += 1 }
                        }
                        return bad
                    }
                }
                return try await group.reduce(0, +)
            }
            #expect(statuses == 0)
            try await eventually { try await count("waiting_review", url, engine) == 1000 }

            let said: JSON = ["stripe_customer_id": "cus_1"]
            #expect(try await server.call("PUT", "/v1/users/u_1", said, key: key).status == 201)
            try await eventually { try await count("applied", url, engine) > 0 }
            server.crash()
            let atKill = try await count("applied", url, engine)
            try await server.start()
            try await eventually { try await count("applied", url, engine) == 1000 }

            #expect(atKill < 1000)
            #expect(try await count("waiting_review", url, engine) == 0)
            let user = try await server.json("/v1/users/u_1", key: key)
            #expect(user["payment_method"]?.text == "pm_0")
            #expect(server.stop() == 0)
        }
    }

    private func method(_ number: Int) -> [UInt8] {
        let now = Int(Date().timeIntervalSince1970)
        return Array(
            #"""
            {"id":"evt_\#(number)","object":"event","created":\#(now - 1000 + number),"livemode":false,
            "type":"payment_method.attached","data":{"object":{"object":"payment_method","id":"pm_\#(number)",
            "customer":"cus_1","type":"card"}}}
            """#
            .utf8)
    }

    private func count(_ state: String, _ url: String, _ engine: TestEngine) async throws -> Int64 {
        let database = try TestDatabase.open(url, engine)
        let count = try await database.read("count") { session in
            try session.row("SELECT count(*) FROM events WHERE state = \(state)") { try $0.integer() }
        }
        await database.close()
        return count ?? 0
    }

    /// Asks again until it is so, for at most two minutes: the bound says only that it hangs.
    private func eventually(_ condition: () async throws -> Bool) async throws {
        for _ in 0..<1200 {
            if try await condition() { return }
            try await Task.sleep(for: .milliseconds(100))
        }
        Issue.record("It did not become so in time.")
    }
}
