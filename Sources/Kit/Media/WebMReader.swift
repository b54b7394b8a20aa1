/// WebM: elements within elements. Sources: RFC 8794 (EBML), RFC 9559 (Matroska), the WebM container guidelines.
struct WebMReader<Source: ByteSource> {
    private let source: Source
    private var facts = MediaFacts(.webm)
    private var elementsLeft = 4096
    private var scale: UInt64 = 1_000_000
    private var length: Double?
    private var isWebM = false

    private init(_ source: Source) { self.source = source }

    static func read(_ source: Source) throws -> MediaFacts {
        var reader = WebMReader(source)
        try reader.elements(in: 0..<source.length, depth: 0)
        guard reader.isWebM else { return MediaFacts(.other) }
        if let length = reader.length, length.isFinite, length > 0 {
            let microseconds = length * Double(reader.scale) / 1000
            if microseconds < 1e15 { reader.facts.duration = .microseconds(Int64(microseconds)) }
        }
        return reader.facts
    }

    /// Elements that hold those that matter.
    private static var parents: Set<UInt64> { [0x1A45_DFA3, 0x1853_8067, 0x1549_A966, 0x1654_AE6B, 0xAE, 0xE0] }

    private mutating func elements(in range: Range<Int64>, depth: Int) throws {
        var offset = range.lowerBound
        while offset < range.upperBound, elementsLeft > 0 {
            elementsLeft -= 1
            let head = try source.bytes(at: offset, count: 12)
            guard let (id, idCount) = Self.number(head, at: 0, keepsMarker: true),
                let (size, sizeCount) = Self.number(head, at: idCount, keepsMarker: false)
            else { return }
            let start = offset + Int64(idCount + sizeCount)
            // All ones: it ends with what holds it.
            let isOpen = size == UInt64(1) << (7 * UInt64(sizeCount)) - 1
            let end = isOpen ? range.upperBound : start + Int64(clamping: size)
            guard start <= range.upperBound, end >= start, end <= range.upperBound else { return }
            // Pictures begin here: all that matters stands before, in files as they should be.
            if id == 0x1F43_B675, isOpen { return }
            if Self.parents.contains(id), depth < 6 {
                try elements(in: start..<end, depth: depth + 1)
            } else {
                try value(id, start..<end)
            }
            offset = end
        }
    }

    private mutating func value(_ id: UInt64, _ range: Range<Int64>) throws {
        guard [0x4282, 0x2AD7B1, 0x4489, 0x86, 0xB0, 0xBA, 0x23E383].contains(id) else { return }
        let count = Int(min(64, range.upperBound - range.lowerBound))
        let bytes = try source.bytes(at: range.lowerBound, count: count)
        let integer = count <= 8 ? bytes.bigEndian(at: 0, count) : nil
        switch id {
        case 0x4282: isWebM = bytes.text(at: 0, count) == "webm"
        case 0x2AD7B1: scale = integer.map { min($0, 1_000_000_000) } ?? scale
        case 0x4489: length = Self.float(bytes)
        case 0x86:
            // Of the first track that shows pictures.
            if facts.codec == nil, let name = bytes.text(at: 0, count), name.hasPrefix("V_") { facts.codec = name }
        case 0xB0: facts.width = facts.width ?? integer.map { Int(clamping: $0) }
        case 0xBA: facts.height = facts.height ?? integer.map { Int(clamping: $0) }
        case 0x23E383:
            // Nanoseconds of a frame.
            if let integer, integer > 1_000_000, facts.frameRate == nil { facts.frameRate = 1e9 / Double(integer) }
        default: break
        }
    }

    /// A number whose first bit that is set says how long it is.
    private static func number(_ bytes: [UInt8], at offset: Int, keepsMarker: Bool) -> (UInt64, count: Int)? {
        guard let first = bytes.bigEndian(at: offset, 1), first != 0 else { return nil }
        let count = UInt8(first).leadingZeroBitCount + 1
        guard let value = bytes.bigEndian(at: offset, count) else { return nil }
        return (keepsMarker ? value : value & (UInt64(1) << (7 * UInt64(count)) - 1), count)
    }

    private static func float(_ bytes: [UInt8]) -> Double? {
        switch bytes.endIndex {
        case 4: bytes.bigEndian(at: 0, 4).map { Double(Float(bitPattern: UInt32($0))) }
        case 8: bytes.bigEndian(at: 0, 8).map { Double(bitPattern: $0) }
        default: nil
        }
    }
}
