import ArgumentParser
import Engine
import Kit
import Server
import Store

/// API keys.
struct Keys: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "API keys: make one.", subcommands: [Create.self])

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

        func run() async throws {
            let settings = try options.settings()
            let ids = Identifiers(now: { Timestamp.system })
            do {
                let database = try Instance.open(
                    settings.database, owner: false, logger: LogOutput.logger(settings.log))
                if settings.migrates { _ = try await database.migrate(program: Instance.version, at: .system) }
                try await database.write("mode") { try $0.settle(mode: settings.mode.rawValue) }
                let key = try await KeyMaking.make(
                    name: name, scopes: scope, settings: settings, database: database, ids: ids, at: .system, by: "cli")
                await database.close()
                key.reveal { print(String(decoding: $0, as: UTF8.self)) }
            } catch {
                throw Fault("\(error)", code: 1)
            }
        }
    }
}
