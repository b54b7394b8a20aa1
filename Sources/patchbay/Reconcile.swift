import ArgumentParser
import Kit

/// Did I miss any? Asks the platform.
struct Reconcile: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Compares with what a platform says, and fetches what never arrived.",
        discussion: """
            `events`: what happened; `subscriptions`: all that stand there, for a business that already runs.
            Exit code 0 when all was here, 1 when something was missing or stood otherwise (it is right now), or when
            it has not ended within --wait seconds; it goes on.

            Examples:
              patchbay reconcile stripe
              patchbay reconcile stripe subscriptions --dry-run
              patchbay reconcile stripe events --since 2026-11-18T00:00:00Z --json
            """)
    @OptionGroup var server: ServerOptions
    @Argument(help: "The platform.") var provider: String
    @Argument(help: "What is compared: events or subscriptions.") var stream = "events"
    @Option(help: "From when, as 2026-11-18T00:00:00Z; from where the last one ended unless said.") var since: String?
    @Flag(help: "Counts, and lets nothing in.") var dryRun = false
    @Option(help: "Seconds to wait for its end.") var wait = 300

    func run() async throws {
        let client = try server.server()
        var body: [JSONMember] = [.init("provider", .string(provider)), .init("stream", .string(stream))]
        if dryRun { body.append(.init("dry_run", .bool(true))) }
        if let since { body.append(.init("since", .string(since))) }
        var found = try await client.send("POST", "/v1/reconciliations", body: .object(body))
        let (path, end) = ("/v1/reconciliations/\(found["id"]?.text ?? "")", ContinuousClock.now + .seconds(wait))
        while found["state"]?.text == "running", ContinuousClock.now < end {
            try await Task.sleep(for: .milliseconds(200))
            found = try await client.send("GET", path)
        }
        let report = ReconcileReport(found)
        server.print(found) { _ in report.lines.forEach(say) }
        if let fault = report.fault { throw fault }
        if found["missing_here"]?.integer != 0 || found["differing"]?.integer != 0 { throw ExitCode(1) }
    }
}
