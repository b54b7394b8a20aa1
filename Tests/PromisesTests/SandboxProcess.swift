import AsyncHTTPClient
import Foundation
import Kit
import NIOCore
import NIOHTTP1

/// `patchbay sandbox` as a process of its own: started, spoken to, killed.
final class SandboxProcess: @unchecked Sendable {  // The test is its only user; requests only read.
    private let flags: [String]
    private var process: ChildProcess?
    private let output = FileManager.default.temporaryDirectory.appendingPathComponent("sandbox-\(UUID().uuidString)")
    private(set) var told = JSON.null

    init(_ flags: [String]) { self.flags = flags }
    deinit {
        crash()
        try? FileManager.default.removeItem(at: output)  // A leftover log harms nobody.
    }

    var control: String { told["control"]?.text ?? "" }
    var base: String { told["stripe", "base_url"]?.text ?? "" }
    var key: String { told["stripe", "secret_key"]?.text ?? "" }

    /// Waits for its line.
    func start() async throws {
        try Data().write(to: output)
        process = try ChildProcess(
            ServerProcess.binary.path, ["sandbox"] + flags,
            environment: ["PATH": "/usr/bin:/bin", "SWIFT_BACKTRACE": "enable=no"], output: output.path)
        for _ in 0..<6000 {
            let text = try String(contentsOf: output, encoding: .utf8)
            if text.hasSuffix("\n"), let line = text.split(separator: "\n").first, line.hasPrefix("{") {
                told = try JSON.parse(String(line))
                return
            }
            guard process?.isRunning == true else { throw ServerDied(log: text) }
            try await Task.sleep(for: .milliseconds(10))
        }
        throw ServerDied(log: "the sandbox was not ready after a minute")
    }

    func crash() {
        process?.signal(SIGKILL)
        process?.wait()
    }

    /// Ends it in order. Its exit status.
    func stop() -> Int32 {
        process?.signal(SIGTERM)
        return process?.wait() ?? -1
    }

    /// A call to the simulated Stripe.
    func stripe(_ method: HTTPMethod, _ path: String, _ form: String = "") async throws -> JSON {
        try await send(method, base + path, form, [("Authorization", "Bearer \(key)")])
    }
    func tell(_ method: HTTPMethod, _ path: String, _ body: String = "") async throws -> JSON {
        try await send(method, control + path, body, [])
    }

    /// An address where nobody listens any more is told at once.
    private static let client: HTTPClient = {
        var configuration = HTTPClient.Configuration()
        configuration.connectionPool.retryConnectionEstablishment = false
        return HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }()

    private func send(
        _ method: HTTPMethod, _ url: String, _ body: String, _ headers: [(String, String)]
    ) async throws -> JSON {
        var request = HTTPClientRequest(url: url)
        request.method = method
        for (name, value) in headers { request.headers.add(name: name, value: value) }
        if !body.isEmpty { request.body = .bytes(ByteBuffer(string: body)) }
        let answer = try await Self.client.execute(request, timeout: .seconds(20))
        let bytes = Array(try await answer.body.collect(upTo: 8 << 20).readableBytesView)
        return bytes.isEmpty ? .null : try JSON.parse(bytes)
    }
}
