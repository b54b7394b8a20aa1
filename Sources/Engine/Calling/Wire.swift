public import AsyncHTTPClient
public import Kit
import NIOCore

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
        try await whole(
            StreamRequest(
                method: request.method, url: request.url, headers: request.headers,
                authorization: request.authorization, body: request.body.isEmpty ? .none : .bytes(request.body)),
            within: deadline)
    }
}
