/// Text from outside, made fit for a text column of either engine.
public enum OutsideText {
    /// Enough for every id and type that a platform sends; more is not one.
    public static let usualLimit = 256

    /// At most `limit` bytes of UTF-8, cut between characters. NUL, which PostgreSQL cannot hold, becomes the six
    /// characters `\u0000`.
    public static func bounded(_ text: String, _ limit: Int = usualLimit) -> String { bounded(text.utf8, limit) }

    /// The same for bytes that may not be UTF-8: each byte that is none (those of an encoded surrogate too) becomes
    /// `\xff`.
    public static func bounded(_ bytes: some Collection<UInt8>, _ limit: Int = usualLimit) -> String { "" }
}
