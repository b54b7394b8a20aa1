public import Kit

/// Every quota of every platform, ready to be counted.
public struct QuotaBook: Sendable {
    private let quotas: [String: [String: CountedQuota]]

    /// - Parameter shares: by provider id, the part of its limits that this server may use; 1 where none is named.
    public init(_ providers: [any Limited], shares: [String: Double] = [:]) {
        var quotas: [String: [String: CountedQuota]] = [:]
        for provider in providers {
            for quota in provider.quotas {
                quotas[provider.about.id, default: [:]][quota.name] = CountedQuota(
                    quota, of: provider.about, share: shares[provider.about.id] ?? 1)
            }
        }
        self.quotas = quotas
    }

    /// Nil for a name that the provider does not declare.
    public func quota(_ name: String, of provider: String) -> CountedQuota? { quotas[provider]?[name] }

    public var all: [CountedQuota] {
        quotas.values.flatMap(\.values).sorted { ($0.provider, $0.quota.name) < ($1.provider, $1.quota.name) }
    }
}

/// A quota of a platform, with the plan by which it is counted.
public final class CountedQuota: Sendable {
    /// The platform's id and its name.
    public let provider: String
    public let providerName: String
    public let quota: Quota
    public let plan: MeterPlan
    /// `tiktok/uploads`: in metrics, gates and answers.
    public let id: String

    public init(_ quota: Quota, of provider: About, share: Double = 1) {
        self.quota = quota
        self.provider = provider.id
        providerName = provider.name
        plan = MeterPlan(quota, share: share)
        id = "\(provider.id)/\(quota.name)"
    }

    /// At least so long a window makes a restart expensive, so what was spent is on disk.
    public static let longWindow = Duration.minutes(5)

    /// Whether a restart may not forget it: one of its windows is five minutes or longer.
    public var isLong: Bool { quota.limits.contains { $0.window.length >= Self.longWindow } }

    /// The longest of its windows.
    public var longest: Duration { quota.limits.map(\.window.length).max() ?? .zero }

    /// `TikTok takes 6 uploads a minute.`
    func sentence(_ limit: Int) -> String {
        if quota.isUntold { return "\(providerName) takes no more \(quota.unit) for now." }
        guard quota.limits.indices.contains(limit) else { return "\(providerName) limits its \(quota.unit)." }
        let limit = quota.limits[limit]
        return "\(providerName) takes \(limit.units) \(quota.unit) \(limit.window.words)."
    }
}

/// Whose units of a quota are wanted, and how many.
public struct QuotaNeed: Sendable {
    public let quota: CountedQuota
    /// The app credentials, account, connection, user or endpoint that the platform counts by.
    public let subject: String
    public let units: Int
    /// `tiktok/uploads/conn_…`
    public let key: String

    public init(_ units: Int, of quota: CountedQuota, for subject: String) {
        self.units = units
        self.quota = quota
        self.subject = subject
        key = quota.id + "/" + subject
    }
}

extension [QuotaNeed] {
    /// Those that a refusal is for: the one that it names, else all whose limits are known.
    func refused(for name: String?) -> [QuotaNeed] {
        let named = filter { $0.quota.quota.name == name }
        return named.isEmpty ? filter { !$0.quota.quota.isUntold } : named
    }
}

/// Who wants units: fairness and places in line are by this name.
public struct Claimant: Sendable, Hashable {
    /// A lane of jobs, or a request of someone who waits.
    public let name: String
    public let priority: Priority

    public init(_ name: String, _ priority: Priority) {
        self.name = name
        self.priority = priority
    }
}

/// Why a call does not leave now, and when it may.
public struct Hold: Error, Sendable, Equatable {
    /// What holds a call.
    public enum Gate: Sendable, Equatable {
        /// By its id.
        case quota(String)
        /// Of a host.
        case circuit(String)
        /// Somebody holds back whatever is done for it.
        case connection(String)

        /// As lanes and pages name it: `quota tiktok/uploads`, `circuit open.tiktokapis.com`, `pause conn_…`.
        public var name: String {
            switch self {
            case .quota(let id): "quota \(id)"
            case .circuit(let host): "circuit \(host)"
            case .connection(let id): "pause \(id)"
            }
        }
    }

    /// Nothing is gained by asking earlier.
    public let until: Timestamp
    public let gate: Gate
    /// For a person: what, until when, how many go first.
    public let reason: String

    public init(until: Timestamp, gate: Gate, reason: String) {
        self.until = until
        self.gate = gate
        self.reason = reason
    }
}
