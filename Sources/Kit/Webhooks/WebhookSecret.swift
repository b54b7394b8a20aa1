/// One key that proves a webhook's signature, read from how platforms show it.
public struct WebhookSecret: Sendable, Equatable {
    /// How secrets of a scheme are written.
    public enum Writing: Sendable, Equatable {
        /// The whole text is the key, prefixes included (Stripe, Meta, TikTok, X).
        case text
        /// `whsec_` and base64 of the shared key, or `whpk_` and base64 of an Ed25519 public key.
        case standard
        /// The key's public name, a colon, the secret: `name:secret`. The text is what the name is, for messages.
        case named(String)

        /// How the secret itself is written, without its name.
        public var ofOne: Writing { if case .named = self { .text } else { self } }
    }

    enum Key: Sendable, Equatable {
        case shared(Secret)
        case ed25519Public([UInt8])
        /// Signs, and proves nothing.
        case ed25519Private(Secret)
        /// Answers a handshake, and proves nothing.
        case token(Secret)
    }

    let key: Key
    /// The key's public name, where the platform gives it one: an app key, a key id.
    public let name: String?

    init(_ key: Key, name: String? = nil) {
        self.key = key
        self.name = name
    }

    /// Fewer bytes can be guessed, and with a key of none anyone can sign.
    public static let shortest = 16

    /// Reads one secret; blanks around it do not count.
    ///
    /// - Parameter least: bytes that a key has at least. Less than `shortest` only where the keys are not ours to
    ///   choose and nothing is kept by them, as in `patchbay verify`.
    public init(_ text: String, written writing: Writing, atLeast least: Int = shortest) throws(BadSecret) {
        let bytes = Self.trimmed(Array(text.utf8)[...])
        switch writing {
        case .text: try self.init(shared: Array(bytes), atLeast: least)
        case .standard: self = try Self.standard(bytes)
        case .named(let what): self = try Self.named(bytes, what, atLeast: least)
        }
    }

    /// A shared key with a public name.
    public init(name: String, secret: String, atLeast least: Int = shortest) throws(BadSecret) {
        let bytes = Self.trimmed(Array(secret.utf8)[...])
        try self.init(shared: Array(bytes), name: name, atLeast: least)
    }

    /// Whether it answers a handshake, and proves nothing.
    public var isToken: Bool { if case .token = key { true } else { false } }

    /// The same key under a public name.
    public func named(_ name: String?) -> WebhookSecret { WebhookSecret(key, name: name) }

    /// What the operator chose for a handshake to name.
    public static func token(_ text: String) throws(BadSecret) -> WebhookSecret {
        let bytes = trimmed(Array(text.utf8)[...])
        guard !bytes.isEmpty else { throw BadSecret("The token is empty: anyone could name it.") }
        return WebhookSecret(.token(Secret(Array(bytes))))
    }

    /// Reads a list separated by commas, as settings hold it: empty parts do not count, and `v1,whsec_…` is one
    /// secret.
    public static func list(
        _ text: String, written writing: Writing, atLeast least: Int = shortest
    ) throws(BadSecret) -> [WebhookSecret] {
        let parts = Array(text.utf8).split(separator: UInt8(ascii: ",")).map(trimmed).filter { !$0.isEmpty }
        var secrets: [WebhookSecret] = []
        for (index, part) in parts.enumerated() {
            let next = parts.dropFirst(index + 1).first
            if let next, isVersion(part, of: next) { continue }
            secrets.append(try WebhookSecret(String(decoding: part, as: UTF8.self), written: writing, atLeast: least))
        }
        return secrets
    }

    private static func named(
        _ text: ArraySlice<UInt8>, _ what: String, atLeast least: Int
    ) throws(BadSecret) -> WebhookSecret {
        guard let colon = text.firstIndex(of: UInt8(ascii: ":")), colon != text.startIndex else {
            throw BadSecret("The secret is written as \(what), a colon, the secret itself.")
        }
        return try WebhookSecret(
            shared: Array(text[(colon + 1)...]), name: String(decoding: text[..<colon], as: UTF8.self), atLeast: least)
    }

    private init(shared bytes: [UInt8], name: String? = nil, atLeast least: Int = shortest) throws(BadSecret) {
        guard !bytes.isEmpty else { throw BadSecret("The secret is empty: anyone could sign with it.") }
        guard bytes.count >= least else {
            throw BadSecret("The secret has \(bytes.count) bytes; fewer than \(least) can be guessed.")
        }
        key = .shared(Secret(bytes))
        self.name = name
    }

    private static func standard(_ text: ArraySlice<UInt8>) throws(BadSecret) -> WebhookSecret {
        if text.starts(with: Prefix.privateKey) {
            throw BadSecret("A whsk_ key is the sender's private key. Set the public key, whpk_….")
        }
        let prefix = [Prefix.shared, Prefix.publicKey].first { text.starts(with: $0) } ?? []
        guard let bytes = Base64.decode(text.dropFirst(prefix.count), padding: .optional) else {
            throw BadSecret("The secret is not base64. Copy it whole, from whsec_ or whpk_ to its end.")
        }
        guard prefix == Prefix.publicKey else { return try WebhookSecret(shared: bytes) }
        guard bytes.count == 32 else {
            throw BadSecret("A whpk_ key has 32 bytes in base64; this one has \(bytes.count).")
        }
        return WebhookSecret(.ed25519Public(bytes))
    }

    private static func trimmed(_ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        let blanks = Array(" \t\r\n".utf8)
        let start = bytes.drop { blanks.contains($0) }
        return start.prefix(upTo: start.lastIndex { !blanks.contains($0) }.map { $0 + 1 } ?? start.startIndex)
    }

    private static func isVersion(_ part: ArraySlice<UInt8>, of next: ArraySlice<UInt8>) -> Bool {
        part.elementsEqual("v1".utf8) && next.starts(with: Prefix.shared)
            || part.elementsEqual("v1a".utf8) && next.starts(with: Prefix.publicKey)
    }

    enum Prefix {
        static let shared = Array("whsec_".utf8)
        static let publicKey = Array("whpk_".utf8)
        static let privateKey = Array("whsk_".utf8)
    }
}

/// Why a secret cannot be used. Never holds the secret.
public struct BadSecret: Error, Sendable, Equatable {
    /// What is wrong and what to do, for the operator.
    public let reason: String
    public init(_ reason: String) { self.reason = reason }
}

extension WebhookScheme {
    /// The secrets in a setting, as this scheme writes them.
    public func secrets(in text: String) throws(BadSecret) -> [WebhookSecret] {
        try WebhookSecret.list(text, written: secretWriting)
    }
}
