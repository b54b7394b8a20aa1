import Kit

/// Who asks: the key, as far as handlers may know it.
public struct Caller: Sendable, Equatable {
    /// The key's id: the actor in audit entries.
    public let id: String
    /// The key's name, for people. Two keys may have the same.
    public let name: String
    /// Whose the idempotency keys are: the first of the keys that were made of each other by rotation.
    let owner: String
    public let scopes: [Scope]
    /// The version of the API that its answers have.
    public let version: String
    /// Where its calls on a connection's behalf may go; nil for anywhere.
    var proxyRules: [ProxyRule]?

    public init(id: String, name: String, scopes: [Scope], version: String, owner: String? = nil) {
        self.id = id
        self.owner = owner ?? id
        self.name = name
        self.scopes = scopes
        self.version = version
    }

    /// For addresses that anybody may call.
    static let anybody = Caller(id: "anybody", name: "anybody", scopes: [], version: APIVersion.current)

    func may(_ level: Scope.Level, _ resource: String) -> Bool { scopes.contains { $0.allows(level, resource) } }
}

/// What a key may do: `admin`, `read`, `write`, or for one resource `events:read`.
public struct Scope: Sendable, Equatable, CustomStringConvertible {
    /// Each includes those before it.
    public enum Level: String, Sendable, Comparable, CaseIterable {
        case read, write, admin
        public static func < (left: Self, right: Self) -> Bool {
            left != right && (left == .read || right == .admin)
        }
    }
    public let level: Level
    /// Nil for all.
    public let resource: String?

    public init?(_ text: String) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        guard parts.count <= 2, let word = parts.last, let level = Level(rawValue: word) else { return nil }
        let resource = parts.count == 2 ? parts.first : nil
        guard resource.map(Self.resources.contains) ?? true, resource == nil || level != .admin else { return nil }
        self.level = level
        self.resource = resource
    }

    func allows(_ wanted: Level, _ wantedResource: String) -> Bool {
        wanted <= level && (resource == nil || resource == wantedResource)
    }
    public var description: String { (resource.map { $0 + ":" } ?? "") + level.rawValue }

    /// The nouns of `/v1`.
    public static let resources: [String] = [
        "apps", "connections", "deliveries", "events", "jobs", "changes", "endpoints", "users", "reviews", "alerts",
        "audit", "nodes",
        "calls", "quotas", "proxy", "objects", "publications", "syncs", "records",
        "keys",
        "trace", "radar",
    ]
    public static let all: [String] =
        Level.allCases.map(\.rawValue) + resources.flatMap { ["\($0):read", "\($0):write"] }
}

/// The versions of the API, by date. Additions are free; what goes has `Deprecation` and `Sunset` first.
public enum APIVersion {
    public static let current = "2026-12-01"
    static let all = [current]
}
