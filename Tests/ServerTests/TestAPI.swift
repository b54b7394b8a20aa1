import Hummingbird
import HummingbirdTesting
import Kit
import Logging
import Synchronization
import TestSupport
import Testing

@testable import Server
@testable import Store

/// A clock that a test turns. Whoever sleeps on it turns it, too.
final class TurningClock: Sendable {
    private let time = Mutex(Timestamp.testNow)
    var now: Timestamp { time.withLock { $0 } }
    func advance(_ duration: Duration) { time.withLock { $0 = $0 + duration } }
}

/// The API on a fresh database, without a socket. Every answer is held to its description.
struct TestAPI: Sendable {
    let app: App
    let clock: TurningClock
    let database: any Database
    let client: any TestClientProtocol
    /// With the scope `admin`.
    let key: String

    static func with(
        _ engine: TestEngine = .sqlite, settings: Settings = .test, hooks: Hooks = Hooks(), others: [OtherRoute] = [],
        logger: Logger = .quiet,
        makeHooks: (@Sendable (any Database, Identifiers) -> Hooks)? = nil,
        assemble: (@Sendable (any Database, Identifiers, TurningClock) async throws -> (Hooks, [OtherRoute]))? = nil,
        _ body: @Sendable @escaping (TestAPI) async throws -> Void
    ) async throws {
        try await TestDatabase.with(engine) { database in
            let clock = TurningClock()
            let ids = Identifiers(now: { clock.now })
            let parts = try await assemble?(database, ids, clock)
            var app = App(
                database: database, ids: ids, now: { clock.now },
                sleep: { duration in
                    clock.advance(duration)
                    await Task.yield()
                },
                settings: settings, logger: logger, hooks: parts?.0 ?? makeHooks?(database, ids) ?? hooks)
            app.passwordCost = Passwords.Cost(rounds: 10, blockSize: 1, parallelism: 1)
            let key = try await Self.makeKey(app, ["admin"])
            try await Application(router: makeRouter(app, adding: parts?.1 ?? others), logger: .quiet).test(.router) {
                [app] client in
                try await body(TestAPI(app: app, clock: clock, database: database, client: client, key: key))
            }
        }
    }

    static func makeKey(_ app: App, _ scopes: [String], name: String = "test", mode: Settings.Mode = .test) async throws
        -> String
    {
        let new = NewKey(name: name, scopes: scopes, expiresAt: nil, mode: mode, ids: app.ids, at: app.now())
        try await app.database.write("key") { try $0.add(new.row, hash: KeyText.hash(new.key)) }
        return new.key.reveal { String(decoding: $0, as: UTF8.self) }
    }

    @discardableResult
    func get(_ path: String, _ headers: [String: String] = [:], as key: String? = nil) async throws -> Reply {
        try await send("GET", path, headers: headers, as: key)
    }
    @discardableResult
    func post(_ path: String, _ body: JSON? = nil, _ headers: [String: String] = [:], as key: String? = nil)
        async throws -> Reply
    {
        try await send("POST", path, body?.bytes, headers: headers, as: key)
    }

    @discardableResult
    func send(
        _ method: String, _ path: String, _ body: [UInt8]? = nil, headers: [String: String] = [:], as key: String? = nil
    ) async throws -> Reply {
        var fields = HTTPFields()
        fields[.authorization] = "Bearer \(key ?? self.key)"
        if body != nil { fields[.contentType] = "application/json" }
        for (name, value) in headers {
            fields[try #require(HTTPFields.Element.Name(name))] = value.isEmpty ? nil : value
        }
        let response = try await client.executeRequest(
            uri: path, method: try #require(HTTPRequest.Method(rawValue: method)), headers: fields,
            body: body.map { ByteBuffer(bytes: $0) })
        let reply = Reply(
            status: Int(response.status.code), headers: response.headers, body: Array(response.body.readableBytesView))
        try reply.check(method, path)
        return reply
    }
}

/// An answer, read.
struct Reply: Sendable {
    let status: Int
    let headers: HTTPFields
    let body: [UInt8]

    var json: JSON { (try? JSON.parse(body)) ?? .null }
    var code: String? { json["code"]?.text }
    var data: [JSON] { json["data"]?.elements ?? [] }
    var ids: [String] { data.compactMap { $0["id"]?.text } }
    var cursor: String? { json["next_cursor"]?.text }
    func header(_ name: String) -> String? { HTTPFields.Element.Name(name).flatMap { headers[$0] } }

    /// Holds the answer to what the API says of itself.
    fileprivate func check(_ method: String, _ path: String) throws {
        let segments = path.prefix { $0 != "?" }.split(separator: "/")
        let route = Routes.all.first { route in
            let template = route.template.split(separator: "/")
            return route.method == method && template.count == segments.count
                && zip(template, segments).allSatisfy { $0.hasPrefix("{") || $0 == $1 }
        }
        guard let route, method != "HEAD", status != 405 else { return }
        if header("Content-Type") == "application/problem+json" {
            #expect(Problem.schema.problems(in: json) == [], "\(method) \(path)")
            #expect(
                route.action.allProblems.contains { $0.code == code && $0.status == status },
                "\(method) \(path): \(status) \(code ?? "") is not documented")
        } else {
            let answers = route.action.answers.filter { $0.status == status }
            #expect(!answers.isEmpty, "\(method) \(path): \(status) is not documented")
            let type = header("Content-Type")
            let answer = answers.first { $0.contentType == type } ?? answers.first { $0.contentType == "*/*" }
            guard let answer else {
                Issue.record("\(method) \(path): \(type ?? "no type") is not documented")
                return
            }
            if let schema = answer.schema { #expect(schema.problems(in: json) == [], "\(method) \(path)") }
        }
    }
}

extension Settings {
    static var test: Settings {
        var settings = Settings()
        settings.mode = .test
        return settings
    }
}

extension TestAPI {
    static let appID = ID<AppKind>(stored: "app_00000000000000000000000001")

    /// Keeps events as the gateway does. Answers their ids, oldest first.
    @discardableResult
    func keep(
        _ count: Int, type: String = "invoice.paid", body: (Int) -> String = { #"{"id":"evt_\#($0)","amount":1.10}"# },
        from first: Int = 0
    ) async throws -> [String] {
        try await database.write("app") { session in
            _ = try session.settleInstanceFact("test", "x")
        }
        let arrivals = (first..<first + count).map { number in
            clock.advance(.milliseconds(2))
            return arrival(number, type: type, body: Array(body(number).utf8))
        }
        for start in stride(from: 0, to: count, by: 200) {
            let part = Array(arrivals[start..<min(start + 200, count)])
            try await database.set("keep", in: .ingest) { _ = try $0.keep(part) }
        }
        return arrivals.flatMap { $0.events.map(\.id.text) }
    }

    private func arrival(_ number: Int, type: String, body: [UInt8]) -> Arrival {
        let now = clock.now
        let event = Event(
            identity: EventIdentity(day: now.day, of: "evt_\(number)".utf8), providerEventID: "evt_\(number)",
            type: type,
            account: nil, subject: "cus_\(number % 7)", occurredAt: now, body: body.indices)
        return Arrival(
            id: app.ids.make(), provider: "stripe", app: Self.appID, receivedAt: now, method: "POST",
            target: Array("/webhooks/stripe".utf8), headers: Array("content-type: application/json\nx: y".utf8),
            remote: "127.0.0.1", body: body, checksum: Checksum.of(body), flags: "test", reason: nil,
            events: [ArrivingEvent(id: app.ids.make(), event: event, job: nil, change: change(of: event, now))],
            review: nil)
    }

    private func change(of event: Event, _ now: Timestamp) -> NewChange {
        NewChange(
            id: app.ids.make(), type: "event.received", subject: event.providerEventID, occurredAt: now,
            data: Array("{}".utf8))
    }

    /// Gives positions to what has none, as the sequencer does.
    func sequence() async throws {
        try await database.set("sequence", in: .work) { while try $0.sequence(500).placed > 0 {} }
    }
}

extension TestAPI {
    /// What retention does to the feed.
    func removeFeed(before position: Int64) async throws {
        try await database.write("retention") { _ = try $0.run("DELETE FROM feed WHERE position < \(position)") }
    }
}
