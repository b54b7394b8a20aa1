import Crypto
import FoundationEssentials

extension WebhookSecret {
    /// What proves a signature of another's making; nil for everything else.
    public var publicKey: PublicKey? { if case .publicKey(let key) = key { key } else { nil } }

    /// An id that is no secret, as the operator wrote it; nil for everything else.
    public var identifier: [UInt8]? { if case .identifier(let name) = key { name } else { nil } }

    /// Signs with an ECDSA key on P-256, over SHA-256, as DER; nil for what is no such private key.
    public func signature(over message: [UInt8]) -> [UInt8]? {
        guard case .privateKey(let secret) = key else { return nil }
        let signature = secret.reveal { der in
            try? P256.Signing.PrivateKey(derRepresentation: der).signature(for: SHA256.hash(data: message))
        }
        return signature.map { Array($0.derRepresentation) }
    }

    /// The PEM text of a private key of a tool's own making; nil for everything else.
    public var privatePEM: String? {
        guard case .privateKey(let secret) = key else { return nil }
        return secret.reveal { PEM.text("PRIVATE KEY", $0) }
    }

    /// A new pair on P-256, for tools that play the platform.
    public static func newPair() throws(BadKey) -> (signs: WebhookSecret, proves: PublicKey) {
        let pair = P256.Signing.PrivateKey()
        return (
            WebhookSecret(.privateKey(Secret(Array(pair.derRepresentation)))),
            try PublicKey(der: Array(pair.publicKey.derRepresentation))
        )
    }

    /// A public key; or the private one of a pair, which a tool that plays the platform signs with.
    static func asymmetric(_ text: ArraySlice<UInt8>) throws(BadSecret) -> WebhookSecret {
        if let block = PEM.blocks(of: Array(text)).first, block.label.utf8.elementsEqual("PRIVATE KEY".utf8) {
            guard (try? P256.Signing.PrivateKey(derRepresentation: block.bytes)) != nil else {
                throw BadSecret("The private key is not one of P-256.")
            }
            return WebhookSecret(.privateKey(Secret(block.bytes)))
        }
        do {
            if let der = Base64.decode(text) { return WebhookSecret(.publicKey(try PublicKey(der: der))) }
            return WebhookSecret(.publicKey(try PublicKey(pem: String(decoding: text, as: UTF8.self))))
        } catch {
            throw BadSecret("\(error.reason) Copy it whole, as the platform shows it: MFkw…")
        }
    }

    /// In bytes: more than any platform's ids have.
    private static let longestIdentifier = 256

    static func identifier(_ text: ArraySlice<UInt8>) throws(BadSecret) -> WebhookSecret {
        guard !text.isEmpty, text.count <= longestIdentifier, text.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw BadSecret("It is no id: it is empty, too long, or holds a blank.")
        }
        return WebhookSecret(.identifier(Array(text)))
    }
}
