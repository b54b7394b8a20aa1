public import Kit
import Store
import Synchronization

/// The secrets that prove one owner's deliveries, and what the owner's id is: the scope of identities.
public struct OwnedSecrets: Sendable {
    public let app: ID<AppKind>
    public let secrets: [WebhookSecret]
    /// Rises when the secrets change.
    public let version: Int64
    public init(app: ID<AppKind>, secrets: [WebhookSecret], version: Int64) {
        self.app = app
        self.secrets = secrets
        self.version = version
    }
}

/// Who can open the secrets of app credentials that were added through the API.
public protocol AppSecretsSource: Sendable {
    /// Nil when there is no such app for this platform, or it is disabled.
    func secrets(of app: ID<AppKind>, provider: String, scheme: WebhookScheme) async throws -> OwnedSecrets?
}

/// The active webhook secrets, opened and kept in memory with their version.
///
/// Secrets from settings never change while running; beside them an app of the settings may have others, which the
/// platform showed when webhooks were ordered there. Those of the API are believed for a second, then read again with
/// the next delivery: a secret that another node removed proves nothing a second later. A proof that fails has them
/// read at once, at most once a second an owner, so that a new secret is known in time and a forger cannot make us
/// read without end.
public final class WebhookSecrets: Sendable {
    /// An owner's secrets prove deliveries of the owner's platform only.
    private struct Key: Hashable {
        let provider: String
        let owner: String
    }
    private struct Known {
        /// Nil where there are none beside those of the settings.
        var owned: OwnedSecrets?
        /// By the clock that does not jump.
        var readAt: Duration
    }
    private struct State {
        var known: [Key: Known] = [:]
        var rereadAt: [Key: Duration] = [:]
    }
    /// Owners in memory; more are read again when they come.
    private static let knownMax = 10_000
    private static let believedFor = Duration.seconds(1)

    /// By the key of the address.
    private let settings: [String: OwnedSecrets]
    /// Platforms whose app of the settings may have secrets in the store, too.
    private let extended: Set<String>
    private let source: any AppSecretsSource
    private let time: TimeSource
    private let state = Mutex(State())

    /// How an address is named among the settings: the platform's id, or that and a name behind it.
    public static func key(_ provider: String, _ name: String?) -> String {
        name.map { "\(provider)/\($0)" } ?? provider
    }

    /// - Parameters:
    ///   - settings: by `key`, as the operator's settings give them.
    ///   - extended: the platforms at which webhooks can be ordered.
    public init(
        settings: [String: OwnedSecrets], source: any AppSecretsSource, time: TimeSource, extended: Set<String> = []
    ) {
        self.settings = settings
        self.extended = extended
        self.source = source
        self.time = time
    }

    /// The next delivery reads the owner's secrets again: they were changed here.
    public func forget(_ app: ID<AppKind>) {
        state.withLock { state in
            state.known = state.known.filter { $0.key.owner != app.text }
            state.rereadAt = state.rereadAt.filter { $0.key.owner != app.text }
        }
    }

    /// The secrets that prove deliveries of one app now, for whoever explains a proof; empty for none.
    public func present(of app: ID<AppKind>, provider: String, scheme: WebhookScheme) async throws -> [WebhookSecret] {
        let name = name(of: app, provider: provider)
        let isOfSettings = settings[Self.key(provider, name)]?.app == app
        return try await of(provider, owner: isOfSettings ? name : app.text, scheme: scheme)?.secrets ?? []
    }

    /// What stands behind the platform's id in the address of an app that stands for settings; nil for the
    /// platform's own address, and for apps that were added through the API.
    func name(of app: ID<AppKind>, provider: String) -> String? {
        let beginning = provider + "/"
        return settings.first { $0.value.app == app && $0.key.hasPrefix(beginning) }.map {
            String($0.key.dropFirst(beginning.count))
        }
    }

    /// What answers the platform's handshakes, whoever's address it asks: the tokens are the operator's.
    func tokens(of provider: String) -> [WebhookSecret] { settings[provider]?.secrets.filter(\.isToken) ?? [] }

    /// Nil when nobody of that id proves this platform's deliveries.
    ///
    /// - Throws: what the store throws: then nobody knows, and the platform must send again.
    func of(_ provider: String, owner: String?, scheme: WebhookScheme) async throws -> OwnedSecrets? {
        let own = settings[Self.key(provider, owner)]
        guard let key = stored(provider, owner, own) else { return Self.joined(own, nil) }
        if let known = believed(key) { return Self.joined(own, known.owned) }
        return Self.joined(own, try await read(key, scheme: scheme, isOfSettings: own != nil))
    }

    /// Under which name the store has secrets for an address; nil where it has none.
    private func stored(_ provider: String, _ owner: String?, _ own: OwnedSecrets?) -> Key? {
        guard let own else { return owner.map { Key(provider: provider, owner: $0) } }
        return extended.contains(provider) ? Key(provider: provider, owner: own.app.text) : nil
    }

    /// Those of the settings, and those of the store.
    private static func joined(_ own: OwnedSecrets?, _ kept: OwnedSecrets?) -> OwnedSecrets? {
        guard let own else { return kept }
        let all = own.secrets + (kept?.secrets ?? [])
        guard all.contains(where: \.proves) else { return nil }
        return OwnedSecrets(app: own.app, secrets: all, version: kept?.version ?? own.version)
    }

    /// What is known and fresh. Whoever finds it old reads it; the others go on with it meanwhile.
    private func believed(_ key: Key) -> Known? {
        let now = time.uptime()
        return state.withLock { state in
            guard let known = state.known[key] else { return nil }
            if now - known.readAt < Self.believedFor { return known }
            state.known[key]?.readAt = now
            return nil
        }
    }

    /// Newer secrets than those seen, if there are any.
    func reread(
        _ provider: String, owner: String?, scheme: WebhookScheme, seen: Int64
    ) async throws -> OwnedSecrets? {
        let own = settings[Self.key(provider, owner)]
        guard let key = stored(provider, owner, own) else { return nil }
        let now = time.uptime()
        let isDue = state.withLock { state in
            if let last = state.rereadAt[key], now - last < Self.believedFor { return false }
            if state.rereadAt.count >= Self.knownMax { state.rereadAt = [:] }
            state.rereadAt[key] = now
            return true
        }
        guard isDue else { return nil }
        let kept = try await read(key, scheme: scheme, isOfSettings: own != nil)
        guard let fresh = Self.joined(own, kept) else { return nil }
        return fresh.version == seen ? nil : fresh
    }

    private func read(_ key: Key, scheme: WebhookScheme, isOfSettings: Bool) async throws -> OwnedSecrets? {
        let owned: OwnedSecrets? =
            if let app = ID<AppKind>(key.owner) {
                try await source.secrets(of: app, provider: key.provider, scheme: scheme)
            } else {
                nil
            }
        let now = time.uptime()
        state.withLock { state in
            if state.known.count >= Self.knownMax { state.known = [:] }
            // That a stranger's id has none is not remembered.
            state.known[key] = owned == nil && !isOfSettings ? nil : Known(owned: owned, readAt: now)
        }
        return owned
    }
}
