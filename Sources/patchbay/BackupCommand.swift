import ArgumentParser
import Engine
import Kit
import Server
import Store

/// Copies the database while it is served.
struct BackupCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backup",
        abstract: "Copies the database into one file, while the server runs, and checks the copy.",
        discussion: """
            Everything acknowledged before it began is in it. Encryption keys are not: keep them apart from it.

            Examples:
              patchbay backup
              patchbay backup --to /backup/patchbay.sqlite --json
            """)
    @OptionGroup var options: SettingsOptions
    @Option(help: "The file; patchbay-TIME unless said.") var to: String?
    @Flag(help: "One JSON object instead of sentences.") var json = false

    func run() async throws {
        let settings = try options.settings()
        let backup = Backup(settings.database, logger: LogOutput.logger(settings.log))
        let file = to ?? backup.usualName(at: .system)
        let manifest: BackupManifest
        do { manifest = try await backup.make(file, at: .system) } catch { throw Fault("\(error)", code: 1) }
        guard !json else {
            return say(JSON.object([.init("file", .string(file))] + (manifest.json.members ?? [])).line)
        }
        let events = manifest.counts.first { $0.table == "events" }.map { "\($0.rows) events, " } ?? ""
        say("\(file): \(events)\(manifest.bytes) bytes, checked. Beside it: \(file).manifest.json")
        say(KeysNote.of(manifest))
    }
}

/// Makes a database of a backup.
struct RestoreCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore",
        abstract: "Makes a database of a backup. The target must be empty; nothing is written over.",
        discussion: """
            Examples:
              patchbay restore patchbay-20261128T101500Z.sqlite --to sqlite:restored.sqlite
              patchbay restore patchbay.dump --to postgresql://patchbay@db/restored
            """)
    @OptionGroup var options: SettingsOptions
    @Argument(help: "The backup; its manifest stands beside it.") var file: String
    @Option(help: "sqlite:FILE or postgresql://…; else the database of the settings.") var to: String?
    @Flag(help: "One JSON object instead of sentences.") var json = false

    func run() async throws {
        let settings = try options.settings(adding: to.map { ["PATCHBAY_DATABASE_URL": $0] } ?? [:])
        let backup = Backup(settings.database, logger: LogOutput.logger(settings.log))
        do {
            let (manifest, facts) = try await backup.restore(file)
            guard !json else {
                let rows = facts.counts.map { JSONMember($0.table, JSON($0.rows)) }
                return say((["restored": .string(file), "rows": .object(rows)] as JSON).line)
            }
            let rows = facts.counts.map { "\($0.rows) \($0.table)" }.joined(separator: ", ")
            say("Restored as of \(manifest.begunAt.rfc3339): \(rows). Start it: patchbay serve")
            say(KeysNote.of(manifest))
            let missing = manifest.keys.filter { key in !settings.encryptionKeys.contains { $0.id == key } }
            if !missing.isEmpty, !settings.encryptionKeys.isEmpty {
                throw Fault("PATCHBAY_ENCRYPTION_KEYS lacks \(missing.joined(separator: ", ")).", code: 4)
            }
        } catch let fault as Fault { throw fault } catch { throw Fault("\(error)", code: 1) }
    }
}

private enum KeysNote {
    static func of(_ manifest: BackupManifest) -> String {
        manifest.keys.isEmpty
            ? "Nothing in it is sealed."
            : "What is sealed in it opens with \(manifest.keys.joined(separator: ", ")) of PATCHBAY_ENCRYPTION_KEYS "
                + "only. The keys are not in it: keep them apart."
    }
}
