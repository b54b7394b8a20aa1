import ArgumentParser
import Kit

/// What platforms allow, and how much of it is used.
struct QuotasCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "quotas", abstract: "Platforms' limits: how much is used, what waits, which hosts fail.",
        subcommands: [List.self, Watch.self, Circuits.self], defaultSubcommand: List.self)

    private static let table = Table(
        ("PROVIDER", ["provider"]), ("QUOTA", ["quota"]), ("WHOSE", ["subject"]), ("USED", ["used"]),
        ("BUDGET", ["budget"]), ("LIMIT", ["limit"]), ("WINDOW", ["window"]), ("NEXT FREE", ["next_free_at"]),
        ("WAITING", ["waiting"]))

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists quotas that count something.",
            discussion: """
                Examples:
                  patchbay quotas list
                  patchbay quotas list --provider stripe --json
                """)
        @OptionGroup var server: ServerOptions
        @Option(help: "Of one platform.") var provider: String?

        func run() async throws {
            try await server.show("GET", "/v1/quotas", query: [("provider", provider)], by: QuotasCommand.table.print)
        }
    }

    struct Watch: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Prints the quotas again and again, until Ctrl-C.",
            discussion: """
                Examples:
                  patchbay quotas watch
                  patchbay quotas watch --every 5 --times 10 --json
                """)
        @OptionGroup var server: ServerOptions
        @Option(help: "Of one platform.") var provider: String?
        @Option(help: "Seconds between two looks.") var every = 2
        @Option(help: "Looks; without end unless said.") var times: Int?

        func run() async throws {
            guard (1...3600).contains(every) else { throw Fault("--every: from 1 to 3600 seconds.", code: 2) }
            let client = try server.server()
            var left = times ?? .max
            while left > 0 {
                let answer = try await client.send("GET", "/v1/quotas", query: [("provider", provider)])
                server.print(answer, QuotasCommand.table.print)
                left -= 1
                if left > 0 { try await Task.sleep(for: .seconds(every)) }
            }
        }
    }

    struct Circuits: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists hosts that keep failing, and when each is tried again.",
            discussion: """
                Examples:
                  patchbay quotas circuits
                  patchbay quotas circuits --json
                """)
        @OptionGroup var server: ServerOptions

        func run() async throws {
            try await server.show("GET", "/v1/circuits") { page in
                Table(
                    ("HOST", ["host"]), ("PROVIDER", ["provider"]), ("SINCE", ["opened_at"]),
                    ("NEXT TRY", ["probe_at"]), ("REASON", ["reason"])
                ).print(page)
            }
        }
    }
}
