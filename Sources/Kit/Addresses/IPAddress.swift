/// An IPv4 or IPv6 address as a number. A zone id cannot be said: such an address means nothing elsewhere.
public enum IPAddress: Sendable, Hashable {
    case v4(UInt32)
    /// The upper and the lower half.
    case v6(UInt64, UInt64)

    /// Four or sixteen bytes in network order, as a resolver gives them; nil for any other number.
    public init?(bytes: some Collection<UInt8>) {
        switch bytes.count {
        case 4: self = .v4(bytes.reduce(0) { $0 << 8 | UInt32($1) })
        case 16:
            self = .v6(
                bytes.prefix(8).reduce(0) { $0 << 8 | UInt64($1) },
                bytes.dropFirst(8).reduce(0) { $0 << 8 | UInt64($1) })
        default: return nil
        }
    }

    /// Reads the usual text of either family: four decimal numbers without leading zeros, or RFC 4291.
    public init?(_ text: String) {
        let bytes = Array(text.utf8)
        guard let address = bytes.contains(UInt8(ascii: ":")) ? Self.v6(bytes[...]) : Self.dotted(bytes[...]) else {
            return nil
        }
        self = address
    }

    /// Reads what resolvers and browsers take for an IPv4 address besides the usual: fewer than four numbers, the
    /// last of which fills the rest, each decimal, octal (`0177`) or hexadecimal (`0x7f`).
    public init?(loose host: some StringProtocol) {
        let parts = Array(host.utf8).split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard (1...4).contains(parts.count) else { return nil }
        var value: UInt64 = 0
        for (index, part) in parts.enumerated() {
            guard let number = Self.number(part) else { return nil }
            let isLast = index == parts.count - 1
            let bits = isLast ? 8 * UInt64(5 - parts.count) : 8
            guard number < 1 << bits else { return nil }
            value = value << bits | number
        }
        self = .v4(UInt32(truncatingIfNeeded: value))
    }

    /// IPv4 in IPv6's clothes (mapped `::ffff:0:0/96`, compatible `::/96`) as IPv4; others as they are.
    public var canonical: IPAddress {
        guard case .v6(0, let low) = self else { return self }
        let isMapped = low >> 32 == 0xFFFF
        // `::` and `::1` are themselves.
        let isCompatible = low >> 32 == 0 && low > 1
        return isMapped || isCompatible ? .v4(UInt32(truncatingIfNeeded: low)) : self
    }

    private static func number(_ text: ArraySlice<UInt8>) -> UInt64? {
        guard let first = text.first else { return nil }
        let isHex =
            text.count > 1 && first == UInt8(ascii: "0") && text[text.startIndex + 1] | 0x20 == UInt8(ascii: "x")
        let isOctal = !isHex && text.count > 1 && first == UInt8(ascii: "0")
        let digits = isHex ? text.dropFirst(2) : text
        var value: UInt64 = 0
        for byte in digits {
            guard let digit = byte.hexDigit, digit < (isHex ? 16 : isOctal ? 8 : 10), value < 1 << 40 else {
                return nil
            }
            value = value * (isHex ? 16 : isOctal ? 8 : 10) + UInt64(digit)
        }
        return value
    }
}

extension IPAddress {
    private static func dotted(_ text: ArraySlice<UInt8>) -> IPAddress? {
        let parts = text.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var value: UInt32 = 0
        for part in parts {
            // A leading zero is octal to some and decimal to others.
            guard part.count == 1 || part.first != UInt8(ascii: "0"), part.count <= 3, let number = number(part),
                number < 256
            else { return nil }
            value = value << 8 | UInt32(number)
        }
        return .v4(value)
    }

    private static func v6(_ text: ArraySlice<UInt8>) -> IPAddress? {
        let colon = UInt8(ascii: ":")
        // One `::` stands for all the zeros that are missing.
        if let gap = text.indices.dropLast().first(where: { text[$0] == colon && text[$0 + 1] == colon }) {
            guard let head = groups(text[..<gap], allowDotted: false), let tail = groups(text[(gap + 2)...]),
                head.count + tail.count < 8
            else { return nil }
            return address(head + [UInt16](repeating: 0, count: 8 - head.count - tail.count) + tail)
        }
        return groups(text).flatMap(address)
    }

    /// Groups between colons; the last of an address may be an IPv4 address. Empty text has none.
    private static func groups(_ text: ArraySlice<UInt8>, allowDotted: Bool = true) -> [UInt16]? {
        guard !text.isEmpty else { return [] }
        var groups: [UInt16] = []
        let parts = text.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
        for (index, part) in parts.enumerated() {
            if part.contains(UInt8(ascii: ".")) {
                guard allowDotted, index == parts.count - 1, case .v4(let value)? = dotted(part) else { return nil }
                groups += [UInt16(value >> 16), UInt16(truncatingIfNeeded: value)]
            } else {
                guard (1...4).contains(part.count), part.allSatisfy({ $0.hexDigit != nil }) else { return nil }
                groups.append(part.reduce(0) { $0 << 4 | UInt16($1.hexDigit ?? 0) })
            }
        }
        return groups
    }

    private static func address(_ groups: [UInt16]) -> IPAddress? {
        guard groups.count == 8 else { return nil }
        return .v6(groups[..<4].reduce(0) { $0 << 16 | UInt64($1) }, groups[4...].reduce(0) { $0 << 16 | UInt64($1) })
    }
}

extension IPAddress: CustomStringConvertible {
    /// The usual text; IPv6 after RFC 5952.
    public var description: String {
        switch self {
        case .v4(let value): return [24, 16, 8, 0].map { String(value >> UInt32($0) & 0xFF) }.joined(separator: ".")
        case .v6(let high, let low):
            let groups = [high, low].flatMap { half in
                [48, 32, 16, 0].map { UInt16(truncatingIfNeeded: half >> UInt64($0)) }
            }
            let hex = groups.map { String($0, radix: 16) }
            guard let gap = Self.longestGap(groups) else { return hex.joined(separator: ":") }
            return hex[..<gap.lowerBound].joined(separator: ":") + "::" + hex[gap.upperBound...].joined(separator: ":")
        }
    }

    /// The first of the longest runs of zeros, if it is longer than one.
    private static func longestGap(_ groups: [UInt16]) -> Range<Int>? {
        var longest = 0..<1
        for start in groups.indices {
            let end = groups[start...].firstIndex { $0 != 0 } ?? groups.count
            if end - start > longest.count { longest = start..<end }
        }
        return longest.count > 1 ? longest : nil
    }
}
