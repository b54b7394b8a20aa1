import ArgumentParser
import Foundation
import Kit

/// What came to the webhook addresses, believed or not.
struct Deliveries: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "What came to the webhook addresses: list, show, write the body.",
        subcommands: [List.self, Show.self, Body.self], defaultSubcommand: List.self)

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists deliveries, newest first.",
            discussion: """
                Examples:
                  patchbay deliveries list --verdict rejected
                  patchbay deliveries list --provider stripe --json
                """)
        @OptionGroup var server: ServerOptions
        @OptionGroup var page: PageOptions
        @Option(help: "Of one platform.") var provider: String?
        @Option(help: "accepted, duplicate or rejected.") var verdict: String?
        @Option(help: "Rejected for one reason, such as wrong_signature.") var code: String?

        func run() async throws {
            try await server.show(
                "GET", "/v1/deliveries",
                query: page.query + [("provider", provider), ("verdict", verdict), ("code", code)]
            ) { page in
                Table(
                    ("ID", ["id"]), ("RECEIVED", ["received_at"]), ("PROVIDER", ["provider"]),
                    ("VERDICT", ["verdict"]), ("CODE", ["code"]), ("BYTES", ["size"]), ("EVENT", ["event_id"])
                ).print(page)
            }
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Shows a delivery: headers, verdict, why.",
            discussion: """
                Examples:
                  patchbay deliveries show dlv_01kb2c3d4e5f6g7h8j9k0m1n2p
                  patchbay deliveries show dlv_01kb2c3d4e5f6g7h8j9k0m1n2p --json
                """)
        @OptionGroup var server: ServerOptions
        @Argument(help: "dlv_…") var id: String
        func run() async throws { try await server.show("GET", "/v1/deliveries/\(APIClient.encoded(id))") }
    }

    struct Body: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Writes a delivery's body to standard output, byte for byte as it came.",
            discussion: """
                Of a delivery that was not believed the first 4 KiB are kept; of a repetition nothing is. Exit code 1 \
                when nothing is kept. --json writes it in base64, with the headers.

                Examples:
                  patchbay deliveries body dlv_01kb2c3d4e5f6g7h8j9k0m1n2p > body.json
                  patchbay deliveries body dlv_01kb2c3d4e5f6g7h8j9k0m1n2p | jq .type
                """)
        @OptionGroup var server: ServerOptions
        @Argument(help: "dlv_…") var id: String

        func run() async throws {
            let delivery = try await server.server().send(
                "GET", "/v1/deliveries/\(APIClient.encoded(id))", query: [("include", "body")])
            guard !server.json else { return say(delivery.line) }
            guard let text = delivery["body_base64"]?.text, let body = Base64.decode(Array(text.utf8)) else {
                throw Fault("The body of \(id) is not kept.", code: 1)
            }
            FileHandle.standardOutput.write(Data(body))
        }
    }
}
