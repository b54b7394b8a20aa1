public import Kit
public import Logging
public import Store
import Synchronization

/// This process's session in the database: what it claims is its own while the session lives.
///
/// It beats every five seconds. Others hold it dead when they have not seen a beat for twenty seconds of their own
/// uptime, never by comparing clocks (MECHANICS 1.22). A session that finds itself revoked drops all it holds.
public final class NodeSession: Sendable {
    static let beatEvery: Duration = .seconds(5)
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
        state = Mutex(State(id: ids.make()))
    }

    public var id: ID<NodeKind> { state.withLock { $0.id } }
    /// Whether what this node holds is still its own, as far as it knows.
    public var isLive: Bool { state.withLock { !$0.isRevoked } }

    /// Opens the session. On SQLite the file's lock proves that no other process serves it: sessions of earlier
    /// processes end at once.
    public func open() async throws {
        let (id, identity, now) = (id, identity, time.now())
        let isAlone = database.dialect.engine == .sqlite
        try await database.write("open_node") { session in
            if isAlone {
                for node in try session.nodes(endedAfter: now) where node.stoppedAt == nil && node.revokedAt == nil {
                    _ = try session.revoke(node.id, at: now)
                }
            }
            try session.openNode(id, host: identity.host, process: identity.process, program: identity.program, at: now)
        }
        try await reclaim()
    }

    /// Beats and watches the others until cancelled.
    public func run() async {
        while !Task.isCancelled {
            do {
                try await beat()
                try await watch()
            } catch {
                logger.warning("node.beat_failed", metadata: ["problem": "\(error)"])
            }
            try? await time.sleep(Self.beatEvery)  // Cancelled: the loop ends.
        }
    }

    public func close() async {
        let (id, now) = (id, time.now())
        do {
            try await database.write("close_node") { try $0.closeNode(id, at: now) }
        } catch {
            logger.warning("node.close_failed", metadata: ["problem": "\(error)"])
        }
    }

    private func beat() async throws {
        let (id, identity, now) = (id, identity, time.now())
        guard try await !database.set("beat", in: .ingest, { try $0.beat(id, at: now) }) else { return }
        // Revoked: everything held belongs to others now. Go on as a new session.
        logger.error("node.revoked", metadata: ["node": "\(id)"])
        let fresh: ID<NodeKind> = ids.make()
        state.withLock { $0.isRevoked = true }
        try await database.write("open_node") { session in
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
        let silent = state.withLock { state -> [ID<NodeKind>] in
            let live = nodes.filter { $0.stoppedAt == nil && $0.revokedAt == nil && $0.id != own }
            state.seen = state.seen.filter { seen in live.contains { $0.id.text == seen.key } }
            return live.compactMap { node in
                guard let seen = state.seen[node.id.text], seen.beat == node.beat else {
                    state.seen[node.id.text] = (node.beat, uptime)
                    return nil
                }
                return uptime - seen.at > Self.silentMax ? node.id : nil
            }
        }
        for node in silent {
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
                            id: alert.0, kind: "job_dead", subject: job.text,
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
