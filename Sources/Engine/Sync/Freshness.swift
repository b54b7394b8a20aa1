public import Kit
public import Store

/// How old what is kept of a stream is, whether that is too old, and why.
public struct Freshness: Sendable, Equatable {
    /// Why it is stale.
    public enum Reason: String, Sendable, CaseIterable {
        case never, paused, notConnected = "needs_reconnect", missingScope = "missing_scope", failing, late
    }

    /// What the platform had by then is here; nil where nothing was read yet.
    public let asOf: Timestamp?
    public let reason: Reason?
    /// For a person; nil where it is fresh.
    public let sentence: String?
    public var isStale: Bool { reason != nil }

    /// Later than one and a half intervals is late.
    public init(
        of stream: SyncStream, _ state: StreamState?, _ connection: ConnectionRow, platform: String, at now: Timestamp
    ) {
        asOf = state?.syncedAt
        (reason, sentence) = Self.reason(stream, state, connection, platform, now).map { ($0.0, $0.1) } ?? (nil, nil)
    }

    private static func reason(
        _ stream: SyncStream, _ state: StreamState?, _ connection: ConnectionRow, _ platform: String, _ now: Timestamp
    ) -> (Reason, String)? {
        let missing = stream.scopes.filter { !connection.scopes.contains($0) }
        switch connection.state {
        case .paused: return (.paused, "The connection is paused.")
        case .pending, .needsReconnect, .revoked:
            return (.notConnected, "\(platform) no longer accepts this connection. Connect the account again.")
        case .active, .refreshing, .suspect: break
        }
        guard missing.isEmpty else {
            return (.missingScope, "The account's owner has not allowed \(missing.joined(separator: ", ")).")
        }
        guard let state, let asOf = state.syncedAt else {
            return state?.failingSince == nil
                ? (.never, "Nothing was read yet.") : (.failing, state?.problem ?? "The last run failed.")
        }
        if state.failingSince != nil { return (.failing, state.problem ?? "The last run failed.") }
        guard now - asOf <= stream.every + stream.every / 2 else {
            return (.late, "The last run that came to its end began at \(asOf.rfc3339).")
        }
        return nil
    }
}
