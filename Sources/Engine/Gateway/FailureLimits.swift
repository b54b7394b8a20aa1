public import Kit
import Synchronization

/// How many deliveries may prove nothing, by where they come from and by route, before they are only counted.
///
/// Asked after the proof and only where it failed, so that no flood of forgeries costs a genuine sender anything: what
/// is proven never comes here, whoever shares its address. On this node alone: what is spared is this node's work.
public final class FailureLimits: Sendable {
    /// Whose limit was reached.
    enum Bound: String, Sendable { case source, route }
    struct Excess: Sendable, Equatable {
        let of: Bound
        /// Until one more is looked into.
        let wait: Duration
    }

    /// Sources that are remembered, some 64 bytes each; the one that has been quiet longest is forgotten for a new one.
    public static let sourcesMax = 100_000
    /// Of one source in a minute, all at once if it likes: a platform whose secret was mistyped is seen in full.
    static let ofSource = 60
    /// Of a route in a minute, whoever sends: as many as are kept for a person.
    static let ofRoute = 600
    private static let routesMax = 10_000

    private let sources = Mutex(Allowances<SenderNetwork>(perMinute: ofSource, keysMax: sourcesMax))
    private let routes = Mutex(Allowances<String>(perMinute: ofRoute, keysMax: routesMax))

    public init() {}

    /// Counts one failed proof; not nil when it is one too many.
    ///
    /// What its source has too many of is not counted for the route: one sender cannot use up what others' failures
    /// are seen by.
    /// - Parameter source: the address; what is none, such as a socket's file, has only the route's limit.
    func excess(from source: String?, to route: String, at now: Timestamp) -> Excess? {
        if let network = source.flatMap({ SenderNetwork($0) }),
            let wait = sources.withLock({ $0.take(network, at: now) })
        {
            return Excess(of: .source, wait: wait)
        }
        return routes.withLock { $0.take(route, at: now) }.map { Excess(of: .route, wait: $0) }
    }

    /// Whether a failed proof from there would be looked into; for a benchmark.
    public func passes(from source: String, at now: Timestamp) -> Bool {
        excess(from: source, to: "", at: now) == nil
    }

    /// How many sources are remembered.
    public var sourceCount: Int { sources.withLock { $0.count } }
}

/// An IPv4 address, or the /64 of an IPv6 address, which one sender is given whole.
struct SenderNetwork: Hashable, Sendable {
    /// For keys that are texts.
    var text: String { String(bits, radix: 16) }

    /// The upper half of an IPv6 address. IPv4 stands in `ffff:ffff::/32`, from which nobody sends.
    private let bits: UInt64

    init?(_ address: String) {
        switch IPAddress(address)?.canonical {
        case .v4(let value): bits = 0xFFFF_FFFF << 32 | UInt64(value)
        case .v6(let upper, _): bits = upper
        case nil: return nil
        }
    }
}

/// What each of many keys may still take, by GCRA; the key that was asked for longest ago is forgotten for a new one.
struct Allowances<Key: Hashable & Sendable>: Sendable {
    /// A key in the list from the oldest to the newest.
    struct Entry {
        var key: Key
        /// When the next would be due if all came evenly, in microseconds.
        var due: Int64
        var older: Int32
        var newer: Int32
    }
    private static var none: Int32 { -1 }

    private let interval: Int64
    private let tolerance: Int64
    private let keysMax: Int
    private var entries: [Entry] = []
    private var places: [Key: Int32] = [:]
    private var oldest: Int32 = none
    private var newest: Int32 = none

    /// - Parameter perMinute: may come all at once.
    init(perMinute: Int, keysMax: Int) {
        precondition(perMinute > 0 && (1...Int(Int32.max)).contains(keysMax))
        interval = max(1, 60_000_000 / Int64(perMinute))
        tolerance = interval * Int64(perMinute)
        self.keysMax = keysMax
    }

    var count: Int { entries.count }

    /// Takes one; not nil when none is left: how long until there is.
    mutating func take(_ key: Key, at now: Timestamp) -> Duration? {
        let place = touch(key)
        let now = now.microseconds
        // Nothing is granted beyond the tolerance: what is due later was written before the clock was set back.
        let known = entries[place].due - now <= tolerance ? entries[place].due : now
        let next = max(known, now) + interval
        guard next - now <= tolerance else { return .microseconds(next - now - tolerance) }
        entries[place].due = next
        return nil
    }

    /// What was taken turned out to be none.
    mutating func giveBack(_ key: Key) {
        if let place = places[key] { entries[Int(place)].due -= interval }
    }

    /// The entry of a key, which is the newest now.
    private mutating func touch(_ key: Key) -> Int {
        if let place = places[key] {
            unlink(place)
            link(place)
            return Int(place)
        }
        let place: Int32
        if entries.count < keysMax {
            place = Int32(entries.count)
            entries.append(Entry(key: key, due: 0, older: Self.none, newer: Self.none))
        } else {
            place = oldest
            unlink(place)
            places[entries[Int(place)].key] = nil
            entries[Int(place)] = Entry(key: key, due: 0, older: Self.none, newer: Self.none)
        }
        places[key] = place
        link(place)
        return Int(place)
    }

    private mutating func link(_ place: Int32) {
        entries[Int(place)].older = newest
        entries[Int(place)].newer = Self.none
        if newest == Self.none { oldest = place } else { entries[Int(newest)].newer = place }
        newest = place
    }

    private mutating func unlink(_ place: Int32) {
        let entry = entries[Int(place)]
        if entry.older == Self.none { oldest = entry.newer } else { entries[Int(entry.older)].newer = entry.newer }
        if entry.newer == Self.none { newest = entry.older } else { entries[Int(entry.newer)].older = entry.older }
    }
}
