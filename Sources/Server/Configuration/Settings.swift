import Generic
public import Kit
public import Logging

/// All that an operator sets, read once at the start and checked as a whole.
///
///     let settings = try Settings.load(flags: flags, environment: environment, file: path)   // or throws `BadSetting`
public struct Settings: Sendable {
    /// An instance is one of them, with its own database, keys and hosts.
    public enum Mode: String, Sendable { case live, test }

    public internal(set) var mode: Mode = .live
    /// Plain http anywhere, own encryption keys: `patchbay demo`.
    public internal(set) var isDemo = false
    /// Whom a demo's server asks for what only the demo can do; nil outside of one.
    public internal(set) var demo: DemoSettings?
    /// The control address of a sandbox; nil in live instances, and where none is named.
    public internal(set) var sandboxURL: String?
    public internal(set) var database = DatabaseAddress.sqlite(path: "patchbay.sqlite")
    public internal(set) var redisURL: Secret?
    public internal(set) var listen = ListenAddress(host: "127.0.0.1", port: 8484)
    /// Without a slash at its end.
    public internal(set) var publicURL: String?
    public internal(set) var tls: TLSFiles?
    public internal(set) var trustedProxies: [CIDR] = []
    /// What addresses from users may reach although it is private.
    public internal(set) var allowedPrivateAddresses: [CIDR] = []
    /// Newest first. Empty where nothing is set.
    public internal(set) var encryptionKeys: [EncryptionKey] = []
    /// Whether what platforms send is sealed at rest.
    public internal(set) var sealsBodies = false
    /// From the name in an address to the provider.
    public internal(set) var webhookAliases: [String: String] = [:]
    /// `https://app.example.com`.
    public internal(set) var returnOrigins: [String] = []
    /// `tiktok.videos`: streams whose rows are told of one by one.
    public internal(set) var toldRecords: Set<String> = []
    /// A planned publication that begins later than this is asked about first.
    public internal(set) var publishLateMax = Duration.hours(1)
    /// Whether `serve` brings the schema up to date.
    public internal(set) var migrates = true
    public internal(set) var log = LogSettings(format: .text, level: .info)
    public internal(set) var retention = Retention.usual
    public internal(set) var rateLimits = RateLimits()
    public internal(set) var stripe = StripeSettings()
    /// Of `STANDARD_WEBHOOKS_SECRET`. Empty: the route is off.
    public internal(set) var standardWebhooks: [WebhookSecret] = []
    /// The webhook addresses that the platforms' own settings configure, by the platform's id, or that and a name
    /// behind it.
    public internal(set) var webhookRoutes: [String: WebhookRoute] = [:]
    /// Certificates in PEM at which chains may end, in a test instance; nil: the system's.
    public internal(set) var certificateRoots: [UInt8]?
    /// The folder for objects; nil where none is set and the database is no file.
    public internal(set) var objectsFolder: String?
    /// What each platform gave for connecting accounts, by the platform's id; absent where nothing is set.
    public internal(set) var clients: [String: ClientSettings] = [:]
    /// The operator's own platform, where one is described.
    var generic: GenericOAuth?
    /// What people know the application as.
    public internal(set) var applicationName: String?
    /// What an operator should know although it stops nothing, one sentence each: for the log at start and `doctor`.
    public internal(set) var notices: [String] = []
    /// What was set, by name: for a person who asks where a value comes from.
    public internal(set) var given: [String: GivenSetting] = [:]

    /// All as it is where nothing is set.
    public init() {}
}

/// `PATCHBAY_DEMO_CONTROL` and `PATCHBAY_DEMO_TOKEN`.
public struct DemoSettings: Sendable {
    /// Without a slash at its end.
    public let control: String
    public let token: Secret
}

/// A setting that somebody has set.
public struct GivenSetting: Sendable, Equatable {
    /// `flags`, `environment`, or the file's path.
    public let source: String
    /// Nil where it is a secret.
    public let value: String?
}

/// `PATCHBAY_DATABASE_URL`.
public enum DatabaseAddress: Sendable, Equatable {
    case sqlite(path: String)
    /// As libpq reads it; holds a password.
    case postgres(url: Secret)
}

/// `PATCHBAY_LISTEN`.
public struct ListenAddress: Sendable, Equatable {
    /// A name or an address; IPv6 without brackets.
    public let host: String
    /// 0 for any.
    public let port: Int

    public init(host: String, port: Int) {
        self.host = host
        self.port = port
    }

    /// Whether nobody outside this machine can reach it.
    public var isLoopback: Bool { isLoopbackHost(host) }
}

/// `PATCHBAY_TLS_CERT` and `PATCHBAY_TLS_KEY`: paths of PEM files.
public struct TLSFiles: Sendable, Equatable {
    public let certificate: String
    public let key: String
}

/// One key that wraps others.
public struct EncryptionKey: Sendable, Equatable {
    /// Stands beside what it sealed, so that keys can be rotated.
    public let id: String
    /// 32 bytes.
    public let secret: Secret
}

/// `PATCHBAY_LOG`.
public struct LogSettings: Sendable, Equatable {
    public enum Format: String, Sendable { case text, json }
    public let format: Format
    public let level: Logger.Level
}

/// Requests a minute.
public struct RateLimits: Sendable, Equatable {
    public var key = 60_000
    public var address = 120_000
    /// Requests without a valid key that one address may send, all at once if it likes. A key has 190 bits: this is
    /// against noise, not against guessing.
    var failures = 6000
    public init() {}
}

/// What a platform gave for connecting accounts: `TIKTOK_CLIENT_KEY` and so on.
public struct ClientSettings: Sendable, Equatable {
    public let id: String?
    public let secret: Secret?
    /// Instead of the platform's own hosts, without a slash at its end.
    public let address: String?

    public init(id: String?, secret: Secret?, address: String?) {
        self.id = id
        self.secret = secret
        self.address = address
    }
}

public struct StripeSettings: Sendable {
    public internal(set) var secretKey: Secret?
    public internal(set) var publishableKey: String?
    /// Empty: the route is off.
    public internal(set) var webhookSecrets: [WebhookSecret] = []
    /// Without a slash at its end.
    public internal(set) var baseURL = "https://api.stripe.com"
    public init() {}
}

/// Whether a host is this machine itself.
func isLoopbackHost(_ host: String) -> Bool {
    (IPAddress(host).map(OutsideURL.Host.address) ?? .name(host)).isThisMachine
}
