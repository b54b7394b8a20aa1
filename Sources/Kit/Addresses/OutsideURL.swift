/// A URL that somebody else named, read strictly: what two parsers could read differently is refused.
public struct OutsideURL: Sendable, Equatable {
    /// Others are never dialled.
    public enum Scheme: String, Sendable { case http, https }

    /// Whom to dial.
    public enum Host: Sendable, Equatable {
        /// In lower case, without a trailing dot; to be resolved.
        case name(String)
        /// Whatever form it was written in: `0x7f.1` is `127.0.0.1`.
        case address(IPAddress)

        /// Whether it is this machine itself, by name or address.
        public var isThisMachine: Bool {
            switch self {
            case .name(let name): name == "localhost" || name.hasSuffix(".localhost")
            case .address(let address): Self.loopback.contains { $0.contains(address) }
            }
        }
        private static let loopback = ["127.0.0.0/8", "::1"].compactMap { CIDR($0) }
    }

    public let scheme: Scheme
    public let host: Host
    /// Whether its host is this machine by name or address.
    public var isOnThisMachine: Bool { host.isThisMachine }
    /// As written, or the usual one of the scheme.
    public let port: Int
    /// Path and query as written, at least `/`.
    public let target: String

    /// In bytes; longer ones are not addresses of anything.
    public static let longest = 2048

    public init(_ text: String) throws(BadAddress) {
        let bytes = Array(text.utf8)
        guard bytes.count <= Self.longest else { throw BadAddress("The address is longer than \(Self.longest) bytes.") }
        guard bytes.allSatisfy({ (0x21...0x7E).contains($0) && $0 != UInt8(ascii: "\\") }) else {
            throw BadAddress("The address holds a blank, a backslash or a character beyond ASCII. Encode it.")
        }
        guard let colon = bytes.firstIndex(of: UInt8(ascii: ":")), bytes[colon...].starts(with: "://".utf8),
            let scheme = Scheme(rawValue: String(decoding: bytes[..<colon].map(\.asciiLowercased), as: UTF8.self))
        else { throw BadAddress("The address must begin with https:// or http://.") }
        guard !bytes.contains(UInt8(ascii: "#")) else {
            throw BadAddress("The address has a part after #, which is never sent. Remove it.")
        }
        let rest = bytes[(colon + 3)...]
        let end = rest.firstIndex { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "?") } ?? rest.endIndex
        let authority = rest[..<end]
        guard !authority.contains(UInt8(ascii: "@")) else {
            throw BadAddress("The address holds a user name or password. Remove it.")
        }
        let (host, port) = try Self.split(authority)
        self.scheme = scheme
        self.host = try Self.host(host)
        self.port = try port.map { digits throws(BadAddress) in try Self.port(digits) } ?? (scheme == .https ? 443 : 80)
        let target = String(decoding: rest[end...], as: UTF8.self)
        self.target = target.utf8.first == UInt8(ascii: "/") ? target : "/" + target
    }

    /// At the colon before the port, which is not one of those within brackets.
    private static func split(
        _ authority: ArraySlice<UInt8>
    ) throws(BadAddress) -> (host: ArraySlice<UInt8>, port: ArraySlice<UInt8>?) {
        let hostEnd: Int
        if authority.first == UInt8(ascii: "[") {
            guard let bracket = authority.firstIndex(of: UInt8(ascii: "]")) else { throw badHost }
            hostEnd = bracket + 1
        } else {
            hostEnd = authority.firstIndex(of: UInt8(ascii: ":")) ?? authority.endIndex
        }
        guard hostEnd < authority.endIndex else { return (authority, nil) }
        guard authority[hostEnd] == UInt8(ascii: ":") else { throw badHost }
        return (authority[..<hostEnd], authority[(hostEnd + 1)...])
    }

    private static func port(_ digits: ArraySlice<UInt8>) throws(BadAddress) -> Int {
        guard (1...5).contains(digits.count), digits.allSatisfy(\.isDigit),
            let port = Int(String(decoding: digits, as: UTF8.self)), (1...65_535).contains(port)
        else { throw BadAddress("The port must be a number from 1 to 65535.") }
        return port
    }

    private static func host(_ bytes: ArraySlice<UInt8>) throws(BadAddress) -> Host {
        if bytes.first == UInt8(ascii: "[") {
            let inner = String(decoding: bytes.dropFirst().dropLast(), as: UTF8.self)
            guard inner.utf8.contains(UInt8(ascii: ":")), let address = IPAddress(inner) else { throw badHost }
            return .address(address)
        }
        let name = bytes.last == UInt8(ascii: ".") ? bytes.dropLast() : bytes
        let labels = name.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard name.count <= 253, labels.allSatisfy(isLabel), let last = labels.last else { throw badHost }
        let text = String(decoding: name.map(\.asciiLowercased), as: UTF8.self)
        // No top-level domain looks like a number, and resolvers take such names for IPv4.
        let isNumeric = last.allSatisfy(\.isDigit) || last.starts(with: "0x".utf8) || last.starts(with: "0X".utf8)
        guard isNumeric else { return .name(text) }
        guard let address = IPAddress(loose: text) else { throw badHost }
        return .address(address)
    }

    private static func isLabel(_ label: ArraySlice<UInt8>) -> Bool {
        (1...63).contains(label.count)
            && label.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"),
                    UInt8(ascii: "-"), UInt8(ascii: "_"):
                    true
                default: false
                }
            }
    }

    private static let badHost = BadAddress(
        "The host is neither a name nor an address. Write names beyond ASCII as xn--….")
}
