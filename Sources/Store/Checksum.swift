import Crypto

/// What is stored beside bytes and compared when they are read: a changed bit on the disk is found, not believed.
public enum Checksum {
    /// The first eight bytes of the SHA-256, as a signed integer.
    public static func of(_ bytes: [UInt8]) -> Int64 {
        SHA256.hash(data: bytes).prefix(8).reduce(0) { $0 << 8 | Int64($1) }
    }
}
