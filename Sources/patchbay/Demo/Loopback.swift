import AsyncHTTPClient
import Foundation
import Kit
import NIOCore
import NIOHTTP1

/// Asks the demo's own processes; an address where nobody listens is told at once.
enum Loopback {
    static let client: HTTPClient = {
        var configuration = HTTPClient.Configuration()
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.timeout.connect = .seconds(2)
        return HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }()

    /// An answer of at most 16 MiB.
    static func send(
        _ method: String, _ url: String, headers: [(String, String)] = [], body: [UInt8]? = nil
    ) async throws -> (status: Int, body: [UInt8]) {
        var request = HTTPClientRequest(url: url)
        request.method = .init(rawValue: method)
        for (name, value) in headers { request.headers.add(name: name, value: value) }
        if let body { request.body = .bytes(ByteBuffer(bytes: body)) }
        let answer = try await client.execute(request, timeout: .seconds(10))
        let bytes = try await answer.body.collect(upTo: 16 << 20)
        return (Int(answer.status.code), Array(bytes.readableBytesView))
    }

    /// The same in JSON.
    /// - Throws: `Fault` with the answer's own sentence where it is none of success.
    @discardableResult
    static func json(
        _ method: String, _ url: String, headers: [(String, String)] = [], body: JSON? = nil
    ) async throws -> JSON {
        let type = body == nil ? [] : [("Content-Type", "application/json")]
        let (status, bytes) = try await send(method, url, headers: headers + type, body: body?.bytes)
        let json = bytes.isEmpty ? JSON.null : (try? JSON.parse(bytes)) ?? .null  // Else only the status counts.
        guard (200..<300).contains(status) else {
            let said = json["detail"]?.text ?? json["error", "message"]?.text
            throw Fault(said ?? "\(url) answers \(status).", code: 1)
        }
        return json
    }
}
