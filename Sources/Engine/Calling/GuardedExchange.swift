import AsyncHTTPClient
import FoundationEssentials
import Kit
import NIOCore
import NIOHTTP1
import Synchronization

/// One answer being read: its head, and the start of its body.
///
/// The whole of a short body is read, so that the connection can be used again; a long one is cut off with it. The
/// deadline is for all of it, so that an answer that drips cannot hold a slot.
final class GuardedExchange: HTTPClientResponseDelegate {
    typealias Response = WireAnswer

    /// More than is read of any body has come: what was kept is the answer.
    private struct Enough: Error {}
    private struct Read {
        var head: HTTPResponseHead?
        var kept: [UInt8] = []
        var count = 0
    }
    private let read = Mutex(Read())
    private let limits: GuardedWire.Limits

    private init(limits: GuardedWire.Limits) { self.limits = limits }

    /// Sends and reads. Ends with the task that waits for it.
    static func run(
        _ method: HTTPMethod, _ body: [UInt8], _ headers: HTTPHeaders, at url: URL, by client: HTTPClient,
        until deadline: NIODeadline, limits: GuardedWire.Limits
    ) async throws -> WireAnswer {
        let request = try HTTPClient.Request(
            url: url, method: method, headers: headers, body: method == .GET ? nil : .bytes(body))
        let exchange = GuardedExchange(limits: limits)
        let task = client.execute(request: request, delegate: exchange, deadline: deadline)
        do {
            return try await withTaskCancellationHandler {
                try await task.futureResult.get()
            } onCancel: {
                task.cancel()
            }
        } catch is Enough {
            return exchange.answer
        }
    }

    private var answer: WireAnswer {
        read.withLock { read in
            WireAnswer(
                status: read.head.map { Int($0.status.code) } ?? 0,
                headers: read.head?.headers.map { Field($0.name, $0.value) } ?? [], body: read.kept)
        }
    }

    // MARK: Told by the client, one after the other

    func didReceiveHead(task: HTTPClient.Task<WireAnswer>, _ head: HTTPResponseHead) -> EventLoopFuture<Void> {
        read.withLock { $0.head = head }
        return task.eventLoop.makeSucceededVoidFuture()
    }

    func didReceiveBodyPart(task: HTTPClient.Task<WireAnswer>, _ buffer: ByteBuffer) -> EventLoopFuture<Void> {
        let isEnough = read.withLock { read in
            read.count += buffer.readableBytes
            if read.kept.count < limits.answerKept {
                read.kept += buffer.readableBytesView.prefix(limits.answerKept - read.kept.count)
            }
            return read.count > limits.answerRead
        }
        return isEnough
            ? task.eventLoop.makeFailedFuture(Enough()) : task.eventLoop.makeSucceededVoidFuture()
    }

    func didFinishRequest(task: HTTPClient.Task<WireAnswer>) throws -> WireAnswer { answer }
}
