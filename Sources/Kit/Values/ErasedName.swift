import Crypto

/// Stands for someone who was erased: a hash, so that what comes later about them is known and their name is not.
public struct ErasedName: Sendable, Hashable {
    /// 32 bytes.
    public let hash: [UInt8]

    public init(user id: String) { self.init("user", id) }
    /// An account that a user had connected.
    public init(account id: String, at provider: String) { self.init("account", provider, id) }
    public init(customer id: String, at provider: String) { self.init("customer", provider, id) }

    private init(_ parts: String...) {
        hash = Array(SHA256.hash(data: Array(parts.joined(separator: "\u{1F}").utf8)))
    }
}
