/// Where a call goes.
public enum CallHost: Sendable, Equatable {
    /// The platform's API, by the call's path.
    case api
    /// An address that an answer named, whole; https, at one of these domains or below. Nothing that authorizes is
    /// attached: the address itself does. The call's path only says what kind it is, for the log.
    case given(Secret, within: [String])
}

/// A part of a kept object, passed on as it is read: no more of it is in memory than is on its way.
public struct ObjectPart: Sendable, Equatable {
    public let object: ID<ObjectKind>
    public let range: Range<Int64>

    public init(_ object: ID<ObjectKind>, _ range: Range<Int64>) {
        self.object = object
        self.range = range
    }
    /// In bytes.
    public var count: Int64 { range.upperBound - range.lowerBound }
}

extension CallHost {
    /// Whether an address that an answer named is one that a call may go to.
    ///
    /// - Parameter base: what the operator set instead of the platform's own hosts; nil where nothing is set. Then
    ///   only its host counts, at any port: a sandbox.
    public static func admits(_ address: String, within domains: [String], base: String?) -> Bool {
        guard let url = try? OutsideURL(address) else { return false }  // What is no address is refused.
        if let base, let own = try? OutsideURL(base) {  // Checked when it was set.
            return url.scheme == own.scheme && url.host == own.host
        }
        guard url.scheme == .https, url.port == 443, case .name(let name) = url.host else { return false }
        return domains.contains { name == $0 || name.hasSuffix("." + $0) }
    }
}
