public import Kit
public import Store

/// Opens the webhook secrets of app credentials: those that were added through the API, or shown by a platform at which
/// webhooks were ordered.
public struct AppSecrets: AppSecretsSource {
    /// What a webhook secret is called in `app_secrets`.
    public static let purpose = "webhook_secret"

    private let database: any Database
    private let vault: Vault
    private let time: TimeSource

    public init(database: any Database, vault: Vault, time: TimeSource) {
        self.database = database
        self.vault = vault
        self.time = time
    }

    public static func place(_ secret: String) -> Vault.Place {
        .init(table: "app_secrets", row: secret, purpose: purpose)
    }

    public func secrets(of app: ID<AppKind>, provider: String, scheme: WebhookScheme) async throws -> OwnedSecrets? {
        let now = time.now()
        let found = try await database.read("app_secrets") { session -> (AppRow, [SealedRow])? in
            guard let row = try session.app(app), row.provider == provider, row.disabledAt == nil
            else {
                return nil
            }
            return (row, try session.secrets(of: app, purpose: Self.purpose, at: now))
        }
        guard let (row, sealed) = found else { return nil }
        let secrets = try sealed.flatMap { secret in
            let opened = try vault.open(.init(bytes: secret.sealed, keyID: secret.keyID), in: Self.place(secret.id))
            return try opened.reveal { try scheme.secrets(in: String(decoding: $0, as: UTF8.self)) }
        }
        return secrets.isEmpty ? nil : OwnedSecrets(app: app, secrets: secrets, version: row.version)
    }
}
