import AsyncHTTPClient
import Kit
import NIOCore
import NIOHTTP1
import TestSupport
import Testing

@testable import Engine

/// A process may stand still anywhere between the journal and the network: in the pool, while it resolves, connects
/// and shakes hands.
@Suite("The permit to send, at a real socket")
struct SendPermitTests {
    private static let text = Array(#"{"source_info":{}}"#.utf8)

    private func body(_ isStream: Bool) -> StreamRequest.Body {
        guard isStream else { return .bytes(Self.text) }
        let parts = AsyncThrowingStream<ByteBuffer, any Error> { continuation in
            continuation.yield(ByteBuffer(bytes: Self.text))
            continuation.finish()
        }
        return .stream(parts, length: Int64(Self.text.count))
    }

    /// Sends to a server of our own; when the connection stands, so much time passes.
    private func send(_ isStream: Bool, stops: Duration) async throws -> (answer: Result<Int, any Error>, sink: Sink) {
        let (sink, clock) = (Sink(), SleepersClock())
        try await sink.start()
        var configuration = HTTPWire.configuration
        configuration.http1_1ConnectionDebugInitializer = { channel in
            clock.advance(stops)
            return channel.eventLoop.makeSucceededVoidFuture()
        }
        let client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
        var request = StreamRequest(
            method: .post, url: sink.url, headers: [], authorization: Secret([]), body: body(isStream))
        request.permit = SendPermit(issued: clock.source.uptime(), uptime: clock.source.uptime)
        let answer: Result<Int, any Error>
        do {
            let head = try await HTTPWire(client: client).send(request, within: .seconds(60))
            try await head.pass { _ in }
            answer = .success(head.status)
        } catch { answer = .failure(error) }
        try await client.shutdown()
        try await sink.stop()
        return (answer, sink)
    }

    @Test("what stands still once it is connected does not send what takes effect", arguments: [true, false])
    func stopped(isStream: Bool) async throws {
        let (answer, sink) = try await send(isStream, stops: .seconds(3))
        #expect(throws: PermitOver.self) { try answer.get() }
        #expect(sink.connected == 1 && sink.all.isEmpty)
    }

    @Test("in time it is sent whole", arguments: [true, false])
    func inTime(isStream: Bool) async throws {
        let (answer, sink) = try await send(isStream, stops: .seconds(1))
        #expect(try answer.get() == 200)
        #expect(sink.all.map(\.body) == [Self.text])
        #expect(sink.all.first?.headers.first(name: "content-length") == String(Self.text.count))
    }
}
