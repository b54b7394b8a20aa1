import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization

@testable import Engine

/// An HTTP server of the test's own: keeps what it is sent and answers what it is told to.
final class Sink: Sendable {
    struct Received: Sendable {
        let uri: String
        let headers: HTTPHeaders
        let body: [UInt8]

        var id: String { headers.first(name: "webhook-id") ?? "" }
    }
    enum Reply: Sendable {
        case status(Int, [(String, String)] = [], body: String = "")
        /// Nothing, ever.
        case hang
        /// Closes in the middle of the answer.
        case breakOff
        /// Sends without end.
        case endless
    }

    let bell = Bell()
    private let received = Mutex<[Received]>([])
    private let connections = Mutex(0)
    private let listener = Mutex<(any Channel)?>(nil)
    private let reply: @Sendable (Received, Int) -> Reply

    /// - Parameter reply: given the request and how many came before it.
    init(reply: @escaping @Sendable (Received, Int) -> Reply = { _, _ in .status(200) }) { self.reply = reply }

    var all: [Received] { received.withLock { $0 } }
    var connected: Int { connections.withLock { $0 } }
    var port: Int { listener.withLock { $0?.localAddress?.port ?? 0 } }
    var url: String { "http://127.0.0.1:\(port)/hook" }

    func start(host: String = "127.0.0.1", port: Int = 0) async throws {
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.backlog, value: 256)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                self.connections.withLock { $0 += 1 }
                return channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                    try channel.pipeline.syncOperations.addHandler(SinkHandler(self))
                }
            }
            .bind(host: host, port: port).get()
        listener.withLock { $0 = channel }
    }

    /// Starts at an address, and another at the same port of 127.0.0.1. A port that is free at one may be somebody's
    /// at the other: then the next.
    func start(host: String, beside other: Sink) async throws {
        for attempt in 1...50 {
            try await start(host: host)
            do { return try await other.start(port: port) } catch {
                guard attempt < 50 else { throw error }
                try await stop()
            }
        }
    }

    func stop() async throws {
        let channel = listener.withLock { $0 }
        try await channel?.close()
    }

    /// Returns when so many requests have come.
    func wait(for count: Int) async {
        while !Task.isCancelled {
            let seen = bell.rings
            if received.withLock({ $0.count }) >= count { return }
            await bell.wait(since: seen)
        }
    }

    fileprivate func receive(_ request: Received) -> Reply {
        let before = received.withLock { received in
            received.append(request)
            return received.count - 1
        }
        defer { bell.ring() }
        return reply(request, before)
    }
}

private final class SinkHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let sink: Sink
    private var head: HTTPRequestHead?
    private var body: [UInt8] = []

    init(_ sink: Sink) { self.sink = sink }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            self.head = head
            body = []
        case .body(let buffer): body += buffer.readableBytesView
        case .end:
            guard let head else { return }
            answer(sink.receive(.init(uri: head.uri, headers: head.headers, body: body)), context)
        }
    }

    private func answer(_ reply: Sink.Reply, _ context: ChannelHandlerContext) {
        switch reply {
        case .hang: break
        case .breakOff:
            let head = HTTPResponseHead(version: .http1_1, status: .ok, headers: ["content-length": "100"])
            context.writeAndFlush(wrapOutboundOut(.head(head)), promise: nil)
            context.close(promise: nil)
        case .endless:
            context.write(wrapOutboundOut(.head(HTTPResponseHead(version: .http1_1, status: .ok))), promise: nil)
            Self.pour(context.channel)
        case .status(let status, let fields, let text):
            var headers = HTTPHeaders(fields)
            headers.add(name: "content-length", value: String(text.utf8.count))
            let head = HTTPResponseHead(version: .http1_1, status: .init(statusCode: status), headers: headers)
            context.write(wrapOutboundOut(.head(head)), promise: nil)
            context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: text)))), promise: nil)
            context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        }
    }

    private static func pour(_ channel: any Channel) {
        guard channel.isActive else { return }
        let part = HTTPServerResponsePart.body(.byteBuffer(ByteBuffer(repeating: 120, count: 8192)))
        channel.writeAndFlush(part).whenSuccess { pour(channel) }
    }
}
