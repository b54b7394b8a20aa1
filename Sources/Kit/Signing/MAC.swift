import Crypto

/// One HMAC as text, made in one place for every scheme.
enum MAC {
    /// - Parameter pieces: the signed bytes, nothing between.
    static func text(
        over pieces: [[UInt8]], key: [UInt8], _ hash: HMACScheme.Hash, _ encoding: HMACScheme.Encoding
    ) -> [UInt8] {
        let mac =
            switch hash {
            case .sha1: mac(Insecure.SHA1.self, pieces, key)
            case .sha256: mac(SHA256.self, pieces, key)
            case .sha512: mac(SHA512.self, pieces, key)
            }
        return encoding == .base64 ? Base64.encode(mac) : Hex.encode(mac)
    }

    private static func mac<Function: HashFunction>(
        _ function: Function.Type, _ pieces: [[UInt8]], _ key: [UInt8]
    ) -> [UInt8] {
        var mac = HMAC<Function>(key: SymmetricKey(data: key))
        for piece in pieces { mac.update(data: piece) }
        return mac.finalize().withUnsafeBytes { Array($0) }
    }
}

extension HMACScheme.Encoding {
    /// Whether a text is the one that was expected, which is in small letters. Takes as long whatever the answer is.
    func `is`(_ text: some Collection<UInt8>, _ expected: [UInt8]) -> Bool {
        let isSmall = constantTimeEqual(text, expected)
        guard self == .hexAnyCase else { return isSmall }
        // Texts, so that a changed bit is noticed where decoding would forgive it: of mixed letters none is right.
        let isLarge = constantTimeEqual(text, expected.map(\.asciiUppercased))
        return isSmall || isLarge
    }
}

/// How the bytes of a key come from the secret that the platform shows.
public enum Keying: Sendable, Equatable {
    /// They are the secret.
    case plain
    /// They are the secret's SHA-1 digest (Braintree).
    case sha1

    func key(of secret: [UInt8]) -> [UInt8] {
        switch self {
        case .plain: secret
        case .sha1: Array(Insecure.SHA1.hash(data: secret))
        }
    }
}

extension WebhookSecret {
    /// The text of this key's HMAC; nil for what is no shared key.
    public func mac(
        over message: [UInt8], _ hash: HMACScheme.Hash, _ encoding: HMACScheme.Encoding, keyed: Keying = .plain
    ) -> [UInt8]? {
        guard case .shared(let secret) = key else { return nil }
        return secret.reveal { MAC.text(over: [message], key: keyed.key(of: $0), hash, encoding) }
    }
}

extension [WebhookSecret] {
    /// Whether one of these keys made this text over one of these messages. All are tried, whatever was found.
    public func made(
        _ text: some Collection<UInt8>, over messages: [[UInt8]], _ hash: HMACScheme.Hash,
        _ encoding: HMACScheme.Encoding, keyed: Keying = .plain
    ) -> Bool {
        var isMade = false
        for secret in self {
            for message in messages {
                guard let expected = secret.mac(over: message, hash, encoding, keyed: keyed) else { continue }
                isMade = encoding.is(text, expected) || isMade
            }
        }
        return isMade
    }
}
