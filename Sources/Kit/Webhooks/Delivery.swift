/// One inbound HTTP request to a webhook endpoint, as received.
public struct Delivery: Sendable {
    /// In upper case, as on the wire: `POST`.
    public let method: String
    /// Path and query exactly as they came; no parser has touched them, since some platforms sign them.
    public let target: String
    /// The whole address as the platform calls it, for schemes that sign it: from the settings, never from what the
    /// request or a proxy says. Nil where nobody needs it.
    public let url: String?
    /// In the order received; names may repeat.
    public let headers: [Field]
    /// Exactly as received; events are ranges of it.
    public let body: [UInt8]
    /// The server's clock when the body was complete. The only clock that a check uses.
    public let receivedAt: Timestamp

    /// What follows the first question mark of the target: what a delivery by GET says.
    public var query: [UInt8] { Array(target.utf8.drop { $0 != UInt8(ascii: "?") }.dropFirst()) }

    public init(
        method: String, target: String, url: String? = nil, headers: [Field], body: [UInt8], receivedAt: Timestamp
    ) {
        self.method = method
        self.target = target
        self.url = url
        self.headers = headers
        self.body = body
        self.receivedAt = receivedAt
    }
}
