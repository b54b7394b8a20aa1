import Crypto
public import CryptoExtras
import FoundationEssentials

/// How a public key proves a signature.
public enum SignatureAlgorithm: Sendable, Hashable, CaseIterable {
    /// RSASSA-PKCS1-v1_5 over SHA-256.
    case rsaSHA256
    /// RSASSA-PSS over SHA-512, with a salt of 64 bytes.
    case rsaPSSSHA512
    /// ECDSA on P-256 over SHA-256; the signature is DER.
    case ecdsaSHA256
    /// The same; the signature is r and s, 32 bytes each.
    case ecdsaSHA256Raw
    case ed25519

    /// As people call it.
    public var name: String {
        switch self {
        case .rsaSHA256: "RSA-SHA256"
        case .rsaPSSSHA512: "RSA-PSS-SHA512"
        case .ecdsaSHA256, .ecdsaSHA256Raw: "ECDSA-P256-SHA256"
        case .ed25519: "Ed25519"
        }
    }
}

/// A public key that proves signatures: RSA, P-256 or Ed25519. Reading one and proving with it costs a bounded time.
public struct PublicKey: Sendable, Equatable {
    /// Which keys there are.
    public enum Kind: Sendable, Hashable { case rsa, p256, ed25519 }

    private enum Material: Sendable {
        case rsa(_RSA.Signing.PublicKey)
        case p256(P256.Signing.PublicKey)
        case ed25519(Curve25519.Signing.PublicKey)
    }
    private let material: Material
    /// The key as a SubjectPublicKeyInfo, in DER.
    public let der: [UInt8]

    /// Shorter RSA keys can be broken.
    public static let rsaBitsLeast = 2048
    /// Longer ones cost a forger nothing and us a lot.
    public static let rsaBitsMost = 4096
    /// In bytes: more than any text of a key that is taken.
    public static let longestText = 8192

    /// Reads a SubjectPublicKeyInfo.
    public init(der: [UInt8]) throws(BadKey) {
        guard der.count <= Self.longestText else { throw BadKey("The key is longer than any that is taken.") }
        if let key = try? P256.Signing.PublicKey(derRepresentation: der) {
            self.init(.p256(key), Array(key.derRepresentation))
        } else if der.starts(with: Self.ed25519Prefix), der.count == Self.ed25519Prefix.count + 32,
            let key = try? Curve25519.Signing.PublicKey(rawRepresentation: der.dropFirst(Self.ed25519Prefix.count))
        {
            self.init(.ed25519(key), der)
        } else if let key = try? _RSA.Signing.PublicKey(unsafeDERRepresentation: der) {
            try self.init(rsa: key)
        } else {
            throw BadKey("The key is neither RSA nor P-256 nor Ed25519 in the form that PUBLIC KEY stands for.")
        }
    }

    /// Reads the PEM text of a `PUBLIC KEY` or an `RSA PUBLIC KEY`.
    public init(pem text: String) throws(BadKey) {
        guard text.utf8.count <= Self.longestText else { throw BadKey("The key is longer than any that is taken.") }
        let blocks = PEM.blocks(of: Array(text.utf8))
        guard blocks.count == 1, let block = blocks.first else {
            throw BadKey("The text holds no PEM block of a public key, or more than one.")
        }
        switch block.label {
        case "PUBLIC KEY": try self.init(der: block.bytes)
        case "RSA PUBLIC KEY":
            guard let key = try? _RSA.Signing.PublicKey(unsafeDERRepresentation: block.bytes) else {
                throw BadKey("The RSA key cannot be read.")
            }
            try self.init(rsa: key)
        default: throw BadKey("The PEM block is a \(OutsideText.bounded(block.label, 64)), not a PUBLIC KEY.")
        }
    }

    /// An RSA key that something else has read.
    public init(rsa key: _RSA.Signing.PublicKey) throws(BadKey) {
        guard (Self.rsaBitsLeast...Self.rsaBitsMost).contains(key.keySizeInBits) else {
            throw BadKey(
                "The RSA key has \(key.keySizeInBits) bits; \(Self.rsaBitsLeast) to \(Self.rsaBitsMost) are taken.")
        }
        self.init(.rsa(key), Array(key.derRepresentation))
    }

    /// An Ed25519 key of 32 bytes.
    public init(ed25519 bytes: [UInt8]) throws(BadKey) {
        try self.init(der: Self.ed25519Prefix + bytes)
    }

    private init(_ material: Material, _ der: [UInt8]) {
        self.material = material
        self.der = der
    }

    public var kind: Kind {
        switch material {
        case .rsa: .rsa
        case .p256: .p256
        case .ed25519: .ed25519
        }
    }

    /// Whether this key made the signature. False, too, for an algorithm that is not of this kind of key.
    public func made(_ signature: [UInt8], over message: [UInt8], by algorithm: SignatureAlgorithm) -> Bool {
        switch (material, algorithm) {
        case (.rsa(let key), .rsaSHA256):
            return key.isValidSignature(
                .init(rawRepresentation: signature), for: SHA256.hash(data: message), padding: .insecurePKCS1v1_5)
        case (.rsa(let key), .rsaPSSSHA512):
            return key.isValidSignature(
                .init(rawRepresentation: signature), for: SHA512.hash(data: message), padding: .PSS)
        case (.p256(let key), .ecdsaSHA256):
            guard let read = try? P256.Signing.ECDSASignature(derRepresentation: signature),
                // One form only, so that a changed bit is noticed where a lenient reader would forgive it.
                read.derRepresentation.elementsEqual(signature)
            else { return false }
            return key.isValidSignature(read, for: SHA256.hash(data: message))
        case (.p256(let key), .ecdsaSHA256Raw):
            guard let read = try? P256.Signing.ECDSASignature(rawRepresentation: signature) else { return false }
            return key.isValidSignature(read, for: SHA256.hash(data: message))
        case (.ed25519(let key), .ed25519):
            return key.isValidSignature(signature, for: message)
        case (.rsa, _), (.p256, _), (.ed25519, _):
            return false
        }
    }

    public static func == (left: Self, right: Self) -> Bool { left.der == right.der }

    /// What stands before the 32 bytes (RFC 8410).
    private static let ed25519Prefix: [UInt8] = [
        0x30, 0x2A, 0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70, 0x03, 0x21, 0x00,
    ]
}

/// Why a key cannot be used. Never holds the key.
public struct BadKey: Error, Sendable, Equatable {
    /// A sentence for the operator.
    public let reason: String
    public init(_ reason: String) { self.reason = reason }
}
