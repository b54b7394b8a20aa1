import ArgumentParser
import Kit

/// Where our webhooks go.
struct EndpointsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "endpoints",
        abstract: "Where our webhooks go: list, create, change, test, send again.",
        subcommands: [
            List.self, Create.self, Show.self, Update.self, Delete.self, RotateSecret.self, Recover.self, Test.self,
            Attempts.self,
        ], defaultSubcommand: List.self)

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists endpoints.",
            discussion: """
                Examples:
                  patchbay endpoints list
                  patchbay endpoints list --state failing --json
                """)
        @OptionGroup var server: ServerOptions
        @OptionGroup var page: PageOptions
        @Option(help: "active, failing or disabled.") var state: String?
        func run() async throws {
            let endpoints = try await server.server().send(
                "GET", "/v1/endpoints", query: page.query + [("state", state)])
            server.print(endpoints) { page in
                Table(
                    ("ID", ["id"]), ("STATE", ["state"]), ("URL", ["url"]), ("TYPES", ["types"]),
                    ("LAST SUCCESS", ["last_success_at"])
                ).print(page)
            }
        }
    }

    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Makes an endpoint and shows its secret, this once.",
            discussion: """
                Examples:
                  patchbay endpoints create https://app.example.com/hooks --type 'user.*' --type payment.failed
                  patchbay endpoints create https://app.example.com/hooks --ordered-by user --json
                """)
        @OptionGroup var server: ServerOptions
        @Argument(help: "Where to.") var address: String
        @Option(help: "payment.failed, payment.* or *; may be repeated. Everything unless said.") var type: [String] =
            []
        @Option(help: "none, user or connection.") var orderedBy: String?
        @Option(help: "For people.") var description: String?
        func run() async throws {
            var body: [JSONMember] = [.init("url", .string(address)), .init("types", .array(type.map(JSON.string)))]
            if let orderedBy { body.append(.init("ordered_by", .string(orderedBy))) }
            if let description { body.append(.init("description", .string(description))) }
            try await server.show("POST", "/v1/endpoints", body: .object(body))
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Shows an endpoint.",
            discussion: """
                Examples:
                  patchbay endpoints show ep_01kb2c3d4e5f6g7h8j9k0m1n2p
                  patchbay endpoints show ep_01kb2c3d4e5f6g7h8j9k0m1n2p --json
                """)
        @OptionGroup var server: ServerOptions
        @Argument(help: "ep_…") var id: String
        func run() async throws {
            try await server.show("GET", "/v1/endpoints/\(APIClient.encoded(id))")
        }
    }

    struct Update: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Changes an endpoint.",
            discussion: """
                Examples:
                  patchbay endpoints update ep_01kb2c3d4e5f6g7h8j9k0m1n2p --state active
                  patchbay endpoints update ep_01kb2c3d4e5f6g7h8j9k0m1n2p --type 'payment.*'
                """)
        @OptionGroup var server: ServerOptions
        @Argument(help: "ep_…") var id: String
        @Option(help: "Where to.") var address: String?
        @Option(help: "Replaces the types; may be repeated.") var type: [String] = []
        @Option(help: "active or disabled.") var state: String?
        func run() async throws {
            var body = [("url", address), ("state", state)].compactMap { name, value in
                value.map { JSONMember(name, .string($0)) }
            }
            if !type.isEmpty { body.append(.init("types", .array(type.map(JSON.string)))) }
            let endpoint = try await server.server().send(
                "PATCH", "/v1/endpoints/\(APIClient.encoded(id))", body: .object(body))
            server.print(endpoint, Table.print)
        }
    }

    struct Delete: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Deletes an endpoint with its secrets.",
            discussion: """
                Examples:
                  patchbay endpoints delete ep_01kb2c3d4e5f6g7h8j9k0m1n2p
                  patchbay endpoints delete ep_01kb2c3d4e5f6g7h8j9k0m1n2p --json
                """)
        @OptionGroup var server: ServerOptions
        @Argument(help: "ep_…") var id: String
        func run() async throws {
            _ = try await server.server().send("DELETE", "/v1/endpoints/\(APIClient.encoded(id))")
            server.print(["deleted": .string(id)]) { _ in say("\(id) is deleted.") }
        }
    }

    struct RotateSecret: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Replaces an endpoint's secret; the old one signs beside it for a day.",
            discussion: """
                Examples:
                  patchbay endpoints rotate-secret ep_01kb2c3d4e5f6g7h8j9k0m1n2p
                  patchbay endpoints rotate-secret ep_01kb2c3d4e5f6g7h8j9k0m1n2p --json | jq -r .secret
                """)
        @OptionGroup var server: ServerOptions
        @Argument(help: "ep_…") var id: String
        func run() async throws {
            let endpoint = try await server.server().send(
                "POST", "/v1/endpoints/\(APIClient.encoded(id))/rotate-secret")
            server.print(endpoint, Table.print)
        }
    }

    struct Recover: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Sends again: what failed, what is missing, or one change.",
            discussion: """
                Examples:
                  patchbay endpoints recover ep_01kb2c3d4e5f6g7h8j9k0m1n2p --failed-since 2026-11-28T10:00:00Z
                  patchbay endpoints recover ep_01kb2c3d4e5f6g7h8j9k0m1n2p --change chg_01kb2c3d4e5f6g7h8j9k0m1n2p
                """)
        @OptionGroup var server: ServerOptions
        @Argument(help: "ep_…") var id: String
        @Option(help: "What was tried since then and never delivered.") var failedSince: String?
        @Option(help: "Everything since then that it should have got and did not.") var missingSince: String?
        @Option(help: "Everything since then, delivered or not, with the same ids.") var allSince: String?
        @Option(help: "That one change.") var change: String?
        @Option(help: "Only what is older than this time.") var until: String?
        @Option(help: "So many a second; all at once unless said.") var perSecond: Int?
        @Flag(help: "Only says how many would be sent.") var dryRun = false
        func run() async throws {
            let times = [
                ("failed_since", failedSince), ("missing_since", missingSince), ("all_since", allSince),
                ("change_id", change), ("until", until),
            ].compactMap { name, value in value.map { JSONMember(name, .string($0)) } }
            let others = [
                perSecond.map { JSONMember("per_second", JSON($0)) }, dryRun ? JSONMember("dry_run", .bool(true)) : nil,
            ]
            let answer = try await server.server().send(
                "POST", "/v1/endpoints/\(APIClient.encoded(id))/recover",
                body: .object(times + others.compactMap { $0 }))
            server.print(answer) { answer in
                if let matches = answer["matches"]?.numberText { return say("\(matches) changes would be sent again.") }
                say("\(answer["queued"]?.numberText ?? "0") changes will be sent again.")
            }
        }
    }

    struct Test: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Sends a test event, now and once; exit code 1 when it is not taken.",
            discussion: """
                Examples:
                  patchbay endpoints test ep_01kb2c3d4e5f6g7h8j9k0m1n2p
                  patchbay endpoints test ep_01kb2c3d4e5f6g7h8j9k0m1n2p --json
                """)
        @OptionGroup var server: ServerOptions
        @Argument(help: "ep_…") var id: String
        func run() async throws {
            let attempt = try await server.server().send("POST", "/v1/endpoints/\(APIClient.encoded(id))/test")
            server.print(attempt, Table.print)
            guard attempt["outcome"]?.text == "delivered" else {
                throw Fault("The endpoint did not take the test event.", code: 1)
            }
        }
    }

    struct Attempts: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists the tries at an endpoint, newest first.",
            discussion: """
                Examples:
                  patchbay endpoints attempts ep_01kb2c3d4e5f6g7h8j9k0m1n2p --outcome failed
                  patchbay endpoints attempts ep_01kb2c3d4e5f6g7h8j9k0m1n2p --json
                """)
        @OptionGroup var server: ServerOptions
        @OptionGroup var page: PageOptions
        @Argument(help: "ep_…") var id: String
        @Option(help: "delivered, failed, gone or dead.") var outcome: String?
        func run() async throws {
            let attempts = try await server.server().send(
                "GET", "/v1/endpoints/\(APIClient.encoded(id))/attempts", query: page.query + [("outcome", outcome)])
            server.print(attempts) { page in
                Table(
                    ("ID", ["id"]), ("AT", ["at"]), ("TYPE", ["type"]), ("TRY", ["number"]), ("OUTCOME", ["outcome"]),
                    ("STATUS", ["status"]), ("PROBLEM", ["problem"]), ("NEXT", ["next_at"])
                ).print(page)
            }
        }
    }
}
