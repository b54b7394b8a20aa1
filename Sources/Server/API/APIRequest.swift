import Crypto
import Hummingbird
import Kit

/// A request to the API, checked against its action's description: what a handler sees.
public struct APIRequest: Sendable {
    let app: App
    let method: String
    /// Path and query as they came.
    let target: String
    let headers: HTTPFields
    let correlation: Correlation
    let caller: Caller
    /// When it was read: the time of everything that it does.
    let now: Timestamp
    let path: [String: String]
    let query: [String: JSON]
    /// Null where the action takes none.
    let body: JSON
    let bodyBytes: [UInt8]
    /// Of actions that take a file: to be read once.
    private(set) var file: RequestBody?
    /// As it was announced.
    var fileLength: Int64? { headers[.contentLength].flatMap { Int64($0) } }
    /// Of actions that take one.
    let idempotencyKey: String?
    /// Ends its connection at once, whatever waits to be written to it.
    private(set) var hangUp: @Sendable () -> Void = {}

    /// A path parameter, checked by the action's schema.
    func pathText(_ name: String = "id") -> String { path[name] ?? "" }
    func pathID<Kind: Identified>(_ kind: Kind.Type = Kind.self) -> ID<Kind> { ID(stored: pathText()) }

    func queryText(_ name: String) -> String? { query[name]?.text }
    func queryInteger(_ name: String) -> Int64? { query[name]?.integer }
    func queryTime(_ name: String) -> Timestamp? { query[name]?.text.flatMap(Timestamp.init(rfc3339:)) }

    /// Method and path, without the query: the operation that an idempotency key belongs to.
    var operation: String { "\(method) \(target.prefix { $0 != "?" })" }
}

extension APIRequest {
    /// More is no request to the API.
    static let bodyMax = 1 << 20

    /// Reads and checks a request: path, query, body, in that order; each reports all its faults at once.
    init(_ request: Request, _ context: Context, _ action: Action, _ caller: Caller, _ app: App) async throws {
        self.app = app
        self.caller = caller
        method = request.method.rawValue
        target = request.uri.string
        headers = request.headers
        correlation = context.correlation
        hangUp = context.hangUp
        now = app.now()
        path = try Self.path(context, action)
        query = try QueryReader(action.query).read(request.uri.query ?? "")
        idempotencyKey = action.isIdempotent ? try Self.idempotencyKey(request.headers) : nil
        let takesBody = method != "GET" && method != "HEAD" && method != "DELETE" && !action.takesFile
        file = action.takesFile ? request.body : nil
        bodyBytes = takesBody ? try await Self.bytes(of: request) : []
        body = try Self.body(bodyBytes, request.headers, action)
    }

    private static func path(_ context: Context, _ action: Action) throws(Problem) -> [String: String] {
        var path: [String: String] = [:]
        for parameter in action.path {
            // An id that cannot be one names nothing.
            let names =
                [parameter.name] + (parameter.takesRest ? (2...Route.partsMax).map { "\(parameter.name)\($0)" } : [])
            let raw = names.compactMap { context.parameters.get($0) }.joined(separator: "/")
            guard !raw.isEmpty,
                let text = PercentEncoding.decode(raw, plusIsBlank: false),
                parameter.schema.problems(in: .string(text)).isEmpty
            else {
                throw Problem(
                    .notFound, "No \(parameter.name) is written like this. It is \(parameter.schema.expected).")
            }
            path[parameter.name] = text
        }
        return path
    }

    private static func bytes(of request: Request) async throws -> [UInt8] {
        if let length = request.headers[.contentLength].flatMap({ Int($0) }), length > bodyMax {
            throw Problem(.contentTooLarge, "The body is larger than 1 MiB.")
        }
        let buffer = try await request.body.collect(upTo: bodyMax)
        return Array(buffer.readableBytesView)
    }

    private static func body(_ bytes: [UInt8], _ headers: HTTPFields, _ action: Action) throws(Problem) -> JSON {
        guard let schema = action.body else {
            // `{}` is what some clients send for nothing.
            guard bytes.isEmpty || bytes.elementsEqual("{}".utf8) || bytes.elementsEqual("null".utf8) else {
                throw Problem(.invalidFields, [FieldProblem("body", "is not known here.")])
            }
            return .null
        }
        let type = headers[.contentType]?.lowercased().prefix { $0 != ";" }.filter { !$0.isWhitespace }
        guard type.map({ $0 == "application/json" || $0.hasSuffix("+json") }) ?? true else {
            throw Problem(.unsupportedMediaType, "Send Content-Type: application/json.")
        }
        let body: JSON
        do { body = try JSON.parse(bytes) } catch { throw Problem(.invalidJSON, error.sentence) }
        if let name = CardData.member(in: body) {
            throw Problem(.cardData, [FieldProblem(name, "looks like card data, which must not enter here.")])
        }
        let problems = schema.problems(in: body)
        guard problems.isEmpty else { throw Problem(.invalidFields, Array(problems.prefix(100))) }
        return body
    }
}

extension Schema {
    /// What a text of this form is, for a sentence.
    var expected: String {
        if case .text(let text) = kind {
            text.expected
        } else if case .words(let words) = kind {
            "one of \(words.joined(separator: ", "))"
        } else {
            "something else"
        }
    }
}

/// Reads a query by the parameters that an action knows.
struct QueryReader {
    private let parameters: [Parameter]
    init(_ parameters: [Parameter]) { self.parameters = parameters }

    func read(_ query: String) throws(Problem) -> [String: JSON] {
        var values: [String: JSON] = [:]
        var problems: [FieldProblem] = []
        for part in query.split(separator: "&").prefix(100) {
            let pair = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = PercentEncoding.decode(pair.first ?? "", plusIsBlank: true),
                let text = PercentEncoding.decode(pair.count > 1 ? pair[1] : "", plusIsBlank: true)
            else {
                problems.append(FieldProblem("query", "is not UTF-8 in percent-encoding."))
                continue
            }
            let shown = OutsideText.bounded(name, 64)
            // `metadata.` stands for every name that begins so.
            guard
                let parameter = parameters.first(where: {
                    $0.name == name
                        || $0.name.hasSuffix(".{key}") && name.hasPrefix($0.name.dropLast(5))
                            && name.utf8.count > $0.name.utf8.count - 5
                })
            else {
                problems.append(FieldProblem(shown, "is not known here."))
                continue
            }
            let value = Self.value(text, parameter.schema)
            problems += parameter.schema.problems(in: value, at: shown)
            if values.updateValue(value, forKey: name) != nil {
                problems.append(FieldProblem(shown, "stands there twice."))
            }
        }
        for parameter in parameters where parameter.isRequired && values[parameter.name] == nil {
            problems.append(FieldProblem(parameter.name, "must be said."))
        }
        guard problems.isEmpty else { throw Problem(.invalidQuery, problems) }
        return values
    }

    /// As the schema would have it in JSON; what cannot be that stays a text and is refused.
    private static func value(_ text: String, _ schema: Schema) -> JSON {
        switch schema.kind {
        case .integer: Int64(text).map { .number(String($0)) } ?? .string(text)
        case .boolean: ["true": .bool(true), "false": .bool(false)][text] ?? .string(text)
        // A + before the zone that nobody encoded.
        case .text(let form) where form.format == "date-time": .string(text.replacing(" ", with: "+"))
        default: .string(text)
        }
    }
}

/// RFC 3986, strictly: `%` and two digits, and the bytes must be UTF-8.
enum PercentEncoding {
    static func decode(_ text: some StringProtocol, plusIsBlank: Bool) -> String? {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.utf8.count)
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "+"), plusIsBlank {
                bytes.append(0x20)
            } else if byte == UInt8(ascii: "%") {
                guard rest.count >= 2, let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16),
                    rest.prefix(2).allSatisfy({ $0 != UInt8(ascii: "+") && $0 != UInt8(ascii: "-") })
                else { return nil }
                bytes.append(value)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        return String(validating: bytes, as: UTF8.self)
    }

    /// Everything but the unreserved characters.
    static func encode(_ text: String) -> String {
        var encoded: [UInt8] = []
        for byte in text.utf8 {
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "~"):
                encoded.append(byte)
            default:
                encoded.append(UInt8(ascii: "%"))
                encoded += Hex.encode([byte]).map { (0x61...0x66).contains($0) ? $0 - 0x20 : $0 }
            }
        }
        return String(decoding: encoded, as: UTF8.self)
    }
}
