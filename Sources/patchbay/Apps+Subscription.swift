import ArgumentParser
import Kit

extension Apps {
    struct Subscribe: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Orders webhooks at the platform by its API, and puts right what stands there.",
            discussion: """
                Examples:
                  patchbay apps subscribe stripe --dry-run
                  patchbay apps subscribe app_01kb2c3d4e5f6g7h8j9k0m1n2p --wait 60

                Exit code 1 when it is not as wanted within --wait seconds; it goes on by itself.
                """)
        @OptionGroup var server: ServerOptions
        @Argument(help: "app_…, or the platform, for the app of the settings.") var id: String
        @Flag(help: "Says what would be done, and does nothing.") var dryRun = false
        @Option(help: "Seconds to wait for it.") var wait = 30
        func run() async throws {
            let client = try server.server()
            let path = try await AppSubscription.path(id, client)
            let begun = try await client.send("POST", path, body: ["dry_run": .bool(dryRun)])
            guard !dryRun else { return server.print(begun, Table.print) }
            let seen = try await AppSubscription.settled(path, client, within: wait)
            server.print(seen, Table.print)
            guard seen["state"]?.text == "registered" else { throw ExitCode(1) }
        }
    }

    struct Subscription: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Shows what is ordered at the platform, and in what it differs.",
            discussion: """
                Examples:
                  patchbay apps subscription stripe
                  patchbay apps subscription stripe --check --json
                """)
        @OptionGroup var server: ServerOptions
        @Argument(help: "app_…, or the platform, for the app of the settings.") var id: String
        @Flag(help: "Looks at the platform first, and changes nothing there.") var check = false
        @Option(help: "Seconds to wait for the look.") var wait = 30
        func run() async throws {
            let client = try server.server()
            let path = try await AppSubscription.path(id, client)
            guard check else { return try await server.show("GET", path) }
            let before = try await client.send("GET", path)["checked_at"]
            _ = try await client.send("POST", path + "/check", body: ["repair": false])
            let seen = try await AppSubscription.settled(path, client, within: wait) { $0["checked_at"] != before }
            server.print(seen, Table.print)
        }
    }

    struct Unsubscribe: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Deletes at the platform what was ordered there, and its secret here.",
            discussion: """
                Examples:
                  patchbay apps unsubscribe stripe
                  patchbay apps unsubscribe app_01kb2c3d4e5f6g7h8j9k0m1n2p --json
                """)
        @OptionGroup var server: ServerOptions
        @Argument(help: "app_…, or the platform, for the app of the settings.") var id: String
        @Option(help: "Seconds to wait for it.") var wait = 30
        func run() async throws {
            let client = try server.server()
            let path = try await AppSubscription.path(id, client)
            _ = try await client.send("DELETE", path)
            let seen = try await AppSubscription.settled(path, client, within: wait) { $0["state"]?.text == "none" }
            server.print(seen, Table.print)
            guard seen["state"]?.text == "none" else { throw ExitCode(1) }
        }
    }
}

private enum AppSubscription {
    /// Of an app, or of the app that stands for a platform's settings.
    static func path(_ id: String, _ client: APIClient) async throws -> String {
        guard !id.hasPrefix("app_") else { return "/v1/apps/\(APIClient.encoded(id))/subscription" }
        let apps = try await client.send(
            "GET", "/v1/apps", query: [("provider", id), ("source", "settings"), ("limit", "1")])
        guard let app = apps["data"]?.elements?.first?["id"]?.text else {
            throw Fault("No app of the settings stands for \(id). See: patchbay apps list, patchbay doctor", code: 1)
        }
        return "/v1/apps/\(APIClient.encoded(app))/subscription"
    }

    /// Looked at until it is as it should be, or the time is over.
    static func settled(
        _ path: String, _ client: APIClient, within seconds: Int,
        until isSettled: (JSON) -> Bool = { !["registering", "removing"].contains($0["state"]?.text) }
    ) async throws -> JSON {
        let end = ContinuousClock.now + .seconds(seconds)
        while true {
            let seen = try await client.send("GET", path)
            if isSettled(seen) || ContinuousClock.now >= end { return seen }
            try await Task.sleep(for: .milliseconds(200))
        }
    }
}
