public import Kit

/// Units of a quota that a node wants to hold, to spend them soon.
public struct SliceWish: Sendable {
    public let key: String
    public let quota: String
    public let subject: String
    public let plan: MeterPlan
    /// What is needed now, and what would be taken with it.
    public let least: Int
    public let most: Int
    public let priority: Priority
    public let node: String
    /// After this, what was not accounted for counts as used.
    public let term: Duration

    public init(
        key: String, quota: String, subject: String, plan: MeterPlan, least: Int, most: Int, priority: Priority,
        node: String, term: Duration
    ) {
        self.key = key
        self.quota = quota
        self.subject = subject
        self.plan = plan
        self.least = least
        self.most = most
        self.priority = priority
        self.node = node
        self.term = term
    }
}

public enum Slice: Sendable, Equatable {
    case granted(Int)
    /// So long from now, for this limit of the quota.
    case later(Duration, limit: Int)
}

/// What a node says of units that it held.
public struct SliceAccount: Sendable {
    public let key: String
    public let plan: MeterPlan
    public let node: String
    /// Spent: their calls were answered this long ago, at most.
    public let spent: Int
    public let age: Duration
    /// Not spent.
    public let unused: Int

    public init(key: String, plan: MeterPlan, node: String, spent: Int, age: Duration, unused: Int) {
        self.key = key
        self.plan = plan
        self.node = node
        self.spent = spent
        self.age = age
        self.unused = unused
    }
}

/// How a kept quota stands.
public struct KeptLevel: Sendable {
    public let key: String
    public let quota: String
    public let subject: String
    public let state: [UInt8]
    /// Held by nodes that may still account for it.
    public let held: Int
    /// What nobody accounted for: used when it ended, as long as its window counts it.
    public let abandoned: [(units: Int, endedAt: Timestamp)]
}

extension Session {
    /// Gives a node units to spend, or says when there may be some. All nodes' clocks are this database's.
    public func slice(_ wish: SliceWish, at now: Timestamp) throws -> Slice {
        let moment = Moment(now)
        var meter = try holdMeter(wish.key, wish.quota, wish.subject, wish.plan, at: moment)
        try countAbandoned(wish.key, in: &meter, by: wish.plan, at: now)
        meter.assume(inFlight: try heldUnits(of: wish.key), by: wish.plan)
        for units in Set([wish.most, wish.least]).sorted(by: >) {
            switch meter.take(units, for: wish.priority, by: wish.plan, at: moment) {
            case .granted:
                try hold(units, wish, until: now + wish.term)
                try keep(meter, wish.key, by: wish.plan, at: now)
                return .granted(units)
            case .later(let free, let limit) where units == wish.least:
                try keep(meter, wish.key, by: wish.plan, at: now)
                return .later(.microseconds(free - moment.steady), limit: limit)
            case .later: continue
            }
        }
        return .later(.seconds(1), limit: 0)
    }

    /// Counts what nodes have spent, and takes back what they have not.
    public func account(_ accounts: [SliceAccount], at now: Timestamp) throws {
        for account in accounts.sorted(by: { $0.key < $1.key }) {
            guard let bytes = try levelState(account.key), var meter = Meter(bytes, by: account.plan) else { continue }
            try countAbandoned(account.key, in: &meter, by: account.plan, at: now)
            let left =
                try row(
                    """
                    SELECT units FROM quota_slices
                     WHERE key = \(account.key) AND node = \(account.node) \(dialect.forUpdate)
                    """
                ) { try $0.integer() } ?? 0
            // What had ended was counted when it did.
            let spent = min(account.spent, Int(left))
            if spent > 0 { meter.settle(spent, by: account.plan, at: Moment(now - account.age)) }
            let rest = Int(left) - spent - account.unused
            if rest > 0 {
                try run(
                    "UPDATE quota_slices SET units = \(rest) WHERE key = \(account.key) AND node = \(account.node)")
            } else {
                try run("DELETE FROM quota_slices WHERE key = \(account.key) AND node = \(account.node)")
            }
            try keep(meter, account.key, by: account.plan, at: now)
        }
    }

    /// What an answer says of a quota, or that a refusal for it came: it holds for all nodes.
    public func learn(
        _ reading: Quota.Reading?, blockedFor wait: Duration?, key: String, by plan: MeterPlan, at now: Timestamp
    ) throws {
        guard let bytes = try levelState(key), var meter = Meter(bytes, by: plan) else { return }
        meter.assume(inFlight: try heldUnits(of: key), by: plan)
        if let reading { meter.learn(reading, by: plan, at: Moment(now)) }
        if let wait { meter.block(until: now.microseconds + wait.microseconds, by: plan) }
        try keep(meter, key, by: plan, at: now)
    }

    /// The most recent of them, by the clock that their slices end by.
    public func keptLevels(_ limit: Int, at now: Timestamp) throws -> [KeptLevel] {
        let levels = try rows(
            """
            SELECT key, quota, subject, state FROM quota_levels ORDER BY updated_at DESC, key LIMIT \(limit)
            """
        ) { row in
            (key: try row.text(), quota: try row.text(), subject: try row.text(), state: try row.blob())
        }
        guard !levels.isEmpty else { return [] }
        let slices = try rows(
            """
            SELECT key, units, expires_at FROM quota_slices
             WHERE key IN (\(SQL.list(levels.map(\.key)))) ORDER BY key, expires_at
            """
        ) { row in (key: try row.text(), units: Int(try row.integer()), endsAt: try row.time()) }
        let byKey = Dictionary(grouping: slices, by: \.key)
        return levels.map { level in
            let (ended, open) = (byKey[level.key] ?? []).reduce(into: ([Ended](), 0)) { sum, slice in
                if slice.endsAt <= now { sum.0.append((slice.units, slice.endsAt)) } else { sum.1 += slice.units }
            }
            return KeptLevel(
                key: level.key, quota: level.quota, subject: level.subject, state: level.state, held: open,
                abandoned: ended)
        }
    }
    private typealias Ended = (units: Int, endedAt: Timestamp)

    /// The clock that all nodes share: the server's, where there is one.
    public func sharedClock(or now: Timestamp) throws -> Timestamp {
        switch dialect.engine {
        case .sqlite: now
        case .postgres:
            try row("SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)") { try $0.time() } ?? now
        }
    }

    // MARK: Parts

    private func levelState(_ key: String) throws -> [UInt8]? {
        try row("SELECT state FROM quota_levels WHERE key = \(key) \(dialect.forUpdate)") { try $0.blob() }
    }

    private func holdMeter(
        _ key: String, _ quota: String, _ subject: String, _ plan: MeterPlan, at moment: Moment
    ) throws -> Meter {
        let fresh = Meter(plan)
        try run(
            """
            INSERT INTO quota_levels (key, quota, subject, state, updated_at)
            VALUES (\(key), \(quota), \(subject), \(fresh.bytes(by: plan)), \(moment.wall))
            ON CONFLICT (key) DO NOTHING
            """)
        guard let bytes = try levelState(key) else { return fresh }
        if let meter = Meter(bytes, by: plan) { return meter }
        // Its limits were declared anew: what was used of the old ones is not known of the new.
        var full = fresh
        full.fill(by: plan, at: moment)
        return full
    }

    /// Slices that have ended without an account: their units count as used when they did.
    private func countAbandoned(_ key: String, in meter: inout Meter, by plan: MeterPlan, at now: Timestamp) throws {
        let ended = try rows(
            """
            SELECT node, units, expires_at FROM quota_slices
             WHERE key = \(key) AND expires_at <= \(now) ORDER BY expires_at \(dialect.forUpdate)
            """
        ) { row in (node: try row.text(), units: try row.integer(), at: try row.time()) }
        for slice in ended {
            meter.settle(Int(slice.units), by: plan, at: Moment(slice.at))
            try run("DELETE FROM quota_slices WHERE key = \(key) AND node = \(slice.node)")
        }
    }

    private func heldUnits(of key: String) throws -> Int {
        Int(
            try row("SELECT CAST(coalesce(sum(units), 0) AS BIGINT) FROM quota_slices WHERE key = \(key)") {
                try $0.integer()
            } ?? 0)
    }

    private func hold(_ units: Int, _ wish: SliceWish, until: Timestamp) throws {
        try run(
            """
            INSERT INTO quota_slices (key, node, units, expires_at)
            VALUES (\(wish.key), \(wish.node), \(units), \(until))
            ON CONFLICT (key, node) DO UPDATE
               SET units = quota_slices.units + excluded.units, expires_at = excluded.expires_at
            """)
    }

    private func keep(_ meter: Meter, _ key: String, by plan: MeterPlan, at now: Timestamp) throws {
        try run(
            "UPDATE quota_levels SET state = \(meter.bytes(by: plan)), updated_at = \(now) WHERE key = \(key)")
    }
}
