public import Kit

/// A node as others see it.
public struct NodeRow: Sendable {
    public let id: ID<NodeKind>
    public let host: String
    public let process: Int64
    public let program: String
    public let startedAt: Timestamp
    public let beat: Int64
    public let beatAt: Timestamp
    public let stoppedAt: Timestamp?
    public let revokedAt: Timestamp?
}

extension Session {
    /// Opens a session for a node: what it claims is its own until it stops or is revoked.
    public func openNode(_ id: ID<NodeKind>, host: String, process: Int32, program: String, at now: Timestamp) throws {
        try run(
            """
            INSERT INTO nodes (id, host, process, program, started_at, beat, beat_at)
            VALUES (\(id), \(host), \(Int(process)), \(program), \(now), 1, \(now))
            """)
    }

    /// Counts one beat. False when the session was revoked: the node must drop everything it holds.
    public func beat(_ id: ID<NodeKind>, at now: Timestamp) throws -> Bool {
        try run("UPDATE nodes SET beat = beat + 1, beat_at = \(now) WHERE id = \(id) AND revoked_at IS NULL") == 1
    }

    /// Ends a session in good order; its jobs were put back before.
    public func closeNode(_ id: ID<NodeKind>, at now: Timestamp) throws {
        try run("UPDATE nodes SET stopped_at = \(now) WHERE id = \(id)")
        try run("UPDATE leases SET node = NULL, fence = fence + 1 WHERE node = \(id)")
    }

    /// Ends a session from outside. Idempotent; false when it had ended before.
    public func revoke(_ id: ID<NodeKind>, at now: Timestamp) throws -> Bool {
        let revoked =
            try run(
                "UPDATE nodes SET revoked_at = \(now) WHERE id = \(id) AND revoked_at IS NULL AND stopped_at IS NULL")
            == 1
        try run("UPDATE leases SET node = NULL, fence = fence + 1 WHERE node = \(id)")
        return revoked
    }

    /// Every node that neither stopped nor was revoked, and those that ended in the last day.
    public func nodes(endedAfter: Timestamp) throws -> [NodeRow] {
        try rows(
            """
            SELECT id, host, process, program, started_at, beat, beat_at, stopped_at, revoked_at
              FROM nodes
             WHERE coalesce(stopped_at, revoked_at, \(Timestamp(microseconds: .max))) > \(endedAfter)
             ORDER BY id
             LIMIT 1000
            """
        ) { row in
            NodeRow(
                id: try row.id(), host: try row.text(), process: try row.integer(), program: try row.text(),
                startedAt: try row.time(), beat: try row.integer(), beatAt: try row.time(),
                stoppedAt: try row.optionalTime(), revokedAt: try row.optionalTime())
        }
    }

    /// Gives back what ended sessions still hold, at most `limit` jobs. A run that its process did not survive counts
    /// as a death; the third makes the job dead, so that a payload that kills its worker does not kill them all.
    ///
    /// - Returns: how many came back, and those that died.
    public func reclaim(_ limit: Int, deathsMax: Int, at now: Timestamp) throws -> (back: Int, dead: [ID<JobKind>]) {
        // Every node does this at once. Whoever waited for another's update looks once more (outside of the list, which
        // was read before the wait): the job is given back, or even running again, and no longer the ended session's.
        let lost = try rows(
            """
            UPDATE jobs
               SET state = 'available', node = NULL, deaths = deaths + 1
             WHERE id IN (SELECT j.id FROM jobs j JOIN nodes n ON n.id = j.node
                           WHERE j.state = 'running' AND (n.revoked_at IS NOT NULL OR n.stopped_at IS NOT NULL)
                           ORDER BY j.id
                           LIMIT \(limit))
               AND state = 'running'
               AND node IN (SELECT id FROM nodes WHERE revoked_at IS NOT NULL OR stopped_at IS NOT NULL)
            RETURNING id, lane, class, deaths
            """
        ) { row in
            (
                id: ID<JobKind>(stored: try row.text()), lane: try row.text(), name: try row.text(),
                deaths: try row.integer()
            )
        }
        try arrived(in: lost.map { Lane(stored: $0.lane, Priority(name: $0.name) ?? .event) })
        let dead = lost.filter { $0.deaths >= Int64(deathsMax) }.map(\.id)
        for id in dead {
            try end(id, as: "dead", reason: "The process ended \(deathsMax) times while it ran this job.", at: now)
        }
        return (lost.count - dead.count, dead)
    }

    /// Ends a job that does not run, from outside. False when it runs or is gone.
    @discardableResult
    public func end(_ id: ID<JobKind>, as state: String, reason: String, at now: Timestamp) throws -> Bool {
        let moved = try run(
            """
            INSERT INTO jobs_done (id, kind, version, lane, class, state, input, subject, unique_key, attempts, deaths,
                                   created_at, started_at, finished_at, reason)
            SELECT id, kind, version, lane, class, \(state), input, subject, unique_key, attempts, deaths, created_at,
                   started_at, CAST(\(now) AS BIGINT), \(reason)
              FROM jobs WHERE id = \(id) AND state <> 'running'
            """)
        guard moved == 1 else { return false }
        return try run("DELETE FROM jobs WHERE id = \(id) AND state <> 'running'") == 1
    }

    // MARK: Leases

    /// Takes a lease that nobody holds, or keeps our own. Its fence, or nil when another node holds it.
    public func takeLease(_ name: String, for node: ID<NodeKind>, at now: Timestamp) throws -> Int64? {
        try run(
            "INSERT INTO leases (name, node, fence, taken_at) VALUES (\(name), NULL, 0, \(now)) ON CONFLICT DO NOTHING")
        try run(
            """
            UPDATE leases SET node = \(node), fence = fence + 1, taken_at = \(now)
             WHERE name = \(name) AND node IS NULL
            """
        )
        return try row("SELECT fence FROM leases WHERE name = \(name) AND node = \(node)") { try $0.integer() }
    }

    /// Whether a node still holds a lease, its row held to the end of the transaction.
    public func holdsLease(_ name: String, node: ID<NodeKind>, fence: Int64) throws -> Bool {
        try row(
            """
            SELECT 1 FROM leases WHERE name = \(name) AND node = \(node) AND fence = \(fence) \(dialect.forUpdate)
            """
        ) { _ in true } ?? false
    }

    public func dropLease(_ name: String, node: ID<NodeKind>) throws {
        try run("UPDATE leases SET node = NULL, fence = fence + 1 WHERE name = \(name) AND node = \(node)")
    }
}
