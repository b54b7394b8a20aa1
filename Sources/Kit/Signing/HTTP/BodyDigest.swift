import Crypto

/// The hash of a body that a header carries, so that a signature over headers covers the body too.
enum BodyDigest {
    /// `Digest` (RFC 3230): `SHA-256=…`, several with commas between. Only SHA-256 and SHA-512 count, one must be
    /// there, and every one that counts must be right.
    static func matches(draft value: String, _ body: [UInt8]) -> Bool {
        var isProven = false
        for part in value.utf8.split(separator: UInt8(ascii: ",")) {
            let member = part.drop { $0 == UInt8(ascii: " ") }
            guard let sign = member.firstIndex(of: UInt8(ascii: "=")) else { return false }
            let digits = Array(member[member.index(after: sign)...])
            switch String(decoding: member[..<sign].map(\.asciiLowercased), as: UTF8.self) {
            case "sha-256":
                guard constantTimeEqual(digits, Base64.encode(Array(SHA256.hash(data: body)))) else { return false }
                isProven = true
            case "sha-512":
                guard constantTimeEqual(digits, Base64.encode(Array(SHA512.hash(data: body)))) else { return false }
                isProven = true
            default: continue
            }
        }
        return isProven
    }

    /// `Content-Digest` (RFC 9530): `sha-256=:…:`, as above.
    static func matches(content value: String, _ body: [UInt8]) -> Bool {
        guard let members = StructuredFields.dictionary(Array(value.utf8)) else { return false }
        var isProven = false
        for (key, member) in members {
            guard case .item(let item) = member, case .bytes(let bytes) = item.value else { return false }
            switch key {
            case "sha-256":
                guard constantTimeEqual(bytes, Array(SHA256.hash(data: body))) else { return false }
                isProven = true
            case "sha-512":
                guard constantTimeEqual(bytes, Array(SHA512.hash(data: body))) else { return false }
                isProven = true
            default: continue
            }
        }
        return isProven
    }
}
