public import Kit
public import Store

/// Once a minute: what is due and has no job, what ends soon or has ended, links and connections that nobody used.
public struct ConnectionSweep: JobWorker {
    public static let kind = "connection.sweep"
    /// Whoever owns an account that ends by itself is told so long before.
    public static let toldAhead = Duration.days(7)
    /// Sessions are looked up for so long after they ended.
    private static let sessionLife = Duration.days(1)
    private static let rowsAtOnce = 100

    public var kind: String { Self.kind }
    private let platforms: [String: any Connectable]
    private let connections: Connections
    private let database: any Database
    private let ids: Identifiers
    private let time: TimeSource

    public init(
        platforms: [String: any Connectable], connections: Connections, database: any Database, ids: Identifiers,
        time: TimeSource
    ) {
        self.platforms = platforms
        self.connections = connections
        self.database = database
        self.ids = ids
        self.time = time
    }

    private static func endsSoon(_ end: Timestamp?, at now: Timestamp) -> Bool {
        end.map { $0 < now + toldAhead } ?? false
    }

    /// Whether somebody was told of an end that new tokens with this end leave as it is.
    static func isToldOfEnd(_ row: ConnectionRow, _ newEnd: Timestamp?, at now: Timestamp) -> Bool {
        row.attention == ConnectionReason.ending.rawValue && endsSoon(newEnd, at: now)
    }

    public static func schedule(firstAt: Timestamp) -> NewSchedule {
        NewSchedule(
            name: kind, kind: kind, lane: Lane("connections", .event), every: .minutes(1), firstAt: firstAt)
    }

    public func run(_ job: ClaimedJob) async throws -> JobResult {
        try await enqueueDue()
        try await tellEnding()
        try await endEnded()
        try await dropUnconfirmed()
        let old = time.now() - Self.sessionLife
        _ = try await database.write("sweep_connect_sessions", in: .maintenance) {
            try $0.sweepConnectSessions(before: old, Self.rowsAtOnce)
        }
        return .done
    }

    /// Jobs that were lost: every refresh has one of its own besides.
    private func enqueueDue() async throws {
        let now = time.now()
        let (due, revoking) = try await database.read("due_tokens") { session in
            (
                // A job of its own has had a minute to come first.
                try session.dueForRefresh(Self.rowsAtOnce, at: now - .minutes(1)),
                try session.revoking(Self.rowsAtOnce)
            )
        }
        let jobs =
            due.map { RefreshWorker.job(ids.make(), $0.id, version: $0.version, try: -1, at: now, now: now) }
            + revoking.map { RevokeWorker.job(ids.make(), $0, at: now) }
        guard !jobs.isEmpty else { return }
        try await database.write("due_tokens", in: .work) { try $0.enqueue(jobs) }
    }

    private func tellEnding() async throws {
        let now = time.now()
        let ending = try await database.read("ending") {
            try $0.endingConnections(before: now + Self.toldAhead, limit: Self.rowsAtOnce)
        }
        for id in ending {
            let news = ConnectionNews(ids)
            try await database.write("ending", in: .work) { [platforms] session in
                guard let row = try session.holdConnection(id), row.attention == nil, row.health.isAlive,
                    Self.endsSoon(row.endsAt, at: now)
                else { return }
                let reason = ConnectionReason.ending
                try session.setConnection(
                    id, row.health, reason: row.reason, attention: reason.rawValue, at: now)
                guard let fresh = try session.connection(id) else { return }
                try news.needsAttention(
                    fresh, reason, platform: platforms[row.provider]?.about.name ?? row.provider, in: session, at: now)
            }
        }
    }

    private func endEnded() async throws {
        let now = time.now()
        let ended = try await database.read("ended") {
            try $0.endedConnections(at: now, limit: Self.rowsAtOnce)
        }
        for id in ended {
            let news = ConnectionNews(ids)
            try await database.write("ended", in: .work) { [platforms] session in
                guard let row = try session.holdConnection(id), row.health.isAlive, let end = row.endsAt, end <= now
                else { return }
                try session.setConnection(
                    id, .needsReconnect, reason: ConnectionReason.ended.rawValue,
                    attention: ConnectionReason.ended.rawValue, at: now)
                guard let fresh = try session.connection(id) else { return }
                try news.needsReconnect(
                    fresh, .ended, platform: platforms[row.provider]?.about.name ?? row.provider, in: session, at: now)
            }
        }
    }

    private func dropUnconfirmed() async throws {
        let border = time.now() - ConnectSessions.confirmLife
        let unconfirmed = try await database.read("unconfirmed") {
            try $0.unconfirmedConnections(since: border, limit: Self.rowsAtOnce)
        }
        for id in unconfirmed {
            _ = try await connections.disconnect(id, reason: "not_confirmed", by: "system") {
                $0.health == .pending && $0.stateAt < border
            }
        }
    }
}
