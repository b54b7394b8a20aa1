import Foundation
import Kit
import Synchronization

/// An application on this machine that takes webhooks: it keeps each as it came and answers as it is told.
final class LocalApplication: @unchecked Sendable {  // The thread owns the descriptor; `state` guards the rest.
    let port: Int
    private let descriptor: Int32
    private let answer: @Sendable (_ number: Int) -> Int
    private let state = Mutex<[Delivery]>([])

    /// - Parameter answer: the status for the first, second, … request.
    init(port: Int? = nil, answer: @escaping @Sendable (_ number: Int) -> Int = { _ in 200 }) throws {
        self.answer = answer
        self.port = try port ?? freePort()
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var (address, on) = (sockaddr_in(), Int32(1))
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size))
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(self.port).bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        let bound = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard bound == 0, listen(descriptor, 64) == 0 else { throw ServerDied(log: "cannot listen on \(self.port)") }
        Thread { [self] in serve() }.start()
    }

    /// Every request, taken or not, in order.
    var received: [Delivery] { state.withLock { $0 } }
    func stop() { shutdown(descriptor, Int32(SHUT_RDWR)) }

    private func serve() {
        while true {
            let connection = accept(descriptor, nil, nil)
            guard connection >= 0 else { break }
            if let delivery = read(connection) {
                let number = state.withLock { received in
                    received.append(delivery)
                    return received.count
                }
                let head = "HTTP/1.1 \(answer(number)) Answer\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
                _ = Glibc.send(connection, head, head.utf8.count, Int32(MSG_NOSIGNAL))
            }
            close(connection)
        }
        close(descriptor)
    }

    private func read(_ connection: Int32) -> Delivery? {
        var limit = timeval(tv_sec: 5, tv_usec: 0)
        setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            if let delivery = Self.whole(bytes) { return delivery }
            let count = recv(connection, &buffer, buffer.count, 0)
            guard count > 0 else { return nil }
            bytes += buffer[..<count]
        }
    }

    /// The request, once its head and as much body as that says are there.
    private static func whole(_ bytes: [UInt8]) -> Delivery? {
        guard let end = bytes.firstRange(of: Array("\r\n\r\n".utf8)) else { return nil }
        let lines = String(decoding: bytes[..<end.lowerBound], as: UTF8.self).components(separatedBy: "\r\n")
        let headers = lines.dropFirst().compactMap { line -> Field? in
            let parts = line.split(separator: ":", maxSplits: 1)
            return parts.count == 2
                ? Field(String(parts[0]), parts[1].trimmingCharacters(in: .whitespaces)) : nil
        }
        let length = headers["Content-Length"].flatMap { Int($0) } ?? 0
        let body = Array(bytes[end.upperBound...])
        guard body.count >= length else { return nil }
        let target = lines.first?.split(separator: " ").dropFirst().first.map(String.init) ?? ""
        let now = Timestamp(microseconds: Int64(Date().timeIntervalSince1970 * 1e6))
        return Delivery(method: "POST", target: target, headers: headers, body: body, receivedAt: now)
    }
}
