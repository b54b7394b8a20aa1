import Foundation
import Kit
import NIOHTTP1
import Synchronization
import TestSupport
import Testing

@Suite("The sandbox as a process", .serialized)
struct SandboxTests {
    @Test("a subscription bought in the sandbox is the user's status in the server")
    func boughtAndKnown() async throws {
        try await TestDatabase.withAddress(.sqlite) { url in
            let port = try freePort()
            let sandbox = SandboxProcess([
                "--ephemeral", "--webhook-url", "http://127.0.0.1:\(port)/webhooks/stripe", "--webhook-secret",
                ServerProcess.secret,
            ])
            try await sandbox.start()
            let server = try ServerProcess(
                databaseURL: url, port: port,
                environment: ["STRIPE_BASE_URL": sandbox.base, "STRIPE_SECRET_KEY": sandbox.key])
            let key = try server.makeKey()
            try await server.start()

            // A fault that only counts: how often the server asks for a subscription.
            let asked =
                #"[{"platform":"stripe","method":"GET","path":"/v1/subscriptions/*","times":1000,"latency_ms":1}]"#
            _ = try await sandbox.tell(.PUT, "/faults", asked)
            let member = try await sandbox.buy(for: "rye", card: "pm_card_visa")
            #expect(member["status"] == "active")
            #expect(
                try await eventually {
                    try await server.json("/v1/users/rye", key: key)["subscription_status"] == "active"
                })

            let bad = try await sandbox.stripe(
                .POST, "/v1/payment_methods/pm_card_chargeCustomerFail/attach",
                "customer=\(member["customer"]?.text ?? "")")
            _ = try await sandbox.stripe(
                .POST, "/v1/subscriptions/\(member["id"]?.text ?? "")",
                "default_payment_method=\(bad["id"]?.text ?? "")")
            _ = try await sandbox.tell(.POST, "/clock", #"{"advance_seconds": 2764800}"#)
            #expect(
                try await eventually {
                    try await server.json("/v1/users/rye", key: key)["subscription_status"] == "past_due"
                })
            _ = try await sandbox.stripe(.DELETE, "/v1/subscriptions/\(member["id"]?.text ?? "")")
            #expect(
                try await eventually {
                    try await server.json("/v1/users/rye", key: key)["subscription_status"] == "canceled"
                })
            let left = try await sandbox.tell(.GET, "/faults").elements?.first?["times"]?.integer ?? 1000
            #expect(left < 1000, "where events leave a doubt, the server has asked")
            #expect(sandbox.stop() == 0)
            #expect(server.stop() == 0)
        }
    }

    @Test("webhooks ordered at the platform: believed by the secret that it showed, put right, removed; none is told")
    func ordered() async throws {
        try await TestDatabase.withAddress(.sqlite) { url in
            let (sandbox, server, key) = try await Self.both(url)
            func apps(_ words: String...) throws -> (status: Int32, json: JSON) {
                let run = try CommandLineRun(
                    ["apps"] + words + ["--json"],
                    environment: ["PATCHBAY_URL": "http://127.0.0.1:\(server.port)", "PATCHBAY_API_KEY": key])
                return (run.status, run.output.isEmpty ? .null : try JSON.parse(run.output))
            }
            func standing() async throws -> [JSON] {
                try await sandbox.stripe(.GET, "/v1/webhook_endpoints")["data"]?.elements ?? []
            }
            let would = try apps("subscribe", "stripe", "--dry-run").json["would"]?.elements
            #expect(would?.map { $0["act"]?.text } == ["register"])
            #expect(try await standing().isEmpty)
            let first = try apps("subscribe", "stripe", "--wait", "120")
            #expect(first.status == 0 && first.json["state"] == "registered", "\(first)")
            #expect(try await standing().map { $0["id"] } == [first.json["remote_id"]])
            let member = try await sandbox.buy(for: "rye", card: "pm_card_visa")
            func becomes(_ status: String) async throws -> Bool {
                try await eventually {
                    try await server.json("/v1/users/rye", key: key)["subscription_status"]?.text == status
                }
            }
            #expect(try await becomes("active"))

            // Somebody turns it off, then deletes it.
            let id = first.json["remote_id"]?.text ?? ""
            _ = try await sandbox.stripe(.POST, "/v1/webhook_endpoints/\(id)", "disabled=true")
            #expect(try apps("subscription", "stripe", "--check", "--wait", "120").json["state"] == "differs")
            #expect(try apps("subscribe", "stripe", "--wait", "120").status == 0)
            #expect(try await standing().map { $0["status"] } == ["enabled"])
            _ = try await sandbox.stripe(.DELETE, "/v1/webhook_endpoints/\(id)")
            let second = try apps("subscribe", "stripe", "--wait", "120")
            #expect(second.json["state"] == "registered" && second.json["remote_id"]?.text != id)

            server.crash()
            try await server.start()
            _ = try await sandbox.stripe(.DELETE, "/v1/subscriptions/\(member["id"]?.text ?? "")")
            #expect(try await becomes("canceled"), "its secret is kept")
            #expect(try apps("unsubscribe", "stripe", "--wait", "120").status == 0)
            #expect(try await standing().isEmpty)
            #expect(!server.logText.contains("whsec_"))
            let calls = try await server.get("/v1/calls?limit=100", headers: [("Authorization", "Bearer \(key)")])
            #expect(!String(decoding: calls.body, as: UTF8.self).contains("whsec_"))
            #expect(server.stop() == 0)
            #expect(sandbox.stop() == 0)
        }
    }

    @Test("what the platform never sent is fetched, applied once, and the command says how much it was")
    func missedAndFetched() async throws {
        try await TestDatabase.withAddress(.sqlite) { url in
            let (sandbox, server, key) = try await Self.both(url)
            _ = try await sandbox.buy(for: "rye", card: "pm_card_visa")

            func reconcile(_ more: String...) throws -> (Int32, JSON) {
                let run = try CommandLineRun(
                    ["reconcile", "stripe", "--json"] + more,
                    environment: ["PATCHBAY_URL": "http://127.0.0.1:\(server.port)", "PATCHBAY_API_KEY": key])
                return (run.status, try JSON.parse(run.output))
            }
            let (status, found) = try reconcile()
            #expect(status == 1, "something was missing")
            #expect(found["state"] == "done" && (found["missing_here"]?.integer ?? 0) > 3)
            #expect(
                try await eventually {
                    try await server.json("/v1/users/rye", key: key)["subscription_status"] == "active"
                })

            let told = try CommandLineRun(
                ["reconcile", "stripe", "events", "--since", "2026-01-01T00:00:00Z"],
                environment: ["PATCHBAY_URL": "http://127.0.0.1:\(server.port)", "PATCHBAY_API_KEY": key])
            #expect(told.status == 0 && told.output.hasSuffix("Nothing is missing.\n"), "\(told.output)")
            let (next, again) = try reconcile("events", "--since", "2026-01-01T00:00:00Z")
            #expect(next == 0)
            #expect(again["matched"] == found["missing_here"] && again["missing_here"] == 0)
            #expect(again["accuracy"] == "1.000000")
            #expect(sandbox.stop() == 0)
            #expect(server.stop() == 0)
        }
    }

    @Test("a business that already runs is known from its subscriptions, after a dry run")
    func readFromTheStart() async throws {
        try await TestDatabase.withAddress(.sqlite) { url in
            let (sandbox, server, key) = try await Self.both(url)
            _ = try await sandbox.buy(for: "rye", card: "pm_card_visa")
            _ = try await sandbox.buy(for: "ada", card: "pm_card_visa")

            func reconcile(_ more: String...) throws -> (Int32, JSON) {
                let run = try CommandLineRun(
                    ["reconcile", "stripe", "subscriptions", "--json"] + more,
                    environment: ["PATCHBAY_URL": "http://127.0.0.1:\(server.port)", "PATCHBAY_API_KEY": key])
                return (run.status, try JSON.parse(run.output))
            }
            let told = try CommandLineRun(
                ["reconcile", "stripe", "subscriptions", "--dry-run"],
                environment: ["PATCHBAY_URL": "http://127.0.0.1:\(server.port)", "PATCHBAY_API_KEY": key])
            #expect(told.status == 1)
            for line in [
                "stripe, subscriptions as they stand there: 2 compared.\n",
                "  2 were missing here: nothing was let in.\n", "Fetch it: patchbay reconcile stripe subscriptions\n",
            ] { #expect(told.output.contains(line), "\(told.output)") }
            let (rehearsed, plan) = try reconcile("--dry-run")
            #expect(rehearsed == 1 && plan["missing_here"] == 2 && plan["dry_run"] == true)
            #expect(try await server.json("/v1/events", key: key)["data"]?.elements?.isEmpty == true)

            let (_, found) = try reconcile()
            #expect(found["missing_here"] == 2)
            for user in ["rye", "ada"] {
                #expect(
                    try await eventually {
                        try await server.json("/v1/users/\(user)", key: key)["subscription_status"] == "active"
                    })
            }
            let (next, again) = try reconcile()
            #expect(next == 0 && again["matched"] == 2 && again["accuracy"] == "1.000000")
            #expect(sandbox.stop() == 0)
            #expect(server.stop() == 0)
        }
    }

    @Test("killed at random moments it has lost nothing that it answered", arguments: 0..<3)
    func kills(round: Int) async throws {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("sandbox-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: file) }  // A leftover harms nobody.
        let sandbox = SandboxProcess(["--file", file, "--seed", "7", "--secret-key", "sk_test_kills"])
        try await sandbox.start()
        let ids = Mutex<[String]>([])
        let calling = Task {
            while let made = try? await sandbox.stripe(.POST, "/v1/customers", "name=Mira") {  // Ends with the process.
                if let id = made["id"]?.text { ids.withLock { $0.append(id) } }
            }
        }
        #expect(try await eventually { ids.withLock { $0.count } > 3 + 11 * round })
        sandbox.crash()
        await calling.value
        let answered = ids.withLock { $0 }

        try await sandbox.start()

        for id in answered {
            #expect(try await sandbox.stripe(.GET, "/v1/customers/\(id)")["id"]?.text == id)
        }
        let made = try await sandbox.tell(.GET, "/effects")["stripe", "customer.created"]?.integer ?? 0
        #expect((Int64(answered.count)...Int64(answered.count + 1)).contains(made), "counters survive, in step")
        #expect(sandbox.stop() == 0)
    }

    /// A platform without an endpoint, and a server that has its key.
    private static func both(
        _ url: String
    ) async throws -> (sandbox: SandboxProcess, server: ServerProcess, key: String) {
        let sandbox = SandboxProcess(["--ephemeral"])
        try await sandbox.start()
        let server = try ServerProcess(
            databaseURL: url, port: try freePort(),
            environment: ["STRIPE_BASE_URL": sandbox.base, "STRIPE_SECRET_KEY": sandbox.key])
        let key = try server.makeKey()
        try await server.start()
        return (sandbox, server, key)
    }
}

extension SandboxProcess {
    /// Somebody subscribes. The subscription.
    fileprivate func buy(for user: String, card: String) async throws -> JSON {
        let customer =
            try await stripe(.POST, "/v1/customers", "name=Mira&metadata[patchbay_user]=\(user)")["id"]?.text ?? ""
        let method =
            try await stripe(.POST, "/v1/payment_methods/\(card)/attach", "customer=\(customer)")["id"]?.text ?? ""
        let price = try await stripe(
            .POST, "/v1/prices", "currency=usd&unit_amount=1999&recurring[interval]=month&product_data[name]=Loaf")
        return try await stripe(
            .POST, "/v1/subscriptions",
            "customer=\(customer)&items[0][price]=\(price["id"]?.text ?? "")&default_payment_method=\(method)"
                + "&metadata[patchbay_user]=\(user)")
    }
}
