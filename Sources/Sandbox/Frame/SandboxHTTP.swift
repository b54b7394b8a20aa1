import HTTPTypes
import HummingbirdCore
import Kit
import Logging
import NIOCore
import NIOPosix
import ServiceLifecycle

/// One port on loopback.
struct SandboxHTTP: Service {
    /// Nil closes the connection without an answer.
    typealias Respond = @Sendable (SandboxRequest) async -> SandboxAnswer?

    let port: Int
    let running: @Sendable (Int) -> Void
    let respond: Respond

    /// No simulated platform takes more in one request.
    static let bodyMax = 4 << 20

    func run() async throws {
        let (respond, running) = (respond, running)
        let server = HummingbirdCore.Server(
            childChannelSetup: HTTP1Channel(
                responder: { request, writer, channel in
                    let answer = try await Self.answer(
                        request, base: "http://127.0.0.1:\(channel.localAddress?.port ?? 0)", respond)
                    guard let answer else { throw Dropped() }
                    try await writer.write(
                        response: answer.head, body: .init(byteBuffer: ByteBuffer(bytes: answer.body)))
                }, configuration: .init(idleTimeout: .seconds(90))),
            configuration: .init(address: .hostname("127.0.0.1", port: port), serverName: nil),
            onServerRunning: { channel in running(channel.localAddress?.port ?? 0) },
            eventLoopGroup: MultiThreadedEventLoopGroup.singleton, logger: Logger.silent)
        try await server.run()
    }

    private struct Dropped: Error {}

    private static func answer(_ request: Request, base: String, _ respond: Respond) async throws -> SandboxAnswer? {
        var body: [UInt8] = []
        for try await chunk in request.body {
            guard body.count + chunk.readableBytes <= bodyMax else {
                return SandboxAnswer(413, ["error": ["message": "The body is longer than 4 MiB."]])
            }
            body += chunk.readableBytesView
        }
        let target = request.head.path ?? "/"
        let parts = target.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        return await respond(
            SandboxRequest(
                method: request.method.rawValue, path: parts.first ?? "/", query: parts.count > 1 ? parts[1] : "",
                headers: [Field("Host", request.head.authority ?? "")]
                    + request.headers.map { Field($0.name.rawName, $0.value) },
                body: body, base: base))
    }
}

extension SandboxAnswer {
    fileprivate var head: HTTPResponse {
        var fields = HTTPFields()
        for header in headers {
            if let name = HTTPField.Name(header.name) { fields.append(HTTPField(name: name, value: header.value)) }
        }
        fields[.contentLength] = String(body.count)
        return HTTPResponse(status: .init(code: status), headerFields: fields)
    }
}

extension Logger {
    /// The HTTP server's own remarks are about connections, which the sandbox breaks on purpose.
    static var silent: Logger { Logger(label: "sandbox") { _ in SwiftLogNoOpLogHandler() } }
}
