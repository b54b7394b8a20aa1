/// A range of addresses: `10.0.0.0/8`, `fc00::/7`, or one address.
public struct CIDR: Sendable, Hashable, CustomStringConvertible {
    /// The lowest address of the range.
    public let address: IPAddress
    /// Leading bits that are fixed.
    public let length: Int

    /// Nil for what is no range. Bits after the length must be zero: `10.0.0.1/8` is more likely a slip than a wish.
    public init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count <= 2, let first = parts.first, let address = IPAddress(String(first)) else { return nil }
        let whole = address.width
        guard let length = parts.count == 1 ? whole : Self.length(parts[1], atMost: whole) else { return nil }
        // A range of mapped addresses is the IPv4 range that they map.
        let canonical = address.canonical
        let lost = whole - canonical.width
        guard length >= lost, canonical.cut(to: length - lost) == canonical else { return nil }
        self.address = canonical
        self.length = length - lost
    }

    /// A list separated by commas or blanks, as settings hold it.
    /// - Throws: the part that is no range.
    public static func list(_ text: String) throws(BadAddress) -> [CIDR] {
        var ranges: [CIDR] = []
        for part in text.split(whereSeparator: { $0 == "," || $0.isWhitespace }) {
            guard let range = CIDR(String(part)) else {
                let shown = OutsideText.bounded(String(part), 64)
                throw BadAddress("\(shown) is no range of addresses, such as 10.0.0.0/8 or fc00::/7.")
            }
            ranges.append(range)
        }
        return ranges
    }

    /// IPv4 in IPv6's clothes counts as IPv4.
    public func contains(_ other: IPAddress) -> Bool {
        let other = other.canonical
        return other.width == address.width && other.cut(to: length) == address
    }

    public var description: String { "\(address)/\(length)" }

    private static func length(_ text: Substring, atMost whole: Int) -> Int? {
        guard !text.isEmpty, text.utf8.count <= 3, text.utf8.allSatisfy(\.isDigit),
            let length = Int(text), length <= whole
        else { return nil }
        return length
    }
}

extension IPAddress {
    var width: Int { if case .v4 = self { 32 } else { 128 } }

    /// The same with all bits after the first `length` zero.
    func cut(to length: Int) -> IPAddress {
        switch self {
        case .v4(let value): .v4(value & ~(UInt32.max >> UInt32(length)))
        case .v6(let high, let low):
            .v6(high & ~(UInt64.max >> UInt64(min(length, 64))), low & ~(UInt64.max >> UInt64(max(length - 64, 0))))
        }
    }
}

/// Why an address or a URL from outside is not used.
public struct BadAddress: Error, Sendable, Equatable {
    /// What is wrong and what to do.
    public let reason: String
    public init(_ reason: String) { self.reason = reason }
}
