import ArgumentParser
import Kit

/// Events from platforms.
struct Events: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Events from platforms: list, show, replay.", subcommands: [List.self, Show.self, Replay.self])

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists events, newest first.",
            discussion: """
                Examples:
                  patchbay events list --provider stripe --state failed
                  patchbay events list --platform-id evt_1NG8Du2eZvKYlo2CUI79vXWy --json
                  patchbay events list --find rye@example.org
                """)
        @OptionGroup var server: ServerOptions
        @OptionGroup var page: PageOptions
        @Option(help: "Of one platform.") var provider: String?
        @Option(help: "Of one type, in the platform's word.") var type: String?
        @Option(help: "queued, applied, waiting_review, failed or ignored.") var state: String?
        @Option(help: "Of one user.") var user: String?
        @Option(help: "With the platform's own id.") var platformID: String?
        @Option(help: "That hold this value: an order, a customer, an e-mail address.") var find: String?

        func run() async throws {
            let events = try await server.server().send(
                "GET", "/v1/events",
                query: page.query + [
                    ("provider", provider), ("type", type), ("state", state), ("user_id", user),
                    ("provider_event_id", platformID), ("find", find),
                ])
            server.print(events) { page in
                Table(
                    ("ID", ["id"]), ("RECEIVED", ["received_at"]), ("PROVIDER", ["provider"]), ("TYPE", ["type"]),
                    ("STATE", ["state"]), ("USER", ["user_id"]), ("AGAIN", ["duplicates"])
                ).print(page)
            }
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Shows an event with its payload.",
            discussion: """
                Examples:
                  patchbay events show evt_01kb2c3d4e5f6g7h8j9k0m1n2p
                  patchbay events show evt_01kb2c3d4e5f6g7h8j9k0m1n2p --json | jq .payload
                """)
        @OptionGroup var server: ServerOptions
        @Argument(help: "evt_…") var id: String

        func run() async throws {
            try await server.show("GET", "/v1/events/\(APIClient.encoded(id))")
        }
    }

    struct Replay: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Applies events once more: one by its id, or all that a filter finds.",
            discussion: """
                Examples:
                  patchbay events replay evt_01kb2c3d4e5f6g7h8j9k0m1n2p --wait 10
                  patchbay events replay --provider stripe --state failed --dry-run
                """)
        @OptionGroup var server: ServerOptions
        @Argument(help: "evt_…; left out for a filter.") var id: String?
        @Option(help: "Of one platform.") var provider: String?
        @Option(help: "Of one type.") var type: String?
        @Option(help: "In one state.") var state: String?
        @Option(help: "Of one user.") var user: String?
        @Option(help: "Received after this time.") var after: String?
        @Option(help: "Received before this time.") var before: String?
        @Flag(help: "Only says what would be replayed.") var dryRun = false
        @Option(help: "Seconds to wait for the end of one event's job.") var wait: Int?

        func run() async throws {
            if let id {
                let job = try await server.server().send(
                    "POST", "/v1/events/\(APIClient.encoded(id))/replay",
                    headers: wait.map { [("Prefer", "wait=\($0)")] } ?? [])
                return server.print(job, Table.print)
            }
            let filter = [
                ("provider", provider), ("type", type), ("state", state), ("user_id", user), ("received_after", after),
                ("received_before", before),
            ].compactMap { name, value in value.map { JSONMember(name, .string($0)) } }
            guard !filter.isEmpty else { throw Fault("Name an event, or a filter such as --state failed.", code: 2) }
            let answer = try await server.server().send(
                "POST", "/v1/events/replay", body: ["filter": .object(filter), "dry_run": .bool(dryRun)])
            server.print(answer) { answer in
                say("\(answer["matches"]?.numberText ?? "0") events \(dryRun ? "would be" : "are") replayed.")
                Table(("ID", ["id"]), ("RECEIVED", ["received_at"]), ("TYPE", ["type"]), ("STATE", ["state"]))
                    .print(["data": answer["first"] ?? []])
            }
        }
    }
}
