import ArgumentParser
import Engine
import Kit
import Server
import Store

/// Who may sign in to the dashboard. Works on the database itself, beside a running server or without one.
struct OperatorsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "operators", abstract: "Operators of the dashboard: add, list, reset, remove, sign-in-link.",
        subcommands: [Add.self, List.self, Reset.self, Remove.self, SignInLink.self])

    struct Add: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Adds an operator and prints the address under which they set their password.",
            discussion: """
                Examples:
                  patchbay operators add ops@rye.example --role admin
                  patchbay operators add mina --role viewer --database sqlite:patchbay.sqlite
                """)
        @OptionGroup var options: SettingsOptions
        @Argument(help: "What they sign in with: a name or an e-mail address.") var name: String
        @Option(help: "admin may do everything, viewer may look.") var role = RoleName.viewer
        @Flag(help: "Prints JSON.") var json = false
        func run() async throws {
            OperatorsCommand.tell(
                address: try await OperatorsCommand.with(options) { try await $0.add(name, role.role, at: .system) },
                of: name, asJSON: json)
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists the operators.",
            discussion: """
                Examples:
                  patchbay operators list
                  patchbay operators list --json
                """)
        @OptionGroup var options: SettingsOptions
        @Flag(help: "Prints JSON.") var json = false
        func run() async throws {
            let rows = try await OperatorsCommand.with(options) { try await $0.list() }
            let data = JSON.array(rows.map(OperatorsCommand.json))
            if json { return say(String(decoding: JSON.object([JSONMember("data", data)]).bytes, as: UTF8.self)) }
            Table(
                ("ID", ["id"]), ("NAME", ["name"]), ("ROLE", ["role"]), ("PASSWORD", ["password"]),
                ("ADDED", ["created_at"]), ("SIGNED IN", ["signed_in_at"])
            ).print(JSON.object([JSONMember("data", data)]))
        }
    }

    struct Reset: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Signs an operator out everywhere and prints the address under which they set a new password.",
            discussion: """
                Examples:
                  patchbay operators reset ops@rye.example
                  patchbay operators reset mina --config /etc/patchbay.env
                """)
        @OptionGroup var options: SettingsOptions
        @Argument(help: "The operator's name.") var name: String
        @Flag(help: "Prints JSON.") var json = false
        func run() async throws {
            OperatorsCommand.tell(
                address: try await OperatorsCommand.with(options) { try await $0.reset(name, at: .system) },
                of: name, asJSON: json)
        }
    }

    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Removes an operator and signs them out everywhere.",
            discussion: """
                Examples:
                  patchbay operators remove mina
                  patchbay operators remove mina --config /etc/patchbay.env
                """)
        @OptionGroup var options: SettingsOptions
        @Argument(help: "The operator's name.") var name: String
        @Flag(help: "Prints JSON.") var json = false
        func run() async throws {
            try await OperatorsCommand.with(options) { try await $0.remove(name, at: .system) }
            say(json ? (["name": .string(name), "removed": true] as JSON).outputLine : "\(name) is removed.")
        }
    }

    struct SignInLink: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "sign-in-link",
            abstract: "Prints an address that signs an operator in, once, within fifteen minutes.",
            discussion: """
                Examples:
                  patchbay operators sign-in-link ops@rye.example
                  patchbay operators sign-in-link mina --listen 127.0.0.1:9000
                """)
        @OptionGroup var options: SettingsOptions
        @Argument(help: "The operator's name.") var name: String
        @Flag(help: "Prints JSON.") var json = false
        func run() async throws {
            OperatorsCommand.tell(
                address: try await OperatorsCommand.with(options) { try await $0.signInAddress(name, at: .system) },
                of: name, asJSON: json)
        }
    }

    /// Opens the database, makes its schema where there is none, does the work, closes it.
    private static func with<Value: Sendable>(
        _ options: SettingsOptions, _ work: (Operators) async throws -> Value
    ) async throws -> Value {
        let settings = try options.settings()
        do {
            let database = try Instance.open(settings.database, owner: false, logger: LogOutput.logger(settings.log))
            _ = try await database.migrate(program: Instance.version, at: .system)
            let ids = Identifiers(now: { Timestamp.system })
            let result: Result<Value, any Error>
            do {
                result = .success(try await work(Operators(database: database, ids: ids, settings: settings)))
            } catch { result = .failure(error) }
            await database.close()
            return try result.get()
        } catch {
            throw Fault("\(error)", code: 1)
        }
    }

    /// The address alone, for scripts that take it as it is, or as a member.
    private static func tell(address: String, of name: String, asJSON: Bool) {
        say(asJSON ? (["name": .string(name), "address": .string(address)] as JSON).outputLine : address)
    }

    private static func json(_ row: OperatorRow) -> JSON {
        [
            "id": JSON(row.id), "name": .string(row.name), "role": .string(row.role.rawValue),
            "password": row.password == nil ? "not set" : "set", "created_at": JSON(row.createdAt),
            "signed_in_at": JSON(row.signedInAt),
        ]
    }
}

/// A role, as the flag takes it.
enum RoleName: String, ExpressibleByArgument, CaseIterable {
    case admin, viewer
    var role: OperatorRow.Role { self == .admin ? .admin : .viewer }
}
