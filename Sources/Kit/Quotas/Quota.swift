/// A platform's limit: so many units in a window, or in each of several, for whoever it counts by.
///
/// A call names what it spends (`Call.spends`); the engine never sends one that the platform would refuse for it.
public struct Quota: Sendable {
    /// What the platform counts by.
    public enum Scope: String, Sendable, CaseIterable {
        /// All calls with one set of app credentials.
        case app
        /// The calls for one account at the platform with one set of app credentials, whoever is connected to it.
        case account
        /// The calls of one connection: a token.
        case connection
        /// The calls for one of the application's users.
        case user
        /// The calls with one set of app credentials to one path template.
        case endpoint
    }

    /// Unique within a provider, lower case: part of keys, metrics and answers. `uploads`.
    public let name: String
    /// What is counted, as a sentence names it: `uploads` in "takes 6 uploads a minute".
    public let unit: String
    /// Four at most.
    public let limits: [Limit]
    public let scope: Scope
    /// What to do when it is used up, where waiting alone does not help.
    public private(set) var advice: String?
    /// What an answer says about this quota, where the platform tells.
    public let learn: @Sendable (Answer) -> Reading?

    public init(
        _ name: String, _ limits: [Limit], of unit: String = "calls", for scope: Scope,
        learn: @escaping @Sendable (Answer) -> Reading? = { _ in nil }
    ) {
        precondition((1...4).contains(limits.count), "a quota has one to four limits")
        self.name = name
        self.unit = unit
        self.limits = limits
        self.scope = scope
        self.learn = learn
    }

    public init(
        _ name: String, _ units: Int, per window: Window, of unit: String = "calls", for scope: Scope,
        learn: @escaping @Sendable (Answer) -> Reading? = { _ in nil }
    ) {
        self.init(name, [Limit(units, per: window)], of: unit, for: scope, learn: learn)
    }

    /// A limit that a platform does not tell: only a refusal that names it (`Failure.quota`) shows that it is reached,
    /// and holds until its window is over.
    public init(untold name: String, per window: Window, of unit: String, for scope: Scope, advice: String) {
        self.init(name, [Limit(Limit.unitsMax, per: window)], of: unit, for: scope)
        self.advice = advice
    }

    /// Whether nobody knows how much of it there is.
    public var isUntold: Bool { limits.allSatisfy { $0.units == Limit.unitsMax } }

    /// So many units in one window.
    public struct Limit: Sendable, Hashable {
        /// More than any platform allows; a meter counts with 24 bits.
        public static let unitsMax = 16_000_000

        /// 1 to `unitsMax`.
        public let units: Int
        public let window: Window

        public init(_ units: Int, per window: Window) {
            precondition((1...Self.unitsMax).contains(units), "a limit is 1 to \(Self.unitsMax) units")
            self.units = units
            self.window = window
        }
    }

    /// When a unit that was spent may be spent again.
    public enum Window: Sendable, Hashable {
        /// Counts back from now. Also right for a window that begins with its first call: it is never longer.
        case rolling(Duration)
        /// All at once, every so often, counted from 1970 in UTC and this much later.
        case fixed(Duration, offset: Duration = .zero)
        /// At midnight in a time zone.
        case day(Zone)
        /// At midnight of a month's first day in a time zone.
        case month(Zone)
        /// When its call is answered: so many calls at the same time.
        case concurrent
    }

    /// What an answer says of a limit.
    public struct Reading: Sendable, Equatable {
        /// Which of the quota's limits.
        public let index: Int
        /// The limit itself, where the answer names it: it holds from now on.
        public let limit: Int?
        /// Units left, this call's already taken.
        public let remaining: Int
        /// Until all are there again, where the answer says.
        public let resetsIn: Duration?

        public init(index: Int = 0, limit: Int? = nil, remaining: Int, resetsIn: Duration? = nil) {
            self.index = index
            self.limit = limit
            self.remaining = remaining
            self.resetsIn = resetsIn
        }
    }
}

extension Quota.Window {
    /// How long it is; a month counts 31 days, what is only concurrent has no length.
    public var length: Duration {
        switch self {
        case .rolling(let length), .fixed(let length, _): length
        case .day: .days(1)
        case .month: .days(31)
        case .concurrent: .zero
        }
    }

    /// `a minute`, `every 15 min`, `a day`, `at a time`: as in "6 uploads a minute".
    public var words: String {
        switch self {
        case .rolling(let length), .fixed(let length, _): Self.words(for: length.microseconds)
        case .day: "a day"
        case .month: "a month"
        case .concurrent: "at a time"
        }
    }

    private static func words(for microseconds: Int64) -> String {
        let units: [(size: Int64, one: String, many: String)] = [
            (86_400_000_000, "a day", "days"), (3_600_000_000, "an hour", "h"), (60_000_000, "a minute", "min"),
            (1_000_000, "a second", "s"),
        ]
        for unit in units where microseconds >= unit.size && microseconds % unit.size == 0 {
            let count = microseconds / unit.size
            return count == 1 ? unit.one : "every \(count) \(unit.many)"
        }
        return "every \(microseconds / 1000) ms"
    }
}

/// What one call takes from a quota.
public struct Spending: Sendable, Equatable {
    /// The quota's name.
    public let quota: String
    /// 1 or more.
    public let units: Int

    public init(_ units: Int, of quota: String) {
        self.units = units
        self.quota = quota
    }
}

/// A provider that counts calls.
public protocol Limited: Provider {
    /// Every quota that its calls may name, none twice.
    var quotas: [Quota] { get }
}
