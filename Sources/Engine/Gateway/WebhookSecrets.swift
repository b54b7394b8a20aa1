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
/// Secrets from settings never change while running. Those of the API are read from the vault once; a proof that
/// fails has them read again, at most once a second an owner, so that a rotation on another node is heard in time
/// and a forger cannot make us read without end.
public final class WebhookSecrets: Sendable {
    private struct State {
        var cached: [String: OwnedSecrets] = [:]
        /// By the uptime: a clock that is set back must not make us deaf to a rotation.
        var rereadAt: [String: Duration] = [:]
    }
    /// Owners in memory; more are read again when they come.
    private static let cachedMax = 10_000

    private let settings: [String: OwnedSecrets]
    private let source: any AppSecretsSource
    private let time: TimeSource
    private let state = Mutex(State())

    /// - Parameter settings: by platform id, as the operator's settings give them.
    public init(settings: [String: OwnedSecrets], source: any AppSecretsSource, time: TimeSource) {
        self.settings = settings
        self.source = source
        self.time = time
    }

    /// Nil when nobody of that id proves this platform's deliveries.
    ///
    /// - Throws: what the store throws: then nobody knows, and the platform must send again.
    func of(_ provider: String, owner: String?, scheme: WebhookScheme) async throws -> OwnedSecrets? {
        guard let owner else { return settings[provider] }
        if let cached = state.withLock({ $0.cached[owner] }) { return cached }
        return try await read(provider, owner: owner, scheme: scheme)
    }

    /// Newer secrets than those seen, if there are any.
    func reread(
        _ provider: String, owner: String?, scheme: WebhookScheme, seen: Int64
    ) async throws -> OwnedSecrets? {
        guard let owner else { return nil }
        let now = time.uptime()
        let isDue = state.withLock { state in
            if let last = state.rereadAt[owner], now - last < .seconds(1) { return false }
            state.rereadAt[owner] = now
            return true
        }
        guard isDue, let fresh = try await read(provider, owner: owner, scheme: scheme) else { return nil }
        return fresh.version == seen ? nil : fresh
    }

    private func read(_ provider: String, owner: String, scheme: WebhookScheme) async throws -> OwnedSecrets? {
        guard let app = ID<AppKind>(owner),
            let owned = try await source.secrets(of: app, provider: provider, scheme: scheme)
        else { return nil }
        state.withLock { state in
            if state.cached.count >= Self.cachedMax { state.cached = [:] }
            state.cached[owner] = owned
        }
        return owned
    }
}
