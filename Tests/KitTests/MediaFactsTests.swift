import Kit
import Testing

/// Files that are made up here, box by box.
enum MadeUp {
    static func big(_ value: UInt64, _ count: Int) -> [UInt8] {
        (0..<count).reversed().map { UInt8(truncatingIfNeeded: value >> (8 * UInt64($0))) }
    }
    static func box(_ type: String, _ content: [UInt8]) -> [UInt8] {
        big(UInt64(content.count + 8), 4) + Array(type.utf8) + content
    }

    /// A movie of `seconds` with one track of pictures, 30 frames a second.
    static func movie(_ brand: String = "isom", seconds: UInt64 = 21, width: UInt64 = 1080, height: UInt64 = 1920)
        -> [UInt8]
    {
        let mvhd = box("mvhd", big(0, 12) + big(1000, 4) + big(seconds * 1000, 4) + big(0, 80))
        let tkhd = box("tkhd", big(0, 76) + big(width << 16, 4) + big(height << 16, 4))
        let mdhd = box("mdhd", big(0, 12) + big(30_000, 4) + big(seconds * 30_000, 4) + big(0, 4))
        let hdlr = box("hdlr", big(0, 8) + Array("vide".utf8) + big(0, 12))
        let stsd = box("stsd", big(0, 4) + big(1, 4) + box("avc1", big(0, 78)))
        let stsz = box("stsz", big(0, 4) + big(0, 4) + big(seconds * 30, 4))
        let trak = box("trak", tkhd + box("mdia", mdhd + hdlr + box("minf", box("stbl", stsd + stsz))))
        return box("ftyp", Array(brand.utf8) + big(512, 4)) + box("mdat", [1, 2, 3, 4]) + box("moov", mvhd + trak)
    }

    static func element(_ id: UInt64, _ content: [UInt8]) -> [UInt8] {
        let count = (1...4).first { id < UInt64(1) << (8 * UInt64($0)) } ?? 4
        return big(id, count) + [0x40 | UInt8(content.count >> 8), UInt8(content.count & 0xFF)] + content
    }
    static func webm(seconds: Double = 12.5) -> [UInt8] {
        let info =
            element(0x2AD7B1, big(1_000_000, 3)) + element(0x4489, big((seconds * 1000).bitPattern, 8))
        let video = element(0xE0, element(0xB0, big(720, 2)) + element(0xBA, big(1280, 2)))
        let track = element(0xAE, element(0x86, Array("V_VP9".utf8)) + element(0x23E383, big(40_000_000, 4)) + video)
        return element(0x1A45_DFA3, element(0x4282, Array("webm".utf8)))
            + element(0x1853_8067, element(0x1549_A966, info) + element(0x1654_AE6B, track))
    }
    static let jpeg: [UInt8] =
        [0xFF, 0xD8, 0xFF, 0xE0, 0, 4, 0, 0, 0xFF, 0xC2, 0, 11, 8] + big(600, 2) + big(800, 2) + [3, 1, 2, 3]
    static let png: [UInt8] =
        [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A] + big(13, 4) + Array("IHDR".utf8) + big(640, 4) + big(480, 4)
        + [8, 2, 0, 0, 0]
    static let webp: [UInt8] =
        Array("RIFF".utf8) + [30, 0, 0, 0] + Array("WEBPVP8X".utf8) + [10, 0, 0, 0, 0, 0, 0, 0]
        + [0x7F, 0x07, 0, 0x37, 0x04, 0]

    static let all: [(name: String, bytes: [UInt8])] = [
        ("mp4", movie()), ("mov", movie("qt  ")), ("webm", webm()), ("jpeg", jpeg), ("png", png), ("webp", webp),
    ]
}

@Suite("What a file's own bytes say")
struct MediaFactsTests {
    @Test("a movie says its length, size, frames and coding")
    func movie() throws {
        for (brand, kind) in [("isom", MediaFacts.Kind.mp4), ("qt  ", .mov)] {
            let facts = try MediaFacts(reading: MadeUp.movie(brand))

            #expect(facts.kind == kind && facts.width == 1080 && facts.height == 1920)
            #expect(facts.duration == .seconds(21) && facts.frameRate == 30 && facts.codec == "avc1")
        }
    }

    @Test("a WebM says the same in its own way")
    func webm() throws {
        let facts = try MediaFacts(reading: MadeUp.webm())

        #expect(facts.kind == .webm && facts.width == 720 && facts.height == 1280 && facts.codec == "V_VP9")
        #expect(facts.duration == .milliseconds(12_500) && facts.frameRate == 25)
    }

    @Test("pictures say their size")
    func pictures() throws {
        let sizes = try [MadeUp.jpeg, MadeUp.png, MadeUp.webp].map { bytes in
            let facts = try MediaFacts(reading: bytes)
            return "\(facts.kind) \(facts.width ?? 0)x\(facts.height ?? 0)"
        }

        #expect(sizes == ["jpeg 800x600", "png 640x480", "webp 1920x1080"])
    }

    @Test("what is none of these is other, whatever it is called")
    func other() throws {
        for bytes in [[], Array("<html>".utf8), [0xFF], Array("RIFF....AVI ".utf8), MadeUp.box("mdat", [1, 2, 3])] {
            #expect(try MediaFacts(reading: bytes).kind == .other)
        }
    }

    @Test("a file that is cut anywhere says less, and stops nobody")
    func cut() throws {
        for (name, bytes) in MadeUp.all {
            for end in 0..<bytes.count {
                let facts = try MediaFacts(reading: Array(bytes[..<end]))
                #expect(facts.kind == .other || facts.kind.rawValue == name)
            }
        }
    }

    @Test("a file with any of its bytes changed stops nobody")
    func changed() throws {
        var seed: UInt64 = 7
        for (_, bytes) in MadeUp.all {
            for index in bytes.indices {
                for value: UInt8 in [0, 1, 0x7F, 0x80, 0xFF] {
                    var copy = bytes
                    copy[index] = value
                    _ = try MediaFacts(reading: copy)
                }
                seed = seed &* 6_364_136_223_846_793_005 &+ 1
                var copy = bytes
                for step in 0..<8 {
                    copy[Int(seed >> 33 &+ UInt64(step * 31)) % copy.count] = UInt8(truncatingIfNeeded: seed >> 20)
                }
                _ = try MediaFacts(reading: copy)
            }
        }
    }

    @Test("boxes without end are looked at a bounded number of times")
    func endless() throws {
        let empty = MadeUp.box("free", [])
        let many = MadeUp.box("ftyp", Array("isom".utf8)) + Array(repeatElement(empty, count: 50_000).joined())
        let source = Counting(bytes: many)

        _ = try MediaFacts(reading: source)

        #expect(source.reads.value < 5000)
    }

    private struct Counting: ByteSource {
        final class Count { var value = 0 }
        let bytes: [UInt8]
        let reads = Count()
        var length: Int64 { bytes.length }
        func bytes(at offset: Int64, count: Int) -> [UInt8] {
            reads.value += 1
            return bytes.bytes(at: offset, count: count)
        }
    }
}
