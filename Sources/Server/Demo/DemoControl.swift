import Hummingbird
public import Kit
import Logging

/// Where a demo answers its own server: on loopback, to whoever knows the token.
public struct DemoControl: Sendable {
    public struct Request: Sendable {
        public let method: String
        public let path: String
        /// Null where nothing was sent.
        public let body: JSON
    }
    public struct Answer: Sendable {
        let status: Int
        let body: JSON
        public init(_ status: Int, _ body: JSON) {
            self.status = status
            self.body = body
        }
    }

    private let port: Int
    private let token: Secret
    private let answer: @Sendable (Request) async -> Answer

    /// Nothing that is asked here is longer.
    private static let bodyMax = 16 << 10

    public init(port: Int, token: String, answer: @escaping @Sendable (Request) async -> Answer) {
        self.port = port
        self.token = Secret("Bearer " + token)
        self.answer = answer
    }

    public func run() async throws {
        let responder = CallbackResponder { (request: Hummingbird.Request, _: BasicRequestContext) in
            guard OwnMachine.isNamed(request), Secret(request.headers[.authorization] ?? "") == token else {
                return Response(status: .forbidden)
            }
            let bytes = Array(try await request.body.collect(upTo: Self.bodyMax).readableBytesView)
            let body = (try? JSON.parse(bytes)) ?? .null  // Then what is missing in it is told.
            let answer = await answer(
                Request(method: request.method.rawValue, path: request.uri.path, body: body))
            return Response.json(answer.status, answer.body)
        }
        try await Application(
            responder: responder, configuration: .init(address: .hostname("127.0.0.1", port: port)),
            logger: .silent
        ).run()
    }
}

/// Whether a request comes from this machine's own pages and programs.
enum OwnMachine {
    /// Asked for by a name of loopback: a name elsewhere that points here is somebody's trick.
    static func isNamed(_ request: Request) -> Bool {
        guard let host = request.head.authority, let url = try? OutsideURL("http://" + host) else { return false }
        return url.isOnThisMachine
    }

    /// Sent by a page of this very address, or by a program that says so.
    static func isOwnForm(_ request: Request) -> Bool {
        guard isNamed(request) else { return false }
        if let site = request.headers[.secFetchSite] { return site == "same-origin" }
        guard let origin = request.headers[.origin], let host = request.head.authority else { return false }
        return origin == "http://" + host
    }
}

extension Response {
    static func json(_ status: Int, _ body: JSON) -> Response {
        Response(
            status: .init(code: status),
            headers: body.isNull ? [:] : [.contentType: "application/json", .cacheControl: "no-store"],
            body: body.isNull ? .init() : .init(byteBuffer: ByteBuffer(bytes: body.bytes)))
    }
}

extension Logger {
    /// The framework's own remarks are of no use to whoever watches a demo.
    static var silent: Logger { Logger(label: "demo") { _ in SwiftLogNoOpLogHandler() } }
}
