public import Kit

/// When another side wants to be asked again, as it says in `Retry-After`.
public enum RetryAfter {
    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    /// Seconds, with a fraction too, or an HTTP date; rounded up to whole seconds, at most `limit` from now. Nil for
    /// what is past, zero or unreadable.
    public static func read(_ text: String?, at now: Timestamp, atMost limit: Duration = .hours(24)) -> Duration? {
        guard let text, text.utf8.count <= 64 else { return nil }
        let wait = seconds(in: text) ?? date(in: text).map { $0 - now }
        guard let wait, wait > .zero else { return nil }
        let (whole, rest) = wait.microseconds.quotientAndRemainder(dividingBy: 1_000_000)
        return min(.seconds(whole + (rest > 0 ? 1 : 0)), limit)
    }

    private static func seconds(in text: String) -> Duration? {
        let parts = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        guard let first = parts.first, isDigits(first) else { return nil }
        // More digits than any wait has saturate into the limit.
        let whole = Int64(first) ?? 1_000_000_000
        guard parts.count == 2 else { return .seconds(min(whole, 1_000_000_000)) }
        guard isDigits(parts[1]) else { return nil }
        let fraction = Int64(parts[1].prefix(6)) ?? 0
        let scale = [1_000_000, 100_000, 10_000, 1000, 100, 10, 1][min(parts[1].utf8.count, 6)]
        return .seconds(min(whole, 1_000_000_000)) + .microseconds(fraction * Int64(scale))
    }

    /// `Sun, 06 Nov 1994 08:49:37 GMT`, the only form that RFC 9110 lets be sent.
    static func date(in text: String) -> Timestamp? {
        let parts = text.split(separator: " ")
        guard parts.count == 6, parts[0].hasSuffix(","), parts[5] == "GMT", parts[1].utf8.count == 2,
            parts[3].utf8.count == 4, let month = months.firstIndex(of: String(parts[2]))
        else { return nil }
        let number = month < 9 ? "0\(month + 1)" : "\(month + 1)"
        return Timestamp(rfc3339: "\(parts[3])-\(number)-\(parts[1])T\(parts[4])Z")
    }

    private static func isDigits(_ text: Substring) -> Bool {
        !text.isEmpty && text.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
    }
}
