/// A proof that no table describes, as pure functions.
public struct WebhookProof: Sendable {
    /// As people call it: `HMAC-SHA1`.
    public let name: String
    /// The headers that carry it; empty where it stands in the body.
    public let headers: [String]
    /// Proves the signature, or throws; gives the time that it covers, where it covers one.
    public let prove: @Sendable (Delivery, [WebhookSecret]) throws(Forged) -> Timestamp?
    /// Makes a request of this content, signed with the first of these secrets, as the platform would.
    public let sign: @Sendable (WebhookDraft, [WebhookSecret], Timestamp) -> WebhookDraft

    public init(
        _ name: String, headers: [String],
        prove: @escaping @Sendable (Delivery, [WebhookSecret]) throws(Forged) -> Timestamp?,
        sign: @escaping @Sendable (WebhookDraft, [WebhookSecret], Timestamp) -> WebhookDraft
    ) {
        self.name = name
        self.headers = headers
        self.prove = prove
        self.sign = sign
    }
}

/// A webhook on its way to being sent: for the trigger, the demo, a test.
public struct WebhookDraft: Sendable, Equatable {
    /// The whole address.
    public var url: String
    public var headers: [Field]
    public var body: [UInt8]

    public init(url: String, headers: [Field], body: [UInt8]) {
        self.url = url
        self.headers = headers
        self.body = body
    }
}

extension Delivery {
    /// The one value under a header's name that the proof needs.
    public func theOnly(_ header: String, atMost limit: Int = HMACScheme.longestHeader) throws(Forged) -> String {
        var found: String?
        for field in headers where field.name.isSameHeader(as: header) {
            guard found == nil else { throw .repeated(header: header) }
            found = field.value
        }
        guard let value = found, !value.isEmpty else { throw .missing(header: header) }
        guard value.utf8.count <= limit else {
            throw .malformed(header: header, problem: "is longer than \(limit) bytes")
        }
        return value
    }

    /// The type of the body in small letters, without its parameters: `application/json`.
    public var contentType: String? {
        headers["Content-Type"].map { value in
            String(value.prefix { $0 != ";" }).lowercased().filter { $0 != " " }
        }
    }
}
