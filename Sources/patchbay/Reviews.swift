import ArgumentParser
import Kit

/// What waits for a person.
struct Reviews: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "What waits for a person: list, show, claim, decide.",
        subcommands: [List.self, Show.self, Claim.self, Decide.self], defaultSubcommand: List.self)

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists reviews, newest first.",
            discussion: """
                Examples:
                  patchbay reviews list
                  patchbay reviews list --state decided --kind event_without_user --json
                """)
        @OptionGroup var server: ServerOptions
        @OptionGroup var page: PageOptions
        @Option(help: "open, claimed or decided.") var state: String?
        @Option(help: "Of one kind.") var kind: String?

        func run() async throws {
            let reviews = try await server.server().send(
                "GET", "/v1/reviews", query: page.query + [("state", state), ("kind", kind)])
            server.print(reviews) { page in
                Table(
                    ("ID", ["id"]), ("OPENED", ["opened_at"]), ("KIND", ["kind"]), ("STATE", ["state"]),
                    ("SUBJECT", ["subject"]), ("QUESTION", ["question"])
                ).print(page)
            }
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Shows a review: question, evidence, choices.",
            discussion: """
                Examples:
                  patchbay reviews show rev_01kb2c3d4e5f6g7h8j9k0m1n2p
                  patchbay reviews show rev_01kb2c3d4e5f6g7h8j9k0m1n2p --json
                """)
        @OptionGroup var server: ServerOptions
        @Argument(help: "rev_…") var id: String
        func run() async throws {
            try await server.show("GET", "/v1/reviews/\(APIClient.encoded(id))")
        }
    }

    struct Claim: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Marks a review as yours.",
            discussion: """
                Examples:
                  patchbay reviews claim rev_01kb2c3d4e5f6g7h8j9k0m1n2p
                  patchbay reviews claim rev_01kb2c3d4e5f6g7h8j9k0m1n2p --json
                """)
        @OptionGroup var server: ServerOptions
        @Argument(help: "rev_…") var id: String
        func run() async throws {
            try await server.show("POST", "/v1/reviews/\(APIClient.encoded(id))/claim")
        }
    }

    struct Decide: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Decides a review.",
            discussion: """
                Examples:
                  patchbay reviews decide rev_01kb2c3d4e5f6g7h8j9k0m1n2p link --user user-42
                  patchbay reviews decide rev_01kb2c3d4e5f6g7h8j9k0m1n2p dismiss --note "A test customer."
                """)
        @OptionGroup var server: ServerOptions
        @Argument(help: "rev_…") var id: String
        @Argument(help: "One of the review's choices.") var choice: String
        @Option(help: "For link: the application's user.") var user: String?
        @Option(help: "Why, for those who look later.") var note: String?

        func run() async throws {
            var body: [JSONMember] = [.init("decision", .string(choice))]
            if let note { body.append(.init("note", .string(note))) }
            if let user { body.append(.init("input", ["user_id": .string(user)])) }
            let review = try await server.server().send(
                "POST", "/v1/reviews/\(APIClient.encoded(id))/decision", body: .object(body))
            server.print(review, Table.print)
        }
    }
}
