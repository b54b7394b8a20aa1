public import Kit
public import Store

/// Through which app credentials accounts are connected: those from settings, and any number added through the API.
/// Each connection remembers its own.
public struct ConnectionApps: Sendable {
    /// What a client secret is called in `app_secrets`.
    public static let purpose = "client_secret"

    /// What the settings hold of a platform.
    public struct OfSettings: Sendable {
        public let app: ID<AppKind>?
        public let id: String?
        public let secret: Secret?
        /// Instead of the platform's own hosts.
        public let address: String?

        public init(app: ID<AppKind>?, id: String?, secret: Secret?, address: String?) {
            self.app = app
            self.id = id
            self.secret = secret
            self.address = address
        }
    }

    private let settings: [String: OfSettings]
    private let database: any Database
    private let vault: Vault
    private let time: TimeSource

    public init(settings: [String: OfSettings], database: any Database, vault: Vault, time: TimeSource) {
        self.settings = settings
        self.database = database
        self.vault = vault
        self.time = time
    }

    public static func place(_ secret: String) -> Vault.Place {
        .init(table: "app_secrets", row: secret, purpose: purpose)
    }

    /// The app that is taken where nobody says which; nil where the platform has none.
    public func usual(of provider: String) async throws -> ID<AppKind>? {
        let own = settings[provider].flatMap { $0.id != nil && $0.secret != nil ? $0.app : nil }
        return try await database.read("usual_app") { try $0.usualApp(of: provider, settings: own)?.id }
    }

    /// What an app is to its platform; nil where it is gone, disabled, another platform's, or lacks something.
    public func credentials(of app: ID<AppKind>, at provider: String) async throws -> ClientCredentials? {
        let address = settings[provider]?.address
        if let own = settings[provider], own.app == app {
            guard let id = own.id, let secret = own.secret else { return nil }
            return ClientCredentials(id: id, secret: secret, address: address)
        }
        let now = time.now()
        let found = try await database.read("client") { session -> (String, SealedRow)? in
            guard let row = try session.app(app), row.provider == provider, row.disabledAt == nil,
                let id = row.clientID, let secret = try session.secrets(of: app, purpose: Self.purpose, at: now).first
            else { return nil }
            return (id, secret)
        }
        guard let (id, sealed) = found else { return nil }
        let secret = try vault.open(.init(bytes: sealed.sealed, keyID: sealed.keyID), in: Self.place(sealed.id))
        return ClientCredentials(id: id, secret: secret, address: address)
    }
}
