import Kit

/// How often keys of names that never proved anything may be fetched, so that whoever makes up names cannot make us ask
/// without end.
///
/// A bucket for each host, and one for all hosts together that never yet proved a delivery. A flood of made-up hosts
/// starves other strangers for a while; a flood of made-up names at one host starves that host's new names. What has
/// proven something does not come here (`RemoteKeys`).
struct FetchBudget {
    struct Limits: Sendable {
        /// Of one host: at once, and one more after each so long.
        var hostBurst = 10.0
        var hostEvery = Duration.seconds(3)
        /// Of all strangers together.
        var strangersBurst = 60.0
        var strangersEvery = Duration.seconds(1)
    }
    private struct Bucket {
        var left: Double
        var at: Duration
    }
    private let limits: Limits
    private var hosts: [String: Bucket] = [:]
    private var strangers: Bucket
    private var known: Set<String> = []
    /// Hosts remembered at once, of each kind.
    private static let hostsMax = 10_000

    init(_ limits: Limits, at now: Duration) {
        self.limits = limits
        strangers = Bucket(left: limits.strangersBurst, at: now)
    }

    /// Whether a fetch from this host may begin; it counts then.
    mutating func take(_ host: String, at now: Duration) -> Bool {
        var bucket = hosts[host] ?? Bucket(left: limits.hostBurst, at: now)
        guard Self.take(&bucket, limits.hostBurst, limits.hostEvery, now) else { return false }
        guard known.contains(host) || Self.take(&strangers, limits.strangersBurst, limits.strangersEvery, now) else {
            return false
        }
        // A bucket that is full again says nothing; only then are there so many.
        if hosts.count >= Self.hostsMax { hosts = hosts.filter { now - $0.value.at < limits.hostEvery * 10 } }
        if hosts.count >= Self.hostsMax { return false }
        hosts[host] = bucket
        return true
    }

    /// A key of this host has proven something.
    mutating func know(_ host: String) {
        if known.count >= Self.hostsMax { known = [] }
        known.insert(host)
    }

    /// Whether one of this host has proven something.
    func knows(_ host: String) -> Bool { known.contains(host) }

    private static func take(_ bucket: inout Bucket, _ burst: Double, _ every: Duration, _ now: Duration) -> Bool {
        let left = min(burst, bucket.left + (now - bucket.at).inSeconds / every.inSeconds)
        bucket = Bucket(left: left, at: now)
        guard left >= 1 else { return false }
        bucket.left -= 1
        return true
    }
}
