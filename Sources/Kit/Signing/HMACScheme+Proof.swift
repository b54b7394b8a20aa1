import Crypto

extension HMACScheme {
    /// A signature header that is longer than this holds more signatures than any rotation has.
    public static let longestHeader = 16_384
    /// Ed25519 costs a hundred times an HMAC, so a forger may not ask for many.
    static let mostEd25519 = 16
    /// As long as any id is; the id becomes an event's identity.
    static let longestID = 256

    /// Proves the signature, or throws; gives the time that it covers, where it covers one.
    ///
    /// Every signature of the header is compared with what every secret makes, without leaving early: the time taken
    /// tells nobody which of them was near.
    public func prove(_ delivery: Delivery, with secrets: [WebhookSecret]) throws(Forged) -> Timestamp? {
        try chosen(for: delivery).proveItself(delivery, with: secrets)
    }

    private func proveItself(_ delivery: Delivery, with secrets: [WebhookSecret]) throws(Forged) -> Timestamp? {
        let presented = try presented(in: delivery)
        guard secrets.contains(where: \.proves) else { throw .noSecret }
        if isProven(presented, over: delivery.body, by: secrets) { return presented.time }
        guard triesEscapes, let before = JSONEscapes.written(delivery.body, alsoSlashes: false),
            isProven(presented, over: before, by: secrets)
        else { throw .wrongSignature }
        return presented.time
    }

    private func isProven(_ presented: Presented, over body: [UInt8], by secrets: [WebhookSecret]) -> Bool {
        var isProven = false
        for secret in secrets {
            switch secret.key {
            case .shared(let key):
                let signed = presented.signed.named(secret.name)
                let expected = key.reveal { signature(of: body, signed, key: $0) }
                for text in presented.hmacs { isProven = matches(text, expected) || isProven }
            case .ed25519Public(let key):
                let message = presented.ed25519.isEmpty ? [] : message(body, presented.signed)
                for text in presented.ed25519 { isProven = Ed25519.proves(text, over: message, key: key) || isProven }
            case .ed25519Private, .token, .publicKey, .privateKey, .identifier: break
            }
        }
        return isProven
    }

    /// Both are texts, so that a changed bit is noticed where decoding would forgive it.
    private func matches(_ text: ArraySlice<UInt8>, _ expected: [UInt8]) -> Bool { encoding.is(text, expected) }

    /// The signature's text, as it stands in the header.
    func signature(of body: [UInt8], _ signed: Signed, key: [UInt8]) -> [UInt8] {
        MAC.text(over: content.map { bytes(of: $0, body, signed) }, key: key, hash, encoding)
    }

    /// The signed bytes in one piece.
    func message(_ body: [UInt8], _ signed: Signed) -> [UInt8] { content.flatMap { bytes(of: $0, body, signed) } }

    private func bytes(of part: Part, _ body: [UInt8], _ signed: Signed) -> [UInt8] {
        switch part {
        case .body: body
        case .timestamp: signed.timestamp
        case .id: signed.id
        case .keyName: signed.keyName
        case .text(let text): Array(text.utf8)
        }
    }

    /// What is signed besides the body, as received.
    struct Signed {
        var timestamp: [UInt8] = []
        var id: [UInt8] = []
        var keyName: [UInt8] = []

        func named(_ name: String?) -> Signed {
            var signed = self
            signed.keyName = Array((name ?? "").utf8)
            return signed
        }
    }
}

extension WebhookSecret {
    /// A private key signs only; a token is of the handshake.
    public var proves: Bool {
        switch key {
        case .shared, .ed25519Public, .publicKey, .identifier: true
        case .ed25519Private, .token, .privateKey: false
        }
    }
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
