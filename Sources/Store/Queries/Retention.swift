public import Kit

/// What is kept, and how long.
public struct RetentionLimits: Sendable, Equatable {
    public var bodies: Duration = .days(30)
    public var deliveries: Duration = .days(90)
    public var events: Duration = .days(400)
    public var changes: Duration = .days(30)
    public var attempts: Duration = .days(30)
    public var calls: Duration = .days(14)
    public var jobs: Duration = .days(7)
    public var deadJobs: Duration = .days(90)
    public var idempotency: Duration = .days(7)
    public var syncs: Duration = .days(30)
    public var metrics: Duration = .days(400)
    public var publications: Duration = .days(400)
    public init() {}
}

/// A kind of rows that grows old.
public enum Retained: Sendable, CaseIterable {
    case bodies, deliveries, events, changes, attempts, calls, jobs, deadJobs, idempotency, writes, nodes, fetched
    case quotas, syncs, endingUses, publications
}

extension Session {
    /// Deletes the oldest rows beyond their time, at most `limit`. Answers how many; call again while it is `limit`.
    public func expire(_ what: Retained, limits: RetentionLimits, at now: Timestamp, limit: Int) throws -> Int {
        switch what {
        case .bodies: return try expireBodies(before: ID<DeliveryKind>.floor(now - limits.bodies), limit)
        case .deliveries:
            return try deleteOldest("deliveries", before: ID<DeliveryKind>.floor(now - limits.deliveries).text, limit)
        case .syncs: return try expireSyncs(before: now - limits.syncs, limit: limit)
        case .publications: return try expirePublications(before: now - limits.publications, limit)
        case .events: return try expireEvents(before: ID<EventKind>.floor(now - limits.events), limit)
        case .endingUses: return try expireEndingUses(before: now.day - EndingUse.days, limit)
        case .attempts:
            return try deleteOldest("attempts", before: ID<AttemptKind>.floor(now - limits.attempts).text, limit)
        case .calls: return try deleteOldest("calls", before: ID<CallKind>.floor(now - limits.calls).text, limit)
        case .quotas:
            // Longer than any window: what they counted is free.
            return try run(
                """
                DELETE FROM quota_levels
                 WHERE key IN (SELECT l.key FROM quota_levels l
                                WHERE l.updated_at < \(now - .days(40))
                                  AND NOT EXISTS (SELECT 1 FROM quota_slices s WHERE s.key = l.key)
                                LIMIT \(limit))
                """)
        case .changes: return try expireChanges(before: ID<ChangeKind>.floor(now - limits.changes), limit)
        case .jobs: return try expireJobs(before: now - limits.jobs, dead: false, limit)
        case .deadJobs: return try expireJobs(before: now - limits.deadJobs, dead: true, limit)
        case .idempotency:
            return try run(
                """
                DELETE FROM idempotency
                 WHERE (owner, operation, key) IN (SELECT owner, operation, key FROM idempotency
                                                    WHERE at < \(now - limits.idempotency) ORDER BY at LIMIT \(limit))
                """)
        case .writes:
            return try run(
                "DELETE FROM writes WHERE id IN (SELECT id FROM writes WHERE at < \(now - .hours(1)) LIMIT \(limit))")
        case .nodes:
            return try run(
                """
                DELETE FROM nodes
                 WHERE id IN (SELECT n.id FROM nodes n
                               WHERE coalesce(n.stopped_at, n.revoked_at) < \(now - .days(7))
                                 AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.node = n.id AND j.state = 'running')
                               LIMIT \(limit))
                """)
        case .fetched:
            return try run(
                """
                DELETE FROM fetched
                 WHERE (event_id, purpose) IN (SELECT event_id, purpose FROM fetched
                                                WHERE event_id < \(ID<EventKind>.floor(now - limits.events))
                                                LIMIT \(limit))
                """)
        }
    }

    /// Forgets identities of days so long ago that their repetitions are over, at most `limit`.
    ///
    /// - Parameter life: of the app's scheme. Identities without a day go by when their event came.
    public func expireIdentities(of app: ID<AppKind>, life: Duration, at now: Timestamp, limit: Int) throws -> Int {
        let dated = try run(
            """
            DELETE FROM event_identities
             WHERE (scope, day, hash) IN (SELECT scope, day, hash FROM event_identities
                                           WHERE scope = \(app) AND day > 0 AND day < \((now - life).day)
                                           ORDER BY day, hash LIMIT \(limit))
            """)
        let proofs = try run(
            """
            DELETE FROM used_proofs
             WHERE (scope, day, hash) IN (SELECT scope, day, hash FROM used_proofs
                                           WHERE scope = \(app) AND day < \((now - life).day)
                                           ORDER BY day, hash LIMIT \(limit))
            """)
        guard dated < limit else { return dated }
        guard proofs < limit else { return proofs }
        return dated
            + (try run(
                """
                DELETE FROM event_identities
                 WHERE (scope, day, hash) IN (SELECT scope, day, hash FROM event_identities
                                               WHERE scope = \(app) AND day <= 0
                                                 AND event_id < \(ID<EventKind>.floor(now - max(life, .days(400))))
                                               LIMIT \(limit - dated))
                """))
    }

    private func deleteOldest(_ table: String, before id: String, _ limit: Int) throws -> Int {
        let name = SQL(stringLiteral: table)
        return try run(
            "DELETE FROM \(name) WHERE id IN (SELECT id FROM \(name) WHERE id < \(id) ORDER BY id LIMIT \(limit))")
    }

    private func expireEvents(before id: ID<EventKind>, _ limit: Int) throws -> Int {
        let old = try rows("SELECT id FROM events WHERE id < \(id) ORDER BY id LIMIT \(limit)") { try $0.text() }
        guard !old.isEmpty else { return 0 }
        try dropEventTerms(of: old)
        return try run("DELETE FROM events WHERE id IN (\(SQL.list(old)))")
    }

    /// What still waits for a person keeps its bytes: without them it could never be applied, or read.
    private func expireBodies(before id: ID<DeliveryKind>, _ limit: Int) throws -> Int {
        try run(
            """
            DELETE FROM bodies
             WHERE id IN (SELECT b.id FROM bodies b
                           WHERE b.id < \(id)
                             AND NOT EXISTS (SELECT 1 FROM events e
                                              WHERE e.state IN ('waiting_review', 'failed') AND e.body_id = b.id)
                             AND NOT EXISTS (SELECT 1 FROM reviews r
                                              WHERE r.kind = 'unreadable_delivery' AND r.subject = b.id
                                                AND r.state <> 'decided')
                           ORDER BY b.id LIMIT \(limit))
            """)
    }

    private func expireChanges(before id: ID<ChangeKind>, _ limit: Int) throws -> Int {
        let old = try rows("SELECT seq FROM changes WHERE id < \(id) ORDER BY id LIMIT \(limit)") { try $0.integer() }
        guard !old.isEmpty else { return 0 }
        let positions = try rows("SELECT position FROM feed WHERE seq IN (\(SQL.list(old)))") { try $0.integer() }
        if !positions.isEmpty { try run("DELETE FROM feed WHERE position IN (\(SQL.list(positions)))") }
        return try run("DELETE FROM changes WHERE seq IN (\(SQL.list(old)))")
    }

    private func expireJobs(before moment: Timestamp, dead: Bool, _ limit: Int) throws -> Int {
        let old = try rows(
            """
            SELECT id FROM jobs_done
             WHERE id < \(ID<JobKind>.floor(moment)) AND finished_at < \(moment)
               AND (state = 'dead') = (\(dead ? 1 : 0) = 1)
             ORDER BY id LIMIT \(limit)
            """
        ) { try $0.text() }
        guard !old.isEmpty else { return 0 }
        try run("DELETE FROM job_failures WHERE job_id IN (\(SQL.list(old)))")
        return try run("DELETE FROM jobs_done WHERE id IN (\(SQL.list(old)))")
    }
}
