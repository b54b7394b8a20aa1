import Crypto

/// The signature of Standard Webhooks 1.0.0, made and proven by one table: our outbound webhooks carry it, and
/// senders that speak it are believed by it.
///
///     webhook-id: chg_…
///     webhook-timestamp: 1795255200
///     webhook-signature: v1,K5oZ… v1,AbC1…
///
/// Signed is `id.timestamp.body`: `v1` is HMAC-SHA256 keyed with the *decoded* secret, `v1a` is Ed25519.
/// Source: github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md.
public enum StandardSignature {
    /// The names of the specification.
    public static let scheme = scheme(names: ["webhook"])
    /// Svix's older names first, as its own library prefers them.
    public static let svix = scheme(names: ["svix", "webhook"])

    private static func scheme(names: [String]) -> HMACScheme {
        HMACScheme(
            names.map { .init(signature: "\($0)-signature", timestamp: "\($0)-timestamp", id: "\($0)-id") },
            .versions(hmac: "v1", ed25519: "v1a"), .sha256, .base64,
            over: [.id, .text("."), .timestamp, .text("."), .body])
    }

    /// The three headers for an outbound webhook. While a secret is rotated both sign, newest first.
    public static func sign(
        _ body: [UInt8], id: String, at time: Timestamp, with secrets: [WebhookSecret]
    ) -> [Field] {
        scheme.sign(body, with: secrets, id: id, at: time)
    }

    /// Random bytes that a new secret is made of; the specification wants 24 to 64.
    public static let secretLength = 32

    /// A new secret as its owner sees it, once: `whsec_…`.
    /// - Parameter random: `secretLength` bytes from a generator fit for keys.
    public static func secret(from random: [UInt8]) -> String { "whsec_" + text(random) }

    /// A new Ed25519 pair: `whsk_…` to sign with, `whpk_…` for receivers. Nil unless `random` has 32 bytes.
    public static func keyPair(from random: [UInt8]) -> (privateKey: String, publicKey: String)? {
        guard let key = try? Curve25519.Signing.PrivateKey(rawRepresentation: random) else { return nil }
        let publicKey = Array(key.publicKey.rawRepresentation)
        return ("whsk_" + text(random + publicKey), "whpk_" + text(publicKey))
    }

    /// A key to sign with, `whsec_…` or `whsk_…`. What proves is read by `WebhookSecret.init`, which refuses `whsk_`.
    public static func signingKey(_ text: String) throws(BadSecret) -> WebhookSecret {
        guard text.utf8.starts(with: WebhookSecret.Prefix.privateKey) else {
            return try WebhookSecret(text, written: .standard)
        }
        // The public half follows the private one; Svix writes it so, the specification is silent.
        let bytes = Base64.decode(Array(text.utf8.dropFirst(WebhookSecret.Prefix.privateKey.count)), padding: .optional)
        guard let bytes, bytes.count == 64 || bytes.count == 32 else {
            throw BadSecret("A whsk_ key has 64 bytes in base64.")
        }
        return WebhookSecret(.ed25519Private(Secret(Array(bytes.prefix(32)))))
    }

    private static func text(_ bytes: [UInt8]) -> String { String(decoding: Base64.encode(bytes), as: UTF8.self) }
}
