import ArgumentParser
import Engine
import Kit
import Server
import Store

/// Encryption keys.
struct VaultCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "vault",
        abstract: "Encryption keys: make one, put every secret under the newest, see who uses which.",
        subcommands: [Key.self, Rotate.self, Audit.self])

    struct Key: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Prints a new key for PATCHBAY_ENCRYPTION_KEYS.",
            discussion: """
                Examples:
                  PATCHBAY_ENCRYPTION_KEYS=$(patchbay vault key) patchbay serve
                  patchbay vault key --id k2
                """)
        @Option(help: "Stands beside what the key seals; letters, digits, - and _.")
        var id = "k1"

        func run() async throws {
            print(Keyring.written(id: id, Identifiers(now: { Timestamp.system }).bytes(32)))
        }
    }

    struct Rotate: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Puts every sealed secret under the newest key. Works beside a running server.",
            discussion: """
                First put the new key in front of the old one in PATCHBAY_ENCRYPTION_KEYS and restart every node; then
                run this; then the old key may go. Exit code 1 when a secret could not be opened.

                Examples:
                  PATCHBAY_ENCRYPTION_KEYS=$NEW,$OLD patchbay vault rotate
                  patchbay vault rotate --config /etc/patchbay.env --json
                """)
        @OptionGroup var options: SettingsOptions
        @Flag(help: "One JSON object instead of sentences.")
        var json = false

        func run() async throws {
            let (newest, outcome) = try await VaultCommand.withRotation(options) { rotation, newest in
                (newest, try await rotation.rotate())
            }
            if json {
                let rows: [JSONMember] = [
                    .init("key", .string(newest)), .init("resealed", JSON(outcome.resealed)),
                    .init("unopened", .array(outcome.unopened.map(\.json))),
                ]
                say(JSON.object(rows).line)
            } else {
                say("\(outcome.resealed) secrets are under \(newest) now.")
                for row in outcome.unopened { say(row.sentence) }
            }
            if !outcome.unopened.isEmpty { throw ExitCode(1) }
        }
    }

    struct Audit: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Says which key has sealed how many secrets, and which of them do not open.",
            discussion: """
                Exit code 1 when a secret does not open: its key is not set, or its bytes are not those of its row.

                Examples:
                  patchbay vault audit
                  patchbay vault audit --json --config /etc/patchbay.env
                """)
        @OptionGroup var options: SettingsOptions
        @Flag(help: "One JSON object instead of sentences.")
        var json = false

        func run() async throws {
            let (counts, unopened) = try await VaultCommand.withRotation(options) { rotation, _ in
                try await rotation.audit()
            }
            if json {
                let rows = counts.map { count -> JSON in
                    ["table": .string(count.table.rawValue), "key": .string(count.keyID), "rows": JSON(count.rows)]
                }
                say(JSON.object([.init("sealed", .array(rows)), .init("unopened", .array(unopened.map(\.json)))]).line)
            } else {
                for count in counts { say("\(count.table.rawValue): \(count.rows) under \(count.keyID)") }
                for row in unopened { say(row.sentence) }
                if counts.isEmpty { say("Nothing is sealed yet.") }
            }
            if !unopened.isEmpty { throw ExitCode(1) }
        }
    }

    /// Opens the database beside whoever serves it.
    private static func withRotation<Value>(
        _ options: SettingsOptions, _ work: (KeyRotation, String) async throws -> Value
    ) async throws -> Value {
        let settings = try options.settings()
        guard let newest = settings.encryptionKeys.first?.id else {
            throw Fault("PATCHBAY_ENCRYPTION_KEYS is not set. Make a key with: patchbay vault key", code: 1)
        }
        do {
            let database = try Instance.open(settings.database, owner: false, logger: LogOutput.logger(settings.log))
            guard try await database.schemaState().version > 0 else {
                await database.close()
                throw Fault("The database is empty. Start the server first: patchbay serve", code: 1)
            }
            let vault = Vault(keyring: Keyring(settings.encryptionKeys.map { ($0.id, $0.secret) }))
            let rotation = KeyRotation(
                database: database, vault: vault, ids: Identifiers(now: { Timestamp.system }), time: .system,
                actor: "cli")
            let value = try await work(rotation, newest)
            await database.close()
            return value
        } catch let fault as Fault {
            throw fault
        } catch {
            throw Fault("\(error)", code: 1)
        }
    }
}

extension KeyRotation.Unopened {
    fileprivate var sentence: String { "\(table.rawValue) \(id): \(problem)" }
    fileprivate var json: JSON {
        ["table": .string(table.rawValue), "id": .string(id), "problem": .string("\(problem)")]
    }
}
