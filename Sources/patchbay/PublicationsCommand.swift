import ArgumentParser
import Foundation
import Kit

/// What was published, and what is on its way.
struct PublicationsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "publications", abstract: "Publications: list, show, cancel, decide.",
        subcommands: [List.self, Show.self, Cancel.self, Decide.self])

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists publications.",
            discussion: """
                Examples:
                  patchbay publications list
                  patchbay publications list --state unknown --json
                """)
        @OptionGroup var server: ServerOptions
        @OptionGroup var page: PageOptions
        @Option(help: "With a target in this state: scheduled, waiting, uploading, processing, published, …")
        var state: String?
        @Option(help: "To one account: conn_….") var connection: String?
        @Option(help: "For one user.") var user: String?
        func run() async throws {
            let found = try await server.server().send(
                "GET", "/v1/publications",
                query: page.query + [("state", state), ("connection_id", connection), ("user_id", user)])
            server.print(found) { page in
                Table(
                    ("ID", ["id"]), ("STATE", ["state"]), ("TEXT", ["content", "text"]), ("WHEN", ["publish_at"]),
                    ("MADE", ["created_at"])
                ).print(page)
            }
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Shows a publication and each of its targets.",
            discussion: """
                Examples:
                  patchbay publications show pub_01kb2c3d4e5f6g7h8j9k0m1n2p
                  patchbay publications show pub_01kb2c3d4e5f6g7h8j9k0m1n2p --json
                """)
        @OptionGroup var server: ServerOptions
        @Argument(help: "pub_…") var id: String
        func run() async throws {
            let found = try await server.server().send("GET", "/v1/publications/\(APIClient.encoded(id))")
            server.print(found) { PublicationsCommand.show($0) }
        }
    }

    struct Cancel: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Cancels what has not been handed over yet.",
            discussion: """
                Examples:
                  patchbay publications cancel pub_01kb2c3d4e5f6g7h8j9k0m1n2p
                  patchbay publications cancel pub_01kb2c3d4e5f6g7h8j9k0m1n2p --json
                """)
        @OptionGroup var server: ServerOptions
        @Argument(help: "pub_…") var id: String
        func run() async throws {
            let found = try await server.server().send(
                "POST", "/v1/publications/\(APIClient.encoded(id))/cancel", body: .object([]),
                headers: [("Idempotency-Key", UUID().uuidString)])
            server.print(found) { PublicationsCommand.show($0) }
        }
    }

    struct Decide: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Says what nobody else can: whether a publication is there, or shall be sent again.",
            discussion: """
                Examples:
                  patchbay publications decide pub_01kb2c3d4e5f6g7h8j9k0m1n2p it_is_there --post 7400000000000000001
                  patchbay publications decide pub_01kb2c3d4e5f6g7h8j9k0m1n2p send_again --note "Not on the profile"
                """)
        @OptionGroup var server: ServerOptions
        @Argument(help: "pub_…") var id: String
        @Argument(help: "it_is_there or send_again.") var decision: String
        @Option(help: "Which, where several are unknown: tgt_….") var target: String?
        @Option(help: "The platform's own id of the post.") var post: String?
        @Option(help: "Why; for those who look later.") var note: String?
        func run() async throws {
            var body: [JSONMember] = [.init("decision", .string(decision))]
            for (name, value) in [("target_id", target), ("post_id", post), ("note", note)] {
                if let value { body.append(.init(name, .string(value))) }
            }
            let found = try await server.server().send(
                "POST", "/v1/publications/\(APIClient.encoded(id))/decide", body: .object(body),
                headers: [("Idempotency-Key", UUID().uuidString)])
            server.print(found) { PublicationsCommand.show($0) }
        }
    }

    static func show(_ publication: JSON) {
        say("\(publication["id"]?.text ?? "")  \(publication["state"]?.text ?? "")")
        for target in publication["targets"]?.elements ?? [] { say("  " + line(target)) }
    }

    /// One target in a line: where, how it stands, why, what comes next.
    static func line(_ target: JSON) -> String {
        func text(_ name: String) -> String? { target[name]?.text.map { $0.visible(atMost: 500) } }
        var parts = [text("connection_id") ?? "", text("state") ?? ""]
        if let total = target["bytes_total"]?.integer, total > 0, text("state") == "uploading" {
            parts.append("\((target["bytes_sent"]?.integer ?? 0) * 100 / total) %")
        }
        if let post = text("provider_post_id") { parts.append("post \(post)") }
        if let reason = text("reason") { parts.append(reason) }
        if let next = text("next_action") { parts.append(next) }
        if let at = text("next_at") { parts.append("(\(at))") }
        return parts.joined(separator: "  ")
    }
}
