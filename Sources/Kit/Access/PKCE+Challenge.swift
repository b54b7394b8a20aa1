import Crypto

extension PKCE {
    /// Of 32 random bytes: 43 characters.
    public static func verifier(from bytes: [UInt8]) -> Secret { Secret(Base64URL.encode(bytes)) }

    /// Whether a text may be a verifier: 43 to 128 unreserved characters.
    public static func isVerifier(_ text: some Collection<UInt8>) -> Bool {
        (43...128).contains(text.count)
            && text.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                    UInt8(ascii: "~"):
                    true
                default: false
                }
            }
    }

    /// What goes ahead of a verifier, with the method's name; nil where none is taken or the verifier cannot be one.
    public func challenge(of verifier: Secret) -> (text: String, method: String)? {
        verifier.reveal { bytes in
            guard Self.isVerifier(bytes) else { return nil }
            let hash = Array(SHA256.hash(data: bytes))
            switch self {
            case .none: return nil
            case .s256: return (String(decoding: Base64URL.encode(hash), as: UTF8.self), "S256")
            case .hex: return (String(decoding: Hex.encode(hash), as: UTF8.self), "S256")
            }
        }
    }
}
