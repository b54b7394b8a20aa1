import ArgumentParser
import AsyncHTTPClient
import Foundation
import Kit
import NIOCore

/// Files that the server keeps, by the application's own keys.
struct ObjectsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "objects", abstract: "Files: put, get, list, remove, presign.",
        subcommands: [Put.self, Get.self, List.self, Remove.self, Presign.self])

    /// Where a key, or an id, is.
    static func path(_ key: String) -> String { "/v1/objects/\(APIClient.encoded(key))" }

    struct Put: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Puts a file under a key, in the place of what stood there.",
            discussion: """
                Examples:
                  patchbay objects put rye.mp4 menus/2026/rye.mp4
                  patchbay objects put rye.mp4 menus/2026/rye.mp4 --new --type video/mp4
                """)
        @OptionGroup var server: ServerOptions
        @Argument(help: "The file.") var file: String
        @Argument(help: "The key under which it stands from now on.") var key: String
        @Option(help: "What it is, where its bytes do not say.") var type = "application/octet-stream"
        @Option(help: "Whose it is: erased with that user.") var user: String?
        @Option(help: "Until when it is kept, such as 2026-12-24T10:00:00Z; for ever unless said.") var expires: String?
        @Flag(help: "Only if nothing stands there yet.") var new = false

        func run() async throws {
            let name = String(file.split(separator: "/").last ?? "")
            var headers = [("Content-Type", type)]
            if new { headers.append(("If-None-Match", "*")) }
            let made = try await server.server().upload(
                "PUT", ObjectsCommand.path(key), query: [("name", name), ("user_id", user), ("expires_at", expires)],
                file: try FileParts(file) { _ in }, headers: headers)
            server.print(made) { object in
                say("\(object["id"]?.text ?? "")  \(object["kind"]?.text ?? "")  \(object["size"]?.integer ?? 0) bytes")
            }
        }
    }

    struct Get: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Writes a file's bytes to another file; with --json, says what it is.",
            discussion: """
                Examples:
                  patchbay objects get menus/2026/rye.mp4 rye.mp4
                  patchbay objects get obj_01kb2c3d4e5f6g7h8j9k0m1n2p --json
                """)
        @OptionGroup var server: ServerOptions
        @Argument(help: "A key, or an id: obj_….") var key: String
        @Argument(help: "Where to write it; it must not be there yet.") var file: String?

        func run() async throws {
            let client = try server.server()
            guard let file else {
                let rows =
                    key.hasPrefix("obj_")
                    ? [try await client.send("GET", ObjectsCommand.path(key))]
                    : try await client.send("GET", "/v1/objects", query: [("key", key)])["data"]?.elements ?? []
                guard let row = rows.first else { throw Fault("There is no object \(key). (not_found)", code: 1) }
                return server.print(row) { say(String(decoding: $0.bytes, as: UTF8.self)) }
            }
            let path = ObjectsCommand.path(key) + (key.hasPrefix("obj_") ? "/content" : "")
            let bytes = try await client.stream(path, query: [], headers: [])
            guard FileManager.default.createFile(atPath: file + ".part", contents: nil),
                !FileManager.default.fileExists(atPath: file), let handle = FileHandle(forWritingAtPath: file + ".part")
            else { throw Fault("\(file) is there already, or cannot be made.", code: 2) }
            do {
                for try await part in bytes { try handle.write(contentsOf: Data(part.readableBytesView)) }
                try handle.close()
                try FileManager.default.moveItem(atPath: file + ".part", toPath: file)
            } catch {
                try? FileManager.default.removeItem(atPath: file + ".part")  // The first error says more.
                throw Fault("The file did not come whole: \(error)", code: 3)
            }
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists files, the newest first.",
            discussion: """
                Examples:
                  patchbay objects list
                  patchbay objects list --kind mp4 --json
                """)
        @OptionGroup var server: ServerOptions
        @OptionGroup var page: PageOptions
        @Option(help: "Of one kind: mp4, mov, webm, jpeg, png, webp or other.") var kind: String?
        @Option(help: "Of one user.") var user: String?
        func run() async throws {
            try await server.show("GET", "/v1/objects", query: page.query + [("kind", kind), ("user_id", user)]) {
                Table(
                    ("ID", ["id"]), ("KEY", ["key"]), ("KIND", ["kind"]), ("BYTES", ["size"]), ("MADE", ["created_at"]),
                    ("UNTIL", ["expires_at"])
                ).print($0)
            }
        }
    }

    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Removes a file that no publication needs.",
            discussion: """
                Examples:
                  patchbay objects remove menus/2026/rye.mp4
                  patchbay objects remove obj_01kb2c3d4e5f6g7h8j9k0m1n2p --json
                """)
        @OptionGroup var server: ServerOptions
        @Argument(help: "A key, or an id: obj_….") var key: String
        func run() async throws {
            let gone = try await server.server().send("DELETE", ObjectsCommand.path(key))
            server.print(gone) { _ in say("\(key) is removed.") }
        }
    }

    struct Presign: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Makes an address that reads or puts one file without a key, for a time.",
            discussion: """
                Whoever has the address may use it. It ends with the API key that made it.

                Examples:
                  patchbay objects presign GET menus/2026/rye.mp4 --seconds 3600
                  patchbay objects presign PUT uploads/user-42.jpg --type image/jpeg --most 5000000
                """)
        @OptionGroup var server: ServerOptions
        @Argument(help: "GET or PUT.") var method: String
        @Argument(help: "The key; to read, an id does as well.") var key: String
        @Option(help: "How long it is good, at most 604800 (7 days).") var seconds: Int64 = 900
        @Option(help: "Of a PUT: the only type that it may declare.") var type: String?
        @Option(help: "Of a PUT: as many bytes at most.") var most: Int64?
        @Option(help: "Of a PUT: whose the file is.") var user: String?
        func run() async throws {
            var body: [JSONMember] = [
                .init("method", .string(method.uppercased())), .init("key", .string(key)),
                .init("valid_for", JSON(seconds)),
            ]
            for (name, value) in [("content_type", type), ("user_id", user)] {
                if let value { body.append(.init(name, .string(value))) }
            }
            if let most { body.append(.init("size_max", JSON(most))) }
            let made = try await server.server().send("POST", "/v1/objects/presign", body: .object(body))
            server.print(made) { say($0["url"]?.text ?? "") }
        }
    }
}
