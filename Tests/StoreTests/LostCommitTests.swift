import Foundation
import Kit
import Synchronization
import TestSupport
import Testing

@testable import Store

@Suite("COMMIT sent, connection gone", .enabled(if: TestEngine.postgresURL != nil))
struct LostCommitTests {
    @Test(
        "its effect is there once, and its value is handed out", arguments: CuttingProxy.Cut.allCases, [true, false])
    func lost(cut: CuttingProxy.Cut, isSet: Bool) async throws {
        try await TestDatabase.withAddress(.postgres) { url in
            let proxy = try CuttingProxy(to: url)
            defer { proxy.stop() }
            let database = try PostgresDatabase(
                url: proxy.url, connections: 1, ingestConnections: 1, logger: .quiet)
            _ = try await database.migrate(program: "test", at: .testNow)
            try await database.write("seed") { try $0.run("INSERT INTO instance (key, value) VALUES ('n', '0')") }
            let runs = Mutex(0)
            let count: @Sendable (Session) throws -> String? = { session in
                runs.withLock { $0 += 1 }
                return try session.row(
                    """
                    UPDATE instance SET value = CAST(CAST(value AS INTEGER) + 1 AS TEXT) WHERE key = 'n'
                    RETURNING value
                    """
                ) { try $0.text() }
            }

            proxy.arm(cut)
            let value =
                isSet
                ? try await database.set("count", in: .work, count)
                : try await database.write("count", in: .work, count)

            let stored = try await database.read("stored") { session in
                try session.row("SELECT value FROM instance WHERE key = 'n'") { try $0.text() }
            }
            #expect(value == "1" && stored == "1")
            #expect(proxy.cuts == 1)
            #expect(runs.withLock { $0 } == (cut == .answer ? 1 : 2))
            await database.close()
        }
    }
}

/// Stands between the store and PostgreSQL, passes everything on, and loses one COMMIT or the answer to it when told.
final class CuttingProxy: Sendable {
    enum Cut: CaseIterable { case question, answer }
    private struct State {
        var armed: Cut?
        var cuts = 0
    }

    /// The database through it.
    let url: String
    private let target: Int
    private let listener: Int32
    private let state = Mutex(State())

    init(to url: String) throws {
        let port = try #require(URLComponents(string: url)?.port)
        target = port
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        self.listener = listener
        var (own, size) = (Self.loopback(0), socklen_t(MemoryLayout<sockaddr_in>.size))
        let isOpen = withUnsafeMutablePointer(to: &own) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, size) == 0 && listen(listener, 64) == 0 && getsockname(listener, $0, &size) == 0
            }
        }
        try #require(isOpen)
        let ownPort = UInt16(bigEndian: own.sin_port)
        self.url = url.replacing(":\(port)/", with: ":\(ownPort)/") + "?sslmode=disable&gssencmode=disable"
        startThread("proxy") { self.accept() }
    }

    /// The next COMMIT does not come through, or what is answered to it.
    func arm(_ cut: Cut) { state.withLock { $0.armed = cut } }
    var cuts: Int { state.withLock { $0.cuts } }
    func stop() { shutdown(listener, Int32(SHUT_RDWR)) }

    private func accept() {
        while true {
            let client = Glibc.accept(listener, nil, nil)
            guard client >= 0 else { break }
            let server = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            let isOpen = withUnsafePointer(to: Self.loopback(target)) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    connect(server, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
                }
            }
            guard isOpen else {
                close(client)
                close(server)
                continue
            }
            let pair = Pair(client: client, server: server)
            startThread("proxy-up") { self.passOn(pair) }
            startThread("proxy-down") { pair.passBack() }
        }
        close(listener)
    }

    private func passOn(_ pair: Pair) {
        pair.pump(from: pair.client, to: pair.server) { bytes in
            guard Data(bytes).range(of: Data("COMMIT\0".utf8)) != nil else { return true }
            let cut = state.withLock { state in
                defer { state.armed = nil }
                if state.armed != nil { state.cuts += 1 }
                return state.armed
            }
            if cut == .answer { pair.losesAnswer.store(true, ordering: .sequentiallyConsistent) }
            return cut != .question
        }
    }

    private static func loopback(_ port: Int) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        return address
    }

    /// Both ends of one connection; closed when both directions have ended.
    private final class Pair: Sendable {
        let client: Int32
        let server: Int32
        let losesAnswer = Atomic(false)

        init(client: Int32, server: Int32) {
            self.client = client
            self.server = server
        }
        deinit {
            close(client)
            close(server)
        }

        /// What is answered to a COMMIT that came through is not: it is done by then.
        func passBack() {
            pump(from: server, to: client) { _ in !losesAnswer.load(ordering: .sequentiallyConsistent) }
        }

        /// Until one side ends, or `passes` says no: then both do.
        func pump(from source: Int32, to target: Int32, while passes: ([UInt8]) -> Bool) {
            var buffer = [UInt8](repeating: 0, count: 65_536)
            while true {
                let count = recv(source, &buffer, buffer.count, 0)
                guard count > 0, passes(Array(buffer[..<count])) else { break }
                var sent = 0
                while sent < count {
                    let more = buffer[sent..<count].withUnsafeBytes {
                        send(target, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
                    }
                    guard more > 0 else { break }
                    sent += more
                }
                guard sent == count else { break }
            }
            for end in [client, server] { shutdown(end, Int32(SHUT_RDWR)) }
        }
    }
}
