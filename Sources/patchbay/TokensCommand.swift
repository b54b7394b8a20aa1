import ArgumentParser
import Kit

/// The health of every connection's tokens, for scripts and monitors.
struct TokensCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tokens", abstract: "Tokens of connections: check, refresh.",
        subcommands: [Check.self, Refresh.self])

    struct Check: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Says which connections need somebody. Exit code 0 when none does, 4 when one does.",
            discussion: """
                Examples:
                  patchbay tokens check
                  patchbay tokens check --provider tiktok --json
                """)
        @OptionGroup var server: ServerOptions
        @Option(help: "At one platform.") var provider: String?

        /// Pages of a hundred; beyond that a monitor asks for one platform at a time.
        private static let pagesMax = 1000

        func run() async throws {
            var (needing, total, cursor) = ([JSON](), 0, String?.none)
            for _ in 0..<Self.pagesMax {
                let page = try await server.server().send(
                    "GET", "/v1/connections", query: [("limit", "100"), ("provider", provider), ("cursor", cursor)])
                let rows = page["data"]?.elements ?? []
                total += rows.count
                needing += rows.filter {
                    $0["attention"]?.text != nil || $0["state"] == "needs_reconnect" || $0["state"] == "suspect"
                }
                cursor = page["next_cursor"]?.text
                if cursor == nil { break }
            }
            server.print(["total": JSON(total), "data": .array(needing)]) { page in
                if !needing.isEmpty {
                    Table(
                        ("ID", ["id"]), ("USER", ["user_id"]), ("PLATFORM", ["provider"]), ("STATE", ["state"]),
                        ("WHY", ["attention"]), ("ENDS", ["ends_at"])
                    ).print(page)
                }
                say("\(total) connections, \(needing.count) need somebody.")
            }
            if !needing.isEmpty { throw ExitCode(4) }
        }
    }

    struct Refresh: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Gets new tokens for one connection now.",
            discussion: """
                Examples:
                  patchbay tokens refresh conn_01kb2c3d4e5f6g7h8j9k0m1n2p
                  patchbay tokens refresh conn_01kb2c3d4e5f6g7h8j9k0m1n2p --json
                """)
        @OptionGroup var server: ServerOptions
        @Argument(help: "conn_…") var id: String
        func run() async throws {
            let found = try await server.server().send("POST", "/v1/connections/\(APIClient.encoded(id))/refresh")
            server.print(found) { say("\(id) has new tokens; the next are due at \($0["refresh_at"]?.text ?? "-").") }
        }
    }
}
