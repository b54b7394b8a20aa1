import ArgumentParser
import Kit

/// Durable work.
struct Jobs: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Durable work: list, show, retry, cancel, say why it waits.",
        subcommands: [List.self, Show.self, Retry.self, Cancel.self, Why.self], defaultSubcommand: List.self)

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists jobs, newest first.",
            discussion: """
                Examples:
                  patchbay jobs list --state dead
                  patchbay jobs list --kind event.apply --json
                """)
        @OptionGroup var server: ServerOptions
        @OptionGroup var page: PageOptions
        @Option(help: "scheduled, available, waiting, running, succeeded, cancelled or dead.") var state: String?
        @Option(help: "Of one kind.") var kind: String?
        @Option(help: "About one thing, by its id.") var subject: String?

        func run() async throws {
            let jobs = try await server.server().send(
                "GET", "/v1/jobs", query: page.query + [("state", state), ("kind", kind), ("subject", subject)])
            server.print(jobs) { page in
                Table(
                    ("ID", ["id"]), ("CREATED", ["created_at"]), ("KIND", ["kind"]), ("STATE", ["state"]),
                    ("RUNS", ["attempts"]), ("SUBJECT", ["subject"]), ("REASON", ["reason"])
                ).print(page)
            }
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Shows a job.",
            discussion: """
                Examples:
                  patchbay jobs show job_01kb2c3d4e5f6g7h8j9k0m1n2p
                  patchbay jobs show job_01kb2c3d4e5f6g7h8j9k0m1n2p --json
                """)
        @OptionGroup var server: ServerOptions
        @Argument(help: "job_…") var id: String
        func run() async throws {
            try await server.show("GET", "/v1/jobs/\(APIClient.encoded(id))")
        }
    }

    struct Retry: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Runs a dead or cancelled job again, a scheduled one now.",
            discussion: """
                Examples:
                  patchbay jobs retry job_01kb2c3d4e5f6g7h8j9k0m1n2p
                  patchbay jobs retry job_01kb2c3d4e5f6g7h8j9k0m1n2p --json
                """)
        @OptionGroup var server: ServerOptions
        @Argument(help: "job_…") var id: String
        func run() async throws {
            try await server.show("POST", "/v1/jobs/\(APIClient.encoded(id))/retry")
        }
    }

    struct Cancel: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Cancels a job; one that runs stops at its next step.",
            discussion: """
                Examples:
                  patchbay jobs cancel job_01kb2c3d4e5f6g7h8j9k0m1n2p
                  patchbay jobs cancel job_01kb2c3d4e5f6g7h8j9k0m1n2p --json
                """)
        @OptionGroup var server: ServerOptions
        @Argument(help: "job_…") var id: String
        func run() async throws {
            try await server.show("POST", "/v1/jobs/\(APIClient.encoded(id))/cancel")
        }
    }

    struct Why: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Says what a job waits for.",
            discussion: """
                Examples:
                  patchbay jobs why job_01kb2c3d4e5f6g7h8j9k0m1n2p
                  patchbay jobs why job_01kb2c3d4e5f6g7h8j9k0m1n2p --json
                """)
        @OptionGroup var server: ServerOptions
        @Argument(help: "job_…") var id: String
        func run() async throws {
            let why = try await server.server().send("GET", "/v1/jobs/\(APIClient.encoded(id))/why")
            server.print(why) { why in say(why["sentence"]?.text ?? "") }
        }
    }
}
