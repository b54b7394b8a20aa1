/// Standard base64 (RFC 4648 §4), strict: no other alphabet, no blanks, no stray bits at the end. So every byte
/// string has one text, and changing any bit of a signature's text is noticed.
public enum Base64 {
    /// Whether `=` must fill the last group.
    public enum Padding: Sendable { case required, optional }

    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    private static let values: [UInt8] = {
        var values = [UInt8](repeating: 0xFF, count: 256)
        for (value, byte) in alphabet.enumerated() { values[Int(byte)] = UInt8(value) }
        return values
    }()

    public static func encode(_ bytes: some Collection<UInt8>) -> [UInt8] {
        var text: [UInt8] = []
        text.reserveCapacity((bytes.count + 2) / 3 * 4)
        var group: UInt32 = 0
        var held = 0
        for byte in bytes {
            group = group << 8 | UInt32(byte)
            held += 1
            guard held == 3 else { continue }
            for shift in [18, 12, 6, 0] as [UInt32] { text.append(alphabet[Int(group >> shift & 63)]) }
            group = 0
            held = 0
        }
        guard held > 0 else { return text }
        group <<= UInt32(3 - held) * 8
        for place in 0..<4 {
            text.append(place <= held ? alphabet[Int(group >> UInt32(18 - 6 * place) & 63)] : UInt8(ascii: "="))
        }
        return text
    }

    /// Nil for anything but the one text that some bytes have.
    public static func decode(_ text: some BidirectionalCollection<UInt8>, padding: Padding = .required) -> [UInt8]? {
        let digits = text.dropLast(text.suffix(2).reversed().prefix { $0 == UInt8(ascii: "=") }.count)
        let padded = text.count - digits.count
        guard digits.count % 4 != 1, padded == 0 ? padding == .optional || text.count % 4 == 0 : text.count % 4 == 0
        else { return nil }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(digits.count * 3 / 4)
        var bits: UInt32 = 0
        var held = 0
        for digit in digits {
            let value = values[Int(digit)]
            guard value != 0xFF else { return nil }
            bits = bits << 6 | UInt32(value)
            held += 6
            if held >= 8 {
                held -= 8
                bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(held)))
                bits &= 1 << UInt32(held) - 1
            }
        }
        return bits == 0 ? bytes : nil
    }
}

/// Base64 for addresses (RFC 4648 §5): `-` and `_` for `+` and `/`, as strict as the other.
public enum Base64URL {
    /// Without padding.
    public static func encode(_ bytes: some Collection<UInt8>) -> [UInt8] {
        Base64.encode(bytes).compactMap { byte -> UInt8? in
            switch byte {
            case UInt8(ascii: "+"): UInt8(ascii: "-")
            case UInt8(ascii: "/"): UInt8(ascii: "_")
            case UInt8(ascii: "="): nil
            default: byte
            }
        }
    }

    /// With its padding or without. Nil for anything else, the usual alphabet's `+` and `/` included.
    public static func decode(_ text: some Collection<UInt8>) -> [UInt8]? {
        let usual = text.map { byte -> UInt8 in
            switch byte {
            case UInt8(ascii: "-"): UInt8(ascii: "+")
            case UInt8(ascii: "_"): UInt8(ascii: "/")
            case UInt8(ascii: "+"), UInt8(ascii: "/"): 0  // What no alphabet has.
            default: byte
            }
        }
        return Base64.decode(usual, padding: .optional)
    }
}

/// Base16.
public enum Hex {
    /// In lower case.
    public static func encode(_ bytes: some Collection<UInt8>) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: bytes.count * 2) { text, count in
            for byte in bytes {
                text[count] = digit(byte >> 4)
                text[count + 1] = digit(byte & 15)
                count += 2
            }
        }
    }

    private static func digit(_ value: UInt8) -> UInt8 {
        value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") - 10 + value
    }
}
