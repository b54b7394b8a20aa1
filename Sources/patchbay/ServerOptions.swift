import ArgumentParser
import Foundation
import Kit

/// Which server a verb talks to, and how it shows the answer.
struct ServerOptions: ParsableArguments {
    @Option(help: "The server's address; else PATCHBAY_URL, else http://127.0.0.1:8484. The key is PATCHBAY_API_KEY.")
    var url: String?
    @Flag(help: "Prints JSON, as the API answers it.")
    var json = false

    /// The address, without a slash at its end.
    var base: String {
        get throws {
            let base = url ?? ProcessInfo.processInfo.environment["PATCHBAY_URL"] ?? "http://127.0.0.1:8484"
            guard base.hasPrefix("http://") || base.hasPrefix("https://") else {
                throw Fault("\(base) is no address of a server. Example: --url http://127.0.0.1:8484", code: 2)
            }
            return base.hasSuffix("/") ? String(base.dropLast()) : base
        }
    }

    func server() throws -> APIClient {
        let environment = ProcessInfo.processInfo.environment
        guard let key = environment["PATCHBAY_API_KEY"], !key.isEmpty else {
            throw Fault("PATCHBAY_API_KEY is not set. Make a key with: patchbay keys create --scope admin", code: 2)
        }
        return APIClient(base: try base, key: Secret(key))
    }

    /// Asks, and shows the answer: whole as JSON, else by `show`.
    func show(
        _ method: String, _ path: String, query: [(String, String?)] = [], body: JSON? = nil,
        headers: [(String, String)] = [], by show: (JSON) -> Void = Table.print
    ) async throws {
        print(try await server().send(method, path, query: query, body: body, headers: headers), show)
    }

    /// Prints an answer: whole as JSON, or by `show`.
    func print(_ answer: JSON, _ show: (JSON) -> Void) {
        if json { say(String(decoding: answer.bytes, as: UTF8.self)) } else { show(answer) }
    }
}

/// What lists take.
struct PageOptions: ParsableArguments {
    @Option(help: "Rows, from 1 to 100.")
    var limit = 20
    @Option(help: "From next_cursor of the page before, with the same filters.")
    var cursor: String?
    @Option(help: "Only what came to be after this time, such as 2026-11-28T10:00:00Z.")
    var after: String?
    @Option(help: "Only what came to be before this time.")
    var before: String?

    var query: [(String, String?)] {
        [("limit", String(limit)), ("cursor", cursor), ("created_after", after), ("created_before", before)]
    }
}
