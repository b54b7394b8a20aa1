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
        @OptionGroup var output: OneLine
        @Argument(help: "What they sign in with: a name or an e-mail address.") var name: String
        @Option(help: "admin may do everything, viewer may look.") var role = RoleName.viewer
        func run() async throws {
            output.show(
                "address", try await OperatorsCommand.with(options) { try await $0.add(name, role.role, at: .system) })
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
        @OptionGroup var output: OneLine
        @Argument(help: "The operator's name.") var name: String
        func run() async throws {
            output.show("address", try await OperatorsCommand.with(options) { try await $0.reset(name, at: .system) })
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
        @OptionGroup var output: OneLine
        @Argument(help: "The operator's name.") var name: String
        func run() async throws {
            try await OperatorsCommand.with(options) { try await $0.remove(name, at: .system) }
            output.show("removed", name, says: "\(name) is removed.")
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
        @OptionGroup var output: OneLine
        @Argument(help: "The operator's name.") var name: String
        func run() async throws {
            output.show(
                "address", try await OperatorsCommand.with(options) { try await $0.signInAddress(name, at: .system) })
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

    private static func json(_ row: OperatorRow) -> JSON {
        [
            "id": JSON(row.id), "name": .string(row.name), "role": .string(row.role.rawValue),
            "password": row.password == nil ? "not set" : "set", "created_at": JSON(row.createdAt),
            "signed_in_at": JSON(row.signedInAt),
        ]
    }
}

/// What a verb says in a line, or as JSON.
struct OneLine: ParsableArguments {
    @Flag(help: "Prints JSON.") var json = false

    /// - Parameter says: the line, where it is not the value alone.
    func show(_ name: String, _ value: String, says line: String? = nil) {
        guard json else { return say(line ?? value) }
        say(String(decoding: JSON.object([JSONMember(name, .string(value))]).bytes, as: UTF8.self))
    }
}

/// A role, as the flag takes it.
enum RoleName: String, ExpressibleByArgument, CaseIterable {
    case admin, viewer
    var role: OperatorRow.Role { self == .admin ? .admin : .viewer }
}
