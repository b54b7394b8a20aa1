import ArgumentParser
import Engine
import Kit

/// Encryption keys.
struct VaultCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "vault", abstract: "Encryption keys: make one.", subcommands: [Key.self])

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
}
