import ArgumentParser
import Foundation
import Kit

extension Users {
    struct Export: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Writes everything kept about a user as JSON.",
            discussion: """
                Examples:
                  patchbay users export user-42 > user-42.json
                  patchbay users export rye@example.com --to rye.json
                """)
        @OptionGroup var server: ServerOptions
        @Argument(help: "The application's own id.") var id: String
        @Option(help: "A file; standard output unless said.") var to: String?

        func run() async throws {
            let export = try await server.server().send("GET", "/v1/users/\(APIClient.encoded(id))/export")
            guard let to else { return say(String(decoding: export.bytes, as: UTF8.self)) }
            // Personal data: for nobody else's eyes.
            guard
                FileManager.default.createFile(
                    atPath: to, contents: Data(export.bytes), attributes: [.posixPermissions: 0o600])
            else { throw Fault("\(to) cannot be written.", code: 2) }
        }
    }

    struct Erase: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Erases a user for good and prints the receipt.",
            discussion: """
                Exit code 1 when the erasure has not ended within --wait seconds; it goes on.

                Examples:
                  patchbay users erase user-42 --yes
                  patchbay users erase user-42 --yes --json > receipt.json
                """)
        @OptionGroup var server: ServerOptions
        @Argument(help: "The application's own id.") var id: String
        @Flag(help: "Yes, for good.") var yes = false
        @Option(help: "Seconds to wait for its end.") var wait = 300

        func run() async throws {
            guard yes else { throw Fault("Erasing cannot be undone. Add --yes.", code: 2) }
            let client = try server.server()
            var erasure = try await client.send("DELETE", "/v1/users/\(APIClient.encoded(id))")
            let (path, end) = ("/v1/erasures/\(erasure["id"]?.text ?? "")", ContinuousClock.now + .seconds(wait))
            while erasure["state"]?.text != "done", ContinuousClock.now < end {
                try await Task.sleep(for: .milliseconds(200))
                erasure = try await client.send("GET", path)
            }
            server.print(erasure, Table.print)
            guard erasure["state"]?.text == "done" else {
                throw Fault("It has not ended yet. Look again: GET \(path)", code: 1)
            }
        }
    }
}
