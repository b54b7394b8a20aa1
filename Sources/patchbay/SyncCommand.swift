import ArgumentParser
import Kit

/// Reading accounts' data.
struct SyncCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sync", abstract: "Reads accounts' data: by hand, and how it stands.",
        subcommands: [Run.self, Status.self])

    private static let table = Table(
        ("ID", ["id"]), ("CONNECTION", ["connection_id"]), ("STREAM", ["stream"]), ("WHY", ["reason"]),
        ("STATE", ["state"]), ("ROWS", ["rows"]), ("NEW", ["new"]), ("CHANGED", ["changed"]), ("GONE", ["deleted"]),
        ("PAGES", ["pages"]), ("PROBLEM", ["problem"]), ("CREATED", ["created_at"]))

    struct Run: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Reads a connection's streams now.",
            discussion: """
                A run that is under way is shown instead of a second one. Exit code 1 when a run failed, or when not all
                have ended within --timeout seconds; they go on.

                Examples:
                  patchbay sync run conn_01kb2c3d4e5f6g7h8j9k0m1n2p --wait
                  patchbay sync run conn_01kb2c3d4e5f6g7h8j9k0m1n2p videos --full --json
                """)
        @OptionGroup var server: ServerOptions
        @Argument(help: "conn_…") var connection: String
        @Argument(help: "What is read: videos, profile, …; all of the platform's unless said.") var stream: String?
        @Flag(help: "Waits until it has ended.") var wait = false
        @Flag(help: "Reads everything, which is how deletions are found.") var full = false
        @Option(help: "Seconds to wait at most.") var timeout = 300

        func run() async throws {
            let client = try server.server()
            var body: [JSONMember] = []
            if let stream { body.append(.init("stream", .string(stream))) }
            if full { body.append(.init("full", .bool(true))) }
            var found = try await client.send(
                "POST", "/v1/connections/\(APIClient.encoded(connection))/syncs", body: .object(body))
            for refused in found["refused"]?.elements ?? [] {
                note("\(refused["stream"]?.text ?? "?"): \(refused["detail"]?.text ?? "?")")
            }
            let ids = (found["data"]?.elements ?? []).compactMap { $0["id"]?.text }
            let end = ContinuousClock.now + .seconds(timeout)
            while wait, Self.isLive(found), ContinuousClock.now < end {
                try await Task.sleep(for: .milliseconds(150))
                var runs: [JSON] = []
                for id in ids { runs.append(try await client.send("GET", "/v1/syncs/\(id)")) }
                found = ["data": .array(runs)]
            }
            server.print(found) { SyncCommand.table.print($0) }
            let states = (found["data"]?.elements ?? []).compactMap { $0["state"]?.text }
            if states.contains("failed") { throw ExitCode(1) }
            if wait, Self.isLive(found) {
                throw Fault("It has not ended yet. Look again: patchbay sync status \(connection)", code: 1)
            }
        }

        private static func isLive(_ found: JSON) -> Bool {
            (found["data"]?.elements ?? []).contains { ["waiting", "running"].contains($0["state"]?.text ?? "") }
        }
    }

    struct Status: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists runs, the newest first.",
            discussion: """
                Examples:
                  patchbay sync status
                  patchbay sync status conn_01kb2c3d4e5f6g7h8j9k0m1n2p --stream videos --state failed --json
                """)
        @OptionGroup var server: ServerOptions
        @OptionGroup var page: PageOptions
        @Argument(help: "conn_…; all connections unless said.") var connection: String?
        @Option(help: "Of one user.") var user: String?
        @Option(help: "Of one stream: videos.") var stream: String?
        @Option(help: "waiting, running, succeeded, failed or cancelled.") var state: String?

        func run() async throws {
            let found = try await server.server().send(
                "GET", "/v1/syncs",
                query: page.query + [
                    ("connection_id", connection), ("user_id", user), ("stream", stream), ("state", state),
                ])
            server.print(found) { SyncCommand.table.print($0) }
        }
    }
}
