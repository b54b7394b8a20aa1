public import Kit
public import Logging
public import Store
import Synchronization

/// This process's session in the database: what it claims is its own while the session lives.
///
/// On PostgreSQL it also holds a lock on a connection of its own, which is free the moment the process dies: whoever
/// finds it free revokes the session at once. For processes that hang it beats every five seconds: others hold it dead
/// when they have not seen a beat for twenty seconds of their own uptime, never by comparing clocks. A session that
/// finds itself revoked, or its lock lost, drops all it holds.
public final class NodeSession: Sendable {
    static let watchEvery: Duration = .seconds(1)
    /// Of these rounds, one beats.
    static let beatRounds = 5
    static let silentMax: Duration = .seconds(20)
    /// A job whose process died so often is dead: it would kill every node in turn.
    static let deathsMax = 3

    private struct State {
        var id: ID<NodeKind>
        var isRevoked = false
        var seen: [String: (beat: Int64, at: Duration)] = [:]
    }

    private let database: any Database
    private let ids: Identifiers
    private let time: TimeSource
    private let logger: Logger
    private let bell: Bell
    private let identity: (host: String, process: Int32, program: String)
    private let state: Mutex<State>
    private let lock: NodeLock?

    public init(
        database: any Database, ids: Identifiers, time: TimeSource, bell: Bell, host: String, process: Int32,
        program: String, logger: Logger
    ) {
        self.database = database
        self.ids = ids
        self.time = time
        self.bell = bell
        self.logger = logger
        identity = (host, process, program)
        lock = (database as? PostgresDatabase)?.nodeLock()
        state = Mutex(State(id: ids.make()))
    }

    public var id: ID<NodeKind> { state.withLock { $0.id } }
    /// Whether what this node holds is still its own, as far as it knows.
    public var isLive: Bool { state.withLock { !$0.isRevoked } }

    /// Opens the session. On SQLite the file's lock proves that no other process serves it: sessions of earlier
    /// processes end at once.
    public func open() async throws {
        let (id, identity, now) = (id, identity, time.now())
        try await prove(id)
        let isAlone = database.dialect.engine == .sqlite
        try await database.write("open_node") { session in
            if isAlone {
                for node in try session.nodes(endedAfter: now) where node.stoppedAt == nil && node.revokedAt == nil {
                    _ = try session.revoke(node.id, at: now)
                }
            }
            try session.openNode(id, host: identity.host, process: identity.process, program: identity.program, at: now)
        }
        try await watch()
    }

    /// Waits until the lock of a session is held.
    private func prove(_ id: ID<NodeKind>) async throws {
        lock?.hold(id)
        for _ in 0..<500 where lock?.isHeld == false { try await time.sleep(.milliseconds(20)) }
        if lock?.isHeld == false { throw StoreError.unavailable("the node's lock cannot be taken") }
    }

    /// Beats and watches the others until cancelled.
    public func run() async {
        var rounds = 0
        while !Task.isCancelled {
            do {
                if rounds % Self.beatRounds == 0 { try await beat() }
                try await watch()
            } catch {
                logger.warning("node.beat_failed", metadata: ["problem": "\(error)"])
            }
            rounds += 1
            try? await time.sleep(Self.watchEvery)  // Cancelled: the loop ends.
        }
    }

    public func close() async {
        defer { bell.ring() }
        let (id, now) = (id, time.now())
        do {
            try await database.write("close_node") { try $0.closeNode(id, at: now) }
        } catch {
            logger.warning("node.close_failed", metadata: ["problem": "\(error)"])
        }
        await lock?.release()
    }

    private func beat() async throws {
        let (id, identity, now) = (id, identity, time.now())
        let isProven = lock?.isHeld ?? true
        guard try await !database.set("beat", in: .ingest, { try $0.beat(id, at: now) }) || !isProven else { return }
        // Revoked, or the proof of life was lost: everything held belongs to others now. Go on as a new session.
        logger.error("node.revoked", metadata: ["node": "\(id)"])
        let fresh: ID<NodeKind> = ids.make()
        state.withLock { $0.isRevoked = true }
        try await prove(fresh)
        try await database.write("open_node") { session in
            _ = try session.revoke(id, at: now)
            try session.openNode(
                fresh, host: identity.host, process: identity.process, program: identity.program, at: now)
        }
        state.withLock {
            $0.id = fresh
            $0.isRevoked = false
        }
    }

    /// Revokes sessions that fell silent, and takes their jobs back.
    private func watch() async throws {
        let (own, now, uptime) = (id, time.now(), time.uptime())
        let nodes = try await database.read("nodes") { try $0.nodes(endedAfter: now - .days(1)) }
        let live = nodes.filter { $0.stoppedAt == nil && $0.revokedAt == nil && $0.id != own }
        let gone = try await database.read("node_locks") { session in
            try live.map(\.id).filter { try session.isLockFree(of: $0) }
        }
        let silent = state.withLock { state -> [ID<NodeKind>] in
            state.seen = state.seen.filter { seen in live.contains { $0.id.text == seen.key } }
            return live.compactMap { node in
                guard let seen = state.seen[node.id.text], seen.beat == node.beat else {
                    state.seen[node.id.text] = (node.beat, uptime)
                    return nil
                }
                return uptime - seen.at > Self.silentMax ? node.id : nil
            }
        }
        for node in Set(gone).union(silent) {
            logger.error("node.lost", metadata: ["node": "\(node)"])
            try await database.write("revoke_node") { _ = try $0.revoke(node, at: now) }
        }
        try await reclaim()
    }

    /// Takes back what ended sessions held, in sets.
    func reclaim() async throws {
        while true {
            let (now, alerts) = (
                time.now(), (0..<20).map { _ in (ids.make(AlertKind.self), ids.make(ChangeKind.self)) }
            )
            let (back, dead) = try await database.set("reclaim", in: .work) { session in
                let result = try session.reclaim(500, deathsMax: Self.deathsMax, at: now)
                for (job, alert) in zip(result.dead, alerts) {
                    try session.raise(
                        NewAlert(
                            id: alert.0, kind: .jobDead, subject: job.text,
                            summary: "The process ended \(Self.deathsMax) times while it ran this job.",
                            action: "Look at the job's input and the log before its last run, then retry it.", at: now,
                            changeID: alert.1))
                }
                return result
            }
            if back > 0 { bell.ring() }
            guard back + dead.count >= 500 else { return }
        }
    }
}
