import ArgumentParser
import Kit

extension Calls {
    /// Keeps bodies of calls for a time.
    struct Capture: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Keeps bodies of calls for a time, without secrets: start, list, end.",
            subcommands: [Start.self, List.self, End.self], defaultSubcommand: List.self)

        struct Start: AsyncParsableCommand {
            static let configuration = CommandConfiguration(
                abstract: "Begins to keep the bodies of calls. It ends by itself.",
                discussion: """
                    Tokens, keys, signatures and what the platform declares secret are taken out first. See a call with:
                    patchbay calls show call_…

                    Examples:
                      patchbay calls capture start conn_01kb2c3d4e5f6g7h8j9k0m1n2p
                      patchbay calls capture start --provider stripe --minutes 60 --calls 50
                    """)
            @OptionGroup var server: ServerOptions
            @Argument(help: "conn_…; or --provider.") var connection: String?
            @Option(help: "Of every call to this platform.") var provider: String?
            @Option(help: "How long, from 1 to 240.") var minutes: Int64 = 15
            @Option(help: "How many calls at most, from 1 to 1000.") var calls: Int64 = 200

            func run() async throws {
                guard (connection == nil) != (provider == nil) else {
                    throw Fault("Say a connection or --provider, one of them.", code: 2)
                }
                var members: [JSONMember] = [
                    .init("seconds", JSON(min(max(0, minutes), 10_000) * 60)), .init("calls", JSON(calls)),
                ]
                if let connection { members.append(.init("connection_id", .string(connection))) }
                if let provider { members.append(.init("provider", .string(provider))) }
                try await server.show("POST", "/v1/captures", body: .object(members))
            }
        }

        struct List: AsyncParsableCommand {
            static let configuration = CommandConfiguration(
                abstract: "Lists captures, newest first.",
                discussion: """
                    Examples:
                      patchbay calls capture list
                      patchbay calls capture list --connection conn_01kb2c3d4e5f6g7h8j9k0m1n2p --json
                    """)
            @OptionGroup var server: ServerOptions
            @OptionGroup var page: PageOptions
            @Option(help: "Of one platform.") var provider: String?
            @Option(help: "Of one connection.") var connection: String?

            func run() async throws {
                try await server.show(
                    "GET", "/v1/captures", query: page.query + [("provider", provider), ("connection_id", connection)]
                ) { page in
                    Table(
                        ("ID", ["id"]), ("STATE", ["state"]), ("PLATFORM", ["provider"]),
                        ("CONNECTION", ["connection_id"]), ("ENDS", ["ends_at"]), ("CALLS", ["calls"]),
                        ("OF", ["calls_max"])
                    ).print(page)
                }
            }
        }

        struct End: AsyncParsableCommand {
            static let configuration = CommandConfiguration(
                abstract: "Ends a capture before its time.",
                discussion: """
                    Examples:
                      patchbay calls capture end cap_01kb2c3d4e5f6g7h8j9k0m1n2p
                      patchbay calls capture end cap_01kb2c3d4e5f6g7h8j9k0m1n2p --json
                    """)
            @OptionGroup var server: ServerOptions
            @Argument(help: "cap_…") var id: String
            func run() async throws {
                try await server.show("POST", "/v1/captures/\(APIClient.encoded(id))/end")
            }
        }
    }
}
