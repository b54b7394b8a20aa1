/// JSON as some platforms write it: nothing in it beyond ASCII.
public enum JSONEscapes {
    /// The text with its characters beyond ASCII as `\uXXXX` in small letters, two of them for one beyond U+FFFF. Nil
    /// where there is none to write so, and for what is no UTF-8.
    ///
    /// - Parameter alsoSlashes: writes `/` as `\/`, too.
    public static func written(_ body: [UInt8], alsoSlashes: Bool) -> [UInt8]? {
        let isPlain = body.allSatisfy { $0 < 0x80 && (!alsoSlashes || $0 != UInt8(ascii: "/")) }
        guard !isPlain, let text = String(validating: body, as: UTF8.self) else { return nil }
        return text.utf16.flatMap { unit -> [UInt8] in
            switch unit {
            case 0x2F where alsoSlashes: Array("\\/".utf8)
            case 0..<0x80: [UInt8(unit)]
            default: Array("\\u".utf8) + Hex.encode([UInt8(unit >> 8), UInt8(unit & 0xFF)])
            }
        }
    }
}
