import ArgumentParser
import Kit

/// Who did what.
struct Audit: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Who did what: list.", subcommands: [List.self], defaultSubcommand: List.self)

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists audit entries, newest first.",
            discussion: """
                Examples:
                  patchbay audit list --action key.created
                  patchbay audit list --subject rev_01kb2c3d4e5f6g7h8j9k0m1n2p --json
                """)
        @OptionGroup var server: ServerOptions
        @OptionGroup var page: PageOptions
        @Option(help: "By one actor.") var actor: String?
        @Option(help: "Of one kind of act.") var action: String?
        @Option(help: "About one thing, by its id.") var subject: String?
        func run() async throws {
            let entries = try await server.server().send(
                "GET", "/v1/audit", query: page.query + [("actor", actor), ("action", action), ("subject", subject)])
            server.print(entries) { page in
                Table(
                    ("AT", ["at"]), ("ACTOR", ["actor"]), ("ACTION", ["action"]), ("SUBJECT", ["subject"]),
                    ("DETAIL", ["detail"])
                ).print(page)
            }
        }
    }
}
