/// What a file's own bytes say of it. Nothing here believes a name or a declared type.
public struct MediaFacts: Sendable, Equatable {
    /// The container.
    public enum Kind: String, Sendable, CaseIterable {
        case mp4, mov, webm, jpeg, png, webp
        /// None of these.
        case other

        public var contentType: String {
            switch self {
            case .mp4: "video/mp4"
            case .mov: "video/quicktime"
            case .webm: "video/webm"
            case .jpeg: "image/jpeg"
            case .png: "image/png"
            case .webp: "image/webp"
            case .other: "application/octet-stream"
            }
        }
        public var isVideo: Bool { self == .mp4 || self == .mov || self == .webm }
        public var isImage: Bool { self == .jpeg || self == .png || self == .webp }
    }

    public var kind: Kind
    /// In pixels, of the picture or the first video track.
    public var width: Int?
    public var height: Int?
    /// Of videos.
    public var duration: Duration?
    /// Frames a second of the first video track, on average.
    public var frameRate: Double?
    /// As the container names it: `avc1`, `hvc1`, `V_VP9`.
    public var codec: String?

    public init(_ kind: Kind) { self.kind = kind }

    /// Reads as little as it takes; a file that is broken or lies about itself says less, and never stops the reader.
    ///
    /// - Throws: what the source throws.
    public init(reading source: some ByteSource) throws {
        let head = try source.bytes(at: 0, count: 32)
        if head.starts(with: [0xFF, 0xD8, 0xFF]) {
            self = try PictureReader.jpeg(source)
        } else if head.starts(with: [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]) {
            self = PictureReader.png(head)
        } else if head.starts(with: Array("RIFF".utf8)), head.text(at: 8, 4) == "WEBP" {
            self = PictureReader.webp(try source.bytes(at: 0, count: 64))
        } else if head.starts(with: [0x1A, 0x45, 0xDF, 0xA3]) {
            self = try WebMReader.read(source)
        } else if let type = head.text(at: 4, 4), BoxReader<[UInt8]>.first.contains(type) {
            self = try BoxReader.read(source, head)
        } else {
            self.init(.other)
        }
    }
}

/// Bytes that can be read anywhere, such as a file.
public protocol ByteSource {
    /// In bytes.
    var length: Int64 { get }
    /// As many as there are from there on, at most `count`; none beyond the end.
    func bytes(at offset: Int64, count: Int) throws -> [UInt8]
}

extension [UInt8]: ByteSource {
    public var length: Int64 { Int64(endIndex) }
    public func bytes(at offset: Int64, count: Int) -> [UInt8] {
        guard offset >= 0, offset < Int64(endIndex), count > 0 else { return [] }
        return Array(self[Int(offset)..<Swift.min(endIndex, Int(offset) + count)])
    }
}

/// Numbers in bytes; nil where there are not enough of them.
extension [UInt8] {
    func bigEndian(at offset: Int, _ count: Int) -> UInt64? {
        guard offset >= 0, count <= 8, offset <= endIndex - count else { return nil }
        return self[offset..<offset + count].reduce(0) { $0 << 8 | UInt64($1) }
    }
    func littleEndian(at offset: Int, _ count: Int) -> Int? {
        guard offset >= 0, count <= 4, offset <= endIndex - count else { return nil }
        return self[offset..<offset + count].reversed().reduce(0) { $0 << 8 | Int($1) }
    }
    /// Of printable ASCII only.
    func text(at offset: Int, _ count: Int) -> String? {
        guard offset >= 0, offset <= endIndex - count else { return nil }
        let bytes = self[offset..<offset + count]
        return bytes.allSatisfy { (0x20...0x7E).contains($0) } ? String(decoding: bytes, as: UTF8.self) : nil
    }
}
