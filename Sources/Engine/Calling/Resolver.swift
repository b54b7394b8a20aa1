import Glibc
public import Kit
import NIOPosix

/// Finds the addresses of a host.
public protocol Resolver: Sendable {
    /// All of them, in the order in which they should be tried.
    func addresses(of host: String) async throws(ResolverFailure) -> [IPAddress]
}

/// Why a host has no address.
public enum ResolverFailure: Error, Sendable, Equatable {
    /// The name does not exist, or has no address.
    case unknown
    /// Nobody answered: the name's servers, or ours.
    case noAnswer
    case cancelled
}

/// The machine's resolver: getaddrinfo, which blocks, on threads of its own.
public final class SystemResolver: Resolver {
    /// Resolutions at once; a name whose servers are silent holds one for half a minute.
    private static let threads = 8
    private let pool: NIOThreadPool

    public init() {
        pool = NIOThreadPool(numberOfThreads: Self.threads)
        pool.start()
    }

    /// Ends its threads. Nothing can be resolved afterwards.
    public func close() async { try? await pool.shutdownGracefully() }  // Fails only when it was closed before.

    public func addresses(of host: String) async throws(ResolverFailure) -> [IPAddress] {
        do {
            return try await pool.runIfActive { try Self.resolve(host) }
        } catch let failure as ResolverFailure {
            throw failure
        } catch {
            throw .cancelled
        }
    }

    private static func resolve(_ host: String) throws(ResolverFailure) -> [IPAddress] {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        // Families of which this machine has no address are left out.
        hints.ai_flags = AI_ADDRCONFIG
        var list: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(host, nil, &hints, &list)
        guard code == 0 else { throw code == EAI_AGAIN || code == EAI_SYSTEM ? .noAnswer : .unknown }
        defer { freeaddrinfo(list) }
        var addresses: [IPAddress] = []
        var next = list
        while let entry = next?.pointee {
            if let address = address(of: entry), !addresses.contains(address) { addresses.append(address) }
            next = entry.ai_next
        }
        guard !addresses.isEmpty else { throw .unknown }
        return addresses
    }

    private static func address(of entry: addrinfo) -> IPAddress? {
        guard let socket = entry.ai_addr else { return nil }
        switch entry.ai_family {
        case AF_INET:
            return UnsafeRawPointer(socket).withMemoryRebound(to: sockaddr_in.self, capacity: 1) { socket in
                withUnsafeBytes(of: socket.pointee.sin_addr) { IPAddress(bytes: $0) }
            }
        case AF_INET6:
            return UnsafeRawPointer(socket).withMemoryRebound(to: sockaddr_in6.self, capacity: 1) { socket in
                withUnsafeBytes(of: socket.pointee.sin6_addr) { IPAddress(bytes: $0) }
            }
        default: return nil
        }
    }
}
