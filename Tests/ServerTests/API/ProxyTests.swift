import AsyncHTTPClient
import Engine
import Foundation
import Hummingbird
import HummingbirdTesting
import Kit
import Logging
import NIOCore
import Store
import Synchronization
import TestSupport
import Testing
import TikTok

@testable import Server

/// A platform that notes what it was sent and answers what it is told.
private final class UpstreamWire: StreamWire {
    private let state = Mutex<(requests: [StreamRequest], statuses: [Int])>(([], [200]))
    /// What it answers, in parts.
    private let parts: [[UInt8]]
    private let encoding: String?

    init(parts: [[UInt8]] = [Array(#"{"it":"#.utf8), Array(#""well"}"#.utf8)], encoding: String? = nil) {
        (self.parts, self.encoding) = (parts, encoding)
    }

    var requests: [StreamRequest] { state.withLock { $0.requests } }
    func answer(_ statuses: [Int]) { state.withLock { $0.statuses = statuses } }

    func send(_ request: StreamRequest, within deadline: Duration) async throws -> StreamAnswer {
        let status = state.withLock { state in
            state.requests.append(request)
            return state.statuses.count > 1 ? state.statuses.removeFirst() : state.statuses[0]
        }
        let headers =
            [
                Field("Content-Type", "application/json"), Field("Set-Cookie", "session=1"), Field("X-Upstream", "yes"),
                Field("Content-Length", "\(parts.map(\.count).reduce(0, +))"),
            ] + (encoding.map { [Field("Content-Encoding", $0)] } ?? [])
        return StreamAnswer(status: status, headers: headers) { [parts] take in
            for part in parts { try await take(ByteBuffer(bytes: part)) }
        }
    }
}

/// A platform that takes a body to its end, and answers only a whole one: a client would call the rest a failure.
private struct Swallowing: StreamWire {
    struct Unended: Error {}
    func send(_ request: StreamRequest, within deadline: Duration) async throws -> StreamAnswer {
        guard case .stream(let parts, let length) = request.body else { throw Unended() }
        var left = length ?? 0
        for try await part in parts { left -= Int64(part.readableBytes) }
        guard left == 0 else { throw Unended() }
        return StreamAnswer(status: 200, headers: []) { _ in }
    }
}

@Suite("Calls on a connection's behalf")
struct ProxyTests {
    private static let id = "conn_01kb2c3d4e5f6g7h8j9k0m1n2p"

    /// - Parameter hasAnother: whether there is another token when one is refused.
    private func with(
        _ wire: any StreamWire, hasAnother: Bool = true, _ body: @Sendable @escaping (TestAPI) async throws -> Void
    ) async throws {
        let refreshes = Counter()
        try await TestAPI.with(assemble: { database, ids, clock in
            let proxying = Self.proxying(wire, database, ids, clock) { _, refused in
                if refused != nil {
                    guard hasAnother else { throw Failure(.unauthorized, "TikTok no longer accepts this connection.") }
                    refreshes.add()
                }
                return Proxying.Credential(token: Secret("token-\(refreshes.value)"), version: Int64(refreshes.value))
            }
            let app = App(
                database: database, ids: ids, now: { clock.now }, sleep: { _ in }, settings: .test, logger: .quiet,
                hooks: Hooks())
            let routes = ProxyRoutes(app: app, proxying: proxying) { id in id == Self.id ? Self.target : nil }
            return (Hooks(), routes.all)
        }) { api in try await body(api) }
    }

    private static func proxying(
        _ wire: any StreamWire, _ database: any Database, _ ids: Identifiers, _ clock: TurningClock,
        credential: @escaping @Sendable (String, Int64?) async throws -> Proxying.Credential
    ) -> Proxying {
        let time = TimeSource(now: { clock.now }, uptime: { clock.now - .testNow }, sleep: { _ in })
        let recorder = CallRecorder(database: database, metrics: Metrics(), time: .system, logger: .quiet)
        let quotas = Quotas(
            book: QuotaBook(Providers.limited), limiter: Limiter(time: time), keeper: nil, isShared: false,
            node: { "n" }, time: time, logger: .quiet)
        let traffic = Traffic(
            quotas: quotas, circuits: Circuits(database: database, time: time, logger: .quiet),
            recorder: recorder, ids: ids, time: time)
        return Proxying(traffic: traffic, wire: wire, credential: credential)
    }

    private static let target = Proxying.Target(
        connection: id, account: "open-1", userID: "user_1", app: "app_1",
        provider: About(id: "tiktok", name: "TikTok", version: "v2", documentation: "https://example.com"),
        base: "https://open.tiktokapis.com",
        paths: Providers.all.compactMap { $0 as? any PathKnowing }.flatMap(\.paths),
        failure: { TikTok().failure(in: $0, at: $1) })

    private final class Counter: Sendable {
        private let count = Atomic(0)
        var value: Int { count.load(ordering: .relaxed) }
        func add() { count.add(1, ordering: .relaxed) }
    }

    private func send(
        _ api: TestAPI, _ method: String, _ path: String, key: String? = nil, headers: [String: String] = [:],
        body: String? = nil
    ) async throws -> (status: Int, headers: HTTPFields, body: String) {
        var fields = HTTPFields()
        fields[.authorization] = "Bearer \(key ?? api.key)"
        for (name, value) in headers { fields[try #require(HTTPFields.Element.Name(name))] = value }
        if let body { fields[.contentLength] = String(body.utf8.count) }
        let response = try await api.client.executeRequest(
            uri: path, method: try #require(HTTPRequest.Method(rawValue: method)), headers: fields,
            body: body.map { ByteBuffer(string: $0) })
        return (Int(response.status.code), response.headers, String(buffer: response.body))
    }

    @Test("the platform's answer comes back as it is; its token goes only to the platform")
    func passes() async throws {
        let wire = UpstreamWire()
        try await with(wire) { api in
            let reply = try await send(
                api, "GET", "/v1/proxy/\(Self.id)/v2/user/info/?fields=a%20b",
                headers: ["X-Mine": "1", "Cookie": "c=1"])

            #expect(reply.status == 200 && reply.body.hasPrefix(#"{"it":"well"}"#))
            #expect(reply.headers[try #require(HTTPFields.Element.Name("Patchbay-Upstream"))] == "1")
            #expect(reply.headers[try #require(HTTPFields.Element.Name("X-Upstream"))] == "yes")
            #expect(reply.headers[.setCookie] == nil)
            let sent = try #require(wire.requests.first)
            #expect(sent.url == "https://open.tiktokapis.com/v2/user/info/?fields=a%20b")
            #expect(sent.authorization.reveal { String(decoding: $0, as: UTF8.self) } == "Bearer token-0")
            #expect(sent.headers["X-Mine"] == "1" && sent.headers["Cookie"] == nil)
            #expect(sent.headers["Authorization"] == nil)
        }
    }

    @Test("a token that is refused is refreshed once, and the call sent again once")
    func refreshes() async throws {
        let wire = UpstreamWire()
        wire.answer([401, 200])
        try await with(wire) { api in
            let reply = try await send(api, "POST", "/v1/proxy/\(Self.id)/v2/video/query/", body: #"{"a":1}"#)
            #expect(reply.status == 200 && wire.requests.count == 2)
            #expect(wire.requests[1].authorization.reveal { String(decoding: $0, as: UTF8.self) } == "Bearer token-1")

            wire.answer([401])
            let refused = try await send(api, "GET", "/v1/proxy/\(Self.id)/v2/user/info/")
            #expect(refused.status == 401 && wire.requests.count == 4, "and no third time")
        }
    }

    /// `{"error":{"code":"scope_not_authorized","message":"","log_id":"1"}}` as gzip writes it.
    private static let zipped =
        "H4sIAAAAAAACA6tWSi0qyi9SsqpWSs5PSVWyUipOzi9Ijc/LL4lPLC3JyC/K"
        + "rEpNUdJRyk0tLk5MBykAcnLy0+MzU4BsQ6XaWgD+Ce2lQwAAAA=="

    @Test("a refusal for want of a permission renews no token and comes back whole", arguments: [false, true])
    func scope(isZipped: Bool) async throws {
        let text = #"{"error":{"code":"scope_not_authorized","message":"","log_id":"1"}}"#
        let bytes = isZipped ? try #require(Data(base64Encoded: Self.zipped)).map { $0 } : Array(text.utf8)
        let wire = UpstreamWire(
            parts: [Array(bytes.prefix(20)), Array(bytes.dropFirst(20))], encoding: isZipped ? "gzip" : nil)
        wire.answer([401])
        // There is no other token: to ask for one would end with a 409.
        try await with(wire, hasAnother: false) { api in
            let reply = try await send(api, "GET", "/v1/proxy/\(Self.id)/v2/user/info/")
            #expect(reply.status == 401 && wire.requests.count == 1)
            #expect(isZipped || reply.body == text)
            #expect(reply.headers[.contentEncoding] == (isZipped ? "gzip" : nil))
            #expect(try await eventually(in: api) { $0.count == 1 }.map(\.status) == [401])
        }
    }

    @Test(
        "a refusal that says the token is over, or nothing that can be read, renews it",
        arguments: [
            #"{"error":{"code":"access_token_invalid"}}"#, "<html>401</html>", "",
            #"{"error":{"code":"scope_not_authorized","message":""# + String(repeating: "x", count: 70_000) + #""}}"#,
        ])
    func tokenOver(body: String) async throws {
        let wire = UpstreamWire(parts: [Array(body.utf8)])
        wire.answer([401, 200])
        try await with(wire) { api in
            let reply = try await send(api, "GET", "/v1/proxy/\(Self.id)/v2/user/info/")
            #expect(reply.status == 200 && wire.requests.count == 2)
        }
    }

    @Test("a refusal is written down even where no other token is to be had")
    func refusedRefresh() async throws {
        let wire = UpstreamWire()
        wire.answer([401])
        try await with(wire, hasAnother: false) { api in
            let reply = try await send(api, "GET", "/v1/proxy/\(Self.id)/v2/user/info/")
            #expect(reply.status == 409 && reply.body.contains("needs_reconnect"))
            let calls = try await eventually(in: api) { $0.count == 1 }
            #expect(calls.map(\.status) == [401] && calls.map(\.outcome) == ["unauthorized"])
        }
    }

    @Test(
        "who goes away in the middle of an upload says nothing of the platform: no circuit opens",
        arguments: [true, false])
    func goneAway(breaksOff: Bool) async throws {
        struct Gone: Error {}
        try await TestDatabase.with(.sqlite) { database in
            let clock = TurningClock()
            let proxying = Self.proxying(
                Swallowing(), database, Identifiers(now: { clock.now }), clock
            ) { _, _ in Proxying.Credential(token: Secret("t"), version: 0) }
            for _ in 0..<8 {
                let parts = AsyncThrowingStream<ByteBuffer, any Error> { source in
                    source.yield(ByteBuffer(repeating: 0x61, count: 300 << 10))
                    source.finish(throwing: breaksOff ? Gone() : nil)
                }
                let wish = Proxying.Wish(
                    method: .post, path: "/v2/video/query/", headers: [], body: .stream(parts, length: 1 << 20),
                    correlation: nil, by: "key")
                await #expect(throws: UnendedBody.self) { _ = try await proxying.pass(wish, to: Self.target) }
            }
            let open = try await database.read("c") { try $0.circuits() }
            #expect(open.isEmpty)
        }
    }

    /// The calls that are written down, once they are what is waited for.
    private func eventually(in api: TestAPI, _ isSo: ([CallRow]) -> Bool) async throws -> [CallRow] {
        var rows: [CallRow] = []
        for _ in 0..<3000 {
            rows = try await api.database.read("calls") { try $0.calls(CallFilter(), ListPage(limit: 50)) }
            if isSo(rows) { break }
            try await Task.sleep(for: .milliseconds(10))
        }
        return rows
    }

    @Test("what the platform would refuse for quota is not sent; the answer says when")
    func quota() async throws {
        let wire = UpstreamWire()
        try await with(wire) { api in
            for _ in 0..<6 {
                let reply = try await send(
                    api, "POST", "/v1/proxy/\(Self.id)/v2/post/publish/video/init/", body: "{}")
                #expect(reply.status == 200)
            }
            let held = try await send(api, "POST", "/v1/proxy/\(Self.id)/v2/post/publish/video/init/", body: "{}")
            #expect(held.status == 429 && wire.requests.count == 6)
            #expect(held.headers[.retryAfter] == "60")
            #expect(held.headers[try #require(HTTPFields.Element.Name("Patchbay-Upstream"))] == nil)
            #expect(held.body.contains("TikTok takes 6 uploads a minute.") && held.body.contains("quota_reached"))
        }
    }

    @Test(
        "a path that steps upwards or hides a step is refused",
        arguments: ["/v2/../admin", "/%2e%2e/x", "/a%2Fb", "/a/./b", "/a%5cb", "//evil.example/x/../y"])
    func paths(path: String) async throws {
        let wire = UpstreamWire()
        try await with(wire) { api in
            let reply = try await send(api, "GET", "/v1/proxy/\(Self.id)\(path)")
            #expect(reply.status == 400 || reply.status == 404)
            #expect(wire.requests.allSatisfy { $0.url.hasPrefix("https://open.tiktokapis.com/") })
            #expect(wire.requests.isEmpty)
        }
    }

    @Test("a key goes only where its rules let it, with a scope for it")
    func rules() async throws {
        let wire = UpstreamWire()
        try await with(wire) { api in
            let made = try await api.post(
                "/v1/keys", ["name": "reader", "scopes": ["proxy:read"], "proxy_paths": ["GET /v2/video/**"]])
            let key = try #require(made.json["key"]?.text)
            #expect(made.json["proxy_paths"]?.elements?.count == 1)
            #expect(try await send(api, "GET", "/v1/proxy/\(Self.id)/v2/video/list/", key: key).status == 200)
            #expect(try await send(api, "GET", "/v1/proxy/\(Self.id)/v2/user/info/", key: key).status == 403)
            #expect(
                try await send(api, "POST", "/v1/proxy/\(Self.id)/v2/video/list/", key: key, body: "{}").status == 403)
            #expect(try await send(api, "HEAD", "/v1/proxy/\(Self.id)/v2/video/list/", key: key).status == 200)
            #expect(try await send(api, "HEAD", "/v1/proxy/\(Self.id)/v2/user/info/", key: key).status == 403)
            let other = try await TestAPI.makeKey(api.app, ["events:read"])
            #expect(try await send(api, "GET", "/v1/proxy/\(Self.id)/v2/video/list/", key: other).status == 403)
            let wrong = try await api.post(
                "/v1/keys", ["name": "r", "scopes": ["proxy:read"], "proxy_paths": ["v2/video"]])
            #expect(wrong.status == 422 || wrong.status == 400)
            let unknown = "conn_01kb2c3d4e5f6g7h8j9k0m1n2q"
            #expect(try await send(api, "GET", "/v1/proxy/\(unknown)/v2/video/list/").status == 404)
        }
    }

    @Test("every call is written down by its known path, or by its shape alone")
    func recorded() async throws {
        let wire = UpstreamWire()
        try await with(wire) { api in
            _ = try await send(api, "GET", "/v1/proxy/\(Self.id)/v2/video/list/?cursor=secret")
            _ = try await send(api, "GET", "/v1/proxy/\(Self.id)/v2/people/rye.baker")
            let rows = try await eventually(in: api) { $0.count == 2 }
            #expect(Set(rows.map(\.path)) == ["/v2/video/list/", "/v2/{}/{}"])
            #expect(rows.allSatisfy { $0.connection == Self.id && $0.userID == "user_1" && $0.purpose == "proxy" })
            #expect(rows.allSatisfy { $0.bytesReceived == 13 && $0.correlation?.hasPrefix("req_") == true })
        }
    }

    @Test("a large body passes both ways in little memory")
    func streams() async throws {
        let total = 96 << 20
        let router = Router()
        router.post("echo") { request, _ in
            Response(
                status: .ok,
                body: ResponseBody { writer in
                    for try await part in request.body { try await writer.write(part) }
                    try await writer.finish(nil)
                })
        }
        try await Application(router: router, logger: .quiet).test(.live) { platform in
            let client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: HTTPWire.configuration)
            let part = ByteBuffer(repeating: 0x61, count: 64 << 10)
            let count = total / part.readableBytes
            let source = Parts(part, count)
            let parts = AsyncThrowingStream<ByteBuffer, any Error>(unfolding: source.next)
            let answer = try await HTTPWire(client: client).send(
                StreamRequest(
                    method: .post, url: "http://localhost:\(try #require(platform.port))/echo", headers: [],
                    authorization: Secret("Bearer t"), body: .stream(parts, length: Int64(total))), within: .minutes(2))
            // What has left its source and not arrived stands in memory somewhere: a reader that rests shows how much.
            var (bytes, between) = (0, 0)
            try await answer.pass { part in
                if bytes < 4 << 20 { try await Task.sleep(for: .milliseconds(20), clock: .continuous) }
                bytes += part.readableBytes
                between = max(between, source.taken - bytes)
            }
            #expect(bytes == total)
            #expect(between < 32 << 20, "\(between >> 20) MiB were on the way")
            try await client.shutdown()
        }
    }

    /// The same part again and again.
    private final class Parts: Sendable {
        private let part: ByteBuffer
        private let left: Mutex<Int>
        private let count: Int
        init(_ part: ByteBuffer, _ count: Int) {
            (self.part, self.count) = (part, count)
            left = Mutex(count)
        }

        /// Bytes that were given out.
        var taken: Int { (count - left.withLock { $0 }) * part.readableBytes }

        @Sendable func next() async throws -> ByteBuffer? {
            left.withLock { left in
                guard left > 0 else { return nil }
                left -= 1
                return part
            }
        }
    }
}
