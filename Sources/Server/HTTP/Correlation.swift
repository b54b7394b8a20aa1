import Hummingbird
import Kit
import Logging

/// What ties the lines of logs, calls and jobs of one request together.
public struct Correlation: Sendable, Equatable {
    /// Ours or the caller's own; on every answer as `Patchbay-Request-Id`.
    public let requestID: String
    /// 32 hexadecimal digits (W3C Trace Context).
    public let traceID: String

    public static let none = Correlation(requestID: "", traceID: "")
    /// Of the request or job that runs now.
    @TaskLocal public static var current = Correlation.none

    public init(requestID: String, traceID: String) {
        self.requestID = requestID
        self.traceID = traceID
    }

    /// Takes what the caller sent where it is well formed, and makes the rest.
    init(_ headers: HTTPFields, _ ids: Identifiers) {
        requestID = headers[.requestID].flatMap(Self.ownID) ?? "req_" + Self.hex(ids.bytes(12))
        traceID = headers[.traceparent].flatMap(Self.traceID) ?? Self.hex(ids.bytes(16))
    }

    private static func ownID(_ text: String) -> String? {
        let fits =
            (1...128).contains(text.utf8.count) && text.utf8.allSatisfy { (0x21...0x7E).contains($0) && $0 != 0x22 }
        return fits ? text : nil
    }

    /// `00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01`; nil for anything else.
    private static func traceID(_ text: String) -> String? {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count >= 4, parts[0].utf8.count == 2, parts[0] != "ff", parts[1].utf8.count == 32,
            parts[2].utf8.count == 16, parts[3].utf8.count == 2,
            parts.prefix(4).allSatisfy({
                $0.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
            }),
            parts[1].contains(where: { $0 != "0" })
        else { return nil }
        return String(parts[1])
    }

    private static func hex(_ bytes: [UInt8]) -> String { String(decoding: Hex.encode(bytes), as: UTF8.self) }
}

extension HTTPFields.Element.Name {
    /// Names of ours, and those of standards that HTTPTypes does not have. Each literal is a token.
    private static func literal(_ name: StaticString) -> Self {
        guard let name = Self("\(name)") else { preconditionFailure("\(name) is no header") }
        return name
    }
    static let requestID = literal("Patchbay-Request-Id")
    static let apiVersion = literal("Patchbay-Version")
    static let traceparent = literal("traceparent")
    static let idempotencyKey = literal("Idempotency-Key")
    static let idempotentReplayed = literal("Idempotent-Replayed")
    static let rateLimit = literal("RateLimit")
    static let rateLimitPolicy = literal("RateLimit-Policy")
    static let prefer = literal("Prefer")
    static let uploadOffset = literal("Upload-Offset")
    static let uploadLength = literal("Upload-Length")
    static let uploadMetadata = literal("Upload-Metadata")
    static let tusResumable = literal("Tus-Resumable")
    static let lastEventID = literal("Last-Event-ID")
    static let preferenceApplied = literal("Preference-Applied")
    static let forwardedFor = literal("X-Forwarded-For")
    static let forwardedProto = literal("X-Forwarded-Proto")
    static let contentTypeOptions = literal("X-Content-Type-Options")
    static let contentSecurityPolicy = literal("Content-Security-Policy")
    static let referrerPolicy = literal("Referrer-Policy")
    static let secFetchSite = literal("Sec-Fetch-Site")
    static let strictTransportSecurity = literal("Strict-Transport-Security")
}

/// First of all: names the request for logs and for the caller.
struct Correlate: RouterMiddleware {
    let ids: Identifiers

    func handle(
        _ request: Request, context: Context, next: (Request, Context) async throws -> Response
    ) async throws -> Response {
        var context = context
        let correlation = Correlation(request.headers, ids)
        context.correlation = correlation
        context.logger[metadataKey: "request_id"] = .string(correlation.requestID)
        context.logger[metadataKey: "trace_id"] = .string(correlation.traceID)
        var response = try await Correlation.$current.withValue(correlation) { [context] in
            try await next(request, context)
        }
        response.headers[.requestID] = correlation.requestID
        return response
    }
}
