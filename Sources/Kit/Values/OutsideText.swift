/// Text from outside, made fit for a text column of either engine.
public enum OutsideText {
    /// In bytes: enough for every id and type that a platform sends.
    public static let usualLimit = 256

    /// At most `limit` bytes of UTF-8, cut between characters. NUL, which PostgreSQL cannot hold, becomes the six
    /// characters `\u0000`.
    public static func bounded(_ text: String, _ limit: Int = usualLimit) -> String {
        // Nearly always the text is fit as it is.
        if text.utf8.count <= limit, !text.utf8.contains(0) { return text }
        return bounded(text.utf8, limit)
    }

    /// The same for bytes that may not be UTF-8: each byte that is none (those of an encoded surrogate too) becomes
    /// an escape such as `\xff`.
    public static func bounded(_ bytes: some Collection<UInt8>, _ limit: Int = usualLimit) -> String {
        var fit: [UInt8] = []
        var rest = Array(bytes.prefix(limit + 4))[...]
        while !rest.isEmpty {
            let length = scalarLength(rest)
            let next = length == 0 ? escape(rest[rest.startIndex]) : Array(rest.prefix(length))
            guard fit.count + next.count <= limit else { break }
            fit += next
            rest = rest.dropFirst(max(1, length))
        }
        return String(decoding: fit, as: UTF8.self)
    }

    /// Bytes of the character that begins here; 0 where none does that a column can hold.
    private static func scalarLength(_ bytes: ArraySlice<UInt8>) -> Int {
        guard bytes.first != 0 else { return 0 }
        return (1...4).first { String(validating: bytes.prefix($0), as: UTF8.self) != nil } ?? 0
    }

    private static func escape(_ byte: UInt8) -> [UInt8] {
        byte == 0 ? Array(#"\u0000"#.utf8) : Array(#"\x"#.utf8) + Hex.encode([byte])
    }
}
