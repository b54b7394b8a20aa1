/// Pictures: their kind and size. Sources: ITU T.81 (JPEG), the PNG specification, RFC 9649 (WebP).
enum PictureReader {
    /// Segments before the one that says the size.
    private static let segmentsMax = 256

    static func jpeg(_ source: some ByteSource) throws -> MediaFacts {
        var facts = MediaFacts(.jpeg)
        var offset: Int64 = 2
        for _ in 0..<segmentsMax {
            let segment = try source.bytes(at: offset, count: 9)
            guard segment.bigEndian(at: 0, 1) == 0xFF, let marker = segment.bigEndian(at: 1, 1),
                let length = segment.bigEndian(at: 2, 2)
            else { break }
            // Start of frame; C4, C8 and CC are tables and reserved.
            if (0xC0...0xCF).contains(marker), ![0xC4, 0xC8, 0xCC].contains(marker) {
                facts.height = segment.bigEndian(at: 5, 2).map { Int($0) }
                facts.width = segment.bigEndian(at: 7, 2).map { Int($0) }
                break
            }
            if marker == 0xFF {  // A fill byte.
                offset += 1
                continue
            }
            guard length >= 2, marker != 0xDA else { break }
            offset += 2 + Int64(length)
        }
        return facts
    }

    static func png(_ head: [UInt8]) -> MediaFacts {
        var facts = MediaFacts(.png)
        guard head.text(at: 12, 4) == "IHDR" else { return facts }
        facts.width = head.bigEndian(at: 16, 4).map { Int(clamping: $0) }
        facts.height = head.bigEndian(at: 20, 4).map { Int(clamping: $0) }
        return facts
    }

    static func webp(_ head: [UInt8]) -> MediaFacts {
        var facts = MediaFacts(.webp)
        switch head.text(at: 12, 4) {
        case "VP8X":
            facts.width = head.littleEndian(at: 24, 3).map { $0 + 1 }
            facts.height = head.littleEndian(at: 27, 3).map { $0 + 1 }
        case "VP8L":
            guard head.bigEndian(at: 20, 1) == 0x2F, let bits = head.littleEndian(at: 21, 4) else { break }
            facts.width = bits & 0x3FFF + 1
            facts.height = bits >> 14 & 0x3FFF + 1
        case "VP8 ":
            guard head.bigEndian(at: 23, 3) == 0x9D012A else { break }
            facts.width = head.littleEndian(at: 26, 2).map { $0 & 0x3FFF }
            facts.height = head.littleEndian(at: 28, 2).map { $0 & 0x3FFF }
        default: break
        }
        return facts
    }
}
