import ArgumentParser
import Engine
import Kit
import Server
import Store

/// Brings the schema up to date, or prints what would run.
struct Migrate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Brings the database's schema up to date; --print shows the SQL instead.",
        discussion: """
            Examples:
              patchbay migrate
              patchbay migrate --print --database postgresql://patchbay@db/patchbay
            """)

    @OptionGroup var options: SettingsOptions
    @Flag(help: "Prints the SQL that would run and changes nothing.")
    var print = false
    @Flag(help: "Makes no copy of an SQLite file before its schema changes.")
    var withoutCopy = false

    func run() async throws {
        let settings = try options.settings()
        do {
            let database = try Instance.open(settings.database, owner: false, logger: LogOutput.logger(settings.log))
            let state = try await database.schemaState()
            if print {
                Swift.print(Migrations.sql(for: database.dialect, after: state.version))
            } else {
                if !withoutCopy {
                    try await UpgradeCopy(of: settings.database, logger: LogOutput.logger(settings.log))?
                        .make(from: state.version, pending: state.pending)
                }
                let applied = try await database.migrate(program: Instance.version, at: .system)
                try await Instance.declareTables(database)
                Swift.print(
                    applied.isEmpty
                        ? "The schema is up to date (\(state.version))." : "The schema is \(Migrations.known) now.")
            }
            await database.close()
        } catch {
            throw Fault("\(error)", code: 1)
        }
    }
}
