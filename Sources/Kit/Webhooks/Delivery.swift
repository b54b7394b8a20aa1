/// One inbound HTTP request to a webhook endpoint, as received.
public struct Delivery: Sendable {
    /// In upper case, as on the wire: `POST`.
    public let method: String
    /// Path and query exactly as they came; no parser has touched them, since some platforms sign them.
    public let target: String
    /// In the order received; names may repeat.
    public let headers: [Field]
    /// Exactly as received; events are ranges of it.
    public let body: [UInt8]
    /// The server's clock when the body was complete. The only clock that a check uses.
    public let receivedAt: Timestamp

    public init(method: String, target: String, headers: [Field], body: [UInt8], receivedAt: Timestamp) {
        self.method = method
        self.target = target
        self.headers = headers
        self.body = body
        self.receivedAt = receivedAt
    }
}
