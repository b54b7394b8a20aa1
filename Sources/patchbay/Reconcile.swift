import ArgumentParser
import Kit
import Server

/// Did I miss any? Asks the platform.
struct Reconcile: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Compares with what a platform says, and fetches what never arrived.",
        discussion: """
            `events`: what happened; `subscriptions`: all that stand there, for a business that already runs. Of a
            connection: its rows with what the platform says now, each that differs by its key.
            Exit code 0 when all was here, 1 when something was missing or stood otherwise, or when it has not ended
            within --wait seconds; it goes on. What was found of events and subscriptions is right then; of a
            connection's rows with --repair.

            Examples:
              patchbay reconcile stripe
              patchbay reconcile stripe subscriptions --dry-run
              patchbay reconcile stripe events --since 2026-11-18T00:00:00Z --json
              patchbay reconcile conn_01kb2c3d4e5f6g7h8j9k0m1n2p videos --repair
            """)
    @OptionGroup var server: ServerOptions
    @Argument(help: "The platform, or a connection: conn_…") var provider: String
    @Argument(help: "What is compared: events unless said; of a connection its streams, all unless said.")
    var stream: String?
    @Option(help: "From when, as 2026-11-18T00:00:00Z; from where the last one ended unless said.") var since: String?
    @Flag(help: "Counts, and lets nothing in.") var dryRun = false
    @Flag(help: "Of a connection's rows: puts right what differs.") var repair = false
    @Option(help: "Seconds to wait for its end.") var wait = 300

    func run() async throws {
        let client = try server.server()
        if provider.hasPrefix("conn_") { return try await records(client) }
        let stream = stream ?? "events"
        var body: [JSONMember] = [.init("provider", .string(provider)), .init("stream", .string(stream))]
        if dryRun { body.append(.init("dry_run", .bool(true))) }
        if let since { body.append(.init("since", .string(since))) }
        let found = try await ended(.object(body), client)
        let report = ReconcileReport(found)
        server.print(found) { _ in report.lines.forEach(say) }
        if let fault = report.fault { throw fault }
        if found["missing_here"]?.integer != 0 || found["differing"]?.integer != 0 { throw ExitCode(1) }
    }

    /// A connection's streams, one after the other.
    private func records(_ client: APIClient) async throws {
        var streams = stream.map { [$0] } ?? []
        if streams.isEmpty {
            let connection = try await client.send("GET", "/v1/connections/\(APIClient.encoded(provider))")
            streams = SyncedStreams.of(connection["provider"]?.text ?? "")
        }
        var all: [JSON] = []
        for stream in streams {
            let found = try await ended(
                [
                    "connection_id": .string(provider), "stream": .string(stream), "repair": .bool(repair),
                ], client)
            let differences = try await client.send(
                "GET", "/v1/reconciliations/\(found["id"]?.text ?? "")/differences", query: [("limit", "100")])
            all.append(.object((found.members ?? []) + [.init("differences", differences["data"] ?? .array([]))]))
        }
        server.print(["data": .array(all)]) { page in
            for one in page["data"]?.elements ?? [] {
                Table.print(.object((one.members ?? []).filter { $0.name != "differences" }))
                guard let rows = one["differences"]?.elements, !rows.isEmpty else { continue }
                Table(("KEY", ["key"]), ("WHAT", ["kind"]), ("COLUMNS", ["fields"])).print(["data": .array(rows)])
            }
        }
        try check(all)
    }

    private func ended(_ body: JSON, _ client: APIClient) async throws -> JSON {
        var found = try await client.send("POST", "/v1/reconciliations", body: body)
        let (path, end) = ("/v1/reconciliations/\(found["id"]?.text ?? "")", ContinuousClock.now + .seconds(wait))
        while found["state"]?.text == "running", ContinuousClock.now < end {
            try await Task.sleep(for: .milliseconds(200))
            found = try await client.send("GET", path)
        }
        return found
    }

    private func check(_ found: [JSON]) throws {
        if let fault = found.lazy.compactMap({ ReconcileReport($0).fault }).first { throw fault }
        let counts = ["missing_here", "missing_there", "differing"]
        if found.contains(where: { one in counts.contains { one[$0]?.integer ?? 0 != 0 } }) { throw ExitCode(1) }
    }
}
