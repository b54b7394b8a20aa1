import Crypto
public import Kit

/// The key-encryption keys, newest first. The first seals, all open.
public struct Keyring: Sendable {
    private let keys: [(id: String, key: SymmetricKey)]

    /// - Parameter keys: each of 32 bytes, with the id that stands beside what it sealed. Settings have checked them.
    public init(_ keys: [(id: String, secret: Secret)]) {
        self.keys = keys.map { id, secret in (id, secret.reveal { SymmetricKey(data: $0) }) }
    }

    /// How a setting writes a new key, from 32 random bytes.
    public static func written(id: String, _ bytes: [UInt8]) -> String {
        "\(id):\(String(decoding: Base64.encode(bytes), as: UTF8.self))"
    }

    /// Of the key that seals; nil when there is none and nothing can be sealed.
    public var newest: String? { keys.first?.id }
    public var ids: [String] { keys.map(\.id) }

    var sealing: (id: String, key: SymmetricKey)? { keys.first }
    func key(_ id: String) -> SymmetricKey? { keys.first { $0.id == id }?.key }
}
