import ArgumentParser
import Engine
import Foundation
import Kit

/// Events from platforms.
struct Events: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Events from platforms: list, search, show, replay.",
        subcommands: [List.self, Search.self, Show.self, Replay.self])

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

    struct Search: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Looks through the contents of events, the newest first.",
            discussion: """
                Prints what it finds as it goes, and on standard error how far it is. Ctrl-C ends it. For an order, a \
                customer or an e-mail address, events list --find answers at once.

                Examples:
                  patchbay events search --words 'sourdough "two loaves"' --after 2026-11-01T00:00:00Z
                  patchbay events search --json-path '$.data.object.lines[*].price.id=price_1' --provider stripe
                """)
        @OptionGroup var server: ServerOptions
        @Option(help: "Each must stand in it; what is in double quotes is one.") var words: String?
        @Option(name: [.customLong("json-path")], help: "A place and what it holds: $.data.object.id=in_1")
        var place: String?
        @Option(help: "Of one platform.") var provider: String?
        @Option(help: "Of one type, in the platform's word.") var type: String?
        @Option(help: "queued, applied, waiting_review, failed or ignored.") var state: String?
        @Option(help: "Of one user.") var user: String?
        @Option(help: "Received after this time.") var after: String?
        @Option(help: "Received before this time.") var before: String?
        @Option(help: "Ends after so many hits; 100 unless said.") var limit = 100

        func validate() throws {
            guard words != nil || place != nil else {
                throw ValidationError("Say what to look for: --words TEXT or --json-path '$.data.object.id=in_1'")
            }
            guard limit > 0 else { throw ValidationError("--limit is 1 or more.") }
        }

        func run() async throws {
            let client = try server.server()
            var (cursor, found, looked) = (nil as String?, 0, 0 as Int64)
            repeat {
                let answer = try await client.send(
                    "GET", "/v1/events/search",
                    query: [
                        ("words", words), ("json", place), ("provider", provider), ("type", type), ("state", state),
                        ("user_id", user), ("created_after", after), ("created_before", before), ("cursor", cursor),
                        ("limit", String(min(limit - found, 100))),
                    ])
                for hit in answer["data"]?.elements ?? [] { show(hit) }
                found += answer["data"]?.elements?.count ?? 0
                looked += answer["searched", "events"]?.integer ?? 0
                cursor = answer["next_cursor"]?.text
                let percent = answer["searched", "percent"]?.numberText ?? "?"
                note("\(found) found in \(looked) events, \(percent) % of the time.")
            } while cursor != nil && found < limit
        }

        private func show(_ hit: JSON) {
            if server.json { return say(hit.line) }
            let text = { (name: String) in (hit["event", name]?.text ?? "").visible(atMost: 80) }
            say("\(text("received_at"))  \(text("id"))  \(text("type"))  \(text("state"))")
            say("    \((hit["excerpt"]?.text ?? "").visible(atMost: 200))")
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
                --to sends them to an application on this machine instead, oldest first, each once the one before was \
                taken; the server notices nothing. As with listen, the bytes and headers are those that came, and the \
                signature is made anew with a secret of this machine (patchbay listen --print-secret).

                Examples:
                  patchbay events replay evt_01kb2c3d4e5f6g7h8j9k0m1n2p --wait 10
                  patchbay events replay --provider stripe --state failed --dry-run
                  patchbay events replay --after 2026-11-28T10:00:00Z --to http://localhost:3000/webhooks --per-second 5
                """)
        @OptionGroup var server: ServerOptions
        @Argument(help: "evt_…; left out for a filter.") var id: String?
        @Option(help: "Of one platform.") var provider: String?
        @Option(help: "Of one type.") var type: String?
        @Option(help: "In one state.") var state: String?
        @Option(help: "Of one user.") var user: String?
        @Option(help: "Received after this time.") var after: String?
        @Option(help: "Received before this time.") var before: String?
        @Option(help: "So many a second; as fast as it goes unless said.") var perSecond: Int?
        @Option(help: "To this address on this machine; {provider} in it becomes the platform's id.") var to: String?
        @Flag(help: "Only says what would be replayed.") var dryRun = false
        @Option(help: "Seconds to wait for the end of one event's job.") var wait: Int?

        func validate() throws {
            guard id == nil || (to == nil && perSecond == nil) else {
                throw ValidationError("--to and --per-second go with a filter, such as --after 2026-11-28T10:00:00Z.")
            }
            if let perSecond, !(1...Int(Pace.perSecondMax)).contains(perSecond) {
                throw ValidationError("--per-second is 1 to \(Pace.perSecondMax).")
            }
        }

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
            if let to {
                let query = [
                    ("provider", provider), ("type", type), ("state", state), ("user_id", user),
                    ("created_after", after), ("created_before", before),
                ]
                return try await LocalReplay(
                    server: server.server(), application: LocalApplication(to), perSecond: perSecond, isDry: dryRun
                ).run(query)
            }
            let pace = perSecond.map { [JSONMember("per_second", JSON($0))] } ?? []
            let answer = try await server.server().send(
                "POST", "/v1/events/replay",
                body: .object([JSONMember("filter", .object(filter)), JSONMember("dry_run", .bool(dryRun))] + pace))
            server.print(answer) { answer in
                say("\(answer["matches"]?.numberText ?? "0") events \(dryRun ? "would be" : "are") replayed.")
                Table(("ID", ["id"]), ("RECEIVED", ["received_at"]), ("TYPE", ["type"]), ("STATE", ["state"]))
                    .print(["data": answer["first"] ?? []])
            }
        }
    }
}
