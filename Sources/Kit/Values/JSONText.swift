/// Where the content of a text lies, without its quotes.
struct JSONText {
    let start: Int
    let end: Int
    let hasEscapes: Bool
}

extension JSONReader {
    /// From quote to quote. Checks control characters, escapes and UTF-8; makes no `String`.
    mutating func string() throws(JSON.Problem) -> JSONText {
        position += 1
        let start = position
        var hasEscapes = false
        while true {
            skipPlain()
            switch next {
            case UInt8(ascii: "\""):
                position += 1
                return JSONText(start: start, end: position - 1, hasEscapes: hasEscapes)
            case UInt8(ascii: "\\"):
                hasEscapes = true
                try escape()
            case 0x80...:
                try scalarBeyondASCII()
            default:
                throw problem(.control)
            }
        }
    }

    /// Up to the next byte that is a quote, a backslash, a control character or not ASCII; eight at a time.
    @inline(__always) private mutating func skipPlain() {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let highs: UInt64 = 0x8080_8080_8080_8080
        let raw = UnsafeRawBufferPointer(bytes)
        while position + 8 <= raw.count {
            let word = UInt64(littleEndian: raw.loadUnaligned(fromByteOffset: position, as: UInt64.self))
            let quote = word ^ (ones &* 0x22)
            let backslash = word ^ (ones &* 0x5C)
            // A byte's high bit is set where the byte is wanted; above the lowest such bit there may be false ones.
            let found =
                ((word &- (ones &* 0x20)) & ~word | (quote &- ones) & ~quote | (backslash &- ones) & ~backslash | word)
                & highs
            position += found == 0 ? 8 : found.trailingZeroBitCount / 8
            if found != 0 { return }
        }
        while position < bytes.count {
            let byte = bytes[position]
            guard byte >= 0x20, byte < 0x80, byte != 0x22, byte != 0x5C else { return }
            position += 1
        }
    }

    private mutating func escape() throws(JSON.Problem) {
        position += 1
        switch next {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
            UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
            position += 1
        case UInt8(ascii: "u"):
            position += 1
            for _ in 0..<4 {
                guard next.hexDigit != nil else { throw problem(.escape) }
                position += 1
            }
        default:
            throw problem(.escape)
        }
    }

    /// Two to four bytes, by the table of RFC 3629: no overlong form, no surrogate, nothing above U+10FFFF.
    private mutating func scalarBeyondASCII() throws(JSON.Problem) {
        let more: Int
        var allowed: ClosedRange<UInt8> = 0x80...0xBF
        switch next {
        case 0xC2...0xDF: more = 1
        case 0xE0: (more, allowed) = (2, 0xA0...0xBF)
        case 0xED: (more, allowed) = (2, 0x80...0x9F)
        case 0xE1...0xEF: more = 2
        case 0xF0: (more, allowed) = (3, 0x90...0xBF)
        case 0xF1...0xF3: more = 3
        case 0xF4: (more, allowed) = (3, 0x80...0x8F)
        default: throw problem(.utf8)
        }
        position += 1
        for _ in 0..<more {
            guard allowed.contains(next) else { throw problem(.utf8) }
            position += 1
            allowed = 0x80...0xBF
        }
    }
}

extension JSONText {
    /// The text that the content stands for. The content has been checked.
    func decoded(from bytes: UnsafeBufferPointer<UInt8>) -> String {
        let content = bytes[start..<end]
        guard hasEscapes else { return String(decoding: content, as: UTF8.self) }
        var text: [UInt8] = []
        text.reserveCapacity(content.count)
        var rest = content
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "\\") { Self.unescape(&rest, into: &text) } else { text.append(byte) }
        }
        return String(decoding: text, as: UTF8.self)
    }

    private static func unescape(_ rest: inout Slice<UnsafeBufferPointer<UInt8>>, into text: inout [UInt8]) {
        switch rest.popFirst() {
        case UInt8(ascii: "b"): text.append(0x08)
        case UInt8(ascii: "f"): text.append(0x0C)
        case UInt8(ascii: "n"): text.append(0x0A)
        case UInt8(ascii: "r"): text.append(0x0D)
        case UInt8(ascii: "t"): text.append(0x09)
        case UInt8(ascii: "u"): text += String(scalar(&rest)).utf8
        case let byte?: text.append(byte)
        case nil: break
        }
    }

    /// One code point: a pair of surrogates is taken together, half a pair is U+FFFD.
    private static func scalar(_ rest: inout Slice<UnsafeBufferPointer<UInt8>>) -> Unicode.Scalar {
        let unit = hexUnit(&rest)
        guard (0xD800...0xDBFF).contains(unit), rest.starts(with: #"\u"#.utf8) else {
            return Unicode.Scalar(unit) ?? "\u{FFFD}"
        }
        var ahead = rest.dropFirst(2)
        let second = hexUnit(&ahead)
        guard (0xDC00...0xDFFF).contains(second) else { return "\u{FFFD}" }
        rest = ahead
        return Unicode.Scalar(0x10000 + (unit - 0xD800) << 10 + (second - 0xDC00)) ?? "\u{FFFD}"
    }

    private static func hexUnit(_ rest: inout Slice<UnsafeBufferPointer<UInt8>>) -> UInt32 {
        (0..<4).reduce(0) { unit, _ in unit << 4 | UInt32(rest.popFirst()?.hexDigit ?? 0) }
    }
}

extension UInt8 {
    /// Whether it is an ASCII digit.
    var isDigit: Bool { self >= UInt8(ascii: "0") && self <= UInt8(ascii: "9") }

    /// The value of a hexadecimal digit, in either case.
    var hexDigit: UInt8? {
        switch self {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): self - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): self - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): self - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
