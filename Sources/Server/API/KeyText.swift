import Crypto
public import Kit

/// How API keys are written: `pb_live_` or `pb_test_`, 32 random characters, and 6 that check them, so that a scanner
/// finds leaked keys and a typing error is told from a key that is gone.
public enum KeyText {
    private static let alphabet = Array("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".utf8)
    private static let randomCount = 32
    private static let checkCount = 6

    public static func prefix(_ mode: Settings.Mode) -> String { "pb_\(mode.rawValue)_" }

    /// A new key. 190 bits.
    public static func make(_ mode: Settings.Mode, _ ids: Identifiers) -> Secret {
        var random: [UInt8] = []
        // Bytes beyond a multiple of 62 would make some letters likelier than others.
        while random.count < randomCount {
            random += ids.bytes(64).filter { $0 < 248 }.map { alphabet[Int($0 % 62)] }
        }
        let text = Array(prefix(mode).utf8) + random.prefix(randomCount)
        return Secret(text + check(of: text))
    }

    /// What is kept of a key.
    public static func hash(_ key: Secret) -> [UInt8] { key.reveal { Array(SHA256.hash(data: $0)) } }
    /// What a person knows it by.
    public static func hint(_ key: Secret) -> String {
        key.reveal { "…" + String(decoding: $0.suffix(4), as: UTF8.self) }
    }

    /// What a text is, as far as its form says.
    enum Reading: Equatable {
        case key
        /// Of an instance of the other mode.
        case otherMode(Settings.Mode)
        case mistyped
    }
    static func read(_ key: Secret, in mode: Settings.Mode) -> Reading {
        key.reveal { bytes in
            let kinds: [Settings.Mode] = [.live, .test]
            guard let kind = kinds.first(where: { bytes.starts(with: prefix($0).utf8) }),
                bytes.count == prefix(kind).utf8.count + randomCount + checkCount,
                bytes.suffix(checkCount).elementsEqual(check(of: bytes.dropLast(checkCount)))
            else { return .mistyped }
            return kind == mode ? .key : .otherMode(kind)
        }
    }

    /// CRC-32 in base62, as GitHub's tokens have it.
    private static func check(of bytes: some Collection<UInt8>) -> [UInt8] {
        var value = crc32(bytes)
        var text: [UInt8] = []
        for _ in 0..<checkCount {
            text.append(alphabet[Int(value % 62)])
            value /= 62
        }
        return text.reversed()
    }

    private static func crc32(_ bytes: some Collection<UInt8>) -> UInt32 {
        var sum = ~UInt32(0)
        for byte in bytes {
            sum ^= UInt32(byte)
            for _ in 0..<8 {
                let low = sum & 1
                sum >>= 1
                if low == 1 { sum ^= 0xEDB8_8320 }
            }
        }
        return ~sum
    }
}
