import Crypto
public import Kit

/// The key-encryption keys, newest first: `id:base64,id:base64`. The first seals, all open.
public struct Keyring: Sendable {
    private let keys: [(id: String, key: SymmetricKey)]

    /// - Throws: `BadKeyring` with the sentence for the operator; it never holds a key.
    public init(_ setting: Secret) throws(BadKeyring) {
        let text = setting.reveal { String(decoding: $0, as: UTF8.self) }
        var keys: [(id: String, key: SymmetricKey)] = []
        for part in text.split(whereSeparator: { $0 == "," || $0.isNewline }) {
            let trimmed = part.filter { !$0.isWhitespace }
            guard let colon = trimmed.firstIndex(of: ":") else {
                throw BadKeyring("each key is written id:base64; one has no colon. Make one with: patchbay vault key")
            }
            let id = String(trimmed[..<colon])
            guard (1...32).contains(id.utf8.count), id.utf8.allSatisfy(Self.isIDByte) else {
                throw BadKeyring("a key's id has 1 to 32 letters, digits, - or _. Make one with: patchbay vault key")
            }
            guard
                let bytes = Base64.decode(Array(trimmed[trimmed.index(after: colon)...].utf8)[...], padding: .optional)
            else {
                throw BadKeyring("key \(id) is not base64. Make one with: patchbay vault key")
            }
            guard bytes.count == 32 else {
                throw BadKeyring(
                    "key \(id) must be 32 bytes in base64; it has \(bytes.count). Make one with: patchbay vault key")
            }
            guard !keys.contains(where: { $0.id == id }) else { throw BadKeyring("key \(id) is there twice") }
            keys.append((id, SymmetricKey(data: bytes)))
        }
        guard !keys.isEmpty else { throw BadKeyring("there is no key. Make one with: patchbay vault key") }
        self.keys = keys
    }

    /// A setting with one new key, from 32 random bytes.
    public static func made(id: String, from bytes: [UInt8]) -> String {
        "\(id):\(String(decoding: Base64.encode(bytes), as: UTF8.self))"
    }

    /// The id of the key that seals.
    public var newest: String { keys.first?.id ?? "" }
    public var ids: [String] { keys.map(\.id) }

    var sealing: (id: String, key: SymmetricKey)? { keys.first }
    func key(_ id: String) -> SymmetricKey? { keys.first { $0.id == id }?.key }

    private static func isIDByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
            true
        default: false
        }
    }
}

/// Why `PATCHBAY_ENCRYPTION_KEYS` cannot be used.
public struct BadKeyring: Error, Sendable, Equatable {
    public let reason: String
    init(_ reason: String) { self.reason = reason }
}
