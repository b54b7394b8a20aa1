import Crypto
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
    /// The name under which the platform knows this host.
    var host = "api"
    let running: @Sendable (Int) -> Void
    /// How the body of a request is taken, known from its head.
    var intake: @Sendable (SandboxRequest) -> Intake = { _ in .whole(atMost: Intake.usualMax) }
    let respond: Respond

    func run() async throws {
        let running = running
        let server = HummingbirdCore.Server(
            childChannelSetup: HTTP1Channel(
                responder: { request, writer, channel in
                    let base = "http://127.0.0.1:\(channel.localAddress?.port ?? 0)"
                    guard let answer = try await self.answer(request, base: base) else { throw Dropped() }
                    try await writer.write(
                        response: answer.head, body: .init(byteBuffer: ByteBuffer(bytes: answer.body)))
                }, configuration: .init(idleTimeout: .seconds(90))),
            configuration: .init(address: .hostname("127.0.0.1", port: port), serverName: nil),
            onServerRunning: { channel in running(channel.localAddress?.port ?? 0) },
            eventLoopGroup: MultiThreadedEventLoopGroup.singleton, logger: Logger.silent)
        try await server.run()
    }

    private struct Dropped: Error {}

    private func answer(_ request: Request, base: String) async throws -> SandboxAnswer? {
        let target = request.head.path ?? "/"
        let parts = target.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        var asked = SandboxRequest(
            method: request.method.rawValue, path: parts.first ?? "/", query: parts.count > 1 ? parts[1] : "",
            headers: [Field("Host", request.head.authority ?? "")]
                + request.headers.map { Field($0.name.rawName, $0.value) },
            base: base, host: host)
        switch intake(asked) {
        case .whole(let limit):
            guard let body = try await Self.whole(request, atMost: limit) else { return Self.tooLong(limit) }
            asked.body = body
        case .digested(let digest, let limit):
            guard let upload = try await Self.digested(request, from: digest, atMost: limit) else {
                return Self.tooLong(limit)
            }
            asked.upload = upload
        case .cut(let bytes):
            try await Self.skip(request, upTo: bytes)
            return nil
        }
        return await respond(asked)
    }

    private static func whole(_ request: Request, atMost limit: Int) async throws -> [UInt8]? {
        var body: [UInt8] = []
        for try await chunk in request.body {
            guard body.count + chunk.readableBytes <= limit else { return nil }
            body += chunk.readableBytesView
        }
        return body
    }

    private static func digested(
        _ request: Request, from digest: ContentDigest, atMost limit: Int
    ) async throws -> Upload? {
        var (upload, own) = (Upload(from: digest), SHA256())
        for try await chunk in request.body {
            upload.count += Int64(chunk.readableBytes)
            guard upload.count <= limit else { return nil }
            upload.digest.update(chunk.readableBytesView)
            chunk.withUnsafeReadableBytes { own.update(bufferPointer: $0) }
        }
        upload.sha256 = String(decoding: Hex.encode(Array(own.finalize())), as: UTF8.self)
        return upload
    }

    private static func skip(_ request: Request, upTo bytes: Int) async throws {
        var count = 0
        for try await chunk in request.body {
            count += chunk.readableBytes
            if count >= bytes { return }
        }
    }

    private static func tooLong(_ limit: Int) -> SandboxAnswer {
        SandboxAnswer(413, ["error": ["message": .string("The body is longer than \(limit) bytes.")]])
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
