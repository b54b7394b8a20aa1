import Foundation
import Kit
import TestSupport
import Testing

@Suite("The command line for scripts", .serialized)
struct CommandLineTests {
    @Test("each verb of a running server ends with 0, and prints one JSON value with --json")
    func verbs() async throws {
        try await withServer { server, environment in
            #expect(try await server.deliver("evt_1") == 200)
            let one = { (path: String) in
                try await server.json(path, key: environment["PATCHBAY_API_KEY"] ?? "")["data"]?.elements?.first?["id"]?
                    .text
            }
            let event = try #require(try await one("/v1/events"))
            let made = try CommandLineRun(
                ["endpoints", "create", "https://app.example.com/", "--json"], environment: environment)
            let endpoint = try #require(try JSON.parse(made.output)["id"]?.text, "\(made.output)")
            let key = try #require(try await one("/v1/keys"))

            for line in [
                "events list", "events show \(event)", "jobs list", "reviews list", "alerts list",
                "users put rye --email rye@example.com",
                "users list", "users get rye", "endpoints list", "endpoints show \(endpoint)",
                "endpoints attempts \(endpoint)", "endpoints rotate-secret \(endpoint)", "keys list", "audit",
                "trace \(event)", "why \(event)",
            ] {
                let words = line.split(separator: " ").map(String.init)
                let text = try CommandLineRun(words, environment: environment)
                #expect(text.status == 0 && !text.output.isEmpty, "\(line): \(text.output)")
                let json = try CommandLineRun(words + ["--json"], environment: environment)
                #expect(json.status == 0, "\(line): \(json.output)")
                #expect((try? JSON.parse(json.output)) != nil, "\(line): \(json.output)")
            }
            #expect(try CommandLineRun(["endpoints", "delete", endpoint], environment: environment).status == 0)
            #expect(try CommandLineRun(["keys", "revoke", key], environment: environment).status == 0)
        }
    }

    @Test("how a verb fails: 1 no, 2 usage, 3 nobody there; one line that says what to do")
    func failures() async throws {
        try await withServer { server, environment in
            let stranger = environment.merging(["PATCHBAY_API_KEY": "pb_test_nobody"]) { $1 }
            let nowhere = environment.merging(["PATCHBAY_URL": "http://127.0.0.1:\(try freePort())"]) { $1 }
            let table: [(String, [String: String], Int32)] = [
                ("events show evt_01kb2c3d4e5f6g7h8j9k0m1n2p", environment, 1), ("trace nothing", environment, 1),
                ("users get nobody", environment, 1), ("events list", stranger, 1),
                ("events list --limit 0", environment, 2), ("events list --nonsense", environment, 2),
                ("nonsense", environment, 2), ("users put rye --metadata {", environment, 2),
                ("events list", [:], 2), ("events list --url ftp://x", environment, 2),
                ("events list", nowhere, 3), ("trace x", nowhere, 3), ("why x", nowhere, 3),
            ]
            for (line, environment, status) in table {
                let run = try CommandLineRun(line.split(separator: " ").map(String.init), environment: environment)
                #expect(run.status == status, "\(line): \(run.status) \(run.output)")
                #expect(!run.output.isEmpty, "\(line)")
            }
        }
    }

    @Test("users come from CSV and JSON lines; what is not taken is told with its line, the rest goes on")
    func importsUsers() async throws {
        try await withServer { server, environment in
            let file = FileManager.default.temporaryDirectory.appendingPathComponent("users-\(UUID().uuidString)").path
            defer { try? FileManager.default.removeItem(atPath: file) }  // A leftover harms nobody.
            func load(_ text: String, _ more: String...) throws -> CommandLineRun {
                try Data(text.utf8).write(to: URL(fileURLWithPath: file))
                return try CommandLineRun(["users", "import", file] + more, environment: environment)
            }
            let key = environment["PATCHBAY_API_KEY"] ?? ""
            let csv =
                "\u{FEFF}id,display_name,stripe_customer_id,metadata.plan\r\n"
                + "ada,\"Ada, of \"\"Rye\"\"\",cus_ada,pro\r\n\r\nbo,,,\r\n"

            let rehearsed = try load(csv, "--dry-run")
            #expect(rehearsed.status == 0, "\(rehearsed.output)")
            #expect(try await server.json("/v1/users", key: key)["data"]?.elements?.isEmpty == true)

            let run = try load(csv)
            #expect(run.status == 0 && run.output.contains("2 users are in"), "\(run.output)")
            let ada = try await server.json("/v1/users/ada", key: key)
            #expect(ada["stripe_customer_id"] == "cus_ada" && ada["metadata", "plan"] == "pro")
            #expect(ada["display_name"] == "Ada, of \"Rye\"")
            let some = try load("{\"id\":\"cy\"}\n[]\n{\"id\":\"cy\"}\n{\"id\":\"di\",\"email\":7}\n")
            #expect(some.status == 1)
            for line in ["line 2: ", "line 3: its user is the one of line 1", "line 4: "] {
                #expect(some.output.contains(line), "\(some.output)")
            }
            #expect(try await server.json("/v1/users/cy", key: key)["id"] == "cy")

            let accents = try load("id\n\u{E9}\ne\u{301}\n", "--dry-run")
            #expect(accents.status == 0 && accents.output.contains("2 users can be read"), "\(accents.output)")
            let twice = try load("id,email,email\nx,a@rye.example,b@rye.example\n", "--dry-run")
            #expect(twice.status == 2 && twice.output.contains("two columns are called email"), "\(twice.output)")

            let wrong = try load("name,email\nx,y\n")
            #expect(wrong.status == 2 && wrong.output.contains("column id"), "\(wrong.output)")
        }
    }

    @Test("verbs that need no server: keys, doctor, migrate, vault, verify, version")
    func alone() async throws {
        try await TestDatabase.withAddress(.sqlite) { url in
            let environment = [
                "PATCHBAY_MODE": "test", "PATCHBAY_DATABASE_URL": url,
                "PATCHBAY_ENCRYPTION_KEYS": ServerProcess.encryptionKey,
                "PATCHBAY_LOG": "error",  // A busy machine is worth a warning, and not one of these lines.
            ]
            for (line, beginning) in [
                ("--version", "0."), ("vault key", "k1:"), ("keys create --scope read", "pb_test_"), ("migrate", ""),
                ("doctor", ""), ("vault audit", ""), ("--help", "OVERVIEW"),
            ] {
                let run = try CommandLineRun(line.split(separator: " ").map(String.init), environment: environment)
                #expect(run.status == 0, "\(line): \(run.output)")
                #expect(run.output.hasPrefix(beginning), "\(line): \(run.output)")
            }
            let doctor = try CommandLineRun(["doctor", "--json"], environment: environment)
            #expect(try JSON.parse(doctor.output)["ok"]?.boolean == true)
            let sick = try CommandLineRun(
                ["doctor"], environment: ["PATCHBAY_DATABASE_URL": "sqlite:/nowhere/x.sqlite"])
            #expect(sick.status == 1)
            #expect(try CommandLineRun(["keys", "create", "--scope", "king"], environment: environment).status == 2)
        }
    }

    private func withServer(_ body: (ServerProcess, [String: String]) async throws -> Void) async throws {
        try await TestDatabase.withAddress(.sqlite) { url in
            let server = try ServerProcess(databaseURL: url)
            let key = try server.makeKey()
            try await server.start()
            try await body(
                server, ["PATCHBAY_URL": "http://127.0.0.1:\(server.port)", "PATCHBAY_API_KEY": key])
            #expect(server.stop() == 0)
        }
    }
}
