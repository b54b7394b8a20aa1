import ArgumentParser
import Engine
import Kit

/// Conditions that someone should know of.
struct Alerts: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Conditions that someone should know of: list, silence.", subcommands: [List.self, Silence.self],
        defaultSubcommand: List.self)

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists alerts, newest first.",
            discussion: """
                Examples:
                  patchbay alerts list --state open
                  patchbay alerts list --json
                """)
        @OptionGroup var server: ServerOptions
        @OptionGroup var page: PageOptions
        @Option(help: "open, silenced or resolved.") var state: String?

        func run() async throws {
            let alerts = try await server.server().send("GET", "/v1/alerts", query: page.query + [("state", state)])
            server.print(alerts) { page in
                Table(
                    ("ID", ["id"]), ("SINCE", ["opened_at"]), ("STATE", ["state"]), ("COUNT", ["count"]),
                    ("SUMMARY", ["summary"]), ("ACTION", ["action"])
                ).print(page)
            }
        }
    }

    struct Silence: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Keeps an alert quiet until a time.",
            discussion: """
                Examples:
                  patchbay alerts silence alr_01kb2c3d4e5f6g7h8j9k0m1n2p --until 2026-12-01T08:00:00Z
                  patchbay alerts silence alr_01kb2c3d4e5f6g7h8j9k0m1n2p --hours 4
                """)
        @OptionGroup var server: ServerOptions
        @Argument(help: "alr_…") var id: String
        @Option(help: "Until when.") var until: String?
        @Option(help: "For so many hours; one unless said.") var hours = 1

        func run() async throws {
            let end = until ?? (Timestamp.system + .hours(Int64(hours))).rfc3339
            let alert = try await server.server().send(
                "POST", "/v1/alerts/\(APIClient.encoded(id))/silence", body: ["until": .string(end)])
            server.print(alert, Table.print)
        }
    }
}
