import ArgumentParser
import Foundation
import Kit

/// The application's users.
struct Users: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "The application's users: list, get, put, import, export, erase.",
        subcommands: [List.self, Get.self, Put.self, Import.self, Export.self, Erase.self])

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists users.",
            discussion: """
                Examples:
                  patchbay users list --status past_due
                  patchbay users list --email rye@example.com --json
                """)
        @OptionGroup var server: ServerOptions
        @OptionGroup var page: PageOptions
        @Option(help: "With this address.") var email: String?
        @Option(help: "With this subscription status.") var status: String?

        func run() async throws {
            let users = try await server.server().send(
                "GET", "/v1/users", query: page.query + [("email", email), ("subscription_status", status)])
            server.print(users) { page in
                Table(
                    ("ID", ["id"]), ("STATUS", ["subscription_status"]), ("PLAN", ["subscription_plan"]),
                    ("PAID UNTIL", ["current_period_end"]), ("CUSTOMER", ["stripe_customer_id"])
                ).print(page)
            }
        }
    }

    struct Get: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Shows a user.",
            discussion: """
                Examples:
                  patchbay users get user-42
                  patchbay users get rye@example.com --json
                """)
        @OptionGroup var server: ServerOptions
        @Argument(help: "The application's own id.") var id: String
        func run() async throws {
            try await server.show("GET", "/v1/users/\(APIClient.encoded(id))")
        }
    }

    struct Put: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Makes or changes a user; what is left out stays.",
            discussion: """
                Examples:
                  patchbay users put user-42 --email rye@example.com --stripe-customer cus_9s6XKzkNRiz8i3
                  patchbay users put user-42 --metadata '{"plan": "pro"}'
                """)
        @OptionGroup var server: ServerOptions
        @Argument(help: "The application's own id.") var id: String
        @Option(help: "The user's address.") var email: String?
        @Option(help: "What the user is called.") var name: String?
        @Option(help: "The Stripe customer that this user is.") var stripeCustomer: String?
        @Option(help: "A JSON object of texts; replaces what was there.") var metadata: String?

        func run() async throws {
            var body = [("email", email), ("display_name", name), ("stripe_customer_id", stripeCustomer)]
                .compactMap { name, value in value.map { JSONMember(name, .string($0)) } }
            if let metadata {
                // What is wrong with it is not told in detail.
                guard let json = try? JSON.parse(metadata) else { throw Fault("--metadata is not JSON.", code: 2) }
                body.append(.init("metadata", json))
            }
            let user = try await server.server().send(
                "PUT", "/v1/users/\(APIClient.encoded(id))", body: .object(body))
            server.print(user, Table.print)
        }
    }
}
