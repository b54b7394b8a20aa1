/// How a file is cut for TikTok: whole up to 64 MB, else in chunks of 10 MB of which the last takes the rest.
/// Source: developers.tiktok.com/doc/content-posting-api-media-transfer-guide. Megabytes are decimal there.
struct Chunks: Equatable {
    static let wholeMax: Int64 = 64_000_000
    static let usual: Int64 = 10_000_000

    let size: Int64
    let chunk: Int64
    /// Rounded down: the rest belongs to the last.
    let count: Int64

    init(size: Int64) {
        self.size = size
        chunk = size <= Self.wholeMax ? max(1, size) : Self.usual
        count = max(1, size / chunk)
    }

    /// The bytes of the chunk that begins there; empty at the end.
    func range(from offset: Int64) -> Range<Int64> {
        guard offset >= 0, offset < size else { return size..<size }
        let isLast = offset / chunk >= count - 1
        return offset..<(isLast ? size : offset + chunk)
    }

    func isLast(_ offset: Int64) -> Bool { range(from: offset).upperBound == size }

    /// The beginning of the chunk that comes after so many bytes: chunks come whole or not at all.
    func border(after bytes: Int64) -> Int64 {
        guard bytes > 0 else { return 0 }
        guard bytes < size else { return size }
        return min(bytes / chunk, count - 1) * chunk
    }

    /// How far an upload is, by `bytes 0-9999999/50000123`: TikTok documents the last byte, and sends the count, too.
    func progress(_ contentRange: String?) -> Int64? {
        guard let text = contentRange, text.hasPrefix("bytes ") else { return nil }
        let sides = text.dropFirst(6).split(separator: "/", omittingEmptySubsequences: false)
        guard sides.count == 2, Int64(sides[1]) == size else { return nil }
        if sides[0] == "*" { return 0 }
        let ends = sides[0].split(separator: "-", omittingEmptySubsequences: false)
        guard ends.count == 2, ends[0] == "0", let end = Int64(ends[1]), (0...size).contains(end) else { return nil }
        return border(after: end % chunk == 0 ? end : end + 1)
    }
}
