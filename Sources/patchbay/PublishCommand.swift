import ArgumentParser
import Foundation
import Kit
import Synchronization

/// Publishes a file to connected accounts, and watches how it goes.
struct PublishCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "publish", abstract: "Publishes a file to connected accounts, and watches until it is over.",
        discussion: """
            The file is uploaded to this server first. What an account may choose says:
              GET /v1/connections/{id}/posting

            Examples:
              patchbay publish rye.mp4 --to conn_01kb2c3d4e5f6g7h8j9k0m1n2p --text "Rye is back" \
            --option privacy_level=PUBLIC_TO_EVERYONE
              patchbay publish rye.mp4 --to conn_01kb2c3d4e5f6g7h8j9k0m1n2p --option mode=inbox \
            --at 2026-12-01T09:00:00Z
            """)
    @OptionGroup var server: ServerOptions
    @Argument(help: "The file, an address that the platform fetches from, or obj_….") var file: String
    @Option(help: "An account: conn_…; may be repeated.") var to: [String]
    @Option(help: "The words that go with it.") var text: String?
    @Option(help: "Where the platform has one.") var title: String?
    @Option(help: "name=value, as the platform's page says; may be repeated.") var option: [String] = []
    @Option(help: "When: 2026-12-01T09:00:00Z. At once unless said.") var at: String?
    @Flag(help: "Answers when it is accepted, without watching.") var noWait = false

    /// Between two looks.
    private static let every = Duration.seconds(1)

    func run() async throws {
        guard !to.isEmpty else { throw Fault("Name an account with --to conn_….", code: 2) }
        let client = try server.server()
        let medium = try await medium(client)
        let options = try Self.options(option)
        var content: [JSONMember] = []
        if let text { content.append(.init("text", .string(text))) }
        if let title { content.append(.init("title", .string(title))) }
        var body: [JSONMember] = [
            .init("targets", .array(to.map { ["connection_id": .string($0), "options": options] })),
            .init("content", .object(content)), .init("media", [medium]),
        ]
        if let at { body.append(.init("publish_at", .string(at))) }
        let made = try await client.send(
            "POST", "/v1/publications", body: .object(body), headers: [("Idempotency-Key", UUID().uuidString)])
        let id = made["id"]?.text ?? ""
        note("\(id) is accepted.")
        let end = noWait || at != nil ? made : try await watch(id, client)
        server.print(end) { PublicationsCommand.show($0) }
        try Self.judge(end)
    }

    /// Text is text, numbers are numbers, true and false are what they say.
    static func options(_ pairs: [String]) throws -> JSON {
        .object(
            try pairs.map { pair in
                let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
                guard parts.count == 2, !parts[0].isEmpty else {
                    throw Fault("--option is written name=value, not \(pair).", code: 2)
                }
                let value: JSON =
                    switch parts[1] {
                    case "true": true
                    case "false": false
                    default: Int64(parts[1]).map { JSON($0) } ?? .string(parts[1])
                    }
                return JSONMember(parts[0], value)
            })
    }

    private func medium(_ client: APIClient) async throws -> JSON {
        if file.hasPrefix("obj_") { return ["object_id": .string(file)] }
        if file.hasPrefix("https://") || file.hasPrefix("http://") { return ["url": .string(file)] }
        let shown = Shown()
        let parts = try FileParts(file) { sent in shown.tell(sent) }
        shown.total = parts.count
        let name = String(file.split(separator: "/").last ?? "")
        let made = try await client.upload("POST", "/v1/objects", query: [("name", name)], file: parts)
        note("\(made["id"]?.text ?? "") holds the file: \(made["kind"]?.text ?? ""), \(parts.count) bytes.")
        return ["object_id": made["id"] ?? .null]
    }

    private func watch(_ id: String, _ client: APIClient) async throws -> JSON {
        var last = ""
        while true {
            let found = try await client.send("GET", "/v1/publications/\(APIClient.encoded(id))")
            let targets = found["targets"]?.elements ?? []
            let line = targets.map(PublicationsCommand.line).joined(separator: "\n")
            if line != last { note(line) }
            last = line
            let live = ["scheduled", "waiting", "uploading", "processing"]
            if !targets.contains(where: { live.contains($0["state"]?.text ?? "") }) { return found }
            try await Task.sleep(for: Self.every)
        }
    }

    /// 4 where a person must look, 1 where something failed.
    private static func judge(_ publication: JSON) throws {
        let states = (publication["targets"]?.elements ?? []).compactMap { $0["state"]?.text }
        if states.contains("unknown") {
            throw Fault(
                "Nobody knows whether it was published. Look at the account, then: patchbay publications decide "
                    + (publication["id"]?.text ?? ""), code: 4)
        }
        if states.contains("failed") { throw Fault("It could not be published everywhere.", code: 1) }
    }
}

/// How much of a file has gone out, told now and then.
private final class Shown: Sendable {
    private let state = Mutex((total: Int64(0), told: Int64(-1)))
    var total: Int64 {
        get { state.withLock { $0.total } }
        set { state.withLock { $0.total = newValue } }
    }

    func tell(_ sent: Int64) {
        let percent = state.withLock { state -> Int64? in
            guard state.total > 0 else { return nil }
            let tenth = sent * 10 / state.total
            guard tenth > state.told else { return nil }
            state.told = tenth
            return tenth * 10
        }
        if let percent { note("Uploads: \(percent) %") }
    }
}
