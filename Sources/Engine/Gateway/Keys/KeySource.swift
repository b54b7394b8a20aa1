public import Kit

/// Who obtains the keys that deliveries name.
public protocol KeySource: Sendable {
    /// The key of this name, remembered or fetched.
    ///
    /// - Parameter seen: a remembered key that did not prove the delivery: a newer one is wanted. Where it is too soon
    ///   to ask for one, the same key comes back.
    func key(
        _ need: KeyNeed, by proof: RemoteProof, for provider: String, newerThan seen: RemoteKey?
    ) async throws(KeyFailure) -> RemoteKey

    /// The key of this name if it is remembered; nobody is asked.
    func remembered(_ need: KeyNeed, for provider: String) async -> RemoteKey?

    /// A key of this name has proven a delivery: neither it nor its host is one that somebody made up.
    func proved(_ need: KeyNeed, for provider: String) async
}

/// A key that was fetched.
public struct RemoteKey: Sendable {
    public let found: FoundKey
    /// By the clock that does not jump.
    let fetchedAt: Duration
    /// It was there before the delivery came, so its owner may have changed it since.
    public let isRemembered: Bool
}

/// Why there is no key.
public enum KeyFailure: Error, Sendable, Equatable {
    /// What the name leads to is not to be believed, or may not be fetched. The sentence says why.
    case refused(String)
    /// Nobody knows: it could not be fetched now. The platform must send again.
    case unavailable(String)
}

/// Proves nothing that needs a foreign key: for tools that have no network.
public struct NoKeys: KeySource {
    public init() {}

    public func key(
        _ need: KeyNeed, by proof: RemoteProof, for provider: String, newerThan seen: RemoteKey?
    ) async throws(KeyFailure) -> RemoteKey {
        throw .refused("Nothing is fetched here.")
    }
    public func remembered(_ need: KeyNeed, for provider: String) async -> RemoteKey? { nil }
    public func proved(_ need: KeyNeed, for provider: String) async {}
}
