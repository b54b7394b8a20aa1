import Glibc

/// Ports that nobody listens on.
enum FreePort {
    /// The first free one from here on, at most twenty further; any for 0.
    static func first(from port: Int) throws -> Int {
        for candidate in port == 0 ? [0] : Array(port...min(port + 20, 65_535)) {
            if let free = bound(candidate) { return free }
        }
        throw Fault("The ports from \(port) on are taken. Name another: patchbay demo --port 9000", code: 1)
    }

    /// The same, and no other demo takes it as long as this process lives: two that start at one time do not meet.
    static func reserved(from port: Int) throws -> Int {
        for candidate in Array(port...min(port + 20, 65_535)) {
            if let free = bound(candidate), reserve(free) { return free }
        }
        throw Fault("The ports from \(port) on are taken. Name another: patchbay demo --port 9000", code: 1)
    }

    /// A name among the machine's abstract sockets, which ends with its process.
    private static func reserve(_ port: Int) -> Bool {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return false }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let name = Array("\0patchbay-demo-\(port)".utf8)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: name) }
        let length = socklen_t(MemoryLayout<sa_family_t>.size + name.count)
        let isOurs = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, length) == 0 }
        }
        if !isOurs { close(descriptor) }
        return isOurs
    }

    private static func bound(_ port: Int) -> Int? {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var reuse: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &reuse, socklen_t(MemoryLayout<Int32>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(clamping: port).bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0
            }
        }
        return isBound ? Int(UInt16(bigEndian: address.sin_port)) : nil
    }
}
