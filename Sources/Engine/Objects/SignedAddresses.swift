import Crypto
import Kit

/// Addresses that let whoever has them do one thing with one object for a time, without a key of the API.
///
/// The signature stands last in the query and covers the method, the path and all of the query before it: nothing of
/// an address can be changed or added. It is made with a key of the vault's that is used for nothing else.
public struct SignedAddresses: Sendable {
    /// No address is good for longer.
    public static let lifeMax = Duration.days(7)
    private static let mark = "signature="

    private let vault: Vault

    public init(vault: Vault) { self.vault = vault }

    /// The query with its signature; nil where the vault has no key.
    ///
    /// - Parameter path: decoded.
    public func signed(_ method: String, _ path: String, query: String) -> String? {
        guard let id = vault.newestKey, let key = vault.addressKey(from: id) else { return nil }
        let mac = HMAC<SHA256>.authenticationCode(for: Self.text(method, path, query), using: key)
        return "\(query)&\(Self.mark)\(id).\(String(decoding: Hex.encode(Array(mac)), as: UTF8.self))"
    }

    /// Whether one of the vault's keys signed this query, in time that does not tell how much of it is right.
    public func accepts(_ method: String, _ path: String, query: String) -> Bool {
        guard let end = query.ranges(of: "&" + Self.mark).last else { return false }
        let signature = query[end.upperBound...]
        guard signature.utf8.count <= 256, let dot = signature.lastIndex(of: "."),
            let key = vault.addressKey(from: String(signature[..<dot])),
            let code = Self.bytes(ofHex: signature[signature.index(after: dot)...])
        else { return false }
        let signed = Self.text(method, path, String(query[..<end.lowerBound]))
        return HMAC<SHA256>.isValidAuthenticationCode(code, authenticating: signed, using: key)
    }

    private static func bytes(ofHex text: Substring) -> [UInt8]? {
        let digits = Array(text.utf8)
        guard digits.count == 2 * SHA256.byteCount else { return nil }
        let bytes = stride(from: 0, to: digits.count, by: 2).compactMap { start in
            UInt8(String(decoding: digits[start..<start + 2], as: UTF8.self), radix: 16)
        }
        return bytes.count == SHA256.byteCount ? bytes : nil
    }

    /// No part can be taken for another: neither method nor path holds a line end, which paths refuse.
    private static func text(_ method: String, _ path: String, _ query: String) -> [UInt8] {
        Array("\(method)\n\(path)\n\(query)".utf8)
    }
}
