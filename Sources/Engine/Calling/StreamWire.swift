import AsyncHTTPClient
public import Kit
public import NIOCore
import NIOHTTP1

/// A request whose body and answer are passed on as they come: neither is ever whole in memory.
public struct StreamRequest: Sendable {
    public enum Body: Sendable {
        case none
        /// Small enough to be sent again.
        case bytes([UInt8])
        case stream(any AsyncSequence<ByteBuffer, any Error> & Sendable, length: Int64?)
    }

    public let method: Outgoing.Method
    public let url: String
    public let headers: [Field]
    /// Empty where the address authorizes by itself.
    public let authorization: Secret
    public let body: Body
    /// Without which it must not be sent, where there is one. It is looked at before the first byte of the body, when
    /// the connection stands: what has no whole body does nothing.
    public var permit: SendPermit?

    public init(method: Outgoing.Method, url: String, headers: [Field], authorization: Secret, body: Body) {
        self.method = method
        self.url = url
        self.headers = headers
        self.authorization = authorization
        self.body = body
    }
}

/// The head of an answer, and its body to come.
public struct StreamAnswer: Sendable {
    public let status: Int
    public let headers: [Field]
    /// Gives the body's parts one by one; the next is read when the one before was taken.
    public let pass: @Sendable ((ByteBuffer) async throws -> Void) async throws -> Void

    public init(
        status: Int, headers: [Field],
        pass: @escaping @Sendable ((ByteBuffer) async throws -> Void) async throws -> Void
    ) {
        self.status = status
        self.headers = headers
        self.pass = pass
    }
}

/// The network for bodies of any size. Tests give a fake.
public protocol StreamWire: Sendable {
    /// Sends once, follows no redirect. Returns with the answer's head.
    func send(_ request: StreamRequest, within deadline: Duration) async throws -> StreamAnswer
}

extension StreamWire {
    /// The answer with its body, all within the deadline: the client's own ends with the answer's head.
    func whole(_ request: StreamRequest, within deadline: Duration) async throws -> Answer {
        try await withThrowingTaskGroup(of: Answer.self) { group in
            group.addTask {
                let answer = try await send(request, within: deadline)
                var kept: [UInt8] = []
                try await answer.pass { part in
                    guard kept.count + part.readableBytes <= HTTPWire.answerMax else { throw WireFailure.notHTTP }
                    kept += part.readableBytesView
                }
                return Answer(status: answer.status, headers: answer.headers, body: kept)
            }
            group.addTask {
                try await Task.sleep(for: deadline)
                throw WireFailure.timeout
            }
            defer { group.cancelAll() }
            guard let answer = try await group.next() else { throw WireFailure.timeout }
            return answer
        }
    }
}

extension HTTPWire: StreamWire {
    public func send(_ request: StreamRequest, within deadline: Duration) async throws -> StreamAnswer {
        var outgoing = HTTPClientRequest(url: request.url)
        outgoing.method = .init(rawValue: request.method.rawValue)
        for field in request.headers { outgoing.headers.add(name: field.name, value: field.value) }
        if !request.authorization.isEmpty {
            outgoing.headers.add(
                name: "Authorization", value: request.authorization.reveal { String(decoding: $0, as: UTF8.self) })
        }
        switch (request.body, request.permit) {
        // Without a body the head is all: nothing can be held back behind it.
        case (.none, let permit): try permit?.check()
        case (.bytes(let bytes), nil): outgoing.body = .bytes(ByteBuffer(bytes: bytes))
        case (.bytes(let bytes), let permit?):
            let part = AsyncThrowingStream<ByteBuffer, any Error> { continuation in
                continuation.yield(ByteBuffer(bytes: bytes))
                continuation.finish()
            }
            outgoing.body = .stream(Permitted(base: part, permit: permit), length: .known(Int64(bytes.count)))
        case (.stream(let parts, let length), let permit):
            let length = length.map { HTTPClientRequest.Body.Length.known($0) } ?? .unknown
            outgoing.body = body(parts, length, permit)
        }
        let answer = try await client.execute(outgoing, timeout: .nanoseconds(deadline.microseconds * 1000))
        return StreamAnswer(
            status: Int(answer.status.code), headers: answer.headers.map { Field($0.name, $0.value) }
        ) { take in
            for try await part in answer.body { try await take(part) }
        }
    }

    private func body(
        _ parts: some AsyncSequence<ByteBuffer, any Error> & Sendable, _ length: HTTPClientRequest.Body.Length,
        _ permit: SendPermit?
    ) -> HTTPClientRequest.Body {
        let paced = Paced(base: parts, group: client.eventLoopGroup)
        guard let permit else { return .stream(paced, length: length) }
        return .stream(Permitted(base: paced, permit: permit), length: length)
    }
}

/// A body whose first part needs a permit: the client asks for it when the connection stands and the head is out.
private struct Permitted<Base: AsyncSequence & Sendable>: AsyncSequence, Sendable
where Base.Element == ByteBuffer, Base.Failure == any Error {
    let base: Base
    let permit: SendPermit

    struct AsyncIterator: AsyncIteratorProtocol {
        var base: Base.AsyncIterator
        var permit: SendPermit?

        mutating func next() async throws -> ByteBuffer? {
            // First read, then looked at: a slow disk takes time too.
            let part = try await base.next()
            try permit?.check()
            permit = nil
            return part
        }
    }

    func makeAsyncIterator() -> AsyncIterator { AsyncIterator(base: base.makeAsyncIterator(), permit: permit) }
}

/// A body that never runs ahead of the network.
///
/// The client takes parts until the connection says that it is full, and the connection says so on its event loop: a
/// source that is faster than the loop would be in memory whole by then. So every megabyte waits until the loops have
/// done what they were given.
private struct Paced<Base: AsyncSequence & Sendable>: AsyncSequence, Sendable
where Base.Element == ByteBuffer, Base.Failure == any Error {
    let base: Base
    let group: any EventLoopGroup

    struct AsyncIterator: AsyncIteratorProtocol {
        private static var step: Int { 1 << 20 }
        private var base: Base.AsyncIterator
        private let group: any EventLoopGroup
        private var ahead = 0

        init(_ base: Base.AsyncIterator, _ group: any EventLoopGroup) {
            self.base = base
            self.group = group
        }

        mutating func next() async throws -> ByteBuffer? {
            if ahead >= Self.step {
                for loop in group.makeIterator() { try await loop.submit {}.get() }
                ahead = 0
            }
            let part = try await base.next()
            ahead += part?.readableBytes ?? 0
            return part
        }
    }

    func makeAsyncIterator() -> AsyncIterator { AsyncIterator(base.makeAsyncIterator(), group) }
}
