public import Kit

extension ActivityPub {
    /// For lines that bring the actor's public key as PEM: whatever key a signature names counts as that one.
    public static let verifying: [String: Verify.Builder] = [
        "activitypub-cavage": builder(rules(draft: true, rfc9421: false)),
        "activitypub-rfc9421": builder(rules(draft: false, rfc9421: true)),
    ]

    private static func builder(_ rules: HTTPSignatureRules) -> Verify.Builder {
        { secret throws(Verify.Unusable) in try setting(secret, rules) }
    }

    private static func setting(
        _ secret: JSON, _ rules: HTTPSignatureRules
    ) throws(Verify.Unusable) -> Verify.Setting {
        guard let pem = secret.text else { throw Verify.Unusable("secret: the public key as PEM text is needed.") }
        let everyone = try Verify.secrets(in: ["servers": ["*"]], ["servers"]) { text throws(BadSecret) in
            try WebhookSecret.list(text, written: .identifier)
        }
        let key: PublicKey
        do { key = try PublicKey(pem: pem) } catch { throw Verify.Unusable(error.reason, isAboutKeys: true) }
        return Verify.Setting(scheme(rules), everyone) { _, _, _ throws(BadKey) in FoundKey(key) }
    }
}
