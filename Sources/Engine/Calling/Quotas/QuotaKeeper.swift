public import Kit
public import Store

/// Counts for all nodes, and over restarts: hands out units in slices, and takes account of them.
///
/// What it has handed out counts as under way. What a node does not account for counts as used when its slice ends.
public protocol QuotaKeeper: Sendable {
    func slice(_ wish: SliceWish) async throws -> Slice
    func account(_ accounts: [SliceAccount]) async throws
    func learn(_ reading: Quota.Reading?, blockedFor: Duration?, key: String, by plan: MeterPlan) async throws
    /// The keys that were used last, with their meters.
    func levels(_ limit: Int) async throws -> [KeptLevel]
}

/// The keeper in the database. Its clock is the server's where there is one, so that nodes need not agree on theirs.
public struct DatabaseKeeper: QuotaKeeper {
    private let database: any Database
    private let now: @Sendable () -> Timestamp
    private let usesServerClock: Bool

    /// - Parameter usesServerClock: false in tests that turn the clock themselves.
    public init(
        database: any Database, now: @escaping @Sendable () -> Timestamp, usesServerClock: Bool = true
    ) {
        self.database = database
        self.now = now
        self.usesServerClock = usesServerClock
    }

    public func slice(_ wish: SliceWish) async throws -> Slice {
        let (now, shared) = (now(), usesServerClock)
        return try await database.set("quota_slice", in: .ingest) { session in
            try session.slice(wish, at: shared ? session.sharedClock(or: now) : now)
        }
    }

    public func account(_ accounts: [SliceAccount]) async throws {
        let (now, shared) = (now(), usesServerClock)
        try await database.set("quota_account", in: .work) { session in
            try session.account(accounts, at: shared ? session.sharedClock(or: now) : now)
        }
    }

    public func learn(_ reading: Quota.Reading?, blockedFor wait: Duration?, key: String, by plan: MeterPlan)
        async throws
    {
        let (now, shared) = (now(), usesServerClock)
        try await database.set("quota_learn", in: .work) { session in
            try session.learn(
                reading, blockedFor: wait, key: key, by: plan, at: shared ? session.sharedClock(or: now) : now)
        }
    }

    public func levels(_ limit: Int) async throws -> [KeptLevel] {
        let (now, shared) = (now(), usesServerClock)
        return try await database.read("quota_levels") { session in
            try session.keptLevels(limit, at: shared ? session.sharedClock(or: now) : now)
        }
    }
}
