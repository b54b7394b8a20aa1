import ArgumentParser
import Kit

/// Every exchange with a platform.
struct Calls: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Calls to platforms: list, show.", subcommands: [List.self, Show.self], defaultSubcommand: List.self)

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists calls, newest first.",
            discussion: """
                Examples:
                  patchbay calls list --outcome failed
                  patchbay calls list --provider stripe --json
                """)
        @OptionGroup var server: ServerOptions
        @OptionGroup var page: PageOptions
        @Option(help: "To one platform.") var provider: String?
        @Option(help: "ok, failed, throttled, unavailable, unauthorized, forbidden, not_found, refused or garbled.")
        var outcome: String?
        @Option(help: "On behalf of one connection.") var connection: String?
        @Option(help: "For one user.") var user: String?
        @Option(help: "Made for one thing, by its id.") var subject: String?

        func run() async throws {
            try await server.show(
                "GET", "/v1/calls",
                query: page.query + [
                    ("provider", provider), ("outcome", outcome), ("connection_id", connection), ("user_id", user),
                    ("subject", subject),
                ]
            ) { page in
                Table(
                    ("ID", ["id"]), ("AT", ["at"]), ("PROVIDER", ["provider"]), ("METHOD", ["method"]),
                    ("PATH", ["path"]), ("STATUS", ["status"]), ("OUTCOME", ["outcome"]), ("MS", ["latency_ms"]),
                    ("TRY", ["attempt"])
                ).print(page)
            }
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Shows a call.",
            discussion: """
                Examples:
                  patchbay calls show call_01kb2c3d4e5f6g7h8j9k0m1n2p
                  patchbay calls show call_01kb2c3d4e5f6g7h8j9k0m1n2p --json
                """)
        @OptionGroup var server: ServerOptions
        @Argument(help: "call_…") var id: String
        func run() async throws { try await server.show("GET", "/v1/calls/\(APIClient.encoded(id))") }
    }
}
