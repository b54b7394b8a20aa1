public import Kit

/// Checks and seals what app credentials hold; the tables get nothing else of it.
public struct AppCredentials: Sendable {
    private let schemes: [String: WebhookScheme]
    private let vault: Vault
    private let ids: Identifiers

    public init(_ sources: [any WebhookSource], _ vault: Vault, _ ids: Identifiers) {
        schemes = Dictionary(uniqueKeysWithValues: sources.map { ($0.about.id, $0.webhooks) })
        self.vault = vault
        self.ids = ids
    }

    /// A secret that was checked, ready to be kept.
    public struct Ready: Sendable {
        public let id: ID<AppSecretKind>
        /// What it is called in `app_secrets`.
        public let purpose: String
        public let sealed: Sealed
    }

    /// The platforms whose webhooks an app can prove.
    public var providers: [String] { schemes.keys.sorted() }

    /// Checks a platform's webhook secrets as the platform shows them, and seals each for a row of its own.
    ///
    /// - Throws: `Unusable`, `VaultProblem`.
    public func seal(_ secrets: [String], for provider: String) throws -> [Ready] {
        guard let scheme = schemes[provider] else { return [] }
        return try secrets.enumerated().map { number, text in
            do throws(BadSecret) {
                guard try scheme.secrets(in: text).count == 1 else {
                    throw BadSecret("It is not one secret. Send each as an element of its own.")
                }
            } catch {
                throw Unusable(number: number, reason: error.reason)
            }
            let id = ids.make(AppSecretKind.self)
            return Ready(
                id: id, purpose: AppSecrets.purpose, sealed: try vault.seal(Secret(text), in: AppSecrets.place(id.text))
            )
        }
    }

    /// Seals a client secret, which has no form of its own.
    public func seal(client secret: Secret) throws -> Ready {
        let id = ids.make(AppSecretKind.self)
        return Ready(
            id: id, purpose: ConnectionApps.purpose, sealed: try vault.seal(secret, in: ConnectionApps.place(id.text)))
    }

    /// Which of the secrets cannot be used, and why. Never holds the secret.
    public struct Unusable: Error, Sendable {
        public let number: Int
        public let reason: String
    }
}
