public import Kit

/// What someone should know of: its name as tables and the API have it.
public enum AlertName: String, Sendable, CaseIterable {
    case connectionNeedsAttention = "connection_needs_attention"
    case connectionNeedsReconnect = "connection_needs_reconnect"
    case endpointDisabled = "endpoint_disabled"
    case endpointFailing = "endpoint_failing"
    /// A platform lists events that never arrived.
    case eventsMissed = "events_missed"
    /// A platform refuses to list its events.
    case eventsNotListed = "events_not_listed"
    case jobDead = "job_dead"
    /// A platform ends something that is used here.
    case providerEnding = "provider_ending"
    case quotaHigh = "quota_high"
    case storeDamaged = "store_damaged"
    case subscriptionUnclear = "subscription_unclear"
    case syncFailed = "sync_failed"
    /// SQLite's log is not emptied: it grows, and with it the time that a restart takes.
    case walLarge = "wal_large"
    /// What was ordered at a platform by its API is off, or cannot be looked after.
    case webhookSubscription = "webhook_subscription"
    case webhooksSilent = "webhooks_silent"
}

/// A condition that someone should know of.
public struct NewAlert: Sendable {
    public let id: ID<AlertKind>
    public let kind: AlertName
    public let subject: String
    public let summary: String
    /// What to do, in a sentence.
    public let action: String
    public let at: Timestamp
    /// Told to followers when the alert is new.
    public let changeID: ID<ChangeKind>

    public init(
        id: ID<AlertKind>, kind: AlertName, subject: String, summary: String, action: String, at: Timestamp,
        changeID: ID<ChangeKind>
    ) {
        self.id = id
        self.kind = kind
        self.subject = subject
        self.summary = summary
        self.action = action
        self.at = at
        self.changeID = changeID
    }
}

extension Session {
    /// Raises an alert, or counts one more on the one that stands. Answers whether it is new.
    @discardableResult
    public func raise(_ alert: NewAlert) throws -> Bool {
        let kept = try row(
            """
            INSERT INTO alerts (id, kind, state, subject, summary, action, count, opened_at, last_at)
            VALUES (\(alert.id), \(alert.kind.rawValue), 'open', \(alert.subject), \(alert.summary), \(alert.action), 1,
                    \(alert.at), \(alert.at))
            ON CONFLICT (kind, subject) WHERE state <> 'resolved'
            DO UPDATE SET count = alerts.count + 1, last_at = excluded.last_at, summary = excluded.summary,
                          action = excluded.action
            RETURNING id
            """
        ) { try $0.text() }
        guard kept == alert.id.text else { return false }
        try append([
            NewChange(
                id: alert.changeID, type: "alert.raised", subject: alert.id.text, occurredAt: alert.at,
                data: JSON.object([
                    .init("id", .string(alert.id.text)), .init("kind", .string(alert.kind.rawValue)),
                    .init("subject", .string(alert.subject)), .init("summary", .string(alert.summary)),
                ]).bytes)
        ])
        return true
    }

    /// What alerts of a kind stand about, at most `limit`.
    public func standingAlerts(of kind: AlertName, limit: Int) throws -> Set<String> {
        Set(
            try rows(
                """
                SELECT subject FROM alerts
                 WHERE kind = \(kind.rawValue) AND state <> 'resolved'
                 ORDER BY subject
                 LIMIT \(limit)
                """
            ) { try $0.text() })
    }

    /// Ends the alert about a subject, if one stands.
    public func resolve(_ kind: AlertName, _ subject: String, changeID: ID<ChangeKind>, at now: Timestamp) throws {
        let resolved = try row(
            """
            UPDATE alerts SET state = 'resolved', resolved_at = \(now)
             WHERE kind = \(kind.rawValue) AND subject = \(subject) AND state <> 'resolved'
            RETURNING id
            """
        ) { try $0.text() }
        guard let resolved else { return }
        try append([
            NewChange(
                id: changeID, type: "alert.resolved", subject: resolved, occurredAt: now,
                data: JSON.object([
                    .init("id", .string(resolved)), .init("kind", .string(kind.rawValue)),
                    .init("subject", .string(subject)),
                ]).bytes)
        ])
    }

    /// Keeps an alert quiet until a time. False when it is resolved or unknown.
    public func silence(_ id: ID<AlertKind>, until: Timestamp) throws -> Bool {
        try run(
            """
            UPDATE alerts SET state = 'silenced', silenced_until = \(until) WHERE id = \(id) AND state <> 'resolved'
            """) == 1
    }

    /// Opens again what was silenced until now, at most `limit`.
    public func wakeSilenced(_ limit: Int, at now: Timestamp) throws -> Int {
        try run(
            """
            UPDATE alerts SET state = 'open', silenced_until = NULL
             WHERE id IN (SELECT id FROM alerts
                           WHERE state = 'silenced' AND silenced_until <= \(now) ORDER BY id LIMIT \(limit))
            """)
    }
}
