/// How a platform lets people connect an account: OAuth 2's authorization code (RFC 6749, 9700), with the platform's
/// own manners as data.
///
/// What is left out is as the standards say. The flow itself is the engine's, the same for all.
public struct OAuth2: Sendable, Equatable {
    /// An address in two parts, so that an operator's other host (a sandbox) keeps the paths.
    public struct Place: Sendable, Equatable {
        /// `https://open.example.com`, without a slash at its end.
        public let host: String
        /// Path and query, from the slash on.
        public let path: String

        public init(_ host: String, _ path: String) {
            self.host = host
            self.path = path
        }

        /// - Parameter base: what the operator set instead of the platform's own hosts.
        public func url(at base: String? = nil) -> String { (base ?? host) + path }
    }

    /// The settings that hold one pair of app credentials.
    public struct SettingNames: Sendable, Equatable {
        public let clientID: String
        public let clientSecret: String
        /// Another address for all hosts of the platform.
        public let address: String

        public init(clientID: String, clientSecret: String, address: String) {
            self.clientID = clientID
            self.clientSecret = clientSecret
            self.address = address
        }
    }

    /// A permission, by the platform's own name.
    public struct Permission: Sendable, Equatable {
        public let name: String
        /// What it is for, for people.
        public let what: String
        /// Whether it is asked for where nobody says which.
        public let isUsual: Bool

        public init(_ name: String, _ what: String, isUsual: Bool = true) {
            self.name = name
            self.what = what
            self.isUsual = isUsual
        }
    }

    /// How we say who we are at the token endpoint: one way, never two.
    public enum ClientAuthentication: Sendable, Equatable {
        /// Id and secret as fields of the form.
        case body
        /// `Authorization: Basic`; RFC 6749 wants id and secret form-encoded before they are joined, many platforms do
        /// not decode.
        case basic(formEncoded: Bool)
    }

    /// What a refresh does to the refresh token that was used.
    public enum Rotation: Sendable, Equatable {
        /// It stays good.
        case none
        /// A new one comes; the old one is good for so long.
        case graceful(Duration)
        /// A new one comes; to use the old one again is taken for theft.
        case strict
    }

    /// Which token a revocation names.
    public enum Revoked: Sendable, Equatable { case accessToken, refreshToken }

    /// Whose account it is, where the token's answer does not say, and what it is called.
    public struct Profile: Sendable, Equatable {
        public let place: Place
        /// Members down to the account's id, and to what people call it.
        public let id: [String]
        public let name: [String]
        /// Members down to the id by which the platform calls the account towards this app alone; nil where it has no
        /// such id.
        public let scopedID: [String]?

        public init(_ place: Place, id: [String], name: [String], scopedID: [String]? = nil) {
            self.place = place
            self.id = id
            self.name = name
            self.scopedID = scopedID
        }
    }

    public let authorize: Place
    public let token: Place
    public let settings: SettingNames
    public let permissions: [Permission]
    /// Nil where the platform has none.
    public var revoke: Place?
    public var revoked = Revoked.refreshToken
    public var profile: Profile?
    /// The member of the token's answer that names the account.
    public var accountMember: String?
    /// RFC 9207: what `iss` must be, where it comes.
    public var issuer: String?
    /// Whether the platform's own description promises `iss`, so that a callback without it is refused.
    public var promisesIssuer = false
    public var clientIDName = "client_id"
    public var clientAuthentication = ClientAuthentication.body
    public var scopeSeparator = " "
    public var pkce = PKCE.s256
    /// For redirects to this machine itself, which some platforms treat as another kind of app.
    public var pkceOnLoopback: PKCE?
    /// Further parameters of the authorize page.
    public var authorizeFields: [Field] = []
    /// How long an access token lasts where the answer does not say; nil for ever.
    public var lifetime: Duration?
    /// Whether tokens can be refreshed, and what that does to the one used.
    public var rotation = Rotation.strict
    /// How long before an access token's end it is refreshed; nil as is usual (`refreshTime`).
    public var refreshAhead: Duration?
    /// An idle refresh token dies after so long: it is used sooner. Nil where it does not.
    public var idleLife: Duration?
    /// Words in `error` that mean: this refresh token is dead.
    public var deadGrantErrors: Set<String> = ["invalid_grant"]

    public init(
        authorize: Place, token: Place, settings: SettingNames, permissions: [Permission]
    ) {
        self.authorize = authorize
        self.token = token
        self.settings = settings
        self.permissions = permissions
    }

    /// What is asked for where nobody says which.
    public var usualScopes: [String] { permissions.filter(\.isUsual).map(\.name) }
}

/// Proof that who brings the code began the flow (RFC 7636).
public enum PKCE: Sendable, Equatable {
    /// The platform takes none.
    case none
    /// As the standard says: base64url of the SHA-256.
    case s256
    /// The SHA-256 in lower-case hex, still named S256.
    case hex
}
