/// A platform that knows what its events look like: one sample of each documented type.
public protocol SampleSource: WebhookSource {
    var samples: [WebhookSample] { get }
}

/// One event as the platform would send it, whole and in its newest shape.
public struct WebhookSample: Sendable {
    /// What a sample is made with.
    public struct Ingredients: Sendable {
        /// Draws an id that begins so.
        public let id: @Sendable (_ prefix: String) -> String
        /// Draws an id of so many digits.
        public let digits: @Sendable (_ count: Int) -> String
        /// When it happened.
        public let at: Timestamp

        public init(
            id: @escaping @Sendable (String) -> String, digits: @escaping @Sendable (Int) -> String, at: Timestamp
        ) {
            self.id = id
            self.digits = digits
            self.at = at
        }
    }

    /// What a request carries, before it is signed.
    public enum Content: Sendable {
        case json(JSON)
        case form([Field])
        case xml(String)

        /// As a request without its signature.
        public func draft(to url: String) -> WebhookDraft {
            let (type, body): (String, [UInt8]) =
                switch self {
                case .json(let json): ("application/json", json.bytes)
                case .form(let fields): ("application/x-www-form-urlencoded", FormFields.encoded(fields))
                case .xml(let text): ("application/xml", Array(text.utf8))
                }
            return WebhookDraft(url: url, headers: [Field("Content-Type", type)], body: body)
        }
    }

    /// The type as the event log names it.
    public let type: String
    public let content: @Sendable (Ingredients) -> Content

    public init(_ type: String, _ content: @escaping @Sendable (Ingredients) -> Content) {
        self.type = type
        self.content = content
    }
}
