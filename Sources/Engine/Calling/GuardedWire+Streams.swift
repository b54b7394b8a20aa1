import AsyncHTTPClient
import Kit
import NIOCore
import NIOPosix

/// Bodies of any size to addresses that a platform's answers name.
extension GuardedWire: StreamWire {
    /// More is no answer of a place that only takes bytes.
    private static let streamedAnswerMax = 1 << 20

    /// Sends once, to an address that was checked. The answer is read before it is given: its connection is given back
    /// then.
    ///
    /// - Throws: `WireFailure.refusedAddress` before anything is dialled; what the network throws.
    public func send(_ request: StreamRequest, within deadline: Duration) async throws -> StreamAnswer {
        let target = try target(request.url)
        let ends = NIODeadline.now() + TimeAmount(deadline)
        var moved = StreamRequest(
            method: request.method, url: target.url.dialled, headers: request.headers,
            authorization: request.authorization, body: request.body)
        moved.permit = request.permit
        var problem: any Error = WireFailure.unresolvable
        for address in try await addresses(of: target.url.host) {
            do {
                return try await clients.with(target.url, address) { [moved] client in
                    try await Self.whole(HTTPWire(client: client).send(moved, within: deadline))
                }
            } catch {
                problem = error
                // Only where no connection was made nothing of the body was read.
                let isUnmade = error is NIOConnectionError || (error as? HTTPClientError) == .connectTimeout
                guard isUnmade, NIODeadline.now() < ends else { break }
            }
        }
        forget(target.url.host)
        throw problem
    }

    private static func whole(_ answer: StreamAnswer) async throws -> StreamAnswer {
        var body = ByteBuffer()
        try await answer.pass { part in
            guard body.readableBytes + part.readableBytes <= streamedAnswerMax else { throw WireFailure.notHTTP }
            body.writeImmutableBuffer(part)
        }
        return StreamAnswer(status: answer.status, headers: answer.headers) { [body] take in try await take(body) }
    }
}
