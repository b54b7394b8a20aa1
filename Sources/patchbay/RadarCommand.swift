import ArgumentParser
import Kit

/// What platforms end.
struct RadarCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "radar", abstract: "What platforms end, when, and how much it is used here.",
        discussion: """
            Exit code 1 when something that is used ends within 30 days or has ended.

            Examples:
              patchbay radar
              patchbay radar --json
            """)
    @OptionGroup var server: ServerOptions

    func run() async throws {
        let page = try await server.server().send("GET", "/v1/radar")
        server.print(page) { page in
            Table(
                ("PROVIDER", ["provider"]), ("WHAT", ["what"]), ("NAME", ["name"]), ("ENDS ON", ["ends_on"]),
                ("DAYS", ["days_left"]), ("USES", ["uses"]), ("CONNECTIONS", ["connections"]), ("INSTEAD", ["instead"])
            ).print(page)
        }
        let isUrgent = (page["data"]?.elements ?? []).contains { row in
            guard let days = row["days_left"]?.integer, let uses = row["uses"]?.integer else { return false }
            return uses > 0 && days <= 30
        }
        if isUrgent { throw ExitCode(1) }
    }
}
