import ArgumentParser
import Foundation
import Kit

/// App credentials: more senders of webhooks, each at an address of its own.
struct Apps: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "App credentials: list, show, create, update, remove a secret, delete; webhooks ordered by API.",
        subcommands: [
            List.self, Show.self, Create.self, Update.self, RemoveSecret.self, Delete.self, Subscribe.self,
            Subscription.self, Unsubscribe.self,
        ],
        defaultSubcommand: List.self)

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists app credentials, without their secrets.",
            discussion: """
                Examples:
                  patchbay apps list
                  patchbay apps list --provider standard-webhooks --json
                """)
        @OptionGroup var server: ServerOptions
        @OptionGroup var page: PageOptions
        @Option(help: "Of one platform.") var provider: String?
        func run() async throws {
            let apps = try await server.server().send(
                "GET", "/v1/apps", query: page.query + [("provider", provider)])
            server.print(apps) { page in
                Table(
                    ("ID", ["id"]), ("PROVIDER", ["provider"]), ("NAME", ["name"]), ("STATE", ["state"]),
                    ("SOURCE", ["source"]), ("WEBHOOKS AT", ["webhook_path"])
                ).print(page)
            }
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Shows app credentials, their secrets by id.",
            discussion: """
                Examples:
                  patchbay apps show app_01kb2c3d4e5f6g7h8j9k0m1n2p
                  patchbay apps show app_01kb2c3d4e5f6g7h8j9k0m1n2p --json
                """)
        @OptionGroup var server: ServerOptions
        @Argument(help: "app_…") var id: String
        func run() async throws {
            try await server.show("GET", "/v1/apps/\(APIClient.encoded(id))")
        }
    }

    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Adds app credentials and shows the address for the platform's webhooks.",
            discussion: """
                Secrets are read from a file, a line each, so that no list of processes shows them; - is standard input.

                Examples:
                  patchbay apps create standard-webhooks --name Acme --secrets acme.secret
                  pass show acme/webhook | patchbay apps create svix --name Acme --secrets -
                """)
        @OptionGroup var server: ServerOptions
        @Argument(help: "standard-webhooks, svix or stripe.") var provider: String
        @Option(help: "Whose they are.") var name: String
        @Option(help: "The file of webhook secrets, or -.") var secrets: String
        func run() async throws {
            let body: JSON = [
                "provider": .string(provider), "name": .string(name), "secrets": try SecretLines.read(secrets),
            ]
            try await server.show("POST", "/v1/apps", body: body)
        }
    }

    struct Update: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Renames, turns on or off, or brings in new secrets.",
            discussion: """
                The secrets before the new ones go on for a day, unless --overlap or --keep-old says otherwise.

                Examples:
                  patchbay apps update app_01kb2c3d4e5f6g7h8j9k0m1n2p --secrets new.secret --overlap 3600
                  patchbay apps update app_01kb2c3d4e5f6g7h8j9k0m1n2p --state disabled
                """)
        @OptionGroup var server: ServerOptions
        @Argument(help: "app_…") var id: String
        @Option(help: "Whose they are.") var name: String?
        @Option(help: "active or disabled.") var state: String?
        @Option(help: "The file of new webhook secrets, or -.") var secrets: String?
        @Option(help: "Seconds for which the secrets before go on.") var overlap: Int?
        @Flag(help: "The secrets before go on until they are removed.") var keepOld = false
        func run() async throws {
            var body = [("name", name), ("state", state)].compactMap { name, value in
                value.map { JSONMember(name, .string($0)) }
            }
            if let secrets { body.append(.init("secrets", try SecretLines.read(secrets))) }
            if keepOld {
                body.append(.init("overlap_seconds", .null))
            } else if let overlap {
                body.append(.init("overlap_seconds", JSON(overlap)))
            }
            let app = try await server.server().send("PATCH", "/v1/apps/\(APIClient.encoded(id))", body: .object(body))
            server.print(app, Table.print)
        }
    }

    struct RemoveSecret: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Removes one secret: it proves nothing any more.",
            discussion: """
                Examples:
                  patchbay apps remove-secret app_01kb2c3d4e5f6g7h8j9k0m1n2p sec_01kb2c3d4e5f6g7h8j9k0m1n2p
                  patchbay apps remove-secret app_01kb2c3d4e5f6g7h8j9k0m1n2p sec_01kb2c3d4e5f6g7h8j9k0m1n2p --json
                """)
        @OptionGroup var server: ServerOptions
        @Argument(help: "app_…") var id: String
        @Argument(help: "sec_…") var secret: String
        func run() async throws {
            let path = "/v1/apps/\(APIClient.encoded(id))/secrets/\(APIClient.encoded(secret))"
            _ = try await server.server().send("DELETE", path)
            server.print(["removed": .string(secret)]) { _ in say("\(secret) is removed.") }
        }
    }

    struct Delete: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Deletes app credentials that have proven no webhook yet.",
            discussion: """
                Examples:
                  patchbay apps delete app_01kb2c3d4e5f6g7h8j9k0m1n2p
                  patchbay apps delete app_01kb2c3d4e5f6g7h8j9k0m1n2p --json
                """)
        @OptionGroup var server: ServerOptions
        @Argument(help: "app_…") var id: String
        func run() async throws {
            _ = try await server.server().send("DELETE", "/v1/apps/\(APIClient.encoded(id))")
            server.print(["deleted": .string(id)]) { _ in say("\(id) is deleted.") }
        }
    }
}

/// Webhook secrets from a file, a line each.
private enum SecretLines {
    static func read(_ file: String) throws -> JSON {
        guard let data = FileManager.default.contents(atPath: file == "-" ? "/dev/stdin" : file) else {
            throw Fault("\(file) cannot be read.", code: 2)
        }
        let lines = String(decoding: data, as: UTF8.self).split(whereSeparator: \.isNewline)
            .map { $0.trimmingCharacters(in: .whitespaces) }.filter { !$0.isEmpty }
        return ["webhook_secret": .array(lines.map(JSON.string))]
    }
}
