import ArgumentParser
import Kit

/// Every exchange with a platform.
struct Calls: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Calls to platforms: list, show, capture their bodies.",
        subcommands: [List.self, Show.self, Capture.self], defaultSubcommand: List.self)

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
            abstract: "Shows a call, with its bodies where they were captured.",
            discussion: """
                Examples:
                  patchbay calls show call_01kb2c3d4e5f6g7h8j9k0m1n2p
                  patchbay calls show call_01kb2c3d4e5f6g7h8j9k0m1n2p --json
                """)
        @OptionGroup var server: ServerOptions
        @Argument(help: "call_…") var id: String
        func run() async throws {
            try await server.show("GET", "/v1/calls/\(APIClient.encoded(id))") { call in
                Table.print(.object((call.members ?? []).filter { $0.name != "captured" }))
                for side in ["request", "answer"] {
                    if let part = call["captured", side], !part.isNull { Self.show(part, as: side) }
                }
            }
        }

        private static func show(_ part: JSON, as side: String) {
            say("\n\(side)")
            if let url = part["url"]?.text { say(url.visible(atMost: 4000)) }
            for header in part["headers"]?.elements ?? [] {
                say("\(header["name"]?.text ?? ""): \(header["value"]?.text ?? "")".visible(atMost: 4000))
            }
            let body = part["body"] ?? .null
            let size = "\(body["bytes"]?.integer ?? 0) bytes"
            say(body["text"]?.text.map { "\n" + $0.visible(atMost: 100_000) } ?? "\n\(size), none of it kept")
        }
    }
}
