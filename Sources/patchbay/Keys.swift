import ArgumentParser
import Engine
import Kit
import Server
import Store

/// API keys.
struct Keys: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "API keys: create, list, rotate, revoke.",
        subcommands: [Create.self, List.self, Rotate.self, Revoke.self])

    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Makes an API key and prints it alone; needs no running server.",
            discussion: """
                Examples:
                  patchbay keys create --scope admin --database sqlite:patchbay.sqlite
                  PATCHBAY_API_KEY=$(patchbay keys create --scope read --name dashboard)
                """)

        @OptionGroup var options: SettingsOptions
        @Option(help: "read, write, admin, or one of them for a resource: events:read. May be repeated.")
        var scope: [String] = ["admin"]
        @Option(help: "Whose key it is.")
        var name = "command line"

        func validate() throws {
            for text in scope where Scope(text) == nil {
                throw ValidationError("\(text) is no scope. Example: --scope read")
            }
        }

        func run() async throws {
            let settings = try options.settings()
            do {
                let database = try Instance.open(
                    settings.database, owner: false, logger: LogOutput.logger(settings.log))
                let key = try await KeyMaking.make(
                    name: name, scopes: scope, settings: settings, database: database,
                    ids: Identifiers(now: { Timestamp.system }), at: .system, by: "cli")
                await database.close()
                key.reveal { say(String(decoding: $0, as: UTF8.self)) }
            } catch {
                throw Fault("\(error)", code: 1)
            }
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists API keys, without the keys themselves.",
            discussion: """
                Examples:
                  patchbay keys list
                  patchbay keys list --name dashboard --json
                """)
        @OptionGroup var server: ServerOptions
        @OptionGroup var page: PageOptions
        @Option(help: "Of one name.") var name: String?
        func run() async throws {
            let keys = try await server.server().send("GET", "/v1/keys", query: page.query + [("name", name)])
            server.print(keys) { page in
                Table(
                    ("ID", ["id"]), ("NAME", ["name"]), ("SCOPES", ["scopes"]), ("KEY", ["hint"]), ("STATE", ["state"]),
                    ("MADE", ["created_at"]), ("LAST USED", ["last_used_at"])
                ).print(page)
            }
        }
    }

    struct Rotate: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Replaces an API key and prints the new one alone; the old one works on for a while.",
            discussion: """
                Examples:
                  patchbay keys rotate key_01kb2c3d4e5f6g7h8j9k0m1n2p
                  patchbay keys rotate key_01kb2c3d4e5f6g7h8j9k0m1n2p --overlap 3600
                """)
        @OptionGroup var server: ServerOptions
        @Argument(help: "key_…") var id: String
        @Option(help: "Seconds for which the old one works on.") var overlap = 86_400
        func run() async throws {
            let key = try await server.server().send(
                "POST", "/v1/keys/\(APIClient.encoded(id))/rotate", body: ["overlap_seconds": JSON(overlap)])
            server.print(key) { say($0["key"]?.text ?? "") }
        }
    }

    struct Revoke: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Revokes an API key.",
            discussion: """
                Examples:
                  patchbay keys revoke key_01kb2c3d4e5f6g7h8j9k0m1n2p
                  patchbay keys revoke key_01kb2c3d4e5f6g7h8j9k0m1n2p --json
                """)
        @OptionGroup var server: ServerOptions
        @Argument(help: "key_…") var id: String
        func run() async throws {
            _ = try await server.server().send("DELETE", "/v1/keys/\(APIClient.encoded(id))")
            server.print(["revoked": .string(id)]) { _ in say("\(id) is revoked.") }
        }
    }
}
