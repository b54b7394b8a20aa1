import ArgumentParser
import Kit

/// Accounts of users at platforms.
struct ConnectionsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "connections", abstract: "Accounts at platforms: list, connect, pause, refresh, disconnect, move.",
        subcommands: [
            List.self, Show.self, Connect.self, Reconnect.self, Pause.self, Resume.self, Refresh.self, Disconnect.self,
            Export.self, Import.self,
        ])

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists connections.",
            discussion: """
                Examples:
                  patchbay connections list
                  patchbay connections list --provider tiktok --state needs_reconnect --json
                """)
        @OptionGroup var server: ServerOptions
        @OptionGroup var page: PageOptions
        @Option(help: "At one platform.") var provider: String?
        @Option(help: "Of one user.") var user: String?
        @Option(help: "pending, active, refreshing, suspect, needs_reconnect, paused or revoked.") var state: String?
        func run() async throws {
            let found = try await server.server().send(
                "GET", "/v1/connections",
                query: page.query + [("provider", provider), ("user_id", user), ("state", state)])
            server.print(found) { page in
                Table(
                    ("ID", ["id"]), ("USER", ["user_id"]), ("PLATFORM", ["provider"]), ("ACCOUNT", ["name"]),
                    ("STATE", ["state"]), ("REASON", ["reason"]), ("ENDS", ["ends_at"])
                ).print(page)
            }
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Shows a connection.",
            discussion: """
                Examples:
                  patchbay connections show conn_01kb2c3d4e5f6g7h8j9k0m1n2p
                  patchbay connections show conn_01kb2c3d4e5f6g7h8j9k0m1n2p --json
                """)
        @OptionGroup var server: ServerOptions
        @Argument(help: "conn_…") var id: String
        func run() async throws {
            let found = try await server.server().send("GET", "/v1/connections/\(APIClient.encoded(id))")
            server.print(found) { Table.print($0) }
        }
    }

    struct Connect: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Makes a link by which a user connects an account, and prints it alone.",
            discussion: """
                Examples:
                  patchbay connections connect tiktok --user user-42
                  patchbay connections connect tiktok --user user-42 --scope video.list --scope video.publish
                """)
        @OptionGroup var server: ServerOptions
        @Argument(help: "The platform: tiktok, …") var provider: String
        @Option(help: "The application's user.") var user: String
        @Option(help: "A permission; may be repeated. The usual ones unless said.") var scope: [String] = []
        @Option(help: "Which app credentials: app_…") var app: String?
        func run() async throws {
            var body: [JSONMember] = [.init("user_id", .string(user)), .init("provider", .string(provider))]
            if !scope.isEmpty { body.append(.init("scopes", .array(scope.map(JSON.string)))) }
            if let app { body.append(.init("app_id", .string(app))) }
            try await ConnectionsCommand.link(.object(body), server)
        }
    }

    struct Reconnect: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Makes a link by which a user connects the same account again, and prints it alone.",
            discussion: """
                Examples:
                  patchbay connections reconnect conn_01kb2c3d4e5f6g7h8j9k0m1n2p
                  patchbay connections reconnect conn_01kb2c3d4e5f6g7h8j9k0m1n2p --json
                """)
        @OptionGroup var server: ServerOptions
        @Argument(help: "conn_…") var id: String
        func run() async throws {
            let found = try await server.server().send("GET", "/v1/connections/\(APIClient.encoded(id))")
            try await ConnectionsCommand.link(
                [
                    "user_id": found["user_id"] ?? .null, "provider": found["provider"] ?? .null,
                    "connection_id": .string(id),
                ], server)
        }
    }

    struct Pause: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Pauses a connection: nothing is asked on its behalf, its tokens are kept alive.",
            discussion: """
                Examples:
                  patchbay connections pause conn_01kb2c3d4e5f6g7h8j9k0m1n2p
                  patchbay connections pause conn_01kb2c3d4e5f6g7h8j9k0m1n2p --json
                """)
        @OptionGroup var server: ServerOptions
        @Argument(help: "conn_…") var id: String
        func run() async throws { try await ConnectionsCommand.set(id, "paused", server) }
    }

    struct Resume: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Ends a pause.",
            discussion: """
                Examples:
                  patchbay connections resume conn_01kb2c3d4e5f6g7h8j9k0m1n2p
                  patchbay connections resume conn_01kb2c3d4e5f6g7h8j9k0m1n2p --json
                """)
        @OptionGroup var server: ServerOptions
        @Argument(help: "conn_…") var id: String
        func run() async throws { try await ConnectionsCommand.set(id, "active", server) }
    }

    struct Refresh: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Gets new tokens now.",
            discussion: """
                Examples:
                  patchbay connections refresh conn_01kb2c3d4e5f6g7h8j9k0m1n2p
                  patchbay connections refresh conn_01kb2c3d4e5f6g7h8j9k0m1n2p --json
                """)
        @OptionGroup var server: ServerOptions
        @Argument(help: "conn_…") var id: String
        func run() async throws {
            let found = try await server.server().send("POST", "/v1/connections/\(APIClient.encoded(id))/refresh")
            server.print(found) { say("\(id) has new tokens; the next are due at \($0["refresh_at"]?.text ?? "-").") }
        }
    }

    struct Disconnect: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Disconnects: erased here, revoked at the platform.",
            discussion: """
                Examples:
                  patchbay connections disconnect conn_01kb2c3d4e5f6g7h8j9k0m1n2p
                  patchbay connections disconnect conn_01kb2c3d4e5f6g7h8j9k0m1n2p --json
                """)
        @OptionGroup var server: ServerOptions
        @Argument(help: "conn_…") var id: String
        func run() async throws {
            _ = try await server.server().send("DELETE", "/v1/connections/\(APIClient.encoded(id))")
            server.print(["disconnected": .string(id)]) { _ in say("\(id) is disconnected.") }
        }
    }

    fileprivate static func link(_ body: JSON, _ server: ServerOptions) async throws {
        let made = try await server.server().send("POST", "/v1/connect-sessions", body: body)
        server.print(made) { say($0["url"]?.text ?? "") }
        note("Good for ten minutes, in one browser.")
    }

    fileprivate static func set(_ id: String, _ state: String, _ server: ServerOptions) async throws {
        let found = try await server.server().send(
            "PATCH", "/v1/connections/\(APIClient.encoded(id))", body: ["state": .string(state)])
        server.print(found) { say("\(id) is \($0["state"]?.text ?? state).") }
    }
}
