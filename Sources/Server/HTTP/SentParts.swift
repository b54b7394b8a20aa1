import Hummingbird
import Kit
import NIOCore

/// A form with files, as a request's body brings it.
typealias SentParts = FormParts<BodyBytes>

/// A request's body, a piece at a time.
struct BodyBytes: AsyncIteratorProtocol {
    private var body: RequestBody.AsyncIterator

    init(_ body: RequestBody) { self.body = body.makeAsyncIterator() }

    mutating func next() async throws -> [UInt8]? { try await body.next().map { Array($0.readableBytesView) } }
}

extension SentParts {
    /// Gives the current part's bytes to whoever takes a body, as they come.
    mutating func pass<Value: Sendable>(
        to taker: @escaping @Sendable (RequestBody) async throws -> Value
    ) async throws -> Value {
        let (body, source) = RequestBody.makeStream()
        async let taken = taker(body)
        do {
            while let piece = try await piece() { await source.yield(ByteBuffer(bytes: piece)) }
            source.finish()
        } catch {
            source.finish(error)
            _ = try? await taken  // It says the same less well.
            throw error
        }
        return try await taken
    }
}
