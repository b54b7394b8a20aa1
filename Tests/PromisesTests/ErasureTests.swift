import Foundation
import Kit
import TestSupport
import Testing

@testable import Store

@Suite("R23: erased is erased", .serialized)
struct ErasureTests {
    private static let user = "canary-user-77"
    private static let customer = "cus_canary9"

    /// A subscription's event with personal data in it.
    private func event(
        _ id: String, type: String = "customer.subscription.updated", customer: String, user: String?,
        word: String = "canary"
    ) -> [UInt8] {
        let now = Int(Date().timeIntervalSince1970)
        let metadata = user.map { #","metadata":{"patchbay_user":"\#($0)"}"# } ?? ""
        return Array(
            #"""
            {"id":"\#(id)","object":"event","created":\#(now),"livemode":false,"type":"\#(type)","data":{"object":{
            "id":"sub_\#(customer)","object":"subscription","customer":"\#(customer)","status":"active"\#(metadata),
            "description":"\#(String(repeating: "\(word)-long ", count: 900))",
            "items":{"object":"list","data":[{"id":"si_1","current_period_end":\#(now + 2_592_000),
            "price":{"id":"price_1","object":"price"}}]}}}}
            """#
            .utf8)
    }

    @Test(
        "after an erasure no trace is in the tables, in free pages or in the log; what comes later is not kept",
        arguments: TestEngine.all)
    func erased(engine: TestEngine) async throws {
        try await TestDatabase.withAddress(engine) { url in
            let server = try ServerProcess(databaseURL: url)
            let key = try server.makeKey()
            try await server.start()
            let path = "/v1/users/\(Self.user)"
            let said: JSON = [
                "email": "canary@example.com", "display_name": "Canary Name", "metadata": ["note": "canary-note"],
                "stripe_customer_id": .string(Self.customer),
            ]
            #expect(try await server.call("PUT", path, said, key: key).status == 201)
            for number in 0..<12 {
                let type = number % 3 == 0 ? "price.created" : "customer.subscription.updated"
                let body = event("evt_\(number)", type: type, customer: Self.customer, user: nil)
                #expect(try await server.deliver(bytes: body) == 200)
            }
            let forged = event("evt_forged", customer: Self.customer, user: nil)
            #expect(try await server.deliver(bytes: forged, secret: "whsec_wrong_0123456789abcdef") == 401)
            let other = event("evt_other", customer: "cus_other", user: "rye", word: "rye")
            #expect(try await server.deliver(bytes: other) == 200)
            try await expectEventually {
                let mine = try await server.json(path, key: key)["subscription_status"]?.text
                let others = try await server.json("/v1/users/rye", key: key)["subscription_status"]?.text
                let rejected = try await server.json("/v1/deliveries?verdict=rejected", key: key)["data"]?.elements
                let isIdle = try await isIdle(server, key)
                return mine == "active" && others == "active" && rejected?.count == 1 && isIdle
            }
            #expect(try await traces(engine, url) > 0)
            let export = try await server.json("\(path)/export", key: key)
            #expect(export["user", "email"]?.text == "canary@example.com")
            #expect(export["subscriptions"]?.elements?.count == 1 && export["events"]?.elements?.count == 12)
            #expect(export["changes"]?.elements?.isEmpty == false)

            let begun = try await server.call("DELETE", path, key: key)
            let receipt = "/v1/erasures/\(begun.json["id"]?.text ?? "")"
            try await expectEventually { try await server.json(receipt, key: key)["state"]?.text == "done" }

            #expect(begun.status == 202)
            let rows = try await rowsWithTraces(url, engine)
            #expect(rows == [])
            #expect(try await traces(engine, url) == 0)
            let erased = try await server.json(receipt, key: key)["erased"]
            #expect(erased?["events"]?.integer == 12 && erased?["bodies"]?.integer == 13)
            #expect(erased?["users"]?.integer == 1 && erased?["subscriptions"]?.integer == 1)
            #expect(try await server.call("GET", path, key: key).status == 404)
            #expect(try await server.call("DELETE", path, key: key).status == 404)
            try await checkLater(server, engine, url, key)
            #expect(server.stop() == 0)
        }
    }

    private func checkLater(_ server: ServerProcess, _ engine: TestEngine, _ url: String, _ key: String) async throws {
        let path = "/v1/users/\(Self.user)"
        let told = try await server.json("/v1/changes?limit=100", key: key)["data"]?.elements ?? []
        #expect(told.contains { $0["type"]?.text == "user.erased" })
        #expect(told.contains { $0["type"]?.text == "change.erased" })
        #expect(told.contains { $0["user_id"]?.text == "rye" })
        #expect(told.compactMap { $0["position"]?.integer } == (1...Int64(max(1, told.count))).map { $0 })

        // By its customer, by its name under a new customer, and that customer without the name.
        let late = [(Self.customer, nil), ("cus_canary_new", Self.user), ("cus_canary_new", nil)]
        for (number, (customer, user)) in late.enumerated() {
            let body = event("evt_late_\(number)", customer: customer, user: user)
            #expect(try await server.deliver(bytes: body) == 200)
            try await expectEventually { try await isIdle(server, key) }
        }
        #expect(try await server.call("GET", path, key: key).status == 404)
        #expect(try await server.json("/v1/reviews?state=open", key: key)["data"]?.elements?.isEmpty == true)
        let rows = try await rowsWithTraces(url, engine)
        #expect(rows == [])

        // The application makes the user anew: what comes then is kept.
        let anew: JSON = ["stripe_customer_id": .string(Self.customer)]
        #expect(try await server.call("PUT", path, anew, key: key).status == 201)
        #expect(try await server.deliver(bytes: event("evt_anew", customer: Self.customer, user: nil)) == 200)
        try await expectEventually {
            try await server.json(path, key: key)["subscription_status"]?.text == "active"
        }
    }

    private func isIdle(_ server: ServerProcess, _ key: String) async throws -> Bool {
        try await server.json("/v1/events?state=queued", key: key)["data"]?.elements?.isEmpty == true
    }

    /// In the raw bytes of an SQLite file and its log; on PostgreSQL in what a query can see.
    private func traces(_ engine: TestEngine, _ url: String) async throws -> Int {
        guard engine == .sqlite else { return try await rowsWithTraces(url, engine).count }
        let file = String(url.dropFirst("sqlite:".count))
        return ["", "-wal", "-shm"].map { ending -> Int in
            let bytes = FileManager.default.contents(atPath: file + ending) ?? Data()
            return ["canary", "Canary"].map { bytes.ranges(of: Array($0.utf8)).count }.reduce(0, +)
        }
        .reduce(0, +)
    }

    /// The tables that hold a trace, as text or as bytes.
    private func rowsWithTraces(_ url: String, _ engine: TestEngine) async throws -> [String] {
        let database = try TestDatabase.open(url, engine)
        let found = try await database.read("traces") { session -> [String] in
            let tables = try session.rows(
                engine == .sqlite
                    ? "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
                    : "SELECT tablename FROM pg_tables WHERE schemaname = 'patchbay'"
            ) { try $0.text() }
            return try tables.filter { table in
                let rows: [[Cell]] = try session.rows(SQL(stringLiteral: "SELECT * FROM \(table)")) { row in
                    var cells: [Cell] = []
                    while let cell = try? row.cell() { cells.append(cell) }
                    return cells
                }
                return rows.joined().contains { cell in
                    switch cell {
                    case .text(let text): text.lowercased().contains("canary")
                    case .blob(let bytes):
                        bytes.firstRange(of: Array("canary".utf8)) != nil
                            || bytes.firstRange(of: Array("Canary".utf8)) != nil
                    case .null, .integer, .real: false
                    }
                }
            }
        }
        await database.close()
        return found
    }
}

/// Asks again until it is so, for at most two minutes: the bound says only that it hangs.
private func expectEventually(_ condition: () async throws -> Bool) async throws {
    for _ in 0..<2400 {
        if try await condition() { return }
        try await Task.sleep(for: .milliseconds(50))
    }
    Issue.record("It did not become so in time.")
}
