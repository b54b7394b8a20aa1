/// The grammar of JSON (RFC 8259) over bytes, written once: the tree and the scan are both made of it, so that
/// they accept the same documents.
///
/// Every access is checked against `bytes.count` here, since the buffer itself does not check in release.
struct JSONReader {
    let bytes: UnsafeBufferPointer<UInt8>
    var position = 0

    init(_ bytes: UnsafeBufferPointer<UInt8>) { self.bytes = bytes }

    /// The next byte; 0, which may stand nowhere outside of a text, at the end.
    @inline(__always) var next: UInt8 { position < bytes.count ? bytes[position] : 0 }

    func problem(_ cause: JSON.Cause) -> JSON.Problem {
        JSON.Problem(offset: min(position, bytes.count), cause: position < bytes.count ? cause : .end)
    }

    /// One value and nothing else.
    mutating func document<Result>(
        _ value: (inout Self) throws(JSON.Problem) -> Result
    ) throws(JSON.Problem) -> Result {
        if bytes.count >= 3, bytes[0] == 0xEF, bytes[1] == 0xBB, bytes[2] == 0xBF { throw problem(.byteOrderMark) }
        skipBlanks()
        let result = try value(&self)
        skipBlanks()
        guard position == bytes.count else { throw problem(.more) }
        return result
    }

    @inline(__always) mutating func skipBlanks() {
        while position < bytes.count {
            switch bytes[position] {
            case 0x20, 0x0A, 0x0D, 0x09: position += 1
            default: return
            }
        }
    }

    /// Reads past a value of any kind.
    mutating func skip(depth: Int) throws(JSON.Problem) {
        switch next {
        case UInt8(ascii: "\""): _ = try string()
        case UInt8(ascii: "{"):
            try members(depth) { reader, _ throws(JSON.Problem) in try reader.skip(depth: depth + 1) }
        case UInt8(ascii: "["): try elements(depth) { reader throws(JSON.Problem) in try reader.skip(depth: depth + 1) }
        default: try scalar()
        }
    }

    /// An object, from brace to brace. `each` stands before the value and must read past it.
    @inline(__always) mutating func members(
        _ depth: Int, _ each: (inout Self, JSONText) throws(JSON.Problem) -> Void
    ) throws(JSON.Problem) {
        guard try enter(depth, closing: UInt8(ascii: "}")) else { return }
        repeat {
            guard next == UInt8(ascii: "\"") else { throw problem(.name) }
            let name = try string()
            skipBlanks()
            guard next == UInt8(ascii: ":") else { throw problem(.colon) }
            position += 1
            skipBlanks()
            try each(&self, name)
        } while try goesOn(closing: UInt8(ascii: "}"))
    }

    /// An array, from bracket to bracket. `each` stands before the element and must read past it.
    @inline(__always) mutating func elements(
        _ depth: Int, _ each: (inout Self) throws(JSON.Problem) -> Void
    ) throws(JSON.Problem) {
        guard try enter(depth, closing: UInt8(ascii: "]")) else { return }
        repeat { try each(&self) } while try goesOn(closing: UInt8(ascii: "]"))
    }

    /// Past the opening bracket; false where it closes at once.
    private mutating func enter(_ depth: Int, closing: UInt8) throws(JSON.Problem) -> Bool {
        guard depth < JSON.deepest else { throw problem(.depth) }
        position += 1
        skipBlanks()
        guard next == closing else { return true }
        position += 1
        return false
    }

    @inline(__always) private mutating func goesOn(closing: UInt8) throws(JSON.Problem) -> Bool {
        skipBlanks()
        let byte = next
        guard byte == UInt8(ascii: ",") || byte == closing else { throw problem(.comma) }
        position += 1
        guard byte != closing else { return false }
        skipBlanks()
        return true
    }

    /// A number, `true`, `false` or `null`.
    mutating func scalar() throws(JSON.Problem) {
        switch next {
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): try number()
        case UInt8(ascii: "t"): try word("true")
        case UInt8(ascii: "f"): try word("false")
        case UInt8(ascii: "n"): try word("null")
        default: throw problem(.value)
        }
    }

    private mutating func word(_ word: StaticString) throws(JSON.Problem) {
        for index in 0..<word.utf8CodeUnitCount {
            guard next == word.utf8Start[index] else { throw problem(.word) }
            position += 1
        }
    }

    private mutating func number() throws(JSON.Problem) {
        if next == UInt8(ascii: "-") { position += 1 }
        if next == UInt8(ascii: "0") { position += 1 } else { try digits() }
        if next == UInt8(ascii: ".") {
            position += 1
            try digits()
        }
        guard next | 0x20 == UInt8(ascii: "e") else { return }
        position += 1
        if next == UInt8(ascii: "+") || next == UInt8(ascii: "-") { position += 1 }
        try digits()
    }

    /// One or more.
    private mutating func digits() throws(JSON.Problem) {
        let start = position
        while next.isDigit { position += 1 }
        guard position > start else { throw problem(.number) }
    }
}
