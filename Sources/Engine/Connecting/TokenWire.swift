public import AsyncHTTPClient
public import Kit
import NIOCore
import NIOHTTP1
import NIOPosix

/// The way to token endpoints. Tests give a fake.
public protocol TokenWire: Sendable {
    /// Sends once, follows no redirect, reads the whole answer.
    func send(_ request: TokenRequest, within deadline: Duration) async -> TokenExchange
}

/// What came of a request to a token endpoint.
public enum TokenExchange: Sendable, Equatable {
    case answered(Answer)
    /// Nobody was reached: nothing can have happened.
    case notSent
    /// It left, and no whole answer came: anything can have happened.
    case unheard
}

/// The network itself.
public struct HTTPTokenWire: TokenWire {
    /// In bytes: more is no answer of a token endpoint.
    static let answerMax = 64 << 10

    private let client: HTTPClient

    /// - Parameter client: made with `HTTPWire.configuration`; whoever made it shuts it down.
    public init(client: HTTPClient) { self.client = client }

    public func send(_ request: TokenRequest, within deadline: Duration) async -> TokenExchange {
        var outgoing = HTTPClientRequest(url: request.url)
        outgoing.method = .init(rawValue: request.method.rawValue)
        outgoing.headers.add(name: "Accept", value: "application/json")
        outgoing.headers.add(name: "Cache-Control", value: "no-cache")
        if let authorization = request.authorization {
            outgoing.headers.add(
                name: "Authorization", value: authorization.reveal { String(decoding: $0, as: UTF8.self) })
        }
        if let body = request.body {
            outgoing.headers.add(name: "Content-Type", value: "application/x-www-form-urlencoded")
            outgoing.body = body.reveal { .bytes(ByteBuffer(bytes: $0)) }
        }
        let sent = outgoing
        return await withTaskGroup(of: TokenExchange.self) { group in
            group.addTask { await exchange(sent, within: deadline) }
            group.addTask {
                try? await Task.sleep(for: deadline)  // Cancelled: the answer was there.
                return .unheard
            }
            defer { group.cancelAll() }
            return await group.next() ?? .unheard
        }
    }

    private func exchange(_ request: HTTPClientRequest, within deadline: Duration) async -> TokenExchange {
        do {
            let answer = try await client.execute(request, timeout: .nanoseconds(deadline.microseconds * 1000))
            let body = try await answer.body.collect(upTo: Self.answerMax)
            return .answered(
                Answer(
                    status: Int(answer.status.code), headers: answer.headers.map { Field($0.name, $0.value) },
                    body: Array(body.readableBytesView)))
        } catch let error as HTTPClientError where error == .connectTimeout || error == .tlsHandshakeTimeout {
            return .notSent
        } catch is NIOConnectionError {
            return .notSent
        } catch {
            return .unheard
        }
    }
}
