import Foundation
import Synchronization

/// A platform, or an application, that answers every request alike, or by its path.
final class Responder: @unchecked Sendable {  // The thread owns the descriptor; `state` guards the rest.
    let port: Int
    private let descriptor: Int32
    private let answer: @Sendable (String) -> [UInt8]
    private let pause: useconds_t
    private let lingers: Bool
    private let state = Mutex<[[UInt8]]>([])
    /// While it is shut, answers wait.
    private let gate: NSCondition?
    private let isShut = Mutex(true)

    /// - Parameters:
    ///   - pause: in milliseconds, before each answer; whoever comes meanwhile is answered beside.
    ///   - lingers: it answers after a request's first bytes, and reads what else comes until the other side leaves.
    ///   - waits: it answers nobody before `open`.
    convenience init(status: Int, body: String, pause: Int = 0, lingers: Bool = false) throws {
        try self.init(status: status, pause: pause, lingers: lingers) { _ in body }
    }

    init(
        status: Int, pause: Int = 0, lingers: Bool = false, waits: Bool = false,
        body: @escaping @Sendable (_ path: String) -> String
    ) throws {
        gate = waits ? NSCondition() : nil
        self.pause = useconds_t(pause * 1000)
        self.lingers = lingers
        answer = { path in
            let body = body(path)
            return Array(
                """
                HTTP/1.1 \(status) Answer\r\nContent-Type: application/json\r\nConnection: close\r\n\
                Content-Length: \(body.utf8.count)\r\n\r\n\(body)
                """.utf8)
        }
        port = try freePort()
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var (address, on) = (sockaddr_in(), Int32(1))
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size))
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        let bound = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard bound == 0, listen(descriptor, 64) == 0 else { throw ServerDied(log: "cannot listen on \(port)") }
        Thread { [self] in serve() }.start()
    }

    /// What was sent here: heads, and as much of the bodies as came with them.
    var requests: [[UInt8]] { state.withLock { $0 } }
    /// The ids of the webhooks among them, as often as they came.
    var messages: [String] {
        requests.compactMap { request in
            String(decoding: request, as: UTF8.self).split(separator: "\r\n").first {
                $0.lowercased().hasPrefix("webhook-id:")
            }.map { String($0.dropFirst("webhook-id:".count)).filter { $0 != " " } }
        }
    }
    func stop() {
        shutdown(descriptor, Int32(SHUT_RDWR))
        open()
    }
    /// Whoever waits is answered, and whoever comes.
    func open() {
        isShut.withLock { $0 = false }
        gate?.broadcast()
    }

    private func serve() {
        while true {
            let connection = accept(descriptor, nil, nil)
            guard connection >= 0 else { break }
            if pause > 0 || lingers || gate != nil {
                Thread { [self] in answer(on: connection) }.start()
            } else {
                answer(on: connection)
            }
        }
        close(descriptor)
    }

    private func answer(on connection: Int32) {
        var limit = timeval(tv_sec: 2, tv_usec: 0)
        setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        var buffer = [UInt8](repeating: 0, count: 65_536)
        let count = recv(connection, &buffer, buffer.count, 0)
        if count > 0 { state.withLock { $0.append(Array(buffer[..<count])) } }
        if pause > 0 { usleep(pause) }
        gate?.withLock { while isShut.withLock({ $0 }) { _ = gate?.wait(until: Date() + 1) } }
        let words = String(decoding: buffer.prefix(max(0, count)), as: UTF8.self).split(separator: " ").prefix(2)
        let bytes = answer(words.last.map(String.init) ?? "")
        _ = Glibc.send(connection, bytes, bytes.count, Int32(MSG_NOSIGNAL))
        if lingers {
            shutdown(connection, Int32(SHUT_WR))
            while recv(connection, &buffer, buffer.count, 0) > 0 {}
        }
        close(connection)
    }
}
