public import AsyncHTTPClient
public import Kit
import NIOCore
import NIOHTTP1

/// One request with all that it needs, ready for the network.
public struct WireRequest: Sendable {
    public let method: Outgoing.Method
    public let url: String
    public let headers: [Field]
    /// Empty where nothing is sent with it.
    public var body: [UInt8] = []
    /// The value of `Authorization`, empty for none; kept apart so that no log shows it.
    public let authorization: Secret

    public init(
        method: Outgoing.Method, url: String, headers: [Field] = [], body: [UInt8] = [],
        authorization: Secret = Secret([])
    ) {
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
        self.authorization = authorization
    }
}

/// The network, as the caller sees it. Tests give a fake.
public protocol Wire: Sendable {
    /// Sends once, follows no redirect, and reads the whole answer.
    /// - Throws: anything, when no whole answer came within the deadline.
    func send(_ request: WireRequest, within deadline: Duration) async throws -> Answer
}

/// The network itself.
public struct HTTPWire: Wire {
    /// In bytes. A larger answer is refused: nothing that we ask for comes near it.
    public static let answerMax = 4 << 20

    let client: HTTPClient

    /// - Parameter client: made with `configuration`; whoever made it shuts it down.
    public init(client: HTTPClient) { self.client = client }

    /// An answer that points elsewhere is an answer: the key goes to one host only.
    public static var configuration: HTTPClient.Configuration {
        var configuration = HTTPClient.Configuration(
            redirectConfiguration: .disallow, timeout: .init(connect: .seconds(5), read: .seconds(20)))
        // A host that refuses says so at once, and that nothing was sent: tried again silently until the deadline, it
        // would look like a call of which nobody knows whether it left.
        configuration.connectionPool.retryConnectionEstablishment = false
        return configuration
    }

    public func send(_ request: WireRequest, within deadline: Duration) async throws -> Answer {
        var outgoing = HTTPClientRequest(url: request.url)
        outgoing.method = .init(rawValue: request.method.rawValue)
        for field in request.headers { outgoing.headers.add(name: field.name, value: field.value) }
        if !request.authorization.isEmpty {
            outgoing.headers.add(
                name: "Authorization", value: request.authorization.reveal { String(decoding: $0, as: UTF8.self) })
        }
        if !request.body.isEmpty { outgoing.body = .bytes(ByteBuffer(bytes: request.body)) }
        let sent = outgoing
        // The client's own deadline ends with the head of the answer; this one holds for its body too.
        return try await withThrowingTaskGroup(of: Answer.self) { group in
            group.addTask {
                let answer = try await client.execute(sent, timeout: .nanoseconds(deadline.microseconds * 1000))
                let body = try await answer.body.collect(upTo: Self.answerMax)
                return Answer(
                    status: Int(answer.status.code), headers: answer.headers.map { Field($0.name, $0.value) },
                    body: Array(body.readableBytesView))
            }
            group.addTask {
                try await Task.sleep(for: deadline)
                throw DeadlinePassed()
            }
            defer { group.cancelAll() }
            guard let answer = try await group.next() else { throw DeadlinePassed() }
            return answer
        }
    }

    private struct DeadlinePassed: Error {}
}
