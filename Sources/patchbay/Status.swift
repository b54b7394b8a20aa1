import ArgumentParser
import Foundation
import Kit

/// Whether a server can serve, and whether anything there needs a person.
struct Status: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Says whether a server can serve, and what there needs a person.",
        discussion: """
            Exit code 0 when nothing needs you, 1 when the server cannot serve, 3 when nothing answers, 4 when a \
            person must look: open reviews, open alerts, endpoints that fail. --ready asks only the first, needs no \
            API key.

            Examples:
              patchbay status
              patchbay status --ready --url https://patchbay.example.com
            """)
    @OptionGroup var server: ServerOptions
    @Flag(help: "Only whether it can serve; needs no API key.") var ready = false

    func run() async throws {
        let open = APIClient(base: try server.base, key: Secret(""))
        let (status, readiness) = try await open.open("/readyz")
        let missing = readiness["missing"]?.elements ?? []
        guard status == 200 else {
            show(["ready": false, "missing": .array(missing)]) {
                for part in missing {
                    say("\(part["name"]?.text ?? "?"): \((part["reason"]?.text ?? "").visible())")
                }
            }
            throw Fault("The server cannot serve.", code: 1)
        }
        guard !ready else { return show(["ready": true, "missing": []]) { say("The server can serve.") } }
        let client = try server.server()
        let reviews = try await Self.count("/v1/reviews", "open", client)
        let alerts = try await Self.count("/v1/alerts", "open", client)
        let endpoints =
            try await Self.count("/v1/endpoints", "failing", client)
            + Self.count("/v1/endpoints", "disabled", client)
        let needs = [
            (reviews, "reviews", "reviews list --state open"), (alerts, "alerts", "alerts list --state open"),
            (endpoints, "endpoints that fail", "endpoints list"),
        ].filter { $0.0 > 0 }
        show([
            "ready": true, "missing": [], "open_reviews": JSON(reviews), "open_alerts": JSON(alerts),
            "failing_endpoints": JSON(endpoints),
        ]) {
            if needs.isEmpty { say("Nothing needs you.") }
            for (count, what, verb) in needs {
                say("\(count)\(count == Self.countMax ? " or more" : "") \(what): patchbay \(verb)")
            }
        }
        if !needs.isEmpty { throw ExitCode(4) }
    }

    /// A page; more is told as "or more".
    private static let countMax = 100

    private static func count(_ path: String, _ state: String, _ client: APIClient) async throws -> Int {
        let page = try await client.send("GET", path, query: [("state", state), ("limit", String(countMax))])
        return page["data"]?.elements?.count ?? 0
    }

    private func show(_ json: JSON, _ words: () -> Void) { server.print(json) { _ in words() } }
}
