import Crypto

extension HMACScheme {
    /// A signature header that is longer than this holds more signatures than any rotation has.
    static let longestHeader = 16_384
    /// Ed25519 costs a hundred times an HMAC, so a forger may not ask for many.
    static let mostEd25519 = 16
    /// As long as any id is; the id becomes an event's identity.
    static let longestID = 256

    /// Proves the signature, or throws; gives the time that it covers, where it covers one.
    ///
    /// Every signature of the header is compared with what every secret makes, without leaving early: the time taken
    /// tells nobody which of them was near.
    public func prove(_ delivery: Delivery, with secrets: [WebhookSecret]) throws(Forged) -> Timestamp? {
        let presented = try presented(in: delivery)
        guard secrets.contains(where: \.proves) else { throw .noSecret }
        var isProven = false
        for secret in secrets {
            switch secret.key {
            case .shared(let key):
                let expected = key.reveal { signature(of: delivery.body, presented.signed, key: $0) }
                for text in presented.hmacs { isProven = matches(text, expected) || isProven }
            case .ed25519Public(let key):
                let message = presented.ed25519.isEmpty ? [] : message(delivery.body, presented.signed)
                for text in presented.ed25519 { isProven = Ed25519.proves(text, over: message, key: key) || isProven }
            case .ed25519Private: break
            }
        }
        guard isProven else { throw .wrongSignature }
        return presented.time
    }

    /// Both are texts, so that a changed bit is noticed where decoding would forgive it.
    private func matches(_ text: ArraySlice<UInt8>, _ expected: [UInt8]) -> Bool {
        encoding == .hexAnyCase
            ? constantTimeEqual(text.map(\.asciiLowercased), expected) : constantTimeEqual(text, expected)
    }

    /// The signature's text, as it stands in the header.
    func signature(of body: [UInt8], _ signed: Signed, key: [UInt8]) -> [UInt8] {
        let mac =
            switch hash {
            case .sha1: mac(Insecure.SHA1.self, body, signed, key)
            case .sha256: mac(SHA256.self, body, signed, key)
            case .sha512: mac(SHA512.self, body, signed, key)
            }
        return encoding == .base64 ? Base64.encode(mac) : Hex.encode(mac)
    }

    private func mac<Function: HashFunction>(
        _ function: Function.Type, _ body: [UInt8], _ signed: Signed, _ key: [UInt8]
    ) -> [UInt8] {
        var mac = HMAC<Function>(key: SymmetricKey(data: key))
        for part in content { mac.update(data: bytes(of: part, body, signed)) }
        return Array(mac.finalize())
    }

    /// The signed bytes in one piece.
    func message(_ body: [UInt8], _ signed: Signed) -> [UInt8] { content.flatMap { bytes(of: $0, body, signed) } }

    private func bytes(of part: Part, _ body: [UInt8], _ signed: Signed) -> [UInt8] {
        switch part {
        case .body: body
        case .timestamp: signed.timestamp
        case .id: signed.id
        case .text(let text): Array(text.utf8)
        }
    }

    /// What is signed besides the body, as received.
    struct Signed {
        var timestamp: [UInt8] = []
        var id: [UInt8] = []
    }
}

extension WebhookSecret {
    /// A private key signs only.
    var proves: Bool { if case .ed25519Private = key { false } else { true } }
}

/// Pure Ed25519 (RFC 8032), in base64.
enum Ed25519 {
    static func proves(_ text: ArraySlice<UInt8>, over message: [UInt8], key: [UInt8]) -> Bool {
        guard let signature = Base64.decode(text), signature.count == 64,
            let key = try? Curve25519.Signing.PublicKey(rawRepresentation: key)
        else { return false }
        return key.isValidSignature(signature, for: message)
    }
}
