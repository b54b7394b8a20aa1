/// MP4 and QuickTime: boxes within boxes. Source: ISO/IEC 14496-12; the QuickTime File Format specification.
struct BoxReader<Source: ByteSource> {
    private let source: Source
    private var facts: MediaFacts
    /// Boxes that may still be looked at: a file of nothing but empty boxes ends here.
    private var boxesLeft = 4096
    private static var depthMax: Int { 6 }

    private init(_ source: Source, _ facts: MediaFacts) {
        self.source = source
        self.facts = facts
    }

    /// What is gathered of one track.
    private struct Track {
        var isVideo = false
        var size: (width: Int, height: Int)?
        var scale: UInt64?
        var length: UInt64?
        var samples: UInt64?
        var codec: String?
    }
}

extension BoxReader where Source == [UInt8] {
    /// Types with which such a file begins.
    static var first: Set<String> { ["ftyp", "moov", "mdat", "wide", "free", "skip", "pnot"] }
}

extension BoxReader {
    static func read(_ source: Source, _ head: [UInt8]) throws -> MediaFacts {
        let isTyped = head.text(at: 4, 4) == "ftyp"
        guard !isTyped || head.text(at: 8, 4) != nil else { return MediaFacts(.other) }
        let isMP4 = head.text(at: 4, 4) == "ftyp" && head.text(at: 8, 4) != "qt  "
        var reader = BoxReader(source, MediaFacts(isMP4 ? .mp4 : .mov))
        var found = false
        try reader.boxes(in: 0..<source.length) { reader, type, content in
            guard type == "moov", !found else { return }
            found = true
            try reader.movie(content)
        }
        // Without `ftyp` and without a movie it only looks like one.
        if !found, head.text(at: 4, 4) != "ftyp" { return MediaFacts(.other) }
        return reader.facts
    }

    /// Walks over the boxes of a range, one after the other.
    private mutating func boxes(
        in range: Range<Int64>, _ visit: (inout Self, String, Range<Int64>) throws -> Void
    ) throws {
        var offset = range.lowerBound
        while offset < range.upperBound, boxesLeft > 0 {
            boxesLeft -= 1
            let head = try source.bytes(at: offset, count: 16)
            guard let short = head.bigEndian(at: 0, 4), let type = head.text(at: 4, 4) else { return }
            var (size, start) = (Int64(clamping: short), offset + 8)
            if short == 1 {
                guard let long = head.bigEndian(at: 8, 8) else { return }
                (size, start) = (Int64(clamping: long), offset + 16)
            } else if short == 0 {
                size = range.upperBound - offset
            }
            guard size >= start - offset, size <= range.upperBound - offset else { return }
            try visit(&self, type, start..<offset + size)
            offset += size
        }
    }

    private mutating func movie(_ range: Range<Int64>) throws {
        var best: Track?
        try boxes(in: range) { reader, type, content in
            switch type {
            case "mvhd":
                let (scale, length) = try reader.times(content)
                reader.facts.duration = Self.duration(length, scale)
            case "trak":
                var track = Track()
                try reader.track(content, depth: 0, into: &track)
                if track.isVideo, best == nil { best = track }
            default: break
            }
        }
        guard let best else { return }
        facts.width = best.size?.width
        facts.height = best.size?.height
        facts.codec = best.codec
        if let samples = best.samples, let scale = best.scale, let length = best.length, length > 0, scale > 0 {
            facts.frameRate = Double(samples) * Double(scale) / Double(length)
        }
        // A movie whose header leaves its length open has that of its picture.
        if facts.duration == nil { facts.duration = Self.duration(best.length, best.scale) }
    }

    private mutating func track(_ range: Range<Int64>, depth: Int, into track: inout Track) throws {
        guard depth < Self.depthMax else { return }
        var found = track
        try boxes(in: range) { reader, type, content in
            switch type {
            case "mdia", "minf", "stbl": try reader.track(content, depth: depth + 1, into: &found)
            case "tkhd": found.size = try reader.size(content)
            case "mdhd": (found.scale, found.length) = try reader.times(content)
            case "hdlr":
                // QuickTime has handlers of data, too, within `minf`.
                let head = try reader.source.bytes(at: content.lowerBound, count: 12)
                if head.text(at: 8, 4) == "vide" { found.isVideo = true }
            case "stsd":
                found.codec = try reader.source.bytes(at: content.lowerBound, count: 16).text(at: 12, 4)
            case "stsz": found.samples = try reader.source.bytes(at: content.lowerBound, count: 12).bigEndian(at: 8, 4)
            default: break
            }
        }
        track = found
    }

    /// Units a second, and how many; both forms of `mvhd` and `mdhd`.
    private func times(_ range: Range<Int64>) throws -> (scale: UInt64?, length: UInt64?) {
        let head = try source.bytes(at: range.lowerBound, count: 32)
        let isLong = head.bigEndian(at: 0, 1) == 1
        let length = isLong ? head.bigEndian(at: 24, 8) : head.bigEndian(at: 16, 4)
        // All ones: unknown.
        let isOpen = length == (isLong ? .max : UInt64(UInt32.max)) || length == 0
        return (head.bigEndian(at: isLong ? 20 : 12, 4), isOpen ? nil : length)
    }

    /// Width and height, the last eight bytes of `tkhd`, with sixteen bits behind the point.
    private func size(_ range: Range<Int64>) throws -> (width: Int, height: Int)? {
        guard range.upperBound - range.lowerBound >= 84 else { return nil }
        let tail = try source.bytes(at: range.upperBound - 8, count: 8)
        guard let width = tail.bigEndian(at: 0, 2), let height = tail.bigEndian(at: 4, 2), width > 0, height > 0 else {
            return nil
        }
        return (Int(width), Int(height))
    }

    private static func duration(_ length: UInt64?, _ scale: UInt64?) -> Duration? {
        guard let length, let scale, scale > 0 else { return nil }
        let seconds = length / scale
        guard seconds < 1_000_000_000 else { return nil }
        return .seconds(Int64(seconds)) + .microseconds(Int64(length % scale * 1_000_000 / scale))
    }
}
