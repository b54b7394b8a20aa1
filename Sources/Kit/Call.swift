/// One HTTP exchange with a provider: described here, sent only by the engine's caller.
public struct Call<Output: Sendable>: Sendable {
    public let outgoing: Outgoing
    /// Reads a successful answer.
    public let read: @Sendable (Answer) throws(Unreadable) -> Output

    public init(_ outgoing: Outgoing, read: @escaping @Sendable (Answer) throws(Unreadable) -> Output) {
        self.outgoing = outgoing
        self.read = read
    }
}

/// What is to be sent, without what authorizes it: a plain value that a test compares and a log prints.
public struct Outgoing: Sendable, Equatable {
    public enum Method: String, Sendable, CaseIterable {
        case get = "GET", head = "HEAD", post = "POST", put = "PUT", patch = "PATCH", delete = "DELETE"
    }

    public let method: Method
    public let path: Path
    public let headers: [Field]
    /// Empty where nothing is sent with it.
    public let body: [UInt8]
    /// From the first byte sent to the last byte read, all attempts together.
    public let deadline: Duration
    /// What it takes of the platform's quotas.
    public let spends: [Spending]
    public let repeating: Repetition
    public var host = CallHost.api
    /// Sent instead of `body`, where there is one.
    public var part: ObjectPart?

    /// - Parameter repeating: nil for what the method says: what only reads may be sent again, what writes may not.
    public init(
        _ method: Method, _ path: Path, headers: [Field] = [], body: [UInt8] = [],
        within deadline: Duration = .seconds(20), spends: [Spending] = [], repeating: Repetition? = nil
    ) {
        self.method = method
        self.path = path
        self.headers = headers
        self.body = body
        self.deadline = deadline
        self.spends = spends
        self.repeating = repeating ?? (method == .get || method == .head ? .always : .never)
    }

    /// The same with a JSON body.
    public init(
        _ method: Method, _ path: Path, json: JSON, within deadline: Duration = .seconds(20), spends: [Spending] = [],
        repeating: Repetition? = nil
    ) {
        self.init(
            method, path, headers: [Field("Content-Type", "application/json; charset=UTF-8")], body: json.bytes,
            within: deadline, spends: spends, repeating: repeating)
    }
}

/// Whether a call may be sent again when nobody knows what became of it.
public enum Repetition: Sendable, Equatable {
    /// It changes nothing, or the same thing once.
    case always
    /// It carries a key by which the platform tells a repetition, in this header. In steps the key is made by the
    /// engine, and counts for half of the time that the platform remembers it.
    case withKey(header: String, remembered: Duration = .hours(24))
    /// Never: a second one would have a second effect.
    case never
}

/// What came back.
public struct Answer: Sendable, Equatable {
    public let status: Int
    public let headers: [Field]
    public let body: [UInt8]

    public init(status: Int, headers: [Field], body: [UInt8]) {
        self.status = status
        self.headers = headers
        self.body = body
    }
}

/// A URL path. What is interpolated is percent-encoded, so an id can never become a path of its own.
public struct Path: Sendable, Hashable, ExpressibleByStringInterpolation, CustomStringConvertible {
    public let description: String
    /// The same without what was interpolated and without a query: `/v1/subscriptions/{}`. What logs and metrics show.
    public let template: String

    public init(stringLiteral text: String) {
        description = text
        template = String(text.prefix { $0 != "?" })
    }
    init(_ text: String, template: String) {
        description = text
        self.template = template
    }
    public init(stringInterpolation parts: StringInterpolation) {
        description = parts.text
        template = String(parts.template.prefix { $0 != "?" })
    }

    public struct StringInterpolation: StringInterpolationProtocol {
        var text = ""
        var template = ""
        public init(literalCapacity: Int, interpolationCount: Int) {}
        public mutating func appendLiteral(_ literal: String) {
            text += literal
            template += literal
        }
        public mutating func appendInterpolation(_ part: String) {
            text += PercentEncoding.encode(part)
            template += "{}"
        }
        /// A path that goes on.
        public mutating func appendInterpolation(_ start: Path) {
            text += start.description
            // What follows a query belongs to it.
            template += start.description.contains("?") ? start.template + "?" : start.template
        }
    }
}

/// RFC 3986: everything but the unreserved characters is escaped.
enum PercentEncoding {
    static func encode(_ text: String) -> String {
        let plain = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_~".utf8)
        // The point is escaped too, so that no id is a step upwards.
        let bytes = text.utf8.flatMap { plain.contains($0) ? [$0] : Array("%".utf8) + Hex.encode([$0]) }
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// A provider that can be asked.
public protocol Callable: Provider {
    /// Where, unless the operator names another address in the setting.
    var api: APIHost { get }
    /// Why an answer is no success; nil when it is one. The only reader of the platform's error codes.
    func failure(in answer: Answer, at now: Timestamp) -> Failure?
}

/// A platform's host and how its calls are authorized.
public struct APIHost: Sendable, Equatable {
    public enum Authorization: Sendable, Equatable {
        /// `Authorization: Bearer` and the key.
        case bearer
    }

    /// `https://api.stripe.com`.
    public let address: String
    /// The setting that names another address: `STRIPE_BASE_URL`.
    public let addressSetting: String
    /// The setting that holds the key: `STRIPE_SECRET_KEY`.
    public let keySetting: String
    public let authorization: Authorization

    public init(address: String, addressSetting: String, keySetting: String, authorization: Authorization) {
        self.address = address
        self.addressSetting = addressSetting
        self.keySetting = keySetting
        self.authorization = authorization
    }
}
