/// What a certificate must be like to be believed.
public struct CertificateRule: Sendable, Equatable {
    /// How one of its names must end, with the dot before: `.example.com`.
    public let nameEnds: String
    /// PEM of what may lie between it and a root, where its sender leaves it out. Believed only as part of a chain.
    public let intermediates: [UInt8]

    public init(nameEnds: String, intermediates: [UInt8] = []) {
        self.nameEnds = nameEnds
        self.intermediates = intermediates
    }
}

/// A public key that a certificate vouches for.
public struct VouchedKey: Sendable {
    public let key: PublicKey
    /// The end of the certificate's own time.
    public let until: Timestamp

    public init(_ key: PublicKey, until: Timestamp) {
        self.key = key
        self.until = until
    }
}

/// Who knows which certificates to trust.
public protocol CertificateChecking: Sendable {
    /// Reads a certificate, the first of a PEM text, builds a chain over the others to a trusted root, and holds the
    /// certificate to the rule.
    ///
    /// - Throws: why it vouches for nothing.
    func key(in pem: [UInt8], by rule: CertificateRule, at now: Timestamp) async throws(BadKey) -> VouchedKey
}
