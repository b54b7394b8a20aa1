import AsyncHTTPClient
import Kit
import NIOCore
import NIOHTTP1

/// Asks a program of ours on this machine: the demo that started this server, or a sandbox.
struct LocalClient: Sendable {
    /// Without a slash at its end.
    let base: String
    var token: Secret?

    enum Method: String { case GET, POST, PUT }

    /// Longer answers are none of ours.
    private static let answerMax = 4 << 20

    /// The answer's JSON; null where it has none.
    /// - Throws: `Problem`, with the answer's own sentence where it has one.
    func ask(_ method: Method, _ path: String, _ body: JSON? = nil) async throws(Problem) -> JSON {
        var request = HTTPClientRequest(url: base + path)
        request.method = .init(rawValue: method.rawValue)
        token?.reveal {
            request.headers.add(name: "Authorization", value: "Bearer " + String(decoding: $0, as: UTF8.self))
        }
        if let body {
            request.headers.add(name: "Content-Type", value: "application/json")
            request.body = .bytes(ByteBuffer(bytes: body.bytes))
        }
        let (status, bytes) = try await exchange(request)
        let json = (try? JSON.parse(bytes)) ?? .null  // None, or none of ours: the status counts.
        if status >= 400 {
            throw Problem(.wrongState, json["detail"]?.text ?? "\(base) answers \(status).")
        }
        return json
    }

    private func exchange(_ request: HTTPClientRequest) async throws(Problem) -> (status: Int, bytes: [UInt8]) {
        do {
            let answer = try await HTTPClient.shared.execute(request, timeout: .seconds(10))
            let body = try await answer.body.collect(upTo: Self.answerMax)
            return (Int(answer.status.code), Array(body.readableBytesView))
        } catch {
            throw Problem(.wrongState, "\(base) does not answer. Was it stopped?")
        }
    }
}

extension LocalClient {
    init(_ demo: DemoSettings) { self.init(base: demo.control, token: demo.token) }
}

/// What a demo's checklist shows, read from what the demo answers.
struct DemoState: Sendable {
    struct Killed: Sendable {
        let at: Timestamp?
        let acknowledged: Int64
        let found: Int64
        let down: Duration
    }
    struct Broken: Sendable {
        let at: Timestamp?
        let failed: Int64
        let delivered: Int64
    }

    let application: String
    let endpoint: String
    let folder: String
    let isBroken: Bool
    let isKilling: Bool
    let isRetried: Bool
    /// The latest payment that failed: whose, and the event that told.
    let failedPayment: (who: String, event: String)?
    let openedEvent: String?
    let broken: Broken?
    let killed: Killed?
    /// How much fell due in the month that passed.
    let monthRan: Int64?
    let hasMine: Bool

    init(_ json: JSON) {
        application = json["application"]?.text ?? ""
        endpoint = json["endpoint"]?.text ?? ""
        folder = json["folder"]?.text ?? ""
        isBroken = json["is_broken"]?.boolean ?? false
        isKilling = json["is_killing"]?.boolean ?? false
        isRetried = json["is_retried"]?.boolean ?? false
        hasMine = json["has_mine"]?.boolean ?? false
        let facts = json["facts"]
        failedPayment = facts?["payment", "event"]?.text.map { (facts?["payment", "who"]?.text ?? "", $0) }
        openedEvent = facts?["opened", "event"]?.text
        broken = facts?["broken", "failed"]?.integer.map { failed in
            Broken(
                at: facts?["broken", "at"]?.text.flatMap { Timestamp(rfc3339: $0) }, failed: failed,
                delivered: facts?["broken", "delivered"]?.integer ?? 0)
        }
        killed = facts?["killed", "acknowledged"]?.integer.map { acknowledged in
            Killed(
                at: facts?["killed", "at"]?.text.flatMap { Timestamp(rfc3339: $0) }, acknowledged: acknowledged,
                found: facts?["killed", "found"]?.integer ?? 0,
                down: .milliseconds(facts?["killed", "down_ms"]?.integer ?? 0))
        }
        monthRan = facts?["month", "ran"]?.integer
    }
}
