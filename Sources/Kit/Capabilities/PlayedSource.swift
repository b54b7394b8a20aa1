/// A platform whose key stands elsewhere, and that a tool plays for tests: with a key of its own, which it serves.
public protocol PlayedSource: SampleSource {
    /// What kind of key it signs with.
    var playedWith: PlayedKey.Kind { get }
    /// What is served and how samples are signed, with this key, from an address of the tool's own.
    ///
    /// - Parameter base: `http://127.0.0.1:8486`.
    func stage(_ key: PlayedKey, at base: String) -> PlayedStage
}

/// A key for tests, and what the other side reads of it.
public struct PlayedKey: Sendable {
    public enum Kind: Sendable, Equatable {
        /// A pair on P-256.
        case pair
        /// An RSA key with a certificate for this name, under a root of its own.
        case certificate(name: String)
    }

    /// PEM: the public key, or the certificate.
    public let shown: String
    /// PEM of the root at which the certificate's chain ends; nil for a pair.
    public let root: String?
    /// Signs; nil where the key does not sign.
    public let sign: @Sendable ([UInt8]) -> [UInt8]?

    public init(shown: String, root: String?, sign: @escaping @Sendable ([UInt8]) -> [UInt8]?) {
        self.shown = shown
        self.root = root
        self.sign = sign
    }
}

/// What a tool that plays a platform serves, and how it signs.
public struct PlayedStage: Sendable {
    /// By path.
    public let documents: [String: KeyDocument]
    /// What a test server must be given for it, `NAME=value` each.
    public let settings: [String]
    /// With the secrets that the server's settings hold.
    public let sign: @Sendable (WebhookDraft, [WebhookSecret], Timestamp) -> WebhookDraft

    public init(
        documents: [String: KeyDocument], settings: [String],
        sign: @escaping @Sendable (WebhookDraft, [WebhookSecret], Timestamp) -> WebhookDraft
    ) {
        self.documents = documents
        self.settings = settings
        self.sign = sign
    }
}
