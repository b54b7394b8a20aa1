import CZlib

/// How a body's bytes are stored: as they came, or compressed once they are no longer new; sealed where the operator
/// wants it.
///
/// Compressed they are four bytes of their length as they came, the most significant first, and a stream of zlib's
/// (RFC 1950). The checksum beside them is always that of the bytes as they came.
public enum BodyCoding {
    static let raw = "raw"
    static let zlib = "zlib"
    /// The same two, sealed (`SealedBody`).
    static let sealed = "sealed"
    static let sealedZlib = "sealed-zlib"
    /// Smaller bodies gain less than their row costs.
    static let bytesMin = 1024
    /// No body is larger: what says that it is, is damaged. The largest delivery that a platform may send has 4 MiB.
    private static let bytesMax = 64 << 20
    private static let headerCount = 4
    private static let level: Int32 = 6

    /// As they are to be stored; nil where that saves less than an eighth.
    public static func compressed(_ bytes: [UInt8]) -> [UInt8]? {
        guard bytes.count >= bytesMin, bytes.count <= bytesMax else { return nil }
        let room = Int(compressBound(uLong(bytes.count)))
        var count = uLong(room)
        var status: Int32 = Z_OK
        let packed = [UInt8](unsafeUninitializedCapacity: headerCount + room) { buffer, filled in
            for index in 0..<headerCount { buffer[index] = UInt8(truncatingIfNeeded: bytes.count >> (24 - 8 * index)) }
            status = compress2(
                buffer.baseAddress.map { $0 + headerCount }, &count, bytes, uLong(bytes.count), level)
            filled = headerCount + Int(count)
        }
        return status == Z_OK && packed.count <= bytes.count - bytes.count / 8 ? packed : nil
    }

    /// As they came; nil when they cannot be read so.
    static func bytes(_ stored: [UInt8], _ encoding: String) -> [UInt8]? {
        if encoding == raw { return stored }
        guard encoding == zlib, let size = size(in: stored) else { return nil }
        var count = uLong(size)
        var status: Int32 = Z_OK
        let bytes = [UInt8](unsafeUninitializedCapacity: max(size, 1)) { buffer, filled in
            stored.withUnsafeBufferPointer { packed in
                status = uncompress(
                    buffer.baseAddress, &count, packed.baseAddress.map { $0 + headerCount },
                    uLong(packed.count - headerCount))
            }
            filled = status == Z_OK ? Int(count) : 0
        }
        return status == Z_OK && bytes.count == size ? bytes : nil
    }

    /// How many bytes came, of so many stored ones that begin so.
    static func size(ofStored count: Int, _ encoding: String, beginning: [UInt8]) -> Int {
        encoding == raw ? count : size(in: beginning) ?? count
    }

    private static func size(in stored: [UInt8]) -> Int? {
        guard stored.count >= headerCount else { return nil }
        let size = stored.prefix(headerCount).reduce(0) { $0 << 8 | Int($1) }
        return size <= bytesMax ? size : nil
    }
}

/// A body as read from its row, not believed yet.
struct StoredBody {
    let stored: [UInt8]
    let encoding: String
    let checksum: Int64

    /// The bytes as they came.
    ///
    /// - Parameter name: what they are, for the error.
    /// - Throws: `StoreError.damaged` when they are not those that were stored.
    func checked(_ name: @autoclosure () -> String) throws(StoreError) -> [UInt8] {
        guard let bytes = BodyCoding.bytes(stored, encoding), Checksum.of(bytes) == checksum else {
            throw StoreError.damaged(name())
        }
        return bytes
    }
}

extension Row {
    /// From the columns `bytes, encoding, checksum`.
    mutating func storedBody() throws(UnreadableRow) -> StoredBody {
        let (bytes, encoding, checksum) = (try blob(), try text(), try integer())
        let open = unsealed(bytes, encoding)
        return StoredBody(stored: open.bytes, encoding: open.encoding, checksum: checksum)
    }

    /// From the same columns; nil where there is no body.
    mutating func optionalStoredBody() throws(UnreadableRow) -> StoredBody? {
        let (bytes, encoding, checksum) = (try optionalBlob(), try optionalText(), try optionalInteger())
        guard let bytes, let encoding, let checksum else { return nil }
        let open = unsealed(bytes, encoding)
        return StoredBody(stored: open.bytes, encoding: open.encoding, checksum: checksum)
    }

    /// What was sealed, and how that is written; what cannot be opened stays as it is, which nobody can read.
    private func unsealed(_ bytes: [UInt8], _ encoding: String) -> (bytes: [UInt8], encoding: String) {
        guard encoding == BodyCoding.sealed || encoding == BodyCoding.sealedZlib,
            let open = transaction?.opened(bytes)
        else { return (bytes, encoding) }
        return (open, encoding == BodyCoding.sealed ? BodyCoding.raw : BodyCoding.zlib)
    }

    /// From the columns `bytes, encoding`: the bytes as they came, without a look at their checksum; nil where there is
    /// no body, or it cannot be read.
    mutating func optionalStoredBytes() throws(UnreadableRow) -> [UInt8]? {
        let (bytes, encoding) = (try optionalBlob(), try optionalText())
        guard let bytes, let encoding else { return nil }
        let open = unsealed(bytes, encoding)
        return BodyCoding.bytes(open.bytes, open.encoding)
    }
}
