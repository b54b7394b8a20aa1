import AsyncHTTPClient
import Foundation
import Kit
import Stripe
import Synchronization
import Testing

@testable import Engine

@Suite("The caller")
struct CallerTests {
    private static let subscription = #"{"id":"sub_1","status":"active"}"#

    /// Asks a server on loopback that answers with these bytes.
    private func ask(_ answer: [UInt8], delay: Duration = .zero, within: Duration = .seconds(5)) async throws -> (
        Result<Answer, CallProblem>, String
    ) {
        let server = try OneAnswer(answer, delay: delay)
        let client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: HTTPWire.configuration)
        let caller = Caller(
            Stripe(), key: Secret("sk_test_1"), address: "http://127.0.0.1:\(server.port)/",
            wire: HTTPWire(client: client), now: { .zero })
        let result: Result<Answer, CallProblem>
        do {
            let outgoing = Stripe().subscription("sub_1", in: nil).outgoing
            result = .success(
                try await caller.answer(to: Outgoing(.get, outgoing.path, headers: outgoing.headers, within: within))
                    .answer)
        } catch { result = .failure(error) }
        try await client.shutdown()
        return (result, await server.request())
    }

    private func http(_ head: String, _ body: String = "") -> [UInt8] {
        Array("HTTP/1.1 \(head)\r\nContent-Length: \(body.utf8.count)\r\nConnection: close\r\n\r\n\(body)".utf8)
    }

    @Test("sends the key as a bearer, once, to the address that was set, and reads the answer")
    func sends() async throws {
        let (result, request) = try await ask(http("200 OK", Self.subscription))

        #expect(try result.get().body == Array(Self.subscription.utf8))
        #expect(request.hasPrefix("GET /v1/subscriptions/sub_1 HTTP/1.1\r\n"))
        #expect(
            request.contains("Authorization: Bearer sk_test_1\r\n")
                && request.contains("Stripe-Version: 2026-10-28.endive\r\n"))
    }

    @Test("an answer that points elsewhere is refused: the key goes nowhere else")
    func redirect() async throws {
        let (result, _) = try await ask(http("302 Found\r\nLocation: http://127.0.0.1:1/"))
        #expect(throws: CallProblem.self) { try result.get() }
        guard case .failure(.failed(let failure)) = result else { return }
        #expect(failure.kind == .refused && !failure.passes)
    }

    @Test("an answer above the bound, a late one and none at all are unavailable")
    func bounds() async throws {
        let large =
            Array("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".utf8)
            + [UInt8](repeating: 0x20, count: HTTPWire.answerMax + 1)
        for (answer, delay) in [(large, Duration.zero), (http("200 OK", "{}"), .seconds(3)), ([], .zero)] {
            let (result, _) = try await ask(answer, delay: delay, within: .milliseconds(delay == .zero ? 5000 : 100))
            guard case .failure(.failed(let failure)) = result else { return #expect(Bool(false)) }
            #expect(failure.kind == .unavailable(retryAfter: nil) && failure.passes)
        }
    }

    @Test("a connection that fails is not tried again behind the caller's back: each attempt has its permit")
    func oneConnection() async throws {
        let door = try ShutDoor()
        let client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: HTTPWire.configuration)
        let caller = Caller(
            Stripe(), key: Secret("sk"), address: "https://127.0.0.1:\(door.port)", wire: HTTPWire(client: client),
            now: { .zero })
        await #expect(throws: CallProblem.self) {
            _ = try await caller.answer(to: Outgoing(.post, "/v1/things", within: .seconds(5)))
        }
        try await client.shutdown()
        #expect(door.knocks == 1)
    }

    @Test("an answer that cannot be read is garbled, and may be better the next time")
    func garbled() async throws {
        let caller = Caller(
            Stripe(), key: Secret("sk"), wire: Fixed(answer: Answer(status: 200, headers: [], body: Array("{}".utf8))),
            now: { .zero })
        await #expect(
            throws: CallProblem.failed(
                Failure(.garbled, "Stripe answered something unreadable: status of the answer should be a text."))
        ) {
            _ = try await caller.ask(Stripe().subscription("sub_1", in: nil))
        }
    }

    @Test("no way of printing a request shows the key")
    func secret() {
        let request = WireRequest(
            method: .get, url: "https://x", headers: [], authorization: Secret("Bearer sk_live_1"))
        #expect(!"\(request)\(String(reflecting: request))".contains("sk_live"))
    }

    private struct Fixed: Wire {
        let answer: Answer
        func send(_ request: WireRequest, within deadline: Duration) async throws -> Answer { answer }
    }
}

/// A port on loopback that ends every connection before a byte is said, and counts them.
private final class ShutDoor: Sendable {
    let port: UInt16
    private let listener: Int32
    private let count = Mutex(0)
    var knocks: Int { count.withLock { $0 } }

    init() throws {
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let listener = listener
        let bound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, length) == 0 && listen(listener, 16) == 0 && getsockname(listener, $0, &length) == 0
            }
        }
        guard bound else { throw CocoaError(.fileReadUnknown) }
        port = UInt16(bigEndian: address.sin_port)
        Thread { [weak self] in
            while true {
                let connection = accept(listener, nil, nil)
                guard connection >= 0 else { return }
                self?.count.withLock { $0 += 1 }
                close(connection)
            }
        }.start()
    }
    deinit {
        shutdown(listener, Int32(SHUT_RDWR))
        close(listener)
    }
}

/// A server on loopback for one connection, which it answers with given bytes.
private final class OneAnswer: Sendable {
    let port: UInt16
    private let done: Task<String, Never>

    init(_ answer: [UInt8], delay: Duration) throws {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let bound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, length) == 0 && listen(listener, 1) == 0 && getsockname(listener, $0, &length) == 0
            }
        }
        guard bound else { throw CocoaError(.fileReadUnknown) }
        port = UInt16(bigEndian: address.sin_port)
        let (stream, continuation) = AsyncStream<String>.makeStream()
        Thread.detachNewThread {
            let connection = accept(listener, nil, nil)
            var buffer = [UInt8](repeating: 0, count: 8192)
            let count = max(0, read(connection, &buffer, buffer.count))
            Thread.sleep(forTimeInterval: delay.inSeconds)
            var sent = 0
            while sent < answer.count {
                let wrote = answer[sent...].withUnsafeBytes {
                    send(connection, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
                }
                if wrote <= 0 { break }
                sent += wrote
            }
            close(connection)
            close(listener)
            continuation.yield(String(decoding: buffer.prefix(count), as: UTF8.self))
            continuation.finish()
        }
        done = Task {
            for await request in stream { return request }; return ""
        }
    }

    func request() async -> String { await done.value }
}
