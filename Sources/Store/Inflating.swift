import CZlib

/// Undoes what servers compress their answers by.
public enum Inflating {
    /// What gzip or zlib (RFC 1952, RFC 1950) have packed; nil for what is neither, or has more than `limit` bytes.
    public static func bytes(_ packed: [UInt8], upTo limit: Int) -> [UInt8]? {
        var stream = z_stream()
        // 15 is the largest window; 32 more tells gzip and zlib apart by their heads.
        guard inflateInit2_(&stream, 15 + 32, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
            return nil
        }
        defer { inflateEnd(&stream) }
        var packed = packed
        var status: Int32 = Z_OK
        let bytes = [UInt8](unsafeUninitializedCapacity: limit) { buffer, filled in
            packed.withUnsafeMutableBufferPointer { source in
                (stream.next_in, stream.avail_in) = (source.baseAddress, uInt(source.count))
                (stream.next_out, stream.avail_out) = (buffer.baseAddress, uInt(buffer.count))
                status = inflate(&stream, Z_FINISH)
            }
            filled = limit - Int(stream.avail_out)
        }
        return status == Z_STREAM_END ? bytes : nil
    }
}
