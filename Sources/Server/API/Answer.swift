import Hummingbird
public import Kit

/// What a request is answered, before it is HTTP.
public struct Answer: Sendable {
    public var status: Int
    public var headers: [Field] = []
    public var contentType: String?
    public var body: [UInt8]
    /// Shown once: the body is not stored for repetitions.
    public var holdsSecret = false
    /// Written while it comes, instead of `body`.
    var stream: (@Sendable (inout any ResponseBodyWriter) async throws -> Void)?

    public init(status: Int, contentType: String? = nil, body: [UInt8] = []) {
        self.status = status
        self.contentType = contentType
        self.body = body
    }

    /// A JSON answer, written in place.
    public static func json(_ status: Int = 200, _ write: (inout JSONWriter) throws -> Void) rethrows -> Answer {
        var writer = JSONWriter(capacity: 1024)
        try write(&writer)
        return Answer(status: status, contentType: "application/json", body: writer.bytes)
    }
    public static func json(_ status: Int = 200, _ view: some View) -> Answer { json(status) { view.write(to: &$0) } }

    static let noContent = Answer(status: 204)

    func with(_ name: String, _ value: String) -> Answer {
        var copy = self
        copy.headers.append(Field(name, value))
        return copy
    }
    var location: String? { headers["Location"] }
}

/// A thing as the API shows it, and its description.
public protocol View: Sendable {
    static var schema: Schema { get }
    func write(to writer: inout JSONWriter)
}

extension Response {
    init(_ answer: Answer) {
        var fields = HTTPFields()
        for header in answer.headers {
            if let name = HTTPFields.Element.Name(header.name) { fields[name] = header.value }
        }
        if let type = answer.contentType { fields[.contentType] = type }
        fields[.contentTypeOptions] = "nosniff"
        if answer.contentType?.hasPrefix("text/html") == true {
            fields[.contentSecurityPolicy] =
                """
                default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; \
                form-action 'none'; frame-ancestors 'none'; base-uri 'none'
                """
            fields[.referrerPolicy] = "no-referrer"
        } else if fields[.cacheControl] == nil {
            fields[.cacheControl] = "no-store"
        }
        self.init(
            status: .init(code: answer.status), headers: fields,
            body: answer.stream.map { .init($0) }
                ?? (answer.body.isEmpty ? .init() : .init(byteBuffer: ByteBuffer(bytes: answer.body))))
    }
}
